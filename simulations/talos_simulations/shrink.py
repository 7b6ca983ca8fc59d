"""Cuts the weather of a failing run down to the faults that matter.

Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002): ddmin. Then what is left is
made simpler, fault by fault. A run is a function of seed and weather, so the whole search is one too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import floor
from typing import Final, TypeVar

from talos_simulations.catalogue import Scenario
from talos_simulations.check import Violation
from talos_simulations.outcome import Outcome
from talos_simulations.sweep import run_one
from talos_simulations.weather import Fault, Kind, Weather

T = TypeVar("T")

BUDGET: Final = 200  # Runs. A swarm's 60 faults take about a hundred.
SHORT_S: Final = 0.1  # No fault is made shorter than this, except to nothing.
STEPS: Final = frozenset({Kind.KILL, Kind.POWER})  # Their amount is a number of steps, and none is the simplest.

Progress = Callable[[int, int], None]  # progress(runs, faults left).


@dataclass(frozen=True, slots=True)
class Shrunk:
    outcome: Outcome  # Of the run with the fewest faults that still fails; the one given, if there was no other.
    runs: int
    is_spent: bool  # The budget ended the search: fewer faults may do.

    @property
    def weather(self) -> Weather:
        return self.outcome.weather

    @property
    def violation(self) -> Violation:
        return self.outcome.violations[0]


def shrink(
    scenario: str | Scenario,
    outcome: Outcome,
    *,
    nodes: int | None = None,
    budget: int = BUDGET,
    progress: Progress | None = None,
) -> Shrunk:
    """Return the least weather found, in at most `budget` runs, in which the same check fails.

    If the budget sufficed, none of its faults can be left out. `outcome` is of a run that failed; `nodes`, if they
    are given, are as many as it had. Not within a trio run.
    """
    if outcome.held:
        raise ValueError("no check failed, so there is nothing to search for")
    search = _Search(scenario, outcome, nodes or outcome.nodes, budget, progress)
    if not search.fails(()):
        at = outcome.violations[0].at
        search.fails(tuple(fault for fault in outcome.weather if fault.at <= at))  # No other has begun.
        before: Weather | None = None
        while search.best != before:
            before = search.best
            ddmin(search.best, search.fails)
            _simplify(search)
    return Shrunk(search.outcome, search.runs, search.is_spent)


class _Search:
    """Runs candidates, within the budget; `outcome` is that of the newest which failed as it should."""

    def __init__(
        self, scenario: str | Scenario, outcome: Outcome, nodes: int, budget: int, progress: Progress | None
    ) -> None:
        self.outcome = outcome
        self.runs = 0
        self.is_spent = False
        self._scenario = scenario
        self._nodes = nodes
        self._budget = budget
        self._progress = progress
        self._check = outcome.violations[0].check
        self._tried: dict[Weather, bool] = {outcome.weather: True}

    @property
    def best(self) -> Weather:
        return self.outcome.weather

    def fails(self, weather: Weather) -> bool:
        """Tell whether the check fails under this weather, which is then the best; False too if runs are used up."""
        if weather in self._tried:
            return self._tried[weather]
        if self.runs >= self._budget:
            self.is_spent = True
            return False
        self.runs += 1
        outcome = run_one(self._scenario, self.outcome.seed, nodes=self._nodes, weather=weather)
        has_failed = any(violation.check == self._check for violation in outcome.violations)
        self._tried[weather] = has_failed
        if has_failed:
            self.outcome = outcome
        if self._progress is not None:
            self._progress(self.runs, len(self.best))
        return has_failed


def ddmin(items: tuple[T, ...], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Return a part of `items` that still fails, and of which no single item can be left out; of one item, itself.

    All of them fail. `fails` is asked about parts of them only, in their order.
    """
    count = 2
    while len(items) >= 2:
        parts = [items[len(items) * at // count : len(items) * (at + 1) // count] for at in range(count)]
        part = next(filter(fails, parts), None)
        # Of two parts, each is what the other leaves.
        rest = None if part is not None or count == 2 else next(filter(fails, _rests(parts)), None)
        if part is not None:
            items, count = part, 2
        elif rest is not None:
            items, count = rest, count - 1
        elif count < len(items):
            count = min(2 * count, len(items))
        else:
            break
    return items


def _rests(parts: list[tuple[T, ...]]) -> Iterator[tuple[T, ...]]:
    """Yield what is left without one part, for each."""
    for left_out in range(len(parts)):
        yield tuple(item for at, part in enumerate(parts) if at != left_out for item in part)


def _simplify(search: _Search) -> None:
    """Make each fault as simple as it can be while the rest stays as it is."""
    for at in range(len(search.best)):
        while any(search.fails(_with(search.best, at, simpler)) for simpler in _simpler(search.best[at])):
            pass


def _with(weather: Weather, at: int, fault: Fault) -> Weather:
    return (*weather[:at], fault, *weather[at + 1 :])


def _simpler(fault: Fault) -> Iterator[Fault]:
    """Yield what is simpler in one respect, the simplest first; none of it leads back to this fault."""
    if fault.kind is Kind.PARTITION and len(fault.who) > 1:
        for name in fault.who:
            yield replace(fault, who=tuple(one for one in fault.who if one != name))
    # Times before lengths: once it is as short as can be, there is little room to move it in.
    yield from (replace(fault, at=value) for value in _rounder(fault.at) if value != fault.at)
    yield from (replace(fault, for_s=value) for value in _shorter(fault.for_s) if value < fault.for_s)
    yield from (replace(fault, amount=value) for value in _plainer(fault) if value != fault.amount)


def _shorter(for_s: float) -> Iterator[float]:
    yield 0.0
    if for_s / 2 >= SHORT_S:
        yield floor(for_s * 500) / 1_000
    yield from (value for value in (float(floor(for_s)), floor(for_s * 10) / 10) if value)


def _rounder(at: float) -> Iterator[float]:
    """Coarse before fine: what is round enough for one of them stays so, and the search ends."""
    yield from (float(round(at, digits)) for digits in (-1, 0, 1))


def _plainer(fault: Fault) -> Iterator[float]:
    """Zero means nothing, everything or nonsense with other kinds than a kill, so those are only rounded."""
    if fault.kind in STEPS:
        yield 0.0
    yield from (float(f"{fault.amount:.{digits}g}") for digits in (1, 2))
