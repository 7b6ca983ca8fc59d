"""A failing run's weather is cut down to the faults that matter, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.inbox import Inbox
from talos_simulations.check import Check
from talos_simulations.outcome import Outcome, run_seed
from talos_simulations.shrink import Shrunk, ddmin, shrink
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Fault, Kind, Weather

SEED: Final = 5

pytestmark = pytest.mark.slow


class AheadWhileIdle(Check):
    """Fails where n0's application takes nothing while n1's wall clock is ahead."""

    def looks(self) -> Iterator[str]:
        n0, n1 = self.world.machines["n0"], self.world.machines["n1"]
        if n0.is_idle and n1.clocks.offset_s > 0:
            yield "idle, and ahead"


class IdleAlone(Check):
    """Fails where n0's application takes nothing while no clock is ahead."""

    def looks(self) -> Iterator[str]:
        n0, n1 = self.world.machines["n0"], self.world.machines["n1"]
        if n0.is_idle and n1.clocks.offset_s == 0:
            yield "idle, and not ahead"


def fair(sky: Sky) -> None:
    """The weather of these stories is always given."""


STORY = Story(fair, nodes=3, storm_s=12, calm_s=10, demanded=(AheadWhileIdle,))

AHEAD = Fault(Kind.STEP, 2.345, 6.789, ("n1",), 1_234.5)
IDLE = Fault(Kind.IDLE, 3.456, 5.678, ("n0",))
DECOYS = tuple(
    fault
    for at in (0.5, 1.75, 3.0, 4.25, 5.5)
    for fault in (
        Fault(Kind.DELAY, at, 1.5, ("n0", "n1"), 0.25),
        Fault(Kind.SLOW, at + 0.125, 1.0, ("n2",), 0.01),
        Fault(Kind.RESET, at + 0.25, 0.0, ("n1", "n2")),
        Fault(Kind.IDLE, at + 0.375, 1.0, ("n2",)),
    )
)


def by_time(*faults: Fault) -> Weather:
    return tuple(sorted(faults, key=lambda fault: fault.at))


WEATHER = by_time(*DECOYS, AHEAD, IDLE)


def failing(story: Story = STORY, weather: Weather | None = WEATHER) -> Outcome:
    outcome = run_seed(story, SEED, weather=weather)
    assert not outcome.held
    return outcome


def kinds(shrunk: Shrunk) -> list[tuple[Kind, tuple[str, ...]]]:
    return sorted((fault.kind, fault.who) for fault in shrunk.weather)


@pytest.fixture(scope="module")
def shrunk() -> Shrunk:
    return shrink(STORY, failing())


def test_of_many_faults_the_two_that_matter_together_are_left(shrunk: Shrunk) -> None:
    assert len(WEATHER) == 22
    assert kinds(shrunk) == [(Kind.IDLE, ("n0",)), (Kind.STEP, ("n1",))]
    assert not shrunk.is_spent


def test_what_is_left_fails_again_and_without_any_of_it_nothing_fails(shrunk: Shrunk) -> None:
    assert run_seed(STORY, SEED, weather=shrunk.weather) == shrunk.outcome
    for fault in shrunk.weather:
        rest = tuple(one for one in shrunk.weather if one != fault)
        assert run_seed(STORY, SEED, weather=rest).held


def test_what_is_left_is_shorter_and_rounder(shrunk: Shrunk) -> None:
    before = {fault.kind: fault for fault in (AHEAD, IDLE)}
    for fault in shrunk.weather:
        assert fault.for_s < before[fault.kind].for_s / 2
        assert fault.at == round(fault.at, -1)
    assert {fault.amount for fault in shrunk.weather} == {0.0, 1_000.0}


def test_a_search_repeats_itself(shrunk: Shrunk) -> None:
    again = shrink(STORY, failing())
    assert again == shrunk


@pytest.mark.parametrize("budget", [0, 1, 2, 5, 12])
def test_a_budget_is_kept_and_what_was_found_within_it_still_fails(budget: int) -> None:
    told: list[tuple[int, int]] = []
    short = shrink(STORY, failing(), budget=budget, progress=lambda runs, faults: told.append((runs, faults)))
    assert (short.runs, short.is_spent) == (budget, True)
    assert short.violation.check == "AheadWhileIdle"
    assert run_seed(STORY, SEED, weather=short.weather) == short.outcome
    assert [runs for runs, _ in told] == list(range(1, budget + 1))
    assert not told or told[-1][1] == len(short.weather)
    if budget == 0:
        assert short.weather == WEATHER


def test_another_check_that_fails_does_not_count() -> None:
    # IDLE alone breaks a promise too, so whoever counts any failure ends with one fault.
    story = replace(STORY, demanded=(AheadWhileIdle, IdleAlone))
    ahead = replace(AHEAD, at=1.0, for_s=10.5)
    outcome = failing(story, by_time(ahead, IDLE))
    assert outcome.violations[0].check == "AheadWhileIdle"
    assert run_seed(story, SEED, weather=(IDLE,)).violations[0].check == "IdleAlone"
    shrunk = shrink(story, outcome)
    assert kinds(shrunk) == [(Kind.IDLE, ("n0",)), (Kind.STEP, ("n1",))]
    assert shrunk.violation.check == "AheadWhileIdle"


class CutOff(Check):
    """Fails where n0 does not reach n1."""

    def looks(self) -> Iterator[str]:
        if self.world.network.road("n0", "n1").is_shut:
            yield "cut off"


def test_a_partition_is_left_with_the_one_node_that_matters() -> None:
    story = replace(STORY, nodes=5, demanded=(CutOff,))
    cut = Fault(Kind.PARTITION, 1.5, 8.0, ("n0", "n2", "n4"))
    shrunk = shrink(story, failing(story, (cut, *DECOYS)))
    assert kinds(shrunk) == [(Kind.PARTITION, ("n0",))]


def test_a_failure_that_needs_no_fault_is_left_with_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inbox, "done", lambda inbox, row: None)  # A planted bug: no message is ever done.
    story = Story(fair, nodes=2, storm_s=4, calm_s=4)
    shrunk = shrink(story, failing(story, (Fault(Kind.RESET, 1.0, 0.0, ("n0", "n1")),)))
    assert shrunk.weather == ()
    assert shrunk.runs == 1


def test_a_run_that_held_cannot_be_shrunk() -> None:
    with pytest.raises(ValueError, match="no check failed"):
        shrink(STORY, run_seed(STORY, SEED, weather=DECOYS))


@given(st.integers(1, 40).flatmap(lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), min_size=1))))
def test_ddmin_finds_exactly_what_is_needed_wherever_it_lies(given: tuple[int, set[int]]) -> None:
    size, needed = given
    assert ddmin(tuple(range(size)), lambda part: needed <= set(part)) == tuple(sorted(needed))


@given(st.integers(1, 20), st.randoms(use_true_random=False))
def test_ddmin_leaves_nothing_that_can_be_left_out_even_where_failing_makes_no_sense(size: int, dice: object) -> None:
    memory: dict[tuple[int, ...], bool] = {tuple(range(size)): True}

    def fails(part: tuple[int, ...]) -> bool:
        return memory.setdefault(part, dice.random() < 0.3)  # type: ignore[attr-defined]  # A Random, says Hypothesis.

    left = ddmin(tuple(range(size)), fails)
    assert memory[left]
    if len(left) > 1:
        assert not any(memory[tuple(one for one in left if one != out)] for out in left)
