"""Streams as TCP has them: ordered, with a window, broken by resets. A stream is two pipes, one for each direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from talos.host import Address, LinkClosed
from talos_simulations.pipes import Pipe
from talos_simulations.power import Power
from talos_simulations.suite import Lanes

WINDOW: Final = 64 * 1024  # Bytes that the reader has not taken, as far as the writer knows.
PIECE_MAX: Final = 1_400  # Bytes of a segment on a narrow road, so that streams share it. On others, up to a window.
WRITES_PAUSE: Final = 4  # Once in so many writes others run first: they may be ready by then, or not.


class SimStream:
    """A `talos.host.Stream`: one end, as one process holds it."""

    def __init__(self, card: StreamOwner, peer: Address, incoming: Pipe, outgoing: Pipe) -> None:
        self.card = card
        self._peer = peer
        self._in = incoming
        self._out = outgoing
        incoming.reader = outgoing.writer = self
        self.lanes = Lanes()
        self.last_read = b""  # What the newest read returned: the very object.
        self.is_closed = False  # By us, or by the end of our process or machine.
        self.is_broken = False  # By a reset.

    @property
    def peer(self) -> Address:
        return self._peer

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and were not read."""
        return len(self._in.arrived)

    @property
    def opened_at(self) -> float:
        return self._out.opened_at

    @property
    def is_forgotten(self) -> bool:
        return self._out.is_forgotten

    @property
    def carries(self) -> bool:
        """True while both ends hold it, and what is sent on it will arrive."""
        other = self._out.reader
        return not (self.is_closed or self.is_broken or other.is_closed or other.is_broken or self._out.is_forgotten)

    @property
    def last_due(self) -> float:
        """When the last of what is under way, in either direction, would arrive by now."""
        return max(self._in.last_due, self._out.last_due)

    async def send_all(self, data: bytes) -> None:
        await self.card.power.pause(one_in=WRITES_PAUSE)
        await trio.lowlevel.checkpoint_if_cancelled()
        await self.card.power.work()
        self._check()
        self.card.watch(self, data)
        pipe, at = self._out, 0
        while at < len(data):
            room = WINDOW - pipe.unread
            if room > 0:
                if pipe.narrow:
                    room = min(room, PIECE_MAX)
                pipe.send(data[at : at + room])
                at += room
            else:
                pipe.room = trio.Event()
                await pipe.room.wait()
                self._check()

    async def receive_some(self, size_max: int) -> bytes:
        pipe = self._in
        if pipe.arrived or pipe.has_ended:
            await self.card.power.pause()  # Else it waits anyway.
            await trio.lowlevel.checkpoint_if_cancelled()
        while not (pipe.arrived or pipe.has_ended):
            self._check()
            pipe.news = trio.Event()
            await pipe.news.wait()
        await self.card.power.work()
        if self.is_closed or not (pipe.arrived or pipe.has_ended):
            self._check()
        arrived = pipe.arrived
        if len(arrived) <= size_max:
            data = bytes(arrived)
            arrived.clear()
        else:
            data = bytes(arrived[:size_max])
            del arrived[:size_max]
        pipe.taken(len(data))
        self.last_read = data
        return data

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        """Say that we send no more, and that what comes is in vain."""
        if not self.is_closed:
            if not self.is_broken:
                self._out.send(is_reset=bool(self._in.arrived))
            self._end()

    def vanish(self) -> None:
        """Close, and say nothing: the machine lost its power."""
        self._end()
        self._out.forsake()

    def _end(self) -> None:
        self.is_closed = True
        self.card.streams.pop(self, None)
        self._in.news.set()
        self._out.room.set()

    def break_(self) -> None:
        """A reset has come. What arrived before it may still be read."""
        self.is_broken = True
        self._in.news.set()
        self._out.room.set()

    def forget(self) -> None:
        """Nothing comes through any more, either way."""
        self._in.forget()
        self._out.forget()

    def look_again(self) -> None:
        self._in.look_again()
        self._out.look_again()

    def _check(self) -> None:
        if self.is_closed:
            raise LinkClosed("this end of the stream is closed")
        if self.is_broken:
            raise LinkClosed("the stream was reset")


class Site:
    """A machine, as the network sees it; it outlives the processes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_on = True
        self.can_be_dialled = True


class StreamOwner:
    """Who holds streams: one process."""

    def __init__(self, site: Site, power: Power) -> None:
        self.site = site
        self.power = power
        self.streams: dict[SimStream, None] = {}  # In the order they were opened.
        self.watch: Callable[[SimStream, bytes], None] = lambda stream, data: None  # Sees all that is sent.

    def passes_on(self, data: bytes) -> bool:
        """Say whether this is what it has just read from some stream, as a relay writes it to another."""
        return any(stream.last_read is data for stream in self.streams)
