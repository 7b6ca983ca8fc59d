"""Many seeds of one scenario, wherever they are run, and what came of them in the order of the seeds."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from talos.errors import TalosError, UsageError
from talos_simulations import catalogue, forces
from talos_simulations import scenarios as shipped
from talos_simulations.executor import Chunk, Executor, LocalExecutor, attempt, real_s
from talos_simulations.outcome import Outcome, run_seed
from talos_simulations.town_story import TownStory
from talos_simulations.trace import Trace
from talos_simulations.weather import Weather

T = TypeVar("T")

CHUNK_S: Final = 0.25  # Less work at once costs a cluster more to hand out than to do.
CHUNK_MAX: Final = 1_000  # Seeds.

Progress = Callable[[int, int, int], None]  # progress(done, of, failed): seeds.


class SimulatorFailed(TalosError):
    """A bug of ours, in the simulator or in a scenario that comes with it."""


@dataclass(frozen=True, slots=True)
class Sweep:
    scenario: str  # Its word, or the path of its file.
    nodes: int
    outcomes: tuple[Outcome, ...]  # By seed, ascending.

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if not outcome.held)

    @property
    def virtual_s(self) -> float:
        return sum(outcome.virtual_s for outcome in self.outcomes)

    def messages(self) -> dict[str, int]:
        names = ("sent", "accepted", "refused", "handed", "done")
        return {name: sum(getattr(outcome, name) for outcome in self.outcomes) for name in names}

    def parts(self) -> dict[str, list[str]]:
        """Return what came of a town, by part of its story: each figure, with its least and most over all seeds."""
        found: dict[str, list[str]] = {}
        for part, figures in self.outcomes[0].parts.items():
            for name in figures:
                values = [outcome.parts[part][name] for outcome in self.outcomes]
                span = f"{min(values):g}" if min(values) == max(values) else f"{min(values):g}..{max(values):g}"
                found.setdefault(part, []).append(f"{name} {span}")
        return found

    def reports(self) -> dict[str, list[int]]:
        """Return the seeds in which a check found something that this story does not demand, by check."""
        found: dict[str, list[int]] = {}
        for outcome in self.outcomes:
            for report in outcome.reports:
                found.setdefault(report.check, []).append(outcome.seed)
        return dict(sorted(found.items()))

    def as_json(self) -> dict[str, Any]:
        """Return what varies with the seeds only: not with time, machine, hash seed or number of jobs."""
        return {
            "scenario": self.scenario,
            "nodes": self.nodes,
            "held": not self.failed,
            "summary": {
                "seeds": len(self.outcomes),
                "failed": dict(sorted(Counter(outcome.violations[0].check for outcome in self.failed).items())),
                "reports": {check: len(seeds) for check, seeds in self.reports().items()},
                "virtual_s": round(self.virtual_s, 3),
                "steps": sum(outcome.steps for outcome in self.outcomes),
                "messages": self.messages(),
            },
            "seeds": [outcome.as_json() for outcome in self.outcomes],
        }


def sweep(
    scenario: str,
    seeds: range,
    *,
    nodes: int | None = None,
    executor: Executor | None = None,
    weather: Weather | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run these seeds, ascending; all in this process if there is no executor. Not within a trio run.

    Raises `UsageError` where scenario, nodes or weather make no sense; then no seed has been run.
    """
    nodes = _require_sense(scenario, nodes, weather)
    pace = _Pace(seeds)
    work = partial(_work, scenario, nodes, weather)
    done: dict[int, Outcome] = {}
    failed = 0
    with closing((executor or LocalExecutor()).run(work, pace.chunks())) as results:
        for timed in results:
            pace.saw([one.seconds for one in timed])
            done |= {one.outcome.seed: one.outcome for one in timed}
            failed += sum(not one.outcome.held for one in timed)
            if progress is not None:
                progress(len(done), len(seeds), failed)
    missing = [seed for seed in seeds if seed not in done]
    if missing:
        raise SimulatorFailed(f"the executor lost {len(missing)} seeds; the first is {missing[0]}")
    return Sweep(scenario, nodes, tuple(done[seed] for seed in seeds))


def scenarios() -> list[tuple[str, str]]:
    """Return the word of each scenario that comes with Talos, and the first line of what it says about itself."""
    modules = ((word, import_module(f"{shipped.__name__}.{word}")) for word in catalogue.words())
    return [(word, (module.__doc__ or "").partition("\n")[0]) for word, module in modules]


def run_one(
    scenario: str | catalogue.Scenario,
    seed: int,
    *,
    nodes: int | None = None,
    weather: Weather | None = None,
    trace: Trace | None = None,
) -> Outcome:
    """Run one seed. What goes wrong apart from the nodes raises a `TalosError` that says where."""

    def run() -> Outcome:
        story = catalogue.find(scenario) if isinstance(scenario, str) else scenario
        return run_seed(story, seed, nodes=nodes, weather=weather, trace=trace)

    name = scenario if isinstance(scenario, str) else "a story"
    return _told(attempt(run), name, f"seed {seed}")


def story_of(scenario: str) -> catalogue.Scenario:
    """Return the story of a word or of a file. Raises `UsageError`, also where that file itself fails."""
    found = _told(attempt(partial(catalogue.find, scenario)), scenario, "loading")
    return cast("catalogue.Scenario", found)  # Of a union, mypy infers no type variable.


@dataclass(frozen=True, slots=True)
class _Timed:
    outcome: Outcome
    seconds: float  # Of real time; it decides the size of chunks, and nothing else.


def _work(scenario: str, nodes: int, weather: Weather | None, chunk: Chunk) -> list[_Timed]:
    timed: list[_Timed] = []
    for seed in chunk.seeds:
        started_at = real_s()
        outcome = run_one(scenario, seed, nodes=nodes, weather=weather)
        timed.append(_Timed(outcome, real_s() - started_at))
    return timed


class _Pace:
    """Cuts seeds into chunks: one by one at first, then so many that a chunk takes at least `CHUNK_S`."""

    def __init__(self, seeds: range) -> None:
        self._seeds = seeds
        self._seconds = 0.0
        self._count = 0

    def saw(self, seconds: list[float]) -> None:
        self._seconds += sum(seconds)
        self._count += len(seconds)

    def chunks(self) -> Iterator[Chunk]:
        at = 0
        while at < len(self._seeds):
            size = 1
            if self._seconds > 0:
                size = min(CHUNK_MAX, ceil(CHUNK_S * self._count / self._seconds))
            yield Chunk(self._seeds[at : at + size])
            at += size


def _require_sense(scenario: str, nodes: int | None, weather: Weather | None) -> int:
    """Return how many nodes the runs will have. Raises `UsageError` for what would fail in every one of them."""
    story = story_of(scenario)
    nodes = story.nodes if nodes is None else nodes
    if nodes < story.nodes_min:
        raise UsageError(f"{scenario} needs {story.nodes_min} nodes, not {nodes}", fix=f"--nodes {story.nodes_min}")
    if isinstance(story, TownStory) and weather is not None:
        raise UsageError(f"{scenario} is a town of cores, which has no weather", fix="Leave out --weather")
    names = story.names(nodes)
    for fault in weather or ():
        forces.require_sense(fault, names)
    return nodes


def _told(result: T | Exception, scenario: str, doing: str) -> T:
    """Return a result; raise an error as one of ours that says whose fault it is: somebody's scenario's, or our own."""
    if not isinstance(result, Exception):
        return result
    if isinstance(result, UsageError | SimulatorFailed) or type(result) is TalosError:
        raise result  # Any other is a node's, and meant for its application: it should not have come here.
    words = f"{type(result).__name__}: {result}"
    frames = traceback.extract_tb(result.__traceback__)
    lines = [frame.lineno for frame in frames if _is_same_file(frame.filename, scenario)]
    if isinstance(result, SyntaxError) and _is_same_file(result.filename or "", scenario):
        lines.append(result.lineno)
    if lines:
        fix = "Mend it; docs/simulator.md shows a scenario"
        raise UsageError(f"{scenario}, line {lines[-1]}: {words}", fix=fix) from result
    where = f", at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = f"a bug in the simulator: {doing} of {scenario}: {words}{where}"
    raise SimulatorFailed(what, fix="Please report this line") from result


def _is_same_file(first: str, second: str) -> bool:
    return Path(first).resolve() == Path(second).resolve()
