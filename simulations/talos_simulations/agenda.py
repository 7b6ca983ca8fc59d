"""What will happen in the world, and when: one queue, however many packets are under way.

Under the clock of a simulation nothing of this is a task: a step of the scheduler for each packet would be a tenth of
all steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import ceil, inf
from typing import Final, NoReturn

import trio

from talos_simulations.scheduler import VirtualTime

QUANTUM_S: Final = 0.001  # Things happen at whole milliseconds: fewer moments, so more of them happen at once.


class Agenda:
    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._nap = trio.CancelScope()
        self._wakes_at = -1.0  # Awake: it looks at the queue before it naps.
        self.now: Callable[[], float] = trio.current_time  # Virtual seconds since the start of the run.

    def begin(self) -> None:
        """Ask the clock of this run itself from now on: the time is asked for fifty times a message."""
        self.now = trio.lowlevel.current_clock().current_time

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Call `what` at this time, or now if it has passed; what is due at one time is called in this order."""
        when = ceil(when / QUANTUM_S) * QUANTUM_S
        self._count += 1
        heapq.heappush(self._queue, (when, self._count, what))
        if when < self._wakes_at:
            self._wakes_at = when
            self._nap.deadline = when

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.now() + seconds, what)

    @property
    def due(self) -> float:
        """When the next thing happens; infinity if nothing will."""
        return self._queue[0][0] if self._queue else inf

    def call_due(self, now: float) -> None:
        queue = self._queue
        while queue and queue[0][0] <= now:
            heapq.heappop(queue)[2]()

    async def run(self) -> None:
        """Until cancelled. A callback must not raise, and it runs in no task if the clock is `VirtualTime`."""
        clock = trio.lowlevel.current_clock()
        if not isinstance(clock, VirtualTime):
            await self._watch()
        clock.agenda = self
        try:
            await trio.sleep_forever()
        finally:
            clock.agenda = None

    async def _watch(self) -> NoReturn:
        """Do what is due under a clock that does not ask."""
        while True:
            self.call_due(self.now())
            self._wakes_at = self.due
            with trio.CancelScope(deadline=self._wakes_at) as self._nap:
                await trio.sleep_forever()
            self._wakes_at = -1.0
