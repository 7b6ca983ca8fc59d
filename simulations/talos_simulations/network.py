"""The network between all machines, and the `talos.host.Network` that each process sees of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

from talos.errors import UsageError
from talos.host import Address, DialError, LinkClosed
from talos_simulations.agenda import Agenda
from talos_simulations.power import Power
from talos_simulations.roads import Road, Roads
from talos_simulations.streams import HEADERS, Pipe, SimStream, Site, StreamOwner
from talos_simulations.trace import Trace
from talos_simulations.weather import Fault, Kind

BACKLOG: Final = 128  # Streams that wait to be accepted; whoever dials after them waits.
PORT_FIRST: Final = 50_000  # Of those that dialling ends get.


class Network:
    """All streams and listeners of a world."""

    def __init__(self, agenda: Agenda, roads: Roads, trace: Trace) -> None:
        self.agenda = agenda
        self._roads = roads
        self._trace = trace
        self.sites: dict[str, Site] = {}
        self.listeners: dict[Address, SimListener] = {}
        self.cards: dict[Card, None] = {}  # Of processes that run.
        self.changed = trio.Event()  # A road has opened, or a machine is there again.
        self._packets = 0
        self._dials = 0

    def site(self, name: str) -> Site:
        if name not in self.sites:
            self.sites[name] = Site(name)
        return self.sites[name]

    def next_packet(self) -> int:
        self._packets += 1
        return self._packets

    def next_port(self) -> int:
        self._dials += 1
        return PORT_FIRST + self._dials % 10_000

    def note(self, kind: str, source: SimStream, target: SimStream, number: int, size: int) -> None:
        self._trace.note(self.agenda.now(), kind, source.card.site.name, target.card.site.name, number, str(size))

    def tell(self, kind: str, source: str, target: str, text: str = "") -> None:
        self._trace.note(self.agenda.now(), kind, source, target, 0, text)

    def road(self, source: str, target: str) -> Road:
        return self._roads.between(source, target)

    def begin(self, fault: Fault) -> None:
        self._roads.begin(fault)
        if fault.kind is Kind.RESET:
            self._break_streams(fault.who)
        self.look_again()

    def end(self, fault: Fault) -> None:
        self._roads.end(fault)
        self.look_again()

    def look_again(self) -> None:
        """Something has changed: whatever waits tries again."""
        for stream in self._streams():
            stream.look_again()
        self.changed.set()
        self.changed = trio.Event()

    def _break_streams(self, who: tuple[str, ...]) -> None:
        for stream in self._streams():
            if {stream.card.site.name, stream.peer.host} == set(who):
                stream.break_()

    def _streams(self) -> list[SimStream]:
        return [stream for card in self.cards for stream in card.streams]


class SimListener:
    """A `talos.host.Listener`."""

    def __init__(self, card: Card, address: Address) -> None:
        self.card = card
        self._address = address
        self._waiting: deque[SimStream] = deque()
        self._news = trio.Event()
        self._is_closed = False

    @property
    def address(self) -> Address:
        return self._address

    @property
    def has_room(self) -> bool:
        return len(self._waiting) < BACKLOG

    def dialled(self, stream: SimStream) -> None:
        self._waiting.append(stream)
        self._news.set()

    async def accept(self) -> SimStream:
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._is_closed:
                raise LinkClosed("the listener is closed")
            self._news = trio.Event()
            await self._news.wait()
        await self.card.power.work()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        self._is_closed = True
        self.card.network.listeners.pop(self._address, None)
        self.card.listeners.pop(self, None)
        while self._waiting:
            self._waiting.popleft().close()
        self._news.set()


class Card(StreamOwner):
    """A `talos.host.Network`: the network as one process sees it."""

    def __init__(self, network: Network, site: Site, power: Power) -> None:
        super().__init__(site, power)
        self.network = network
        self.listeners: dict[SimListener, None] = {}
        network.cards[self] = None

    async def listen_stream(self, address: Address) -> SimListener:
        await trio.lowlevel.checkpoint()
        if address.host != self.site.name:
            raise UsageError(f"cannot listen on {address}: this machine is {self.site.name}")
        if address.port == 0:
            address = Address(address.host, self.network.next_port())
        if address in self.network.listeners:
            raise UsageError(f"cannot listen on {address}: it is taken")
        listener = self.network.listeners[address] = SimListener(self, address)
        self.listeners[listener] = None
        return listener

    async def dial_stream(self, address: Address) -> SimStream:
        await trio.lowlevel.checkpoint()
        await self.power.work()
        site = self.network.sites.get(address.host)
        if site is None:
            raise DialError(f"nobody answered at {address}: there is no such machine")
        there = self.network.road(self.site.name, site.name)
        back = self.network.road(site.name, self.site.name)
        self.network.tell("dial", self.site.name, site.name)
        await self._cross(there, lambda: site.is_on and site.can_be_dialled)
        listener = self.network.listeners.get(address)
        while listener is not None and not listener.has_room:
            await trio.sleep(1.0)
            listener = self.network.listeners.get(address)
        if listener is None:
            await self._cross(back)
            raise DialError(f"nobody answered at {address}: connection refused")
        stream = self._connect(listener, address, there, back)
        try:
            await self._cross(back)
            await self.power.work()
        except trio.Cancelled:
            stream.close()
            raise
        return stream

    def _connect(self, listener: SimListener, address: Address, there: Road, back: Road) -> SimStream:
        outgoing, incoming = Pipe(self.network, there, back), Pipe(self.network, back, there)
        ours = SimStream(self, address, incoming, outgoing)
        other = listener.card
        theirs = SimStream(other, Address(self.site.name, self.network.next_port()), outgoing, incoming)
        self.streams[ours] = other.streams[theirs] = None
        listener.dialled(theirs)
        return ours

    async def _cross(self, road: Road, is_there: Callable[[], bool] = lambda: True) -> None:
        """Wait until a packet has made its way over the road."""
        while road.is_shut or not is_there():
            await self.network.changed.wait()
        lost_s = road.retransmitted_s() if road.loss else 0.0
        await trio.sleep(lost_s + road.travel_s(HEADERS))

    def kill(self) -> None:
        """The process is gone, and its machine closes what it had open."""
        for listener in list(self.listeners):
            listener.close()
        for stream in list(self.streams):
            stream.close()
        self.network.cards.pop(self, None)

    def vanish(self) -> None:
        """The machine is gone: nobody hears of it."""
        for stream in list(self.streams):
            stream.vanish()
        for listener in list(self.listeners):
            listener.close()
        self.network.cards.pop(self, None)
