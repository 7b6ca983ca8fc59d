"""Seeds run anywhere, in any order, and the sweep is the same; who loses one says so."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import pytest

from talos.errors import TalosError, UsageError
from talos_simulations.check import Check
from talos_simulations.executor import Chunk, Executor, LocalExecutor, WorkerLost, attempt
from talos_simulations.library import words
from talos_simulations.outcome import run_seed
from talos_simulations.story import Story
from talos_simulations.sweep import CHUNK_S, SimulatorFailed, _Pace, run_one, scenarios, story_of, sweep
from talos_simulations.weather import Fault, Kind
from tests.simulations import workers

R = TypeVar("R")

SHORT: Final = '''
"""A short story."""
from __future__ import annotations
from dataclasses import dataclass
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

@dataclass
class Times:
    at: float

def weather(sky: Sky) -> None:
    sky(Kind.RESET, *sky.two(), at=Times(sky.between(1, 2)).at)

STORY = Story(weather, nodes=2, storm_s=3, calm_s=3)
'''


@pytest.fixture
def short(tmp_path: Path) -> str:
    """A scenario that somebody wrote, with a dataclass in it."""
    path = tmp_path / "short.py"
    path.write_text(SHORT)
    return str(path)


class Backwards:
    """Runs everything, and yields the last chunk first."""

    def run(self, work: Callable[[Chunk], list[R]], chunks: Iterable[Chunk]) -> Generator[list[R], None, None]:
        yield from [work(chunk) for chunk in chunks][::-1]


class Forgetful:
    """Loses the second chunk."""

    def run(self, work: Callable[[Chunk], list[R]], chunks: Iterable[Chunk]) -> Generator[list[R], None, None]:
        yield from (work(chunk) for number, chunk in enumerate([*chunks]) if number != 1)


class Dying(Check):
    """Fails in the very moment in which a node dies."""

    def looks(self) -> Iterator[str]:
        machines = self.world.machines.values()
        if any(machine.process is not None and machine.process.power.is_gone for machine in machines):
            yield "a node is dying"


class Unused:
    def run(self, work: Callable[[Chunk], list[R]], chunks: Iterable[Chunk]) -> Generator[list[R], None, None]:
        raise AssertionError("nothing is to be run")


# Executors


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


# Chunks


def sizes(pace: _Pace) -> list[int]:
    return [len(chunk.seeds) for chunk in pace.chunks()]


def test_chunks_are_single_seeds_until_it_is_known_how_long_one_takes() -> None:
    assert sizes(_Pace(range(5, 9))) == [1, 1, 1, 1]


@pytest.mark.parametrize(("seconds", "size"), [(CHUNK_S / 25, 25), (CHUNK_S / 24.5, 25), (CHUNK_S, 1), (9.0, 1)])
def test_chunks_grow_until_they_take_long_enough(seconds: float, size: int) -> None:
    pace = _Pace(range(100))
    chunks = pace.chunks()
    first = next(chunks)
    pace.saw([seconds])
    rest = list(chunks)
    assert {len(chunk.seeds) for chunk in rest[:-1]} == {size}
    assert [seed for chunk in (first, *rest) for seed in chunk.seeds] == list(range(100))


# Sweeps


def test_outcomes_are_in_the_order_of_the_seeds_whoever_finishes_first(short: str) -> None:
    told: list[tuple[int, int, int]] = []
    executor: Executor = Backwards()
    swept = sweep(short, range(4, 8), executor=executor, progress=lambda *news: told.append(news))
    assert [outcome.seed for outcome in swept.outcomes] == [4, 5, 6, 7]
    assert swept == sweep(short, range(4, 8))
    assert swept.outcomes[2] == run_seed(story_of(short), 6)
    assert told == [(1, 4, 0), (2, 4, 0), (3, 4, 0), (4, 4, 0)]


@pytest.mark.slow
def test_one_process_and_two_come_to_the_same(short: str) -> None:
    assert sweep(short, range(12), executor=LocalExecutor(2)).as_json() == sweep(short, range(12)).as_json()


def test_the_summary_adds_up(short: str) -> None:
    told = sweep(short, range(3)).as_json()
    assert (told["scenario"], told["nodes"], told["held"], told["summary"]["seeds"]) == (short, 2, True, 3)
    for name, count in told["summary"]["messages"].items():
        assert count == sum(seed["messages"][name] for seed in told["seeds"])
    assert told["summary"]["messages"]["done"] > 0
    assert told["summary"]["virtual_s"] == pytest.approx(sum(seed["virtual_s"] for seed in told["seeds"]), abs=0.01)


def test_a_seed_that_an_executor_loses_is_missed(short: str) -> None:
    with pytest.raises(SimulatorFailed, match="lost 1 seeds; the first is 5"):
        sweep(short, range(4, 8), executor=Forgetful())


@pytest.mark.parametrize(
    ("scenario", "nodes", "who", "told"),
    [
        ("no_such_word", None, (), "there is no scenario 'no_such_word'"),
        ("no_such_file.py", None, (), "there is no file no_such_file.py"),
        ("calm", 1, (), "calm needs 2 nodes, not 1"),
        ("calm", 3, ("n3",), "idle is about n3, and there is no such node"),
        ("calm", None, ("n1", "n2"), "idle is about 1 node"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    scenario: str, nodes: int | None, who: tuple[str, ...], told: str
) -> None:
    weather = (Fault(Kind.IDLE, 1.0, 1.0, who),) if who else None
    with pytest.raises(UsageError, match=told):
        sweep(scenario, range(3), nodes=nodes, weather=weather, executor=Unused())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("STORY = = 3\n", r"line 1: SyntaxError"),
        ("\nimport no_such_module\n", r"line 2: ModuleNotFoundError"),
        ("STORY = 3\n", r"sets no STORY"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        sweep(str(path), range(3), executor=Unused())


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_an_error_in_a_scenario_is_told_with_its_line_wherever_it_runs(tmp_path: Path, jobs: int) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SHORT.replace("sky.between(1, 2)", "1 / (sky.dice.random() > 2)"))
    with pytest.raises(UsageError) as error:
        sweep(str(path), range(2), executor=LocalExecutor(jobs))
    assert error.value.what == f"{path}, line 13: ZeroDivisionError: division by zero"


def test_an_error_in_a_check_in_the_middle_of_a_run_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    check = "class Mine(Check):\n    def looks(self):\n        return self.nothing\n"
    text = SHORT.replace("STORY = ", f"from talos_simulations.check import Check\n{check}STORY = ")
    path.write_text(text.replace("calm_s=3", "calm_s=3, demanded=(Mine,)"))
    with pytest.raises(UsageError, match=r"line 18: AttributeError"):
        sweep(str(path), range(1))


def test_an_error_that_is_ours_is_told_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("gone")

    monkeypatch.setattr("talos_simulations.world.World.run", fail)
    with pytest.raises(SimulatorFailed, match=r"seed 3 of calm: KeyError: 'gone', at test_sweep\.py") as error:
        run_one("calm", 3)
    assert error.value.exit_code == TalosError.exit_code == 70


def test_a_promise_that_breaks_while_a_node_dies_is_a_failed_run_and_no_error() -> None:
    # The node's own end, a closed listener, once came out of the run in place of the violation.
    story = Story(lambda sky: None, nodes=2, storm_s=4, calm_s=3, demanded=(Dying,))
    outcome = run_one(story, 0, weather=(Fault(Kind.POWER, 2.0, 1.0, ("n1",)),))
    assert [(one.check, one.at) for one in outcome.violations] == [("Dying", 2.0)]


def test_every_scenario_says_in_a_line_what_happens() -> None:
    assert [name for name, _ in scenarios()] == words()
    assert all(about.endswith((".", "?")) and len(about) > 20 for _, about in scenarios())
