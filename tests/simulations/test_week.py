"""A week of traffic, in virtual time: what a node holds in memory and on disk does not grow, but for its audit log."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import ClassVar, Final

import pytest

from talos.core.tables import BODIES, ENTRIES, LOOKUP, STATE_TABLES, TREE
from talos.runtime import Node
from talos_simulations.application import Load
from talos_simulations.check import Check
from talos_simulations.checks import ALL
from talos_simulations.outcome import run_seed
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind
from talos_simulations.world import LOOKS
from tests.conftest import Report, Rounds

HOUR_S: Final = 3_600.0
LOOK_EVERY: Final = 8
BAD_TIMES: Final = 12
STAYS: Final = "n0"  # It runs all the time: whoever is started anew holds nothing.
OF_THE_LOG: Final = frozenset({ENTRIES, BODIES, TREE, LOOKUP})
# What is not the node's own: code, and what the world around it keeps.
FOREIGN: Final = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, FrameType)
FOREIGN_PACKAGES: Final = ("trio", "outcome", "talos_simulations", "random", "_random", "cryptography", "nacl")

WARM: Final = 0.1  # The share of the time at the beginning in which everybody meets.
# Bytes that the least of the second half may be above the least of the first (the least, because what is under way
# comes and goes): a link more or less, with its queues. Five bytes left by each message of a week would be more.
GROWTH_MOST: Final = 8 * 1024
ENTRIES_GROWTH_MOST: Final = 1.1  # Of the entries in one half of the time.


@dataclass(frozen=True, slots=True)
class Look:
    memory: int  # Bytes of all objects that only the node holds.
    rows: int  # Bytes of all rows but those of the audit log.
    entries: int


def own_bytes(node: Node) -> int:
    """Return the bytes of everything that can be reached from a node, and is neither code nor the world's."""
    seen, total, left = set[int](), 0, list[object]([node])
    while left:
        one = left.pop()
        if id(one) in seen or isinstance(one, FOREIGN) or type(one).__module__.startswith(FOREIGN_PACKAGES):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        left += gc.get_referents(one)
    return total


class Watch(Check):
    """Breaks no promise: it only looks, one time in so many that it may."""

    looked: ClassVar[list[Look]] = []  # By the newest run.
    _passed = 0

    def looks(self) -> Iterable[str]:
        machine = self.world.machines[STAYS]
        process = machine.process
        self._passed += 1
        if self._passed % LOOK_EVERY == 0 and process is not None and process.is_up and process.node is not None:
            others = (
                row for table in STATE_TABLES if table not in OF_THE_LOG for row in machine.state.rows.scan(table)
            )
            rows = sum(len(key) + len(value) for key, value in others)
            self.looked.append(Look(own_bytes(process.node), rows, process.node.audit.size))
        return ()


def days(hours: int, period_s: float) -> Story:
    """Three nodes with little to say. One stays up; the others die now and then, and all lose sight of each other."""

    def weather(sky: Sky) -> None:
        for number in range(BAD_TIMES):
            at, long_s = number * hours * HOUR_S / BAD_TIMES, hours * HOUR_S / BAD_TIMES
            for kind, who in ((Kind.KILL, "n1"), (Kind.POWER, "n2"), (Kind.PARTITION, STAYS), (Kind.SUSPEND, "n2")):
                sky(kind, who, at=at + sky.between(0, long_s), for_s=sky.between(1, long_s / 8))
            sky(Kind.STEP, sky.one(), at=at + long_s / 2, for_s=long_s / 4, amount=sky.between(-HOUR_S, HOUR_S))

    return Story(
        weather, nodes=3, storm_s=hours * HOUR_S, calm_s=HOUR_S, load=Load(period_s=period_s), demanded=(*ALL, Watch)
    )


@pytest.mark.slow
def test_a_node_that_stays_up_for_a_week_holds_no_more_in_its_second_half_than_in_its_first(
    rounds: Rounds, report: Report
) -> None:
    hours = rounds(1, 7 * 24)
    Watch.looked.clear()
    outcome = run_seed(days(hours, rounds(10, 300)), 1)
    assert outcome.held, outcome.violations
    assert outcome.done == outcome.sent
    looked = Watch.looked
    assert len(looked) > 0.9 * LOOKS / LOOK_EVERY, "it did not stay up"
    memory = growth(looked, lambda look: look.memory)
    rows = growth(looked, lambda look: look.rows)
    middle = len(looked) // 2
    first, second = looked[middle].entries - looked[0].entries, looked[-1].entries - looked[middle].entries
    report(
        f"{hours} hours, {outcome.done} messages: memory {looked[-1].memory:,} bytes ({memory:+,} at least), rows "
        f"{looked[-1].rows:,} bytes ({rows:+,}), entries {first} in the first half, {second} in the second"
    )
    assert memory <= GROWTH_MOST
    assert rows <= GROWTH_MOST
    assert second <= first * ENTRIES_GROWTH_MOST


def growth(looked: list[Look], of: Callable[[Look], int]) -> int:
    """Return how far the least of the second half is above the least of the first."""
    middle = len(looked) // 2
    return min(map(of, looked[middle:])) - min(map(of, looked[int(len(looked) * WARM) : middle]))
