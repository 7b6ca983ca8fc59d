"""The network between all machines, and the `talos.host.Network` that each process sees of it."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

import trio

from talos.core.names import PORT_MAX
from talos.errors import UsageError
from talos.host import Address, DialError, Multicast
from talos_simulations.agenda import Agenda
from talos_simulations.arrivals import Arrivals
from talos_simulations.datagrams import Post, SimDatagrams
from talos_simulations.pipes import HEADERS, Pipe
from talos_simulations.power import Power
from talos_simulations.roads import Road, Roads
from talos_simulations.streams import SimStream, Site, StreamOwner
from talos_simulations.trace import Trace
from talos_simulations.weather import Fault, Kind

BACKLOG: Final = 128  # Streams that wait to be accepted; whoever dials after them waits.
PORT_FIRST: Final = 50_000  # Of those that dialling ends get.
RETRY_S: Final = 1.0  # A dial that found no room tries again so much later (RFC 6298, section 2).


class Network:
    """All streams, listeners and datagrams of a world."""

    def __init__(self, agenda: Agenda, roads: Roads, trace: Trace) -> None:
        self.agenda = agenda
        self._roads = roads
        self._trace = trace
        self.sites: dict[str, Site] = {}
        self.listeners: dict[Address, SimListener] = {}
        self.cards: dict[Card, None] = {}  # Of processes that run.
        self.changed = trio.Event()  # A road has opened, or a machine is there again.
        self.post = Post(self)
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

    def free_address(self, host: str, taken: Container[Address]) -> Address:
        """Return an address of this machine that is not taken."""
        while (address := Address(host, self.next_port())) in taken:
            pass
        return address

    def note(self, kind: str, source: SimStream, target: SimStream, number: int, size: int) -> None:
        self._trace.note(self.agenda.now(), kind, source.card.site.name, target.card.site.name, number, str(size))

    def tell(self, kind: str, source: str, target: str, text: str = "", number: int = 0) -> None:
        self._trace.note(self.agenda.now(), kind, source, target, number, text)

    def road(self, source: str, target: str) -> Road:
        return self._roads.between(source, target)

    def begin(self, fault: Fault) -> None:
        self._roads.begin(fault)
        if fault.kind in (Kind.RESET, Kind.FORGET):
            for stream in self._streams():
                if {stream.card.site.name, stream.peer.host} == set(fault.who):
                    stream.break_() if fault.kind is Kind.RESET else stream.forget()
        self.look_again()

    def end(self, fault: Fault) -> None:
        self._roads.end(fault)
        self.look_again()

    def look_again(self) -> None:
        """Something has changed: whatever waits tries again."""
        for stream in self._streams():
            stream.look_again()
        self.post.look_again()
        self.changed.set()
        self.changed = trio.Event()

    def _streams(self) -> list[SimStream]:
        return [stream for card in self.cards for stream in card.streams]


class SimListener:
    """A `talos.host.Listener`."""

    def __init__(self, card: Card, address: Address) -> None:
        self.card = card
        self._address = address
        self._streams = Arrivals[SimStream](card.power, "the listener is")

    @property
    def address(self) -> Address:
        return self._address

    @property
    def has_room(self) -> bool:
        return len(self._streams) < BACKLOG

    def dialled(self, stream: SimStream) -> None:
        self._streams.put(stream)

    async def accept(self) -> SimStream:
        return await self._streams.take()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        if self._streams.is_closed:
            return  # Another may have the address by now.
        self.card.network.listeners.pop(self._address, None)
        self.card.listeners.pop(self, None)
        for stream in self._streams.close():
            stream.close()


class Card(StreamOwner):
    """A `talos.host.Network`: the network as one process sees it."""

    def __init__(self, network: Network, site: Site, power: Power) -> None:
        super().__init__(site, power)
        self.network = network
        self.listeners: dict[SimListener, None] = {}
        self.datagrams: dict[SimDatagrams, None] = {}
        network.cards[self] = None

    async def listen_stream(self, address: Address) -> SimListener:
        await trio.lowlevel.checkpoint()
        taken = self.network.listeners
        address = self._free("listen", address, taken)
        listener = taken[address] = SimListener(self, address)
        self.listeners[listener] = None
        return listener

    async def open_datagrams(self, address: Address) -> SimDatagrams:
        await trio.lowlevel.checkpoint()
        taken = self.network.post.boxes
        address = self._free("receive datagrams", address, taken)
        box = taken[address] = SimDatagrams(self, address)
        self.datagrams[box] = None
        return box

    async def open_multicast(self, group: Address, host: str) -> Multicast:
        raise UsageError(f"cannot join {group}: what machines are near each other is not simulated")

    def _free(self, verb: str, address: Address, taken: Container[Address]) -> Address:
        """Return the address to bind. Raises `UsageError`."""
        if self.power.is_gone:
            raise UsageError(f"cannot {verb} on {address}: this process is gone")
        if address.host != self.site.name:
            raise UsageError(f"cannot {verb} on {address}: this machine is {self.site.name}")
        if not 0 <= address.port <= PORT_MAX:
            raise UsageError(f"cannot {verb} on {address}: there is no port {address.port}")
        if address.port == 0:
            return self.network.free_address(address.host, taken)
        if address in taken:
            raise UsageError(f"cannot {verb} on {address}: it is taken")
        return address

    async def dial_stream(self, address: Address) -> SimStream:
        await trio.lowlevel.checkpoint()
        await self.power.work()
        network = self.network
        site = network.sites.get(address.host)
        if site is None or self.power.is_gone:
            raise DialError(f"nobody answered at {address}: there is no such machine, or no process to ask")
        there = network.road(self.site.name, site.name)
        back = network.road(site.name, self.site.name)
        network.tell("dial", self.site.name, site.name)
        while True:
            await self._cross(there, site)
            listener = network.listeners.get(address)
            if listener is None or listener.has_room:
                break
            await trio.sleep(RETRY_S)
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

    async def _cross(self, road: Road, site: Site | None = None) -> None:
        """Wait until a packet has made its way over the road; to a machine, if one is given, that can be dialled."""
        while True:
            while road.is_shut or not self._can_dial(site):
                await self.network.changed.wait()
            lost_s = road.retransmitted_s() if road.loss else 0.0
            await trio.sleep(lost_s + road.travel_s(HEADERS))
            if not road.is_shut and self._can_dial(site):
                return  # Otherwise it was lost on the way, and is sent again.

    def _can_dial(self, site: Site | None) -> bool:
        return site is None or (site.is_on and (site.can_be_dialled or site is self.site))

    def kill(self) -> None:
        """The process is gone, and its machine closes what it had open."""
        for listener in list(self.listeners):
            listener.close()
        for stream in list(self.streams):
            stream.close()
        self._leave()

    def vanish(self) -> None:
        """The machine is gone: nobody hears of it."""
        for stream in list(self.streams):
            stream.vanish()
        for listener in list(self.listeners):
            listener.close()
        self._leave()

    def _leave(self) -> None:
        for box in list(self.datagrams):
            box.close()
        self.network.cards.pop(self, None)
        self.power.wake()
