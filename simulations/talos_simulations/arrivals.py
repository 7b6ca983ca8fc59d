"""What has arrived at a process, streams or datagrams, and waits to be taken."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import trio

from talos.host import LinkClosed
from talos_simulations.power import Power

T = TypeVar("T")


class Arrivals(Generic[T]):
    """First in, first out, for as many takers as there are. `name` is what is closed, in the error of who takes."""

    def __init__(self, power: Power, name: str) -> None:
        self._power = power
        self._name = name
        self._waiting: deque[T] = deque()
        self._news = trio.Event()
        self.is_closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T) -> None:
        self._waiting.append(item)
        self._news.set()

    async def take(self) -> T:
        """Return the oldest; wait for one if there is none. Raises `LinkClosed` once it is closed."""
        await trio.lowlevel.checkpoint()
        while True:
            while not self._waiting:
                if self.is_closed:
                    raise LinkClosed(f"{self._name} closed")
                self._news = trio.Event()
                await self._news.wait()
            await self._power.work()
            if self._waiting:  # Another may have taken it meanwhile, or all is closed.
                return self._waiting.popleft()

    def close(self) -> list[T]:
        """Return what nobody took."""
        self.is_closed = True
        left = list(self._waiting)
        self._waiting.clear()
        self._news.set()
        return left
