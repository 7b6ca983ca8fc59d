"""What happened in a run, in order: a digest of all of it, and the events themselves where somebody wants to look.

The digest takes in every scheduler step and every event, so two runs with one digest did the same things in the
same order. Times are virtual; nothing in here depends on the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

STEPS_MAX: Final = 4_096  # In one line.
LINES_MAX: Final = 1_024  # Held back before they are hashed: one large piece takes half the time of many small ones.


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `kind` says what the other fields mean (docs/simulator.md)."""

    at: float  # Virtual seconds.
    kind: str
    node: str = ""
    other: str = ""
    number: int = 0
    text: str = ""


class Trace:
    """`keep`: hold the events in memory, for a page. `write`: hand every line on, for a file."""

    def __init__(self, *, keep: bool = False, write: Callable[[str], object] | None = None) -> None:
        self._keep = keep
        self._write = write
        self._hash = blake2b(digest_size=16)
        self._steps: list[int] = []  # That are in no line yet.
        self._lines: list[str] = []  # That are not hashed yet.
        self.events: list[Event] = []
        self.count = 0  # Events.
        self.steps = 0  # Of the scheduler.

    def step(self, task: int) -> None:
        """The scheduler lets a task run, the `task`-th that was spawned."""
        self.steps += 1
        self._steps.append(task)
        if len(self._steps) >= STEPS_MAX:
            self._end_steps()

    def note(self, at: float, kind: str, node: str = "", other: str = "", number: int = 0, text: str = "") -> None:
        if self._steps:
            self._end_steps()
        self.count += 1
        self._take(f"{at:.6f} {kind} {node} {other} {number} {text}\n")
        if self._keep:
            self.events.append(Event(at, kind, node, other, number, text))

    def digest(self) -> str:
        """Return 32 hex digits that stand for all that happened so far."""
        if self._steps:
            self._end_steps()
        self._hash_lines()
        return self._hash.copy().hexdigest()

    def _end_steps(self) -> None:
        self._take(f"steps {' '.join(map(str, self._steps))}\n")
        self._steps.clear()

    def _take(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) >= LINES_MAX:
            self._hash_lines()
        if self._write is not None:
            self._write(line)

    def _hash_lines(self) -> None:
        self._hash.update("".join(self._lines).encode())
        self._lines.clear()
