"""One direction of a stream: what is under way arrives in order, and what meets a shut road waits, with all behind it.

A narrow road carries the segments of all streams in turn. One thing is simpler than in life: the writer hears at once
what the reader has taken.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from talos_simulations.roads import Road, flipped

if TYPE_CHECKING:
    from talos_simulations.network import Network
    from talos_simulations.streams import SimStream

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
