"""What was asked for, within bounds."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talos.errors import UsageError

SEEDS: Final = "0..9"
SEED_MAX: Final = 1_000_000
NODES_MAX: Final = 10_000  # Some 200 MiB; a virtual second of them takes many real ones.
BUDGET_MAX: Final = 100_000
JOBS_PER_CPU: Final = 4  # More only wait for each other.

_SEEDS: Final = re.compile(r"(\d{1,9})(?:\.\.(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    scenario: str
    nodes: int | None
    seeds: range
    jobs: int
    weather: Path | None
    budget: int | None
    page: Path | None
    trace: Path | None


def ask(
    scenario: str,
    nodes: int | None,
    seeds: str,
    jobs: int | None,
    weather: Path | None,
    budget: int | None,
    page: Path | None,
    trace: Path | None,
) -> Asked:
    """Return the same, once it makes sense. Raises `UsageError`."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _require("--nodes", nodes, 2, NODES_MAX)
    _require("--jobs", jobs, 1, cpus * JOBS_PER_CPU)
    _require("--budget", budget, 0, BUDGET_MAX)
    _require_files({"--weather": weather, "--page": page, "--trace": trace})
    chosen = parse_seeds(seeds)
    return Asked(scenario, nodes, chosen, min(jobs or cpus, len(chosen)), weather, budget, page, trace)


def parse_seeds(text: str) -> range:
    """Return the seeds of "A..B", both included, or of "A". Raises `UsageError`."""
    match = _SEEDS.fullmatch(text)
    if match is None:
        raise UsageError(f"--seeds: {text[:40]!r} is no range of seeds", fix="Write --seeds 0..19, or --seeds 7")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if not first <= last <= SEED_MAX:
        raise UsageError(
            f"--seeds: A..B means 0 <= A <= B <= {SEED_MAX}, and this is {text}", fix="Write --seeds 0..19"
        )
    return range(first, last + 1)


def _require(option: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise UsageError(f"{option} is from {least} to {most}, not {value}", fix=f"Write {option} {least}")


def _require_files(files: dict[str, Path | None]) -> None:
    """See that what is to be written can be, before an hour of runs; and that nothing is written over what is read."""
    seen: dict[Path, str] = {}
    for option, path in files.items():
        if path is None:
            continue
        other = seen.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} are the same file", fix="Give each a name of its own")
        if option != "--weather" and not _may_write(path):
            raise UsageError(f"{option}: {path} cannot be written", fix="Name a file in a folder that is yours")


def _may_write(path: Path) -> bool:
    try:
        return not path.is_dir() and os.access(path.absolute().parent, os.W_OK | os.X_OK)
    except OSError:  # We may not even look.
        return False
