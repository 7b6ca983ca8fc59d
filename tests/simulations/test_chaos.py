"""Two hundred seeds of everything that can go wrong, in two processes; `scripts/test --long` runs two thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from talos_simulations.climate import MACHINE, NET
from talos_simulations.executor import LocalExecutor
from talos_simulations.sweep import Sweep, sweep
from talos_simulations.weather import Kind

JOBS: Final = 2
SEEDS: Final = 200
LONG: Final = 2_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def chaos(rounds: Callable[[int, int], int]) -> Sweep:
    return sweep("chaos", range(1, rounds(SEEDS, LONG) + 1), executor=LocalExecutor(JOBS))


def test_every_promise_is_kept_in_chaos(chaos: Sweep) -> None:
    assert [(outcome.seed, outcome.violations) for outcome in chaos.failed] == []
    assert len(chaos.outcomes) >= SEEDS


def test_chaos_has_all_kinds_of_faults_and_lets_messages_through(chaos: Sweep) -> None:
    kinds = Counter(fault.kind for outcome in chaos.outcomes for fault in outcome.weather)
    assert set(kinds) == {Kind.PARTITION, *NET, *MACHINE}
    assert min(kinds.values()) >= SEEDS // 20
    messages = chaos.messages()
    assert messages["done"] > 100 * SEEDS
    assert messages["refused"] > SEEDS, "limits that are never reached are never tried"
    assert all(outcome.handed for outcome in chaos.outcomes)
