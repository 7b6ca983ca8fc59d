"""Planted bugs: a scenario finds each in at least two of its everyday seeds, and cuts it down to few faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Final, TypeGuard

import pytest

from talos.errors import UsageError
from talos_simulations.catalogue import find
from talos_simulations.checks import NoCrash
from talos_simulations.executor import attempt
from talos_simulations.mutants import mutants, planted
from talos_simulations.outcome import Outcome, run_seed
from talos_simulations.shrink import shrink
from talos_simulations.weather import Weather
from tests.simulations.hints import HINTS
from tests.simulations.test_chaos import JOBS, SEEDS

ENOUGH: Final = 2  # Seeds that must find a bug.
FAULTS_MAX: Final = 9
SHRUNK: Final = "tag_not_checked"  # Every day; with --long all are.


@dataclass(frozen=True, slots=True)
class Hunt:
    name: str
    found: tuple[tuple[int, str], ...]  # Seeds, and which check it was.
    tried: int
    left: Weather | None  # Faults, of the first that was found, after shrinking.


def seeds_of(name: str) -> Iterator[int]:
    """Yield the seeds of the everyday budget; first those that found the bug when this was written."""
    hints = [seed for seed in HINTS.get(name, ()) if 1 <= seed <= SEEDS]
    yield from hints
    yield from (seed for seed in range(1, SEEDS + 1) if seed not in hints)


def is_found(outcome: Outcome | Exception) -> TypeGuard[Outcome]:
    """Say whether a check has found the bug. A crash is no merit of a check: none of these bugs is one by nature."""
    return isinstance(outcome, Outcome) and not outcome.held and outcome.violations[0].check != NoCrash.__name__


def hunt(name: str, *, enough: int, shrinks: bool) -> Hunt:
    story = find(mutants()[name].scenario)
    found: list[tuple[int, str]] = []
    left: Weather | None = None
    tried = 0
    with planted(name):
        for seed in seeds_of(name):
            tried += 1
            outcome = attempt(partial(run_seed, story, seed))
            if is_found(outcome):
                if shrinks and left is None:
                    left = shrink(story, outcome).weather
                found.append((seed, outcome.violations[0].check))
            if len(found) >= enough:
                break
    return Hunt(name, tuple(found), tried, left)


@pytest.fixture(scope="module")
def hunts(rounds: Callable[[int, int], int]) -> dict[str, Hunt]:
    """Everyday each is hunted until two seeds have found it; with --long by all of them, and each is shrunk."""
    enough, is_long = rounds(ENOUGH, SEEDS), rounds(0, 1) == 1
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        hunted = pool.map(partial(hunt, enough=enough, shrinks=is_long), mutants())
        return {one.name: one for one in hunted}


@pytest.mark.slow
@pytest.mark.parametrize("name", mutants())
def test_a_planted_bug_is_found(hunts: dict[str, Hunt], name: str) -> None:
    one = hunts[name]
    assert len(one.found) >= ENOUGH, f"{mutants()[name].what}: found by {one.found} in {one.tried} seeds"
    assert one.left is None or len(one.left) <= FAULTS_MAX


@pytest.mark.slow
def test_a_planted_bug_is_cut_down_to_few_faults() -> None:
    one = hunt(SHRUNK, enough=1, shrinks=True)
    assert one.left is not None
    assert len(one.left) <= FAULTS_MAX


def test_there_are_at_least_twelve() -> None:
    assert len(mutants()) >= 12
    assert all(one.what for one in mutants().values())


@pytest.mark.parametrize("name", mutants())
def test_a_bug_is_planted_as_long_as_it_should_be(name: str) -> None:
    one = mutants()[name]
    real = one.owner.__dict__[one.function]
    with pytest.raises(ZeroDivisionError), planted(name):  # noqa: PT012 - the last line is the one that raises.
        assert one.owner.__dict__[one.function] is not real
        with pytest.raises(UsageError, match="has a bug already"), planted(name):
            pass
        raise ZeroDivisionError
    assert one.owner.__dict__[one.function] is real


def test_an_unknown_bug_is_refused() -> None:
    with pytest.raises(UsageError, match="no mutant"), planted("none"):
        pass
