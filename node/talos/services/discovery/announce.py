"""What this node says of itself: its record and what it offers, again every hour and whenever they change.

Where they change again and again it is said more and more seldom, and once a minute in the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final, NamedTuple

from talos.core.whereabouts import COUNT_SIZE, next_seq, own_provider, own_record
from talos.errors import StoreFailed
from talos.services.desk import Desk
from talos.services.discovery.kept import Kept
from talos.services.signal import Signal
from talos_dht import REPUBLISH_MS, Address, Held, Record

SEQ_KEY: Final = b"seq"
LOOK_S: Final = 60.0  # Between two looks whether something has changed: an address, the bundle, our key log.
AGAIN_S: Final = 1.0  # Before it is said again, held or not; then twice as long, up to LOOK_S.

Tell = Callable[[Held], Awaitable[int]]  # Gives something to whoever is to hold it; returns how many do now.


class _Said(NamedTuple):
    record: Record
    saying: bytes
    said_ms: int  # UTC.
    made_ms: int  # On the monotonic clock.


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
        self._newest: _Said | None = None
        self.changed: Callable[[], None] = lambda: None  # Called for each new record that others are told of.
        self.holders = 0  # How many said that they hold our newest record; 0 if none.

    async def run(self) -> None:
        """Until cancelled."""
        clock = self._desk.host.clock
        said, due_ms, wait_s = b"", 0, AGAIN_S
        pause_s, held_at = AGAIN_S, -inf
        while True:
            addresses, now_ms = self._addresses(), self._desk.steady_ms()
            saying = self._saying(addresses) + b"%d" % self._neighbours()
            has_to = bool(addresses) and self._may()
            if has_to and (saying != said or now_ms >= due_ms):
                self.holders = await self._announce(addresses)
                said = saying if self.holders else b""
                wait_s = AGAIN_S if self.holders else min(2 * wait_s, LOOK_S)
                due_ms = now_ms + REPUBLISH_MS - self._drawn(REPUBLISH_MS // 10)
                if said:
                    # Others have a say in it: where we are seen, which relays keep us, who is near.
                    is_often = clock.monotonic() - held_at < 2 * LOOK_S
                    pause_s, held_at = min(2 * pause_s, LOOK_S) if is_often else AGAIN_S, clock.monotonic()
                    await clock.sleep(pause_s)
                    continue  # News that came meanwhile woke nobody.
            with clock.move_on_after(wait_s if has_to and not said else LOOK_S):
                await self._news.wait()

    async def statement(self) -> Record | None:
        """Return our record as it is now: a new one if anything has changed, or an hour has passed.

        None if its number could not be written: then it must not be said.
        """
        addresses, now_ms, newest = self._addresses(), self._desk.steady_ms(), self._newest
        if newest is None or newest.saying != self._saying(addresses) or now_ms >= newest.made_ms + REPUBLISH_MS:
            newest = await self._make(addresses)
        return None if newest is None else newest.record

    def _saying(self, addresses: list[Address]) -> bytes:
        """Return what tells whether our record has changed."""
        return repr((addresses, self._desk.ring.bundle, self._desk.me.key_log.state.digest)).encode()

    async def _announce(self, addresses: list[Address]) -> int:
        """Say everything anew, under one new number; return how many hold the record."""
        made = await self._make(addresses)
        if made is None:
            return 0
        self.changed()
        holders = await self._tell(made.record)
        for topic in self._topics if holders else ():  # A provider is of no use to who cannot find it.
            await self._tell(own_provider(self._desk.me, topic, made.record.seq, made.said_ms))
        return holders

    async def _make(self, addresses: list[Address]) -> _Said | None:
        me, now_ms, saying = self._desk.me, self._desk.now_ms(), self._saying(addresses)
        seq = next_seq(self._kept.get(SEQ_KEY), now_ms)
        self._kept[SEQ_KEY] = seq.to_bytes(COUNT_SIZE, "big")
        try:
            await self._kept.flush()  # First: a number must not be used twice, or others keep the older.
        except StoreFailed:
            return None  # The next round tries again; whoever writes the cache says what is wrong with it.
        record = own_record(me, self._desk.ring.bundle, addresses, seq, now_ms)
        self._newest = _Said(record, saying, now_ms, self._desk.steady_ms())
        return self._newest

    def _drawn(self, below: int) -> int:
        return int.from_bytes(self._desk.host.entropy(4), "big") % below
