"""What is told of a sweep beside its figures: the source that ran, how to repeat a run, its trace and its page."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from talos_simulations.outcome import Outcome
from talos_simulations.page import RunRecord, render
from talos_simulations.shrink import Shrunk
from talos_simulations.story import Story
from talos_simulations.sweep import SimulatorFailed, Sweep, run_one, story_of
from talos_simulations.trace import Trace
from talos_simulations.weather import dump

PACKAGES: Final = ("talos", "talos_ratchet", "talos_audit", "talos_dht", "talos_simulations")
DISTRIBUTION: Final = "talos-node"
GIT_S: Final = 10.0  # A git that has not answered by then is taken for none.


@dataclass(frozen=True, slots=True)
class Failure:
    """The first seed that failed, and what was found out and written about it."""

    outcome: Outcome  # Of the run with the fewest faults that is known to fail.
    shrunk: Shrunk | None  # None: nobody searched for fewer.
    source: str
    replay: str
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        violation = self.outcome.violations[0]
        search = None if self.shrunk is None else {"runs": self.shrunk.runs, "is_complete": not self.shrunk.is_spent}
        return {
            "seed": self.outcome.seed,
            "source": self.source,
            "check": violation.check,
            "at": round(violation.at, 3),
            "text": violation.text,
            "digest": self.outcome.digest,
            "shrinking": search,
            "weather": json.loads(dump(self.outcome.weather)),
            "files": list(self.files),
            "replay": self.replay,
        }


def answer(sweep: Sweep, failure: Failure | None) -> dict[str, Any]:
    """Return all of it for a program; nothing in it varies with time, machine, hash seed or number of jobs."""
    return {**sweep.as_json(), "failure": None if failure is None else failure.as_json()}


def replay(scenario: str, nodes: int, seed: int, weather_file: str | None) -> str:
    """Return the command, for a shell, that runs one seed again, under the weather of a file if there is one."""
    words = ["talos", "simulate", scenario, "--nodes", str(nodes), "--seeds", str(seed)]
    if weather_file is not None:
        words += ["--weather", weather_file]
    return shlex.join(words)


def repeat(scenario: str, outcome: Outcome, trace: Trace) -> None:
    """Run this once more, for its trace. Raises `SimulatorFailed` if it does something else than before."""
    again = run_one(scenario, outcome.seed, nodes=outcome.nodes, weather=outcome.weather, trace=trace)
    if again.digest != outcome.digest:
        what = f"seed {outcome.seed} of {scenario} did something else when it was run again"
        fix = "If the scenario asks a clock, rolls dice of its own or sorts by hash(), mend it; else please report this"
        raise SimulatorFailed(what, fix=fix)


def page(scenario: str, outcome: Outcome, trace: Trace, *, source: str, command: str) -> str:
    """Return the page of a run whose events the trace has kept."""
    story = story_of(scenario)
    record = RunRecord(
        scenario=scenario,
        seed=outcome.seed,
        commit=source,
        nodes=(story.machines if isinstance(story, Story) else story.names)(outcome.nodes),
        virtual_s=outcome.virtual_s,
        events=trace.events,
        faults=outcome.weather,
        violations=outcome.violations,
        replay=command,
    )
    return render(record)


def source() -> str:
    """Return the commit that runs, and whether it was changed since; the version, where there is no checkout."""
    folders = _folders()
    here = Path(__file__).parent
    # Installed into a folder that happens to be inside of some checkout, it is none of its files.
    if _git(here, "ls-files", "--error-unmatch", "__init__.py") is None:
        return _version()
    commit = _git(here, "describe", "--always", "--tags", "--abbrev=12")
    changed = _git(here, "status", "--porcelain", "--", *folders)
    if commit is None or changed is None:
        return _version()
    return f"{commit}, with uncommitted changes" if changed else commit


def _folders() -> list[str]:
    found = (find_spec(name) for name in PACKAGES)
    return [folder for spec in found if spec is not None for folder in spec.submodule_search_locations or ()]


def _version() -> str:
    try:
        return f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    except PackageNotFoundError:
        return "unknown"


def _git(folder: Path, *words: str) -> str | None:
    """Return what git answers about the repository around `folder`; None if it has no answer."""
    # A hook runs us with GIT_DIR and others set, for a repository that need not be this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_S, check=True, env=environment)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
