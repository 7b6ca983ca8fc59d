"""What will happen in the world, and when: one queue and one task, however many packets are under way."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import ceil
from typing import Final

import trio

QUANTUM_S: Final = 0.001  # Things happen at whole milliseconds: fewer moments, so more of them happen at once.
NEVER_S: Final = 1e9


class Agenda:
    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._nap = trio.CancelScope()
        self._wakes_at = -1.0  # Awake: it looks at the queue before it naps.

    def now(self) -> float:
        """Return virtual seconds since the start of the run."""
        return trio.current_time()

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

    async def run(self) -> None:
        """Until cancelled. A callback must not raise."""
        queue = self._queue
        while True:
            now = self.now()
            while queue and queue[0][0] <= now:
                heapq.heappop(queue)[2]()
            self._wakes_at = queue[0][0] if queue else NEVER_S
            with trio.CancelScope(deadline=self._wakes_at) as self._nap:
                await trio.sleep_forever()
            self._wakes_at = -1.0
