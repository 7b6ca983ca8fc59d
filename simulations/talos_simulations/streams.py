"""Streams as TCP has them: ordered, with a window, stalled by whatever shuts the road, broken by resets.

A stream is two pipes. What is under way in a pipe arrives in order, one segment after the other; a segment that meets
a shut road waits there until it opens, and everything behind it waits too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from talos.host import Address, LinkClosed
from talos_simulations.power import Power
from talos_simulations.roads import Road

if TYPE_CHECKING:
    from talos_simulations.network import Network

WINDOW: Final = 64 * 1024  # Bytes that the reader has not taken, as far as the writer knows.
RECOVER_MAX_S: Final = 1.0  # A stalled stream notices within this time that the road is open again.
HEADERS: Final = 40  # Bytes of a segment beside its data.


class Segment(NamedTuple):
    due: float
    number: int  # Of the packet, in the whole world.
    data: bytes  # None of it: the end of the stream.
    is_reset: bool = False


class Pipe:
    """One direction of a stream. `road` carries its data, `way_back` the news of what was taken."""

    def __init__(self, network: Network, road: Road, way_back: Road) -> None:
        self._network = network
        self._road = road
        self._way_back = way_back
        self._under_way: deque[Segment] = deque()
        self._last_due = 0.0
        self.writer: SimStream
        self.reader: SimStream
        self.arrived = bytearray()
        self.unread = 0  # Bytes that fill the window.
        self._unheard = 0  # Bytes taken, of which the writer has not heard: the way back is shut.
        self.has_ended = False
        self.is_stalled = False
        self.news = trio.Event()  # For who waits to read ...
        self.room = trio.Event()  # ... or to write.

    def send(self, data: bytes = b"", *, is_reset: bool = False) -> None:
        """Put a segment on its way; one without data is the end of the stream."""
        road, network = self._road, self._network
        due = max(network.agenda.now() + road.travel_s(len(data) + HEADERS), self._last_due)
        if road.loss:
            due += road.retransmitted_s()
        self._last_due = due
        number = network.next_packet()
        network.note("sent" if data else "close", self.writer, self.reader, number, len(data))
        self.unread += len(data)
        self._under_way.append(Segment(due, number, data, is_reset))
        if len(self._under_way) == 1:
            network.agenda.at(due, self._arrive)

    def _arrive(self) -> None:
        """The first segment is there, unless something is in the way."""
        if not self._under_way:
            return
        if self._road.is_shut or not self.reader.card.site.is_on:
            self.is_stalled = True
            return
        segment = self._under_way.popleft()
        self._network.note("arrived", self.writer, self.reader, segment.number, len(segment.data))
        if self.reader.is_closed:
            if segment.data:
                self._refuse()
        elif segment.is_reset:
            self.reader.break_()
        else:
            self._take(segment.data)
        if self._under_way:
            self._network.agenda.at(self._under_way[0].due, self._arrive)

    def _take(self, data: bytes) -> None:
        road = self._road
        if data and road.will_flip:
            road.will_flip = False
            data = _flipped(data, road.dice.randrange(len(data) * 8))
        if data and road.will_cut:
            road.will_cut = False
            data = data[: len(data) // 2]
            self._under_way.clear()
            self.has_ended = True
            self._refuse()
        self.arrived += data
        self.has_ended |= not data
        self.news.set()

    def _refuse(self) -> None:
        """Answer with a reset: there is nobody who reads."""
        self._network.agenda.after(self._way_back.travel_s(HEADERS), self.writer.break_)

    def taken(self, size: int) -> None:
        self._unheard += size
        self.look_again()

    def look_again(self) -> None:
        """Something has changed between the two ends, or at one of them."""
        if self._unheard and not self._way_back.is_shut:
            self.unread -= self._unheard
            self._unheard = 0
            self.room.set()
        if self.is_stalled and not self._road.is_shut and self.reader.card.site.is_on:
            self.is_stalled = False
            self._network.agenda.after(self._road.dice.random() * RECOVER_MAX_S, self._arrive)

    def stop(self) -> None:
        """Nothing more arrives."""
        self._under_way.clear()
        self.news.set()
        self.room.set()


class SimStream:
    """A `talos.host.Stream`: one end, as one process holds it."""

    def __init__(self, card: StreamOwner, peer: Address, incoming: Pipe, outgoing: Pipe) -> None:
        self.card = card
        self._peer = peer
        self._in = incoming
        self._out = outgoing
        incoming.reader = outgoing.writer = self
        self.is_closed = False  # By us, or by the end of our process or machine.
        self.is_broken = False  # By a reset.

    @property
    def peer(self) -> Address:
        return self._peer

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and were not read."""
        return len(self._in.arrived)

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self.card.power.work()
        self.card.watch(data)
        pipe, view = self._out, memoryview(data)
        while view:
            self._check()
            room = WINDOW - pipe.unread
            if room <= 0:
                pipe.room = trio.Event()
                await pipe.room.wait()
                continue
            pipe.send(bytes(view[:room]))
            view = view[room:]

    async def receive_some(self, size_max: int) -> bytes:
        pipe = self._in
        await trio.lowlevel.checkpoint()
        while not (pipe.arrived or pipe.has_ended):
            self._check()
            pipe.news = trio.Event()
            await pipe.news.wait()
        await self.card.power.work()
        if self.is_closed or not (pipe.arrived or pipe.has_ended):
            self._check()
        data = bytes(pipe.arrived[:size_max])
        del pipe.arrived[:size_max]
        pipe.taken(len(data))
        return data

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        """Say that we send no more, and that what comes is in vain."""
        if not self.is_closed:
            self._out.send(is_reset=bool(self._in.arrived))
            self.vanish()

    def vanish(self) -> None:
        """Close, and say nothing: the machine lost its power."""
        self.is_closed = True
        self.card.streams.pop(self, None)
        self._in.news.set()
        self._out.room.set()

    def break_(self) -> None:
        """A reset has come. What arrived before it may still be read."""
        self.is_broken = True
        self._in.stop()
        self._out.stop()

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
        self.watch: Callable[[bytes], None] = lambda data: None  # Sees all that is sent.


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
