"""Whole nodes among liars, in more seeds than one. The one of every day is in test_scenarios, with the planted bugs' in
test_mutants."""

from __future__ import annotations

import pytest

from talos_simulations.sweep import run_one
from talos_simulations.trace import Trace
from tests.conftest import Rounds

SCENARIO = "liars_among_us"
LIES = 57  # Of all kinds.


@pytest.mark.slow
def test_nobody_is_believed_who_lies_and_every_lie_is_told(rounds: Rounds) -> None:
    lies: set[str] = set()
    seeds = range(rounds(0, 200))
    for seed in seeds:
        trace = Trace(keep=True)
        outcome = run_one(SCENARIO, seed, trace=trace)
        assert outcome.violations == (), f"talos simulate {SCENARIO} --seeds {seed}"
        lies |= {event.text for event in trace.events if event.kind == "lied"}
    assert len(lies) == LIES or not seeds
