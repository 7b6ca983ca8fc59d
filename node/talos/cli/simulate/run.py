"""Runs the seeds, searches for fewer faults, and writes the files. Not within a trio run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from talos.cli.simulate.meter import Meter
from talos.cli.simulate.options import Asked
from talos.drivers.files import atomic_write
from talos.errors import StoreFailed, TalosError, UsageError
from talos_simulations import report
from talos_simulations.executor import LocalExecutor, real_s
from talos_simulations.outcome import Outcome
from talos_simulations.report import Failure
from talos_simulations.shrink import BUDGET, Shrunk, shrink
from talos_simulations.sweep import Sweep, story_of, sweep
from talos_simulations.town_story import TownStory
from talos_simulations.trace import Trace
from talos_simulations.weather import SIZE_MAX, Weather, dump, parse

FILE_MODE: Final = 0o644  # There are no secrets in a simulated run, and others may want to see it.


@dataclass(frozen=True, slots=True)
class Done:
    asked: Asked
    sweep: Sweep
    seconds: float  # Of real time, for all seeds.
    failure: Failure | None
    unwritten: tuple[TalosError, ...]

    def answer(self) -> dict[str, Any]:
        return report.answer(self.sweep, self.failure)


def run(asked: Asked) -> Done:
    """Raises `UsageError` before the first run, if it is one."""
    is_town = isinstance(story_of(asked.scenario), TownStory)
    if is_town:
        _require_no_faults(asked)
    weather = None if asked.weather is None else _read(asked.weather)
    started_at = real_s()
    with Meter("seeds", len(asked.seeds)) as meter:
        swept = sweep(
            asked.scenario,
            asked.seeds,
            nodes=asked.nodes,
            executor=LocalExecutor(asked.jobs),
            weather=weather,
            progress=lambda done, _, failed: meter(done, f"{failed} failed"),
        )
    seconds = real_s() - started_at
    desk = _Desk(asked, swept, is_town=is_town)
    failure = desk.investigate(swept.failed[0]) if swept.failed else None
    if failure is None:
        desk.draw(swept.outcomes[0], page=asked.page, weather_file=asked.weather)
    return Done(asked, swept, seconds, failure, tuple(desk.unwritten))


class _Desk:
    """Where one run is looked at, and written about."""

    def __init__(self, asked: Asked, swept: Sweep, *, is_town: bool) -> None:
        self.unwritten: list[TalosError] = []
        self._is_town = is_town  # There are no faults to search among, to write down or to draw.
        self._asked = asked
        self._nodes = swept.nodes
        self._source = report.source()
        self._files: list[str] = []

    def investigate(self, failed: Outcome) -> Failure:
        asked = self._asked
        if self._is_town:
            self.draw(failed, page=None, weather_file=None)
            return Failure(failed, None, self._source, self._replay(failed, None), tuple(self._files))
        shrunk: Shrunk | None = None
        weather_file, page = asked.weather, asked.page
        if asked.weather is None:
            shrunk = self._shrink(failed)
            name = f"{Path(asked.scenario).stem}-{failed.seed}"
            weather_file = Path(f"{name}.weather.json")
            page = page or Path(f"{name}.html")
        outcome = failed if shrunk is None else shrunk.outcome
        if asked.weather is None and not self._write(weather_file, dump(outcome.weather)):
            weather_file, outcome = None, failed  # What can be repeated without a file.
        self.draw(outcome, page=page, weather_file=weather_file)
        return Failure(outcome, shrunk, self._source, self._replay(outcome, weather_file), tuple(self._files))

    def draw(self, outcome: Outcome, *, page: Path | None, weather_file: Path | None) -> None:
        """Run it once more, and write the files that show it, if there are any to be written."""
        log = None if self._asked.trace is None else _Log(self._asked.trace)
        if page is None and log is None:
            return
        trace = Trace(keep=page is not None, write=None if log is None else log.write)
        report.repeat(self._asked.scenario, outcome, trace)
        if log is not None:
            self._keep(log.path, log.close)
        if page is not None:
            command = self._replay(outcome, weather_file)
            text = report.page(self._asked.scenario, outcome, trace, source=self._source, command=command)
            self._write(page, text)

    def _shrink(self, failed: Outcome) -> Shrunk | None:
        budget = BUDGET if self._asked.budget is None else self._asked.budget
        if budget == 0:
            return None
        with Meter("runs to find fewer faults", budget) as meter:
            return shrink(
                self._asked.scenario,
                failed,
                budget=budget,
                progress=lambda runs, faults: meter(runs, f"{faults} faults are left"),
            )

    def _replay(self, outcome: Outcome, weather_file: Path | None) -> str:
        file = None if weather_file is None else str(weather_file)
        return report.replay(self._asked.scenario, self._nodes, outcome.seed, file)

    def _write(self, path: Path | None, text: str) -> bool:
        return path is not None and self._keep(path, lambda: atomic_write(path, text.encode(), FILE_MODE))

    def _keep(self, path: Path, write: Callable[[], None]) -> bool:
        """Note that a file was written. If it cannot be, what was found out is told all the same."""
        try:
            write()
        except StoreFailed as error:
            self.unwritten.append(error)
            return False
        self._files.append(str(path))
        return True


class _Log:
    """A file that takes a trace while it grows. A full disk must not disturb the run, so it is told of in the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._error: OSError | None = None
        try:
            self._file = path.open("w", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}", fix="Name a file that is yours") from error

    def write(self, line: str) -> None:
        if self._error is None:
            try:
                self._file.write(line)
            except OSError as error:
                self._error = error

    def close(self) -> None:
        """Raises `StoreFailed` if not all of it was written."""
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error
        if self._error is not None:
            raise StoreFailed(f"{self.path} is not whole: {self._error.strerror}") from self._error


def _require_no_faults(asked: Asked) -> None:
    """A town of cores has no weather: refuse what is about one."""
    given = {"--weather": asked.weather, "--budget": asked.budget, "--page": asked.page}
    for option, value in given.items():
        if value is not None:
            what = f"{option}: {asked.scenario} is a town of cores alone, whose runs have no faults"
            raise UsageError(what, fix=f"Leave out {option}; --trace FILE writes down what happened")


def _read(path: Path) -> Weather:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", fix="Give a weather file that is there") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no weather file: {error}", fix="docs/simulator.md shows one") from error
    return parse(text)
