"""Seeds run anywhere, in any order, and the sweep is the same; who loses one says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import pytest
from click.testing import CliRunner

from talos.cli.app import app
from talos.errors import NotReachable, TalosError, UsageError
from talos_simulations.catalogue import words
from talos_simulations.check import Check
from talos_simulations.executor import Chunk, Executor, LocalExecutor
from talos_simulations.outcome import run_seed
from talos_simulations.story import Story
from talos_simulations.sweep import CHUNK_S, SimulatorFailed, _Pace, run_one, scenarios, story_of, sweep
from talos_simulations.weather import Fault, Kind, Weather

R = TypeVar("R")

PAGE: Final = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()

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
    faults: Weather | None = (Fault(Kind.IDLE, 1.0, 1.0, who),) if who else None
    with pytest.raises(UsageError, match=told):
        sweep(scenario, range(3), nodes=nodes, weather=faults, executor=Unused())


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


@pytest.mark.parametrize("failure", [KeyError("gone"), NotReachable("'gone'")])
def test_an_error_that_is_ours_is_told_as_ours(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr("talos_simulations.world.World.run", fail)
    with pytest.raises(SimulatorFailed, match=r"seed 3 of calm: \w+: 'gone', at test_sweep\.py") as error:
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


def test_the_example_of_a_scenario_is_short_and_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    assert len([line for line in example[1].splitlines() if line]) <= 12
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(example[1])
    result = CliRunner().invoke(app, ["simulate", "mine.py", "--seeds", "0", "--json"])
    assert result.exit_code == 0, result.output
    (seed,) = json.loads(result.stdout)["seeds"]
    assert (seed["faults"], seed["nodes"]) == (2, 3)
    assert seed["messages"]["done"] > 100
