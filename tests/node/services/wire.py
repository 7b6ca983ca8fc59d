"""Nodes on a network of memory streams, whose time is trio's: no port, no wait, and every byte can be kept.

`Wire` is the network; each host on it has a name. A test dials by hand where it wants to misbehave.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

import trio
from trio.testing import memory_stream_pair

from talos.config import Config
from talos.core.channel import Channel
from talos.core.frames import SIZE_MAX, Kind, wrap
from talos.core.greeting import Greeting, decode
from talos.core.identity import enrol, load
from talos.core.names import parse_peer
from talos.core.room import Space
from talos.core.sessions import WEAR, Wear
from talos.core.step import Put
from talos.core.storage_key import new_vault
from talos.core.tables import CACHE_TABLES, STATE_TABLES
from talos.drivers.clock import RealClock
from talos.drivers.data_folder import Opened, settle
from talos.drivers.kem import encapsulate
from talos.drivers.memory_store import MemoryStore
from talos.errors import StoreFailed, UsageError
from talos.host import Address, Clock, Datagrams, DialError, Host, LinkClosed, Multicast
from talos.runtime import Node
from talos.services.desk import Desk
from talos.services.links import Links
from talos.services.peer import Peer
from talos.services.requests import Requests
from talos_ratchet import SUITE_1, Suite
from tests.node.core.end import dice

T = TypeVar("T")

CLOCK = RealClock()  # Follows trio's clock, and that is a virtual one in these tests.
LATENCY_S = 0.01
TIME_ASKED_MAX = 100_000  # By one node in one test: far more than the longest of them needs.
PORT = 4_000  # Of every node; each has a host of its own.


class MemoryStream:
    """A `talos.host.Stream` that keeps what was sent on it."""

    def __init__(self, half: trio.abc.Stream, peer: Address) -> None:
        self._half = half
        self._peer = peer
        self.sent = bytearray()
        self.is_closed = False
        self.is_deaf = False  # What is sent from now on never arrives, and nobody says so.

    @property
    def peer(self) -> Address:
        return self._peer

    async def send_all(self, data: bytes) -> None:
        if self.is_deaf:
            await trio.lowlevel.checkpoint()
            return
        try:
            await self._half.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkClosed("the other end is gone") from error
        self.sent += data

    async def receive_some(self, size_max: int) -> bytes:
        try:
            return bytes(await self._half.receive_some(size_max))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LinkClosed("the stream is closed") from error

    async def aclose(self) -> None:
        self.is_closed = True
        with trio.CancelScope(shield=True):
            await self._half.aclose()

    async def frame(self) -> bytes:
        """Return the next frame, kind and body; b"" once the other end has closed."""
        length = await self._exactly(4)
        return await self._exactly(int.from_bytes(length, "big")) if length else b""

    async def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            data = await self.receive_some(size - len(got))
            if not data:
                return b""
            got += data
        return got

    async def is_cut(self) -> bool:
        """Wait for the other end to close; everything it says before is skipped."""
        while await self.receive_some(SIZE_MAX[Kind.MESSAGE]):
            pass
        return True


class MemoryListener:
    def __init__(self, wire: Wire, address: Address) -> None:
        self._wire = wire
        self._address = address
        self.waiting, self._accepted = trio.open_memory_channel[MemoryStream](1_000)

    @property
    def address(self) -> Address:
        return self._address

    async def accept(self) -> MemoryStream:
        try:
            return await self._accepted.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            raise LinkClosed("the listener is closed") from error

    async def aclose(self) -> None:
        self._wire.listeners.pop(self._address, None)
        await self._accepted.aclose()


@dataclass
class Wire:
    """All hosts and listeners, and both ends of every stream so far: (dialler's, listener's)."""

    listeners: dict[Address, MemoryListener] = field(default_factory=dict)
    streams: list[tuple[MemoryStream, MemoryStream]] = field(default_factory=list)
    latency_s: dict[str, float] = field(default_factory=dict)  # Of a dial by this host; LATENCY_S if not given.
    dials: list[tuple[float, Address]] = field(default_factory=list)  # When, and whom.
    black_holes: set[Address] = field(default_factory=set)  # Who dials these waits for ever.

    async def dial(self, address: Address, host: str = "stranger") -> MemoryStream:
        self.dials.append((trio.current_time(), address))
        if address in self.black_holes:
            await trio.sleep_forever()
        await CLOCK.sleep(self.latency_s.get(host, LATENCY_S))
        listener = self.listeners.get(address)
        if listener is None:
            raise DialError(f"nobody listens at {address}")
        one, other = memory_stream_pair()
        ours = MemoryStream(one, address)
        theirs = MemoryStream(other, Address(host, 50_000 + len(self.streams)))
        self.streams.append((ours, theirs))
        listener.waiting.send_nowait(theirs)
        return ours

    def listen(self, address: Address) -> MemoryListener:
        if address in self.listeners:
            raise UsageError(f"{address} is taken")
        self.listeners[address] = MemoryListener(self, address)
        return self.listeners[address]


@dataclass
class WireHost:
    """A `talos.host.Network`: the wire as one host sees it."""

    wire: Wire
    name: str

    async def listen_stream(self, address: Address) -> MemoryListener:
        return self.wire.listen(address)

    async def dial_stream(self, address: Address) -> MemoryStream:
        return await self.wire.dial(address, self.name)

    async def open_datagrams(self, address: Address) -> Datagrams:
        raise UsageError("this wire carries streams only")

    async def open_multicast(self, group: Address, host: str) -> Multicast:
        raise UsageError("this wire carries streams only")


class LimitedStore(MemoryStore):
    """A store that says how much room it has left, and takes everything all the same: those who ask must obey.

    Unless the disk below it is made to fail.
    """

    def __init__(self) -> None:
        super().__init__(STATE_TABLES)
        self.space = super().room()
        self.refusal: StoreFailed | None = None  # What every commit raises,
        self.writes_all_the_same = False  # having written; and
        self.is_unreadable = False  # every scan too.

    def commit(self, writes: Sequence[Put]) -> None:
        if self.refusal is None or self.writes_all_the_same:
            super().commit(writes)
        if self.refusal is not None:
            raise StoreFailed(self.refusal.what)

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        if self.is_unreadable:
            raise StoreFailed("the store cannot be read")
        return super().scan(table, prefix, start=start, reverse=reverse)

    def room(self) -> Space:
        return self.space


async def inline(work: Callable[[], T]) -> T:
    await trio.lowlevel.checkpoint()
    return work()


def enrolled(wire: Wire, name: str, clock: Clock) -> tuple[Opened, bytes]:
    """Make an identity on a host of that name, all of it from the name; return its current rotation key too."""
    entropy = dice(name)
    host = Host(
        network=WireHost(wire, name),
        store=LimitedStore(),
        cache=MemoryStore(CACHE_TABLES),
        entropy=entropy,
        encapsulate=encapsulate,
        clock=clock,
        blocking=inline,
    )
    vault = new_vault(entropy)
    made = enrol(name, entropy(32), vault, entropy, clock.wall_ms())
    settle(host.store, made.step.writes, vault, entropy)
    return Opened(host, load(host.store, vault, made.rotation_key, host.clock.wall_ms()), vault), made.rotation_key


class WatchedClock(RealClock):
    """Counts how often it is asked, and objects when that is out of all proportion: virtual time would stand still."""

    def __init__(self, most: int = TIME_ASKED_MAX) -> None:
        self.left = most

    def monotonic(self) -> float:
        self.left -= 1
        assert self.left > 0, "somebody asks for the time without end"
        return super().monotonic()


class Running:
    """A node, and the parts of it that tests look at."""

    links: Links
    requests: Requests

    def __init__(
        self,
        wire: Wire,
        name: str,
        again: Running | None = None,
        clock: Clock | None = None,
        suite: Suite = SUITE_1,
        wear: Wear = WEAR,
    ) -> None:
        self.name = name
        self.wire = wire
        self.opened, self.rotation_key = (
            enrolled(wire, name, clock or WatchedClock()) if again is None else again.kept()
        )
        self.address = Address(name, PORT)
        self.node = Node(Config(name="node", listen=(self.address,), discovery=(), lan=False), self.opened, suite, wear)
        self.scope = trio.CancelScope()

    def kept(self) -> tuple[Opened, bytes]:
        """Return what outlives the process."""
        return self.opened, self.rotation_key

    @property
    def did(self) -> bytes:
        return parse_peer(self.node.did)

    @property
    def desk(self) -> Desk:
        return self.node._desk

    @property
    def store(self) -> LimitedStore:
        return cast(LimitedStore, self.opened.host.store)

    def peer(self, other: Running) -> Peer:
        return self.desk.post.peer(other.did)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.node.run)
                self.links = self.node._running_now().links
                self.requests = self.node._running_now().requests
                task_status.started()

    async def leave(self) -> None:
        """Stop dead: nothing is said, every stream of this host breaks."""
        self.scope.cancel()
        await until(lambda: self.address not in self.wire.listeners)

    async def knows(self, other: Running) -> None:
        await self.desk.directory.add_address(other.did, other.address)

    async def hello(self, greeting: bytes, host: str = "stranger") -> tuple[MemoryStream, Channel]:
        """Dial this node by hand, and say one sealed greeting."""
        stream = await self.wire.dial(self.address, host)
        channel = Channel.dial(self.opened.me.pair.public, dice(f"hello {len(self.wire.streams)}"))
        await stream.send_all(wrap(bytes((Kind.HELLO,)) + channel.ephemeral + channel.seal(greeting)))
        return stream, channel


class Script:
    """Answers at a node's address in its name, with its keys, but says what it likes. The node must have left."""

    def __init__(self, who: Running) -> None:
        self.who = who
        self.listener = who.wire.listen(who.address)
        self.stream: MemoryStream
        self.channel: Channel

    async def hello(self) -> Greeting:
        """Accept a stream, show the card if it is asked for, and return the first greeting."""
        self.stream = await self.listener.accept()
        frame = await self.stream.frame()
        if frame[0] == Kind.FETCH:
            await self.stream.send_all(wrap(bytes((Kind.CARD,)) + self.who.desk.card().encode()))
            frame = await self.stream.frame()
        me = self.who.opened.me
        self.channel, first = Channel.answer(frame[1:], me.pair.secret, self.who.opened.host.entropy)
        return decode(first)

    async def say(self, greeting: Greeting) -> None:
        await self.stream.send_all(wrap(bytes((Kind.SEALED,)) + self.channel.seal(greeting.encode())))

    async def hear(self) -> Greeting:
        return decode(self.channel.open((await self.stream.frame())[1:]))


@asynccontextmanager
async def running(*names: str, wear: Wear = WEAR) -> AsyncIterator[list[Running]]:
    """Run one node per name; each knows where the others are. In the end, none of their tasks has crashed."""
    wire = Wire()
    nodes = [Running(wire, name, wear=wear) for name in names]
    async with trio.open_nursery() as nursery:
        for one in nodes:
            await nursery.start(one.run)
            for other in nodes:
                if other is not one:
                    await one.knows(other)
        yield nodes
        crashes = [(one.name, one.links.last_crash) for one in nodes if one.links.crashes]
        assert not crashes
        nursery.cancel_scope.cancel()


async def until(happened: Callable[[], bool], seconds: float = 200.0) -> None:
    """Return once it has; fail after so many virtual seconds."""
    with trio.move_on_after(seconds):
        while not happened():
            await CLOCK.sleep(0.01)
        return
    raise AssertionError("it did not happen")
