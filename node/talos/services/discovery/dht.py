"""One `talos_dht.Dht`, driven: datagrams and time go in, what it wants is done, and who waits for a job is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from talos.services.desk import Desk
from talos.services.discovery.ports import Ports
from talos.services.signal import Signal
from talos_dht import Contact, Dht, Effect, Job, K, Now, Send

J = TypeVar("J", bound=Job)


class DhtRunner:
    """`run` in one task, and `Ports.read` in one for each port.

    `news` is sent when markedly more neighbours are known than before.
    """

    def __init__(self, desk: Desk, dht: Dht, ports: Ports, news: Signal) -> None:
        self.dht = dht
        self._desk = desk
        self._ports = ports
        ports.heard = self.heard
        self._waiting: dict[Job, trio.Event] = {}
        self._news = news
        self._known = 0
        self._until_ms = 0  # How long `run` sleeps; nobody needs to wake it for what is due later.
        self._earlier = Signal()  # Something is due earlier.

    @property
    def neighbours(self) -> int:
        """How many are known, in steps of twice as many, up to a bucket: 0 for none, 5 for 16 and more."""
        return min(len(self.dht.table), K).bit_length()

    def now(self) -> Now:
        return Now(self._desk.steady_ms(), self._desk.now_ms())

    async def run(self) -> None:
        """Do what is due, until cancelled."""
        clock = self._desk.host.clock
        while True:
            now = self.now()
            self._until_ms = self.dht.wakes_at_ms
            wait_ms = self._until_ms - now.mono_ms
            if wait_ms <= 0:
                await self._do(self.dht.tick(now))
                await trio.lowlevel.checkpoint()
                continue
            with clock.move_on_after(wait_ms / 1000):
                await self._earlier.wait()

    async def heard(self, sender: Contact, body: bytes) -> None:
        await self._do(self.dht.receive(sender, body, self.now()))
        if self.neighbours != self._known:
            self._known = self.neighbours
            self._news.send()

    async def finished(self, begin: Callable[[Now], tuple[J, list[Effect]]]) -> J:
        """Begin a job, and return it once it is done. It has an end of its own: no lookup asks without end."""
        job, effects = begin(self.now())
        done = self._waiting[job] = trio.Event()
        try:
            await self._do(effects)
            await done.wait()
        finally:
            del self._waiting[job]
        return job

    async def _do(self, effects: list[Effect]) -> None:
        # Sending may pause, and be broken off: so who waits is told first, and the timer of what comes of it.
        for effect in effects:
            if not isinstance(effect, Send) and effect.job in self._waiting:
                self._waiting[effect.job].set()
        if self.dht.wakes_at_ms < self._until_ms:
            self._earlier.send()
        for effect in effects:
            if isinstance(effect, Send):
                await self._ports.send(effect.to, effect.body)
