"""Streams as TCP has them: ordered, with a window, stalled by whatever shuts the road, broken by resets.

A stream is two pipes. What is under way in a pipe arrives in order, one segment after the other; a segment that meets
a shut road waits there until it opens, and everything behind it waits too. A narrow road carries the segments of all
streams in turn. One thing is simpler than in life: the writer hears at once what the reader has taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from talos.host import Address, LinkClosed
from talos_simulations.power import Power
from talos_simulations.roads import Road
from talos_simulations.suite import Lanes

if TYPE_CHECKING:
    from talos_simulations.network import Network

WINDOW: Final = 64 * 1024  # Bytes that the reader has not taken, as far as the writer knows.
RECOVER_MAX_S: Final = 1.0  # A stalled stream notices within this time that the road is open again.
HEADERS: Final = 40  # Bytes of a segment beside its data.
PIECE_MAX: Final = 1_400  # Bytes of a segment on a narrow road, so that streams share it. On others, up to a window.
WRITES_PAUSE: Final = 4  # Once in so many writes others run first: they may be ready by then, or not.


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
        self.opened_at = self.last_due = network.agenda.now()
        self.writer: SimStream
        self.reader: SimStream
        self.arrived = bytearray()
        self.unread = 0  # Bytes that fill the window.
        self._unheard = 0  # Bytes taken, of which the writer has not heard: the way back is shut.
        self.has_ended = False
        self.is_stalled = False
        self.is_forgotten = False  # Whatever is on its way, or will be, is lost.
        self._is_forsaken = False  # The machine that would send again is gone.
        self._is_in_turn = False  # The first segment waits for a narrow road ...
        self._turn = 0  # ... for the so-manieth time.
        self._owes_reset = False  # The way back is shut.
        self.news = trio.Event()  # For who waits to read ...
        self.room = trio.Event()  # ... or to write.

    def send(self, data: bytes = b"", *, is_reset: bool = False) -> None:
        """Put a segment on its way; one without data is the end of the stream."""
        road, network = self._road, self._network
        due = max(network.agenda.now() + road.way_s(), self.last_due)
        if road.loss:
            due += road.retransmitted_s()
        self.last_due = due
        number = network.next_packet()
        network.note("sent" if data else "close", self.writer, self.reader, number, len(data))
        self.unread += len(data)
        if self.is_forgotten:
            return
        self._under_way.append(Segment(due, number, data, is_reset))
        if len(self._under_way) == 1:
            network.agenda.at(due, self._arrive)

    @property
    def narrow(self) -> bool:
        return self._road.bandwidth is not None

    def _arrive(self) -> None:
        """The first segment is there, unless something is in the way. Called once for each."""
        if self.is_forgotten:
            return
        if self._road.is_shut or not self.reader.card.site.is_on:
            self._stall()
        elif self._road.bandwidth:
            self._turn += 1
            self._is_in_turn = True
            size = len(self._under_way[0].data) + HEADERS
            agenda = self._network.agenda
            agenda.at(self._road.carry(agenda.now(), size), partial(self._come_through, self._turn))
        else:
            self._deliver()

    def _come_through(self, turn: int) -> None:
        if turn != self._turn or not self._is_in_turn or self.is_forgotten:
            return  # The road is wide again, and so it is there already.
        self._is_in_turn = False
        if self._road.is_shut or not self.reader.card.site.is_on:
            self._stall()
        else:
            self._deliver()

    def _stall(self) -> None:
        self.is_stalled = not self._is_forsaken
        if self._is_forsaken:
            self._under_way.clear()

    def forget(self) -> None:
        """A router or firewall on the way knows the stream no more, and is silent about it."""
        self.is_forgotten = True
        self._under_way.clear()
        self._owes_reset = False

    def forsake(self) -> None:
        """The writer's machine has lost its power: what meets a shut road now is not sent again."""
        self._is_forsaken = True
        if self.is_stalled:
            self._stall()

    def _deliver(self) -> None:
        segment = self._under_way.popleft()
        self._network.note("arrived", self.writer, self.reader, segment.number, len(segment.data))
        if self.reader.is_closed or self.reader.is_broken:
            if segment.data:
                self._refuse()
        elif segment.is_reset:
            self.reader.break_()
        elif not self.has_ended:
            self._take(segment.data)
        if self._under_way:
            self._network.agenda.at(self._under_way[0].due, self._arrive)

    def _take(self, data: bytes) -> None:
        road = self._road
        if data and road.will_flip:
            road.will_flip = False
            data = flipped(data, road.dice.randrange(len(data) * 8))
        if data and road.will_cut:
            road.will_cut = False
            data = data[: len(data) // 2]
            self.has_ended = True  # What is behind it comes in vain.
            self._refuse()
        self.arrived += data
        self.has_ended |= not data
        self.news.set()

    def _refuse(self) -> None:
        """Answer with a reset: there is nobody who reads."""
        if self.writer.is_closed or self.writer.is_broken or self.is_forgotten:
            return
        self._owes_reset = self._way_back.is_shut
        if not self._owes_reset:
            self._network.agenda.after(self._way_back.travel_s(HEADERS), self.writer.break_)

    def taken(self, size: int) -> None:
        self._unheard += size
        self.look_again()

    def look_again(self) -> None:
        """Something has changed between the two ends, or at one of them."""
        if self.is_forgotten:
            return
        if self._unheard and not self._way_back.is_shut:
            self.unread -= self._unheard
            self._unheard = 0
            self.room.set()
        if self.is_stalled and not self._road.is_shut and self.reader.card.site.is_on:
            self.is_stalled = False
            self._network.agenda.after(self._road.dice.random() * RECOVER_MAX_S, self._arrive)
        if self._is_in_turn and not self._road.bandwidth:
            self._is_in_turn = False
            self._network.agenda.after(0.0, self._arrive)
        if self._owes_reset and not self._way_back.is_shut:
            self._refuse()


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


def flipped(data: bytes, bit: int) -> bytes:
    """Return the data with one bit turned."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
