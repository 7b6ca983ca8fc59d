"""Watches the scheduler: numbers the tasks for the trace, and crashes a process at any one of its awaits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import trio

from talos_simulations.scheduler import Tasks
from talos_simulations.trace import Trace

STEPS_MAX: Final = 50_000  # Of one node in one virtual second: ten times what the busiest scenario takes.


class Fuse:
    """Of one process: burns down by one at each of its scheduler steps, once it is lit."""

    __slots__ = ("blow", "steps_left", "tasks")

    def __init__(self) -> None:
        self.tasks = 0  # Of the process, that are alive.
        self.steps_left: int | None = None
        self.blow: Callable[[], None] = lambda: None

    def light(self, steps: int, blow: Callable[[], None]) -> None:
        """Call `blow` after so many more steps; before the next one, if it is 0."""
        self.steps_left, self.blow = steps, blow

    def burn(self) -> None:
        """The process takes a step."""
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                self.steps_left = None
                self.blow()


class _Known:
    """A task that is alive."""

    __slots__ = ("fuse", "number")

    def __init__(self, number: int) -> None:
        self.number = number  # 0: it was there before anybody counted.
        self.fuse: Fuse | None = None


class Steps(trio.abc.Instrument):
    """One per world. `batch` is shown all tasks before they run: an instrument for each step would take far longer."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._known: dict[trio.lowlevel.Task, _Known] = {}
        self._unknown = _Known(0)
        self._count = 0
        self._limit = STEPS_MAX
        self._beyond: Callable[[], None] = lambda: None
        self._burning = _Burning(self.fuse_of)
        self._burns = False  # A task with a lit fuse is in this batch.

    def limit(self, nodes: int, beyond: Callable[[], None]) -> None:
        """Call `beyond` if so many nodes take more than STEPS_MAX steps each before `limit` is called again."""
        self._limit = self._trace.steps + STEPS_MAX * nodes
        self._beyond = beyond

    @property
    def tasks(self) -> int:
        """How many are alive now."""
        return len(self._known)

    def belongs_to(self, task: trio.lowlevel.Task, fuse: Fuse) -> None:
        """This task, and every task that comes of it, is part of the process of this fuse."""
        self._known.setdefault(task, _Known(0)).fuse = fuse
        fuse.tasks += 1

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self._count += 1
        self._known[task] = _Known(self._count)
        nursery = task.parent_nursery
        parent = self._known.get(nursery.parent_task, self._unknown) if nursery is not None else self._unknown
        if parent.fuse is not None:
            self.belongs_to(task, parent.fuse)

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        known = self._known.pop(task, self._unknown)
        if known.fuse is not None:
            known.fuse.tasks -= 1

    def fuse_of(self, task: trio.lowlevel.Task) -> Fuse | None:
        return self._known.get(task, self._unknown).fuse

    def batch(self, tasks: Tasks) -> None:
        """These are about to run, the last one first."""
        trace, burns = self._trace, False
        for task in reversed(tasks):
            known = self._known.get(task, self._unknown)
            trace.step(known.number)
            burns |= known.fuse is not None and known.fuse.steps_left is not None
        if trace.steps > self._limit:
            self._limit = sys.maxsize
            self._beyond()
        if burns is not self._burns:
            self._burns = burns
            change = trio.lowlevel.add_instrument if burns else trio.lowlevel.remove_instrument
            change(self._burning)


class _Burning(trio.abc.Instrument):
    """Burns the fuses down: only there while one is lit."""

    def __init__(self, fuse_of: Callable[[trio.lowlevel.Task], Fuse | None]) -> None:
        self._fuse_of = fuse_of

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        fuse = self._fuse_of(task)
        if fuse is not None:
            fuse.burn()
