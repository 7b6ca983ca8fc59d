"""Executors: every chunk is worked on once, and a process that is lost is an error that names its seeds."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator

import pytest

from talos.errors import UsageError
from talos_simulations.executor import Chunk, LocalExecutor, WorkerLost, attempt
from tests.simulations import workers


def ones(count: int) -> Iterator[Chunk]:
    return (Chunk(range(seed, seed + 1)) for seed in range(count))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_chunk_is_worked_on_once(jobs: int) -> None:
    results = [number for found in LocalExecutor(jobs).run(workers.squares, ones(20)) for number in found]
    assert sorted(results) == [seed * seed for seed in range(20)]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_nothing_to_do_is_done_at_once(jobs: int) -> None:
    assert list(LocalExecutor(jobs).run(workers.squares, ones(0))) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("jobs", "work", "told"),
    [
        (2, workers.is_killed, "the process that ran seed 3 was killed by SIGKILL"),
        (2, workers.exits, "the process that ran seed 3 ended with exit code 0"),
        (1, workers.exits, "the process that ran seed 3 was told to exit"),
    ],
)
def test_a_process_that_ends_is_an_error_that_names_its_seeds(
    jobs: int, work: Callable[[Chunk], list[int]], told: str
) -> None:
    with pytest.raises(WorkerLost) as lost:
        list(LocalExecutor(jobs).run(work, ones(8)))
    assert lost.value.what == told
    assert lost.value.exit_code == 70
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_seeds_of_a_lost_process_are_named_from_the_first_to_the_last() -> None:
    with pytest.raises(WorkerLost, match=r"ran seeds 2\.\.5 was killed"):
        list(LocalExecutor(2).run(workers.is_killed, [Chunk(range(0, 2)), Chunk(range(2, 6))]))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_of_the_work_arrives_as_it_is(jobs: int) -> None:
    with pytest.raises(UsageError) as error:
        list(LocalExecutor(jobs).run(workers.complains, ones(8)))
    assert (error.value.what, error.value.fix) == ("three is no seed", "Take another")
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_who_stops_asking_ends_every_process() -> None:
    results = LocalExecutor(2).run(workers.squares, ones(1_000))
    next(results)
    assert len(multiprocessing.active_children()) == 2
    results.close()
    assert multiprocessing.active_children() == []


def test_an_attempt_returns_what_is_raised_and_lets_an_interrupt_through() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert attempt(lambda: 7) == 7
    assert isinstance(attempt(lambda: [][0]), IndexError)
    with pytest.raises(KeyboardInterrupt):
        attempt(interrupt)
