"""What a benchmark found, as figures beside their goals: as a table, and as JSON."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Final

VERDICTS: Final = {None: "", True: "holds", False: "NOT reached"}
HEAD: Final = ("", "median", "p99", "unit", "beside", "ratio", "goal", "")


@dataclass(frozen=True, slots=True)
class Goal:
    bound: float
    is_least: bool = False  # Else it is the most.
    of_ratio: bool = True  # Else of the figure itself.

    def __str__(self) -> str:
        return f"{'>=' if self.is_least else '<='} {self.bound:g}{'x' if self.of_ratio else ''}"

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.is_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    unit: str
    ours: float
    p99: float | None = None
    peer: str = ""  # Whose figure `theirs` is, in the same unit.
    theirs: float | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.theirs is None else self.ours / self.theirs

    @property
    def holds(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        judged = self.ratio if self.goal.of_ratio else self.ours
        return None if judged is None else self.goal.holds(judged)

    def cells(self) -> tuple[str, ...]:
        p99 = "" if self.p99 is None else _number(self.p99)
        beside = "" if self.theirs is None else f"{self.peer} {_number(self.theirs)}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}x"
        goal = "" if self.goal is None else str(self.goal)
        return self.name, _number(self.ours), p99, self.unit, beside, ratio, goal, VERDICTS[self.holds]

    def plain(self) -> dict[str, object]:
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "p99": self.p99,
            "peer": self.peer or None,
            "theirs": self.theirs,
            "ratio": self.ratio,
            "goal": None if self.goal is None else str(self.goal),
            "holds": self.holds,
        }


def spread(seconds: Sequence[float], scale: float) -> tuple[float, float]:
    """Return p50 and p99, in seconds times `scale`."""
    return median(seconds) * scale, quantiles(seconds, n=100, method="inclusive")[98] * scale


def table(figures: Iterable[Figure]) -> str:
    rows = [HEAD, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join((row[0].ljust(widths[0]), *cells)).rstrip())
    return "\n".join(lines) + "\n"


def as_json(setting: dict[str, object], figures: Iterable[Figure]) -> str:
    return json.dumps({"setting": setting, "figures": [figure.plain() for figure in figures]}, indent=1) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def parser(name: str, description: str, *, fails_if: str = "a goal was not reached") -> ArgumentParser:
    """Return what reads the arguments that all benchmarks on a disk have."""
    made = ArgumentParser(f"scripts/bench {name}", description=description)
    made.add_argument("--dir", type=_folder, default=Path(), help="on whose disk; as seen from the repository")
    made.add_argument("--json", action="store_true", help="write JSON instead of a table")
    made.add_argument("--strict", action="store_true", help=f"exit with 1 if {fails_if}")
    return made


def _folder(text: str) -> Path:
    """For argparse: an existing folder."""
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"{text} is no folder")
    return path
