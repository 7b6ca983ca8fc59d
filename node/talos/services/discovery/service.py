"""Discovery, put together: started with the node's listeners, and flushed when it stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from talos.core.boxes import Boxes, Circle
from talos.core.identity import Identity
from talos.core.keylog import KeyLog
from talos.core.names import PeerAddress, did_of
from talos.core.report import Offer
from talos.core.tables import DHT, HELD, VOUCHERS
from talos.errors import NotReachable, StoreFailed
from talos.host import Address, Datagrams, LinkClosed, Listener
from talos.services.desk import Desk
from talos.services.discovery.announce import SEQ_KEY, Announcer
from talos.services.discovery.dht import DhtRunner
from talos.services.discovery.fetching import Fetcher
from talos.services.discovery.finder import Finder, ways_of
from talos.services.discovery.kept import FLUSH_S, Kept
from talos.services.discovery.key_logs import KeyLogs
from talos.services.discovery.lan import Lan
from talos.services.discovery.ports import Ports
from talos.services.discovery.sources import DhtSource, RegistrySource, Source
from talos.services.discovery.ways_in import WaysIn
from talos.services.links import Links
from talos.services.relaying.homes import Homes
from talos.services.relaying.through import Way
from talos_dht import Address as Place
from talos_dht import Contact, Dht, K, Malformed, Now, Record, load

CLOSE_S: Final = 2.0  # For what is written in the end.
CONTACTS_KEY: Final = b"contacts"
JOIN_S: Final = 30.0  # Between two attempts to find a way in, while nobody is known.
OTHERS_S: Final = 300.0  # Between two attempts to reach those ways in that are none of the few whom we know.
UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The part of a node's configuration that is about finding and being found."""

    sources: tuple[str, ...] = ("registry", "dht")  # Whom to ask, and tell, in this order.
    ways_in: tuple[PeerAddress, ...] = ()  # Who may let us into the DHT.
    registries: tuple[PeerAddress, ...] = ()
    is_registry: bool = False  # Hold whatever is brought, wherever it lies.
    topics: tuple[str, ...] = ()  # What we offer.
    network_key: bytes = field(default=b"", repr=False)  # 32 bytes, of a closed group; empty: open to all.
    advertise: tuple[Address, ...] = ()  # Where others can dial us; none: where we listen.
    lan: bool = False  # Say where we are on our own network, and hear who else is there.


class Discovery:
    """One per node. `listeners` are what others can dial: none if it only dials. It closes the `ports` in the end."""

    def __init__(
        self,
        desk: Desk,
        links: Links,
        listeners: Sequence[Listener],
        ports: Sequence[Datagrams],
        settings: Settings,
        homes: Homes,
    ) -> None:
        host = desk.host
        self._desk = desk
        dialler = links.dialler
        self._listeners = listeners
        self.settings = settings
        self.homes = homes
        self._kept = {table: Kept(host, table) for table in (HELD, VOUCHERS, DHT)}
        self._logs = KeyLogs(desk, self._kept[VOUCHERS])
        self.ports = Ports(desk, Boxes(desk.me.pair, host.entropy, settings.network_key), list(ports), links.spawn)
        self.dht = Dht(
            desk.me.pair.public,
            key_of=self._logs.key_of,
            entropy=host.entropy,
            rows=self._kept[HELD],
            now=Now(desk.steady_ms(), desk.now_ms()),
            is_registry=settings.is_registry,
        )
        self._look_whether_we_serve()
        self.ports.turned = self._look_whether_we_serve
        self._runner = DhtRunner(desk, self.dht, self.ports, homes.moved)
        self.ways_in = WaysIn(dialler, host.clock)
        self.lan = self._make_lan()
        self.finder = Finder(desk, self._logs, Fetcher(dialler.ask_key_log, self._logs), self._sources())
        self._announcer = Announcer(
            desk,
            self._kept[DHT],
            addresses=self.addresses,
            topics=settings.topics,
            tell=self.finder.tell,
            neighbours=lambda: self._runner.neighbours,
            may=lambda: self._is_settled and self._has_holders,
            news=homes.moved,
        )
        self._announcer.changed = self.lan.say_soon
        self._answers_saved = 0  # How many there had been when the table was saved.
        self._is_settled = "dht" not in settings.sources  # Else once we have tried to join.
        self._has_holders = bool(self.finder.sources.keys() - {"lan"})  # Who hears a beacon keeps it to itself.
        self._deaf: str | None = None  # Why no datagram comes any more.
        self._unwritten: str | None = None  # Why what we have learnt is not on disk.
        self._logs.is_held = self.dht.shelf.has_of
        desk.directory.shown = self._logs.shown
        links.holding = self
        dialler.whereabouts = self

    def _make_lan(self) -> Lan:
        desk = self._desk
        return Lan(
            desk,
            self._listeners,
            circle=Circle(self.settings.network_key, desk.host.entropy),
            key_of=self._logs.key_of,
            join=self._join_near if "dht" in self.settings.sources else None,
            met=self._look_in,
        )

    def _sources(self) -> dict[str, Source]:
        """Return whom to ask, in this order."""
        every: dict[str, Source] = {
            "lan": self.lan,
            "registry": RegistrySource(self._desk, self._runner, self.ports, self.ways_in, self.settings.registries),
            "dht": DhtSource(self._desk, self._runner),
        }
        has = {"lan": self.settings.lan, "registry": bool(self.settings.registries), "dht": True}
        return {name: every[name] for name in ("lan", *self.settings.sources) if has.get(name)}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; then what was learnt is written. Started when it answers."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._runner.run)
                for port in self.ports.opened:
                    nursery.start_soon(self._read, port)
                if "dht" in self.settings.sources:
                    nursery.start_soon(self._keep_joined)
                if self.settings.lan:
                    nursery.start_soon(self.lan.run, self._announcer.statement)
                nursery.start_soon(self._announcer.run)
                nursery.start_soon(self._keep_flushed)
                task_status.started()
        finally:
            with trio.CancelScope(shield=True), self._desk.host.clock.move_on_after(CLOSE_S):
                for port in self.ports.opened:
                    await port.aclose()
                await self._flush()

    # `talos.services.dial.Whereabouts`

    def cached(self, did: bytes) -> list[Way]:
        record = self.finder.cached(did)
        return [] if record is None else self._ways(record)

    async def find(self, did: bytes) -> list[Way]:
        found = self._ways(await self.finder.find(did))
        if not found:
            raise NotReachable(f"{did_of(did)} can be reached at no address", fix="It must listen, or use a relay")
        return found

    def _ways(self, record: Record) -> list[Way]:
        """Return how to get there: what the record says, which is signed, then where its identity was heard near us."""
        return list(dict.fromkeys([*ways_of(record), *self.lan.places(record.did)]))

    def told_by(self, did: bytes, way: Way) -> str | None:
        """Return which source led there, by name; None if it would not any more."""
        found = self.finder.found(did)
        if found is not None and way in found.ways:
            return found.source
        return "lan" if way in self.lan.places(did) else None

    # `talos.services.errands.Holding`

    def waits_for(self, did: bytes) -> bool:
        return self.dht.waits_for(did, self._runner.now())

    async def took(self, log: KeyLog) -> None:
        await self._logs.learn(log)
        self.dht.key_log_known(log.state.did, self._runner.now())

    async def answer(self, datagram: bytes, host: str) -> bytes | None:
        return await self.ports.answer(datagram, host)

    # What there is to know of it

    @property
    def trouble(self) -> str | None:
        """Why others may not find us, or we them."""
        return self._deaf or self._unwritten

    @property
    def me(self) -> Identity:
        return self._desk.me

    @property
    def holders(self) -> int:
        """How many others said that they hold our newest record."""
        return self._announcer.holders

    @property
    def newest_seq(self) -> int:
        """The number of our newest statement; 0 before the first."""
        return int.from_bytes(self._kept[DHT].get(SEQ_KEY, b""), "big")

    async def offers(self, topic: str) -> tuple[Offer, ...]:
        """Return who offers a topic, in no order that means anything."""
        return tuple(Offer(did_of(one.did), one.expires_ms) for one in await self.finder.browse(topic))

    # What we say

    def addresses(self) -> list[Place]:
        """Return where others can reach us: as configured, else at relays of ours, else where we listen."""
        if self.settings.advertise:
            return [Place(one.host, one.port) for one in self.settings.advertise]
        if self.homes.homes:
            return self.homes.addresses()
        return [Place(host, one.address.port) for one in self._listeners if (host := self._outside(one.address.host))]

    def _outside(self, host: str) -> str | None:
        """Return what others know a listening address by: of any address, the one that our datagrams come from."""
        if host not in UNSPECIFIED:
            return host
        if self.dht.seen is None:
            return None
        seen = Contact(self._desk.me.pair.public + self.dht.seen).host
        return seen if (":" in seen) == (":" in host) else None

    # Tasks

    async def _read(self, port: Datagrams) -> None:
        try:
            await self.ports.read(port)
        except LinkClosed as error:
            self._deaf = f"{error}; restart the node"

    async def _keep_joined(self) -> None:
        """Find a way in at the start, and again whenever nobody answers any more.

        While few are known, ask those ways in that are none of them: we may have been cut off together.
        """
        clock = self._desk.host.clock
        others_at = clock.monotonic()
        while True:
            if not len(self.dht.table):
                await self._find_way_in(self._saved(), self.lan.ways_in())
            elif len(self.dht.table) < K and clock.monotonic() >= others_at:
                await self._ask_ways_in()
                others_at = clock.monotonic() + OTHERS_S
            await clock.sleep(JOIN_S)

    async def _find_way_in(self, saved: list[Contact], near: list[Contact]) -> None:
        """Ask those we knew when anybody last answered, and those near us; only then those we were told of."""
        if saved or near:
            self._look_whether_we_serve()
            await self._runner.finished(partial(self.dht.join_again, saved, near))
            self._settle()
        await self._ask_ways_in()
        self._settle()

    async def _ask_ways_in(self) -> None:
        there = [one for one in await self.ways_in.contacts(self.settings.ways_in) if one.id not in self.dht.table]
        if there:
            missed = await self._join(there)
            if self.ports.is_silent(missed):
                missed = await self._join(missed)
            self.ways_in.failed(missed)

    def _settle(self) -> None:
        self._is_settled = True
        self.homes.moved.send()

    def _look_whether_we_serve(self) -> None:
        # Others are not to tell of who can only dial, or only ask over streams: nobody could ask it.
        can_be_asked = bool(self._listeners) and not self.homes.homes and not self.ports.by_stream
        self.dht.serves = can_be_asked and "dht" in self.settings.sources

    async def _join(self, contacts: list[Contact]) -> list[Contact]:
        """Return those that did not answer."""
        self._look_whether_we_serve()
        job = await self._runner.finished(partial(self.dht.join, contacts))
        return [one for one in contacts if any(walk.lookup.is_missed(one) for walk in job.walks)]

    async def _join_near(self, contacts: list[Contact]) -> None:
        """Who was just heard may be in another DHT than we, as long as ours is a small one."""
        if len(self.dht.table) < K:
            await self._join(contacts)

    def _look_in(self, did: bytes) -> None:
        """A peer that something waits for may be near us: dial it now, not only when it is due again."""
        for peer in self._desk.post.peers():
            if peer.did == did and peer.link is None and peer.conversation.has_work:
                self._desk.post.redial(peer)

    def _saved(self) -> list[Contact]:
        try:
            return load(self._kept[DHT].get(CONTACTS_KEY, b""))
        except Malformed:
            return []  # The first start, or a cache that was damaged: there are other ways in.

    async def _keep_flushed(self) -> None:
        while True:
            await self._desk.host.clock.sleep(FLUSH_S)
            await self._flush()

    async def _flush(self) -> None:
        # While our own line is cut contact after contact goes, and those are whom to try when it is not any more.
        if len(self.dht.table) and self.dht.table.answers != self._answers_saved:
            self._answers_saved = self.dht.table.answers
            self._kept[DHT][CONTACTS_KEY] = self.dht.dump()
        unwritten = None
        for kept in self._kept.values():
            try:
                await kept.flush()
            except StoreFailed as error:
                unwritten = f"what was learnt of others could not be written: {error}"
        self._unwritten = unwritten
