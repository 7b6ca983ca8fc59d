"""The one seam between a node and the world: network, store, entropy, KEM, clock, blocking work.

Nothing above this file opens a socket, a file or a clock. The real host is put together in
`talos.drivers`; a simulated one implements the same protocols, so the node cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import trio

from talos.core.dice import Encapsulate, Entropy
from talos.core.room import Space
from talos.core.step import Put
from talos.core.tables import Rows
from talos.errors import TalosError

T = TypeVar("T")

# Bytes. IPv6 passes packets of 1,280 whole on every road (RFC 8200, section 5); 1,200 leaves room for the headers, and
# is what QUIC counts on (RFC 9000, section 14).
DATAGRAM_SIZE_MAX: Final = 1_200
DATAGRAMS_WAITING_MAX: Final = 256  # Of one socket, that nobody has received yet; those that come after them are lost.


class DialError(TalosError):
    """Nobody answered at this address, and why."""

    exit_code = 4


class LinkClosed(TalosError):
    """The other end closed or broke the stream; or we did."""

    exit_code = 4


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a node listens: a host name or IP (v6 without brackets) and a port, 0..65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Stream(Protocol):
    """An ordered byte stream with backpressure. One task sends, one receives."""

    @property
    def peer(self) -> Address:
        """Where the other end is: an IP address, whatever name was dialled."""

    async def send_all(self, data: bytes) -> None:
        """Raises `LinkClosed`. Not cancel-safe: after a cancel the stream can only be closed."""

    async def receive_some(self, size_max: int) -> bytes:
        """Return 1 to `size_max` bytes, or b"" at the end of the stream. Raises `LinkClosed`."""

    async def aclose(self) -> None:
        """Close at once; never raises, and is safe to call twice."""


class Listener(Protocol):
    @property
    def address(self) -> Address:
        """The address bound, with the real port where 0 was asked for."""

    async def accept(self) -> Stream: ...

    async def aclose(self) -> None: ...


class Datagrams(Protocol):
    """Packets to and from anybody, from one port. Each may be lost, late, doubled or overtaken, and nobody says so.

    Any task sends, one receives.
    """

    @property
    def address(self) -> Address:
        """The address bound, with the real port where 0 was asked for."""

    async def send_to(self, data: bytes, address: Address) -> None:
        """Send 0 to `DATAGRAM_SIZE_MAX` bytes. Never waits long: what cannot leave now is lost.

        What can leave at once may do so without letting others run: whoever sends without end lets them himself.
        `address` is one that packets carry, never a name to be looked up. Raises `UsageError`, and sends nothing, where
        `data` is larger or nothing can be sent to such an address from here; `LinkClosed` once closed.
        """

    async def receive_from(self) -> tuple[bytes, Address]:
        """Return the next datagram, and who sent it, or says so. Raises `LinkClosed` once closed."""

    async def aclose(self) -> None:
        """Close at once; never raises, and is safe to call twice."""


class Multicast(Protocol):
    """Packets to and from everybody who has joined the same group on an interface that we share. They go no further.

    What we send comes back to us too. Any task sends, one receives.
    """

    async def send(self, data: bytes) -> None:
        """Send 0 to `DATAGRAM_SIZE_MAX` bytes, once on each interface. Never waits long: what cannot leave now is lost.

        Raises `UsageError`, and sends nothing, where `data` is larger; `LinkClosed` once closed.
        """

    async def receive_from(self) -> tuple[bytes, Address]:
        """Return the next packet, and who sent it, or says so. Raises `LinkClosed` once closed."""

    async def aclose(self) -> None:
        """Close at once; never raises, and is safe to call twice."""


class Network(Protocol):
    async def listen_stream(self, address: Address) -> Listener:
        """Raises `UsageError` where the address cannot be bound."""

    async def dial_stream(self, address: Address) -> Stream:
        """Raises `DialError`. Sets no deadline of its own: wrap it in the clock's."""

    async def open_datagrams(self, address: Address) -> Datagrams:
        """Raises `UsageError` where the address cannot be bound."""

    async def open_multicast(self, group: Address, host: str) -> Multicast:
        """Join a group on the interface that has our IP address `host`; for `0.0.0.0` or `::` on all that there are.

        Raises `UsageError` where none can be joined.
        """


class ReadableStore(Rows, Protocol):
    """An ordered byte map with named tables. Readers see whole commits only.

    What one `scan` yields is one snapshot, taken at its first `next`; commits may go on meanwhile.
    """

    def snapshot(self) -> AbstractContextManager[Rows]:
        """Return one state for many reads, on entry the newest; commits that go on meanwhile are not in it.

        For one thread at a time. Keep it short: as long as it stands, pages that commits leave behind cannot be
        used again, and the store grows. Reading it, or a scan of it, after its `with` raises `StoreFailed`.
        """


class Store(ReadableStore, Protocol):
    """A store that can be written. One writer."""

    def commit(self, writes: Sequence[Put]) -> None:
        """Apply all writes, in order, in one durable transaction, or none of them.

        Blocks on the disk: call it through `Host.blocking`. Raises `StoreFull` or `StoreFailed`.
        """

    def room(self) -> Space:
        """Return what is left, to within a few pages; cheap. Raises nothing while the store is open."""

    def close(self) -> None: ...


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds; stands still while the machine is suspended. Only differences mean something."""

    def boot(self) -> float:
        """Seconds; runs on while the machine is suspended. For leases."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC; may jump either way."""

    async def sleep(self, seconds: float) -> None: ...

    def move_on_after(self, seconds: float) -> trio.CancelScope:
        """A scope that cancels its body `seconds` from now, and swallows that cancel."""


class Blocking(Protocol):
    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """Run `work` where it may block: a worker thread in life, inline in simulation."""


@dataclass(frozen=True, slots=True)
class Host:
    network: Network
    store: Store  # The `state` store: everything a node promised. Synced.
    cache: Store  # What can be fetched again: other nodes' key logs, addresses, bundles.
    entropy: Entropy
    encapsulate: Encapsulate
    clock: Clock
    blocking: Blocking
