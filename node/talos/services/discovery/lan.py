"""Our own network, or machine: what we say there, and who was heard.

A beacon is said at the start, whenever our record has changed, every half a minute, and when one is heard that is new.
What is heard costs a budget, its decoding, and one signature where the key log is known; no stream is opened for it
before somebody asks for that identity. See docs/protocol/beacon.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import trio

from talos.core.beacon import BEACON_PORT, BEACON_SIZE_MAX, GROUP_IPV4, GROUP_IPV6, Beacon
from talos.core.boxes import CIRCLE_SIZE, BoxForged, Circle
from talos.core.budgets import Work, beacon_source_of
from talos.core.neighbours import Neighbour, Neighbours
from talos.errors import Damaged, MalformedMessage, Refused, UsageError
from talos.host import Address, LinkClosed, Listener, Multicast
from talos.services.desk import Desk
from talos.services.discovery.ports import Traffic
from talos.services.discovery.sources import Finding, Offers
from talos_dht import BadStatement, Contact, Held, KeyLogUnknown, KeyOf, Malformed, Record, check, rank

BEACON_S: Final = 30.0  # Between two beacons, or up to a quarter less, so that nodes started together drift apart.
SPACING_S: Final = 1.0  # Between any two: whoever makes us answer gets no more.
DRAWN_MS: Final = 250  # An answer waits up to so long, so that not all of a network send at once.
WAYS_IN_MAX: Final = 4  # Neighbours asked at a time to let us into the DHT; each is sent 3 kB that a forger asked for.
EVERYWHERE: Final = "0.0.0.0"  # Where a node that only dials listens for others.

Statement = Callable[[], Awaitable[Record | None]]  # Returns our record as it is now; None if it could not be made.
Met = Callable[[bytes], None]  # Told of an identity, said to be here: newly, or with something new.
Join = Callable[[list[Contact]], Awaitable[None]]  # Tries these as ways into the DHT, if we still need any.


class Lan:
    """A `talos.services.discovery.sources.Source`: of where identities are, not of what they offer.

    `listeners` are what a beacon tells of: none, if we only dial. `join` is None if we take no part in the DHT.
    """

    def __init__(
        self,
        desk: Desk,
        listeners: Sequence[Listener],
        *,
        circle: Circle,
        key_of: KeyOf,
        join: Join | None,
        met: Met,
    ) -> None:
        self._desk = desk
        self._circle = circle
        self._key_of = key_of
        self._join = join
        self._met = met
        # Of two at one address the first is told of: whoever is there finds the identity at either.
        self._ports = {one.address.host: one.address.port for one in reversed(listeners)}
        self._groups: dict[str, Multicast] = {}  # Open ones, by our address.
        self._near = Neighbours()
        self._asked = trio.Event()  # A beacon is to be sent soon.
        self._came = trio.Event()  # Somebody may be new to the DHT that we have.
        self._said = frozenset[bytes]()  # They come back to us.
        self.traffic = Traffic()  # Beacons. Our own come back, and are received.
        self.trouble: str | None = None  # Why we may not be heard here, or hear nobody.

    async def run(self, statement: Statement) -> None:
        """Until cancelled. What cannot be joined is tried again with each beacon."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._speak, nursery, statement)
                if self._join is not None:
                    nursery.start_soon(self._seek_ways_in, self._join)
        finally:
            with trio.CancelScope(shield=True):
                for group in self._groups.values():
                    await group.aclose()

    @property
    def heard(self) -> int:
        """How many neighbours are known: an identity at two addresses is two."""
        self._near.expire(self._desk.now_ms())
        return len(self._near)

    def say_soon(self) -> None:
        """Something has changed that others shall hear."""
        self._asked.set()

    # Who is where

    async def find(self, did: bytes) -> Finding:
        await trio.lowlevel.checkpoint()
        heard = self._near.of(did, self._desk.now_ms())
        verdicts = [(one, self._is_true(one.record)) for one in heard]
        record = max((one.record for one, verdict in verdicts if verdict), key=rank, default=None)
        unchecked = [(one.record, (_place_of(one),)) for one, verdict in verdicts if verdict is None]
        why = "nobody here shows its key log" if heard else "it was not heard"
        return Finding(record, tuple(unchecked), f"{why}; {self.trouble}" if self.trouble else why)

    async def browse(self, topic: str) -> Offers:
        await trio.lowlevel.checkpoint()
        return Offers()

    async def tell(self, held: Held) -> int:
        """Nobody holds anything for us here: who hears our record keeps it to itself."""
        await trio.lowlevel.checkpoint()
        return 0

    def places(self, did: bytes) -> list[Address]:
        """Return where an identity was heard with a record that is true. Each is a place to try, and proves nothing."""
        heard = self._near.of(did, self._desk.now_ms())
        return [_place_of(one) for one in heard if self._is_true(one.record)]

    def ways_in(self) -> list[Contact]:
        """Return whom to ask to let us into the DHT: those heard last."""
        contacts = list[Contact]()
        self._near.expire(self._desk.now_ms())
        for one in self._near.newest():
            if len(contacts) == WAYS_IN_MAX:
                break
            # A link-local address of IPv6 is none without its interface, and a contact has no room for that.
            if one.beacon.dht and "%" not in one.host:
                with suppress(Malformed):
                    contacts.append(Contact.at(one.beacon.key, one.host, one.beacon.port))
        return contacts

    def _is_true(self, record: Record) -> bool | None:
        """Return None where nobody can tell yet."""
        try:
            check(record, self._key_of, self._desk.now_ms())
        except BadStatement:
            return False
        except (KeyLogUnknown, Damaged, Refused):  # Or the one that we have cannot be read any more.
            return None
        return True

    # Speaking

    async def _speak(self, nursery: trio.Nursery, statement: Statement) -> None:
        clock = self._desk.host.clock
        while True:
            self._asked = trio.Event()
            self.trouble = "; ".join([*await self._open(nursery), *await self._say(statement)]) or None
            said_at = clock.monotonic()
            with clock.move_on_after(BEACON_S - self._drawn_ms(int(BEACON_S * 250)) / 1000):
                await self._asked.wait()
                await clock.sleep(self._drawn_ms(DRAWN_MS) / 1000)
            await clock.sleep(max(0.0, said_at + SPACING_S - clock.monotonic()))

    async def _open(self, nursery: trio.Nursery) -> list[str]:
        """Join where we have not joined yet; return why that cannot be done."""
        failures = []
        for host in self._ports or [EVERYWHERE]:
            if host not in self._groups:
                group = Address(GROUP_IPV6 if ":" in host else GROUP_IPV4, BEACON_PORT)
                try:
                    self._groups[host] = await self._desk.host.network.open_multicast(group, host)
                except UsageError as error:
                    failures.append(str(error))
                else:
                    nursery.start_soon(self._listen, host)
        return failures

    async def _say(self, statement: Statement) -> list[str]:
        """Send what we are now from where we listen; return why that cannot be done."""
        record = await statement() if self._ports else None
        if record is None:
            return []
        failures = []
        key = self._desk.me.pair.public
        plain = {port: Beacon(key, port, self._join is not None, record).pack() for port in self._ports.values()}
        beacons = {host: self._circle.seal(plain[port]) for host, port in self._ports.items()}
        self._said = frozenset(beacons.values())
        for host, group in list(self._groups.items()):
            try:
                await group.send(beacons[host])
                self.traffic.sent += 1
            except (UsageError, LinkClosed) as error:
                failures.append(str(error))
        return failures

    # Hearing

    async def _listen(self, host: str) -> None:
        group = self._groups[host]
        with suppress(LinkClosed):  # It is opened anew with the next beacon, or says why not.
            while True:
                self._hear(*await group.receive_from())
        del self._groups[host]
        await group.aclose()

    def _hear(self, data: bytes, source: Address) -> None:
        """Take what came: in the order of what it costs."""
        self.traffic.received += 1
        if data in self._said:
            return
        who = beacon_source_of(source.host, source.port)
        if len(data) > BEACON_SIZE_MAX + CIRCLE_SIZE or not self._desk.spend(Work.BEACON, who):
            self.traffic.refused += 1
            return
        try:
            one = self._checked(Beacon.read(self._circle.open(data)), source.host, who.host)
        except (BoxForged, MalformedMessage, BadStatement):
            self.traffic.refused += 1
            return
        if self._near.hear(one):
            self._asked.set()
            self._came.set()
            self._met(one.did)

    def _checked(self, beacon: Beacon, host: str, share: bytes) -> Neighbour:
        """Raises `BadStatement`."""
        me, record = self._desk.me, beacon.record
        if beacon.key == me.pair.public or record.did == me.did:
            raise BadStatement("it speaks of ourselves")
        known = self._near.knows(beacon, host)
        if known is not None and known.is_true:
            return replace(known, share=share)
        verdict = self._is_true(record)
        if verdict is False:
            raise BadStatement("it has ended, or its identity did not sign it")
        return Neighbour(beacon, host, share, is_true=bool(verdict))

    async def _seek_ways_in(self, join: Join) -> None:
        while True:
            await self._came.wait()
            self._came = trio.Event()
            await join(self.ways_in())
            await self._desk.host.clock.sleep(SPACING_S)

    def _drawn_ms(self, below: int) -> int:
        return int.from_bytes(self._desk.host.entropy(4), "big") % below


def _place_of(one: Neighbour) -> Address:
    return Address(one.host, one.beacon.port)
