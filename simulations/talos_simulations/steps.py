"""Watches the scheduler: numbers the tasks for the trace, and crashes a process at any one of its awaits."""

from __future__ import annotations

from collections.abc import Callable

import trio

from talos_simulations.trace import Trace


class Fuse:
    """Of one process: burns down by one at each of its scheduler steps, once it is lit."""

    __slots__ = ("blow", "steps_left")

    def __init__(self) -> None:
        self.steps_left: int | None = None
        self.blow: Callable[[], None] = lambda: None

    def light(self, steps: int, blow: Callable[[], None]) -> None:
        """Call `blow` after so many more steps; before the next one, if it is 0."""
        self.steps_left, self.blow = steps, blow


class Steps(trio.abc.Instrument):
    """One per world."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._numbers: dict[trio.lowlevel.Task, int] = {}
        self._fuses: dict[trio.lowlevel.Task, Fuse] = {}
        self._count = 0

    @property
    def tasks(self) -> int:
        """How many are alive now."""
        return len(self._numbers)

    def belongs_to(self, task: trio.lowlevel.Task, fuse: Fuse) -> None:
        """This task, and every task that comes of it, is part of the process of this fuse."""
        self._fuses[task] = fuse

    def tasks_of(self, fuse: Fuse) -> int:
        return sum(one is fuse for one in self._fuses.values())

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self._count += 1
        self._numbers[task] = self._count
        nursery = task.parent_nursery
        fuse = self._fuses.get(nursery.parent_task) if nursery is not None else None
        if fuse is not None:
            self._fuses[task] = fuse

    def task_exited(self, task: trio.lowlevel.Task) -> None:
        self._numbers.pop(task, None)
        self._fuses.pop(task, None)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._trace.step(self._numbers.get(task, 0))
        fuse = self._fuses.get(task)
        if fuse is not None and fuse.steps_left is not None:
            fuse.steps_left -= 1
            if fuse.steps_left < 0:
                fuse.steps_left = None
                fuse.blow()
