"""What this node says of itself: its record and what it offers, again every hour and whenever they change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from talos.core.whereabouts import COUNT_SIZE, next_seq, own_provider, own_record
from talos.errors import StoreFailed
from talos.services.desk import Desk
from talos.services.discovery.kept import Kept
from talos.services.signal import Signal
from talos_dht import REPUBLISH_MS, Address, Held

SEQ_KEY: Final = b"seq"
LOOK_S: Final = 60.0  # Between two looks whether something has changed: an address, the bundle, our key log.
AGAIN_S: Final = 1.0  # Before the next attempt where nobody holds it yet; then twice as long, up to LOOK_S.

Tell = Callable[[Held], Awaitable[int]]  # Gives something to whoever is to hold it; returns how many do now.


class Announcer:
    """`may` says whether there is somebody to tell; `news` is sent when that, or what is to be said, may have changed.

    `neighbours` is part of it: where few were known, those who are to hold it were not, and it is said again.
    """

    def __init__(
        self,
        desk: Desk,
        kept: Kept,
        *,
        addresses: Callable[[], list[Address]],
        topics: Sequence[str],
        tell: Tell,
        neighbours: Callable[[], int],
        may: Callable[[], bool],
        news: Signal,
    ) -> None:
        self._desk = desk
        self._kept = kept
        self._addresses = addresses
        self._topics = topics
        self._tell = tell
        self._neighbours = neighbours
        self._may = may
        self._news = news
        self.holders = 0  # How many said that they hold our newest record; 0 if none.

    async def run(self) -> None:
        """Until cancelled."""
        clock = self._desk.host.clock
        said, due_ms, wait_s = b"", 0, AGAIN_S
        while True:
            addresses, now_ms = self._addresses(), self._desk.steady_ms()
            state = self._desk.me.key_log.state
            saying = repr((addresses, self._desk.ring.bundle, state.digest, self._neighbours())).encode()
            if addresses and self._may() and (saying != said or now_ms >= due_ms):
                self.holders = await self._announce(addresses)
                said = saying if self.holders else b""
                wait_s = AGAIN_S if self.holders else min(2 * wait_s, LOOK_S)
                due_ms = now_ms + REPUBLISH_MS - self._drawn(REPUBLISH_MS // 10)
                if said:
                    continue  # News that came meanwhile woke nobody.
            with clock.move_on_after(LOOK_S if said else wait_s):
                await self._news.wait()

    async def _announce(self, addresses: list[Address]) -> int:
        """Say everything anew, under one new number; return how many hold the record."""
        me, now_ms = self._desk.me, self._desk.now_ms()
        seq = next_seq(self._kept.get(SEQ_KEY), now_ms)
        self._kept[SEQ_KEY] = seq.to_bytes(COUNT_SIZE, "big")
        try:
            await self._kept.flush()  # First: a number must not be used twice, or others keep the older.
        except StoreFailed:
            return 0  # The next round tries again; whoever writes the cache says what is wrong with it.
        holders = await self._tell(own_record(me, self._desk.ring.bundle, addresses, seq, now_ms))
        for topic in self._topics if holders else ():  # A provider is of no use to who cannot find it.
            await self._tell(own_provider(me, topic, seq, now_ms))
        return holders

    def _drawn(self, below: int) -> int:
        return int.from_bytes(self._desk.host.entropy(4), "big") % below
