"""Cores alone, many thousands of them: no node, no scheduler, one plain loop over what happens next.

A core is values in, values out, so a run of cores needs no task and no crypto, and is some hundred times cheaper than
one of whole nodes. It finds what is wrong in the rules themselves; what is wrong between them, whole nodes find.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple, Protocol

from talos_simulations.dice import stream


class Out(NamedTuple):
    """What a core wants to happen: `event` for `to` (itself, if it is a timer) after `delay_ms`, or a packet's time."""

    to: int
    event: Any
    delay_ms: float | None = None  # None: it goes over the wire, which may lose it, repeat it or be slow.


class Core(Protocol):
    def handle(self, event: Any, now_ms: float) -> Iterable[Out]:
        """One thing happens to this core; return what comes of it. Must be a function of what it was told so far."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What every packet between two cores goes through."""

    latency_ms: tuple[float, float] = (5.0, 50.0)
    loss: float = 0.0
    duplicate: float = 0.0


class Field:
    """Runs cores, numbered from 0. Equal seeds and equal cores give equal runs."""

    def __init__(self, seed: int, cores: list[Core], wire: Wire) -> None:
        self._cores = cores
        self._wire = wire
        self._roll = stream(seed, "wire").random
        self._queue: list[tuple[float, int, int, Any]] = []
        self._count = 0
        self.now_ms = 0.0
        self.events = 0

    def post(self, out: Out) -> None:
        """Let something happen to a core."""
        to, event, delay_ms = out
        self._count += 1
        if delay_ms is not None:
            heappush(self._queue, (self.now_ms + delay_ms, self._count, to, event))
            return
        wire, roll = self._wire, self._roll
        if wire.loss and roll() < wire.loss:
            return
        least, most = wire.latency_ms
        heappush(self._queue, (self.now_ms + least + (most - least) * roll(), self._count, to, event))
        if wire.duplicate and roll() < wire.duplicate:
            self._count += 1
            heappush(self._queue, (self.now_ms + least + (most - least) * roll(), self._count, to, event))

    def run(self, until_ms: float, events_max: int = sys.maxsize) -> None:
        """Let everything happen that is due by then, or so many events: some cores never come to rest."""
        queue, post, left = self._queue, self.post, events_max - self.events
        handlers = [core.handle for core in self._cores]
        while queue and queue[0][0] <= until_ms and left > 0:
            self.now_ms, _, to, event = heappop(queue)
            left -= 1
            for out in handlers[to](event, self.now_ms):
                post(out)
        self.events = events_max - left
        self.now_ms = max(self.now_ms, until_ms)
