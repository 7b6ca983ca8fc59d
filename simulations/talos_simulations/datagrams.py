"""Datagrams as UDP has them: whole or not at all, and nobody is told.

A shut road drops them, and so does one that is too narrow; a jammed one holds them and lets go of all at once. Who is
behind a NAT hears only from whom it has sent to a short while ago, from the same port.
"""

from __future__ import annotations

from collections import Counter, deque
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from talos.core.names import PORT_MAX
from talos.errors import UsageError
from talos.host import DATAGRAM_SIZE_MAX, DATAGRAMS_WAITING_MAX, Address, LinkClosed
from talos_simulations.arrivals import Arrivals
from talos_simulations.dice import chance
from talos_simulations.roads import Road, flipped

if TYPE_CHECKING:
    from talos_simulations.network import Card, Network

HEADERS: Final = 28  # Bytes of IPv4 and UDP, beside the data.
# So long replies pass: what most home routers grant at least (RFC 4787, section 4.3, asks for more).
NAT_S: Final = 30.0
NAT_MAX: Final = 1_024  # Addresses that one port remembers; those that have passed are then forgotten.
NARROW_MAX_S: Final = 1.0  # What would wait longer for a narrow road is dropped, as by a router whose queue is full.
HELD_MAX: Final = 1_024  # Datagrams that a jam holds in one direction.
REORDER_MAX_S: Final = 0.2  # What is overtaken comes so much later at most.


class Packet(NamedTuple):
    number: int  # In the whole world.
    data: bytes
    source: Address
    target: Address


class Post:
    """All datagrams of a world. Each leaves `sent`, and then `arrived` or `lost` (with why), in the trace."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.boxes: dict[Address, SimDatagrams] = {}
        # Bytes, by machine and the name of one that is not there.
        self.said_from_nowhere = Counter[tuple[str, str]]()
        self.sent_to_nowhere = Counter[tuple[str, str]]()
        self._held: dict[tuple[str, str], deque[Packet]] = {}  # By source and target machine.

    def send(self, data: bytes, source: Address, target: Address) -> None:
        network = self._network
        packet = Packet(network.next_packet(), data, source, target)
        network.tell("sent", source.host, target.host, str(len(data)), packet.number)
        if source.host not in network.sites:
            self.said_from_nowhere[target.host, source.host] += len(data)
        if target.host not in network.sites:
            self.sent_to_nowhere[source.host, target.host] += len(data)
            self._lose(packet, "no such machine")
            return
        road = self._road(packet)
        if road.is_blocked:
            self._lose(packet, "no way")
        elif chance(road.dice, road.loss):
            self._lose(packet, "loss")
        else:
            for _ in range(1 + chance(road.dice, road.duplicate)):
                self._start(packet, road)

    def _start(self, packet: Packet, road: Road) -> None:
        agenda = self._network.agenda
        due = now = agenda.now()
        if road.bandwidth:
            if road.free_at - now > NARROW_MAX_S:
                self._lose(packet, "too narrow")
                return
            due = road.carry(now, len(packet.data) + HEADERS)
        due += road.way_s()
        if chance(road.dice, road.reorder):
            due += road.dice.random() * REORDER_MAX_S
        else:
            due = road.datagrams_due = max(due, road.datagrams_due)
        agenda.at(due, partial(self._arrive, packet, road))

    def _arrive(self, packet: Packet, road: Road) -> None:
        network = self._network
        box = self.boxes.get(packet.target)
        if road.is_blocked:
            self._lose(packet, "no way")
        elif road.is_jammed:
            self._hold(packet)
        elif not network.sites[packet.target.host].is_on or box is None:
            self._lose(packet, "nobody there")
        elif not box.lets_in(packet.source):
            self._lose(packet, "NAT")
        elif box.is_full:
            self._lose(packet, "not received")
        else:
            network.tell("arrived", packet.source.host, packet.target.host, str(len(packet.data)), packet.number)
            box.take(_harmed(packet.data, road), packet.source)

    def _hold(self, packet: Packet) -> None:
        held = self._held.setdefault((packet.source.host, packet.target.host), deque())
        if len(held) < HELD_MAX:
            held.append(packet)
        else:
            self._lose(packet, "jam")

    def look_again(self) -> None:
        """Something has changed: what was held goes on, if it may, and arrives all at once."""
        for between, held in list(self._held.items()):
            road = self._network.road(*between)
            if road.is_jammed:
                continue
            del self._held[between]
            due = self._network.agenda.now() + road.way_s()
            for packet in held:
                self._network.agenda.at(due, partial(self._arrive, packet, road))

    def _road(self, packet: Packet) -> Road:
        return self._network.road(packet.source.host, packet.target.host)

    def _lose(self, packet: Packet, why: str) -> None:
        self._network.tell("lost", packet.source.host, packet.target.host, why, packet.number)


class SimDatagrams:
    """A `talos.host.Datagrams`."""

    def __init__(self, card: Card, address: Address) -> None:
        self.card = card
        self._address = address
        self._arrived = Arrivals[tuple[bytes, Address]](card.power, f"the datagrams of {address} are")
        self._let_in: dict[Address, float] = {}  # Until when its datagrams pass our NAT.

    @property
    def address(self) -> Address:
        return self._address

    async def send_to(self, data: bytes, address: Address) -> None:
        await trio.lowlevel.checkpoint()
        if len(data) > DATAGRAM_SIZE_MAX:
            raise UsageError(f"a datagram has at most {DATAGRAM_SIZE_MAX} bytes, not {len(data)}")
        if not 1 <= address.port <= PORT_MAX:
            raise UsageError(f"cannot send to {address}: there is no port {address.port}")
        await self.card.power.work()
        if self.card.power.is_gone:
            return  # The process is dead; it only does not know it yet.
        if self._arrived.is_closed:
            raise LinkClosed(f"the datagrams of {self._address} are closed")
        if not self.card.site.can_be_dialled:
            self._open_nat(address)
        self.card.network.post.send(bytes(data), self._address, address)

    async def receive_from(self) -> tuple[bytes, Address]:
        return await self._arrived.take()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        if self._arrived.is_closed:
            return  # Another may have the address by now.
        self._arrived.close()
        self.card.network.post.boxes.pop(self._address, None)
        self.card.datagrams.pop(self, None)

    # What the post asks

    @property
    def is_full(self) -> bool:
        return len(self._arrived) >= DATAGRAMS_WAITING_MAX

    def lets_in(self, source: Address) -> bool:
        site = self.card.site
        if site.can_be_dialled or source.host == site.name:
            return True
        return self._let_in.get(source, -1.0) >= self.card.network.agenda.now()

    def take(self, data: bytes, source: Address) -> None:
        self._arrived.put((data, source))

    def _open_nat(self, address: Address) -> None:
        now = self.card.network.agenda.now()
        if len(self._let_in) >= NAT_MAX:
            self._let_in = {known: until for known, until in self._let_in.items() if until >= now}
        self._let_in[address] = now + NAT_S


def _harmed(data: bytes, road: Road) -> bytes:
    """Return what is left of the data, if a fault waits for the next packet."""
    if data and road.will_flip:
        road.will_flip = False
        data = flipped(data, road.dice.randrange(len(data) * 8))
    if data and road.will_cut:
        road.will_cut = False
        data = data[: len(data) // 2]
    return data
