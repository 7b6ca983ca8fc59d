"""The node's UDP ports: what comes in is counted, then opened; what goes out is sealed.

The order is by cost: size, then the budget of where it says it comes from, unless the key that it bears is here, then
the box. A source can be forged, so a budget only bounds what opening boxes costs us; it proves nothing, and the DHT has
tokens for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from math import inf
from typing import Final

from talos.core.boxes import KEY_SIZE, Boxes
from talos.core.budgets import Work, datagram_source_of
from talos.core.frames import FrameReader, Kind, wrap
from talos.errors import Damaged, MalformedMessage, NodeStopped, TalosError, UsageError
from talos.host import Address, Datagrams, LinkClosed, Listener, Network, Stream
from talos.services.desk import Desk
from talos.services.dial import Spawn
from talos.services.discovery.ways_out import WaysOut
from talos_dht import DATAGRAM_MAX, SEAL_SIZE, Contact, Malformed

ANY_PORT: Final = Address("0.0.0.0", 0)  # Of a node that only dials.
BINDS_MAX: Final = 8  # Attempts to get one number for TCP and UDP, where any will do.
ADDRESSES_MAX: Final = 4_096  # Addresses of contacts that are kept as the network takes them.

STREAM_PORT: Final = 1  # Of whoever asks over a stream: its tokens are for its key and host, whatever its port is.
SILENT_S: Final = 120.0  # Without a datagram, after which UDP may be what keeps others from answering.
STREAMS_MAX: Final = 32  # Contacts asked over a stream at once.
STREAM_S: Final = 5.0  # For one question and its answer.

Heard = Callable[[Contact, bytes], Awaitable[None]]  # Takes who sent a body, and the body.


async def listen(network: Network, address: Address) -> tuple[Listener, Datagrams]:
    """Bind one port twice, for streams and for datagrams: who knows one knows both. Raises `UsageError`."""
    for left in reversed(range(BINDS_MAX)):
        listener = await network.listen_stream(address)
        try:
            return listener, await network.open_datagrams(Address(address.host, listener.address.port))
        except UsageError:
            await listener.aclose()
            if address.port or not left:  # Any free port was asked for: some other is free for both.
                raise
    raise AssertionError("unreachable")


@lru_cache(maxsize=ADDRESSES_MAX)
def _address(host: str, port: int) -> Address:
    return Address(host, port)


def _is_near(contact: Contact) -> bool:
    """Say whether it is in our own house."""
    return contact.network is None


@dataclass(slots=True)
class Traffic:
    """Datagrams since the start."""

    sent: int = 0
    received: int = 0
    refused: int = 0  # Beyond a budget, forged or malformed: without effect.


class Ports:
    """`opened` are open already; closing them is the caller's. `heard` must be set before anything comes."""

    heard: Heard

    def __init__(self, desk: Desk, boxes: Boxes, opened: list[Datagrams], spawn: Spawn) -> None:
        self._desk = desk
        self._boxes = boxes
        self._spawn = spawn
        self._answers: dict[bytes, list[bytes]] = {}  # To who asks over a stream just now, by contact as written.
        self._asked: set[bytes] = set()  # Contacts that are asked over a stream just now.
        # Of those in our own house, and of all others: neighbours are heard where a wall lets nobody else's through.
        self._by_stream = dict.fromkeys((True, False), False)
        # Monotonic: the last datagram that somebody sealed for us, not one that strays in.
        self._heard_ms = dict.fromkeys((True, False), -inf)
        self._ways_out = WaysOut(opened)
        self.opened = opened
        self.traffic = Traffic()
        self.turned: Callable[[], None] = lambda: None  # Called when streams are asked over, too, or no more.

    @property
    def by_stream(self) -> bool:
        """Whether UDP does not seem to pass, in the house or out of it: who is there is asked over streams, until a
        datagram comes from there."""
        return any(self._by_stream.values())

    async def send(self, to: Contact, body: bytes) -> None:
        """Send what the DHT says. What cannot be sent from here is lost, as on any road."""
        if to.raw in self._answers:
            self._answers[to.raw].append(body)
            return
        if self._by_stream[_is_near(to)] and to.raw not in self._asked and len(self._asked) < STREAMS_MAX:
            with suppress(NodeStopped):
                self._spawn(f"datagram to {to.host}", partial(self._ask, to, body))
                self._asked.add(to.raw)
        port = self._ways_out.to(to)
        if port is not None:
            with suppress(UsageError, LinkClosed, Damaged):  # Too long, closing, a key of low order.
                await port.send_to(self._boxes.seal(to.key, body), _address(to.host, to.port))
                self.traffic.sent += 1

    def is_silent(self, asked: Sequence[Contact]) -> bool:
        """Say whether to ask anew, now over streams: nodes whose streams we have had did not answer to datagrams, and
        nobody's has come from there for a while: a machine may have moved to where UDP does not pass."""
        now_ms = self._desk.steady_ms()
        sides = dict.fromkeys(map(_is_near, asked))  # In the order in which they were asked.
        silent = [near for near in sides if now_ms - self._heard_ms[near] > 1000 * SILENT_S]
        begins = any(not self._by_stream[near] for near in silent)
        self._by_stream |= dict.fromkeys(silent, True)
        if begins:
            self.turned()
        return begins

    async def read(self, port: Datagrams) -> None:
        """Hand what comes in on one port to `heard`, until cancelled or closed. Raises `LinkClosed`."""
        while True:
            data, source = await port.receive_from()
            self.traffic.received += 1
            now_ms = self._desk.steady_ms()
            opened = self._opened(data, source, now_ms)
            if opened is None:
                self.traffic.refused += 1
            else:
                self._ways_out.heard(opened[0], port)
                near = _is_near(opened[0])
                self._heard_ms[near] = now_ms
                if self._by_stream[near]:
                    self._by_stream[near] = False
                    self.turned()
                await self.heard(*opened)

    async def answer(self, datagram: bytes, host: str) -> bytes | None:
        """Return the sealed answer to a datagram that came over a stream from this IP address; None if it has none.

        A node without a port takes no part in the DHT, whichever way it is asked.
        """
        source = Address(host, STREAM_PORT)
        opened = self._opened(datagram, source, self._desk.steady_ms()) if self.opened else None
        if opened is None or opened[0].raw in self._answers:
            self.traffic.refused += 1
            return None
        sender, body = opened
        answers = self._answers[sender.raw] = list[bytes]()
        try:
            await self.heard(sender, body)
        finally:
            del self._answers[sender.raw]
        return self._boxes.seal(sender.key, answers[0]) if answers else None

    async def _ask(self, to: Contact, body: bytes) -> None:
        """Ask over a stream what would have gone over UDP, and hand on the answer; without one it is lost."""
        network, clock, answer = self._desk.host.network, self._desk.host.clock, b""
        try:
            with suppress(TalosError), clock.move_on_after(STREAM_S):
                stream = await network.dial_stream(_address(to.host, to.port))
                try:
                    await stream.send_all(wrap(bytes((Kind.DATAGRAM,)) + self._boxes.seal(to.key, body)))
                    key, answer = self._boxes.open((await _frame(stream))[1:])
                    answer = answer if key == to.key else b""
                finally:
                    await stream.aclose()
        finally:
            self._asked.discard(to.raw)
        if answer:
            await self.heard(to, answer)

    def _spend(self, source: Address, now_ms: int) -> bool:
        return self._desk.budgets.spend(Work.DATAGRAM, datagram_source_of(source.host, source.port), now_ms)

    def _opened(self, data: bytes, source: Address, now_ms: int) -> tuple[Contact, bytes] | None:
        if not SEAL_SIZE < len(data) <= DATAGRAM_MAX:
            return None
        # Of a key that is here it costs no more to open a box than to receive it: whom we ask, or have heard, is heard
        # whoever forges its address.
        is_known = self._boxes.knows(data[:KEY_SIZE])
        if not is_known and not self._spend(source, now_ms):
            return None
        try:
            key, body = self._boxes.open(data)
            return Contact.at(key, source.host, source.port), body
        except (Damaged, MalformedMessage, Malformed):
            return None  # Anybody may have sent it: it is counted, and nothing else.


async def _frame(stream: Stream) -> bytes:
    reader = FrameReader(frozenset({Kind.DATAGRAM}))
    while (frame := reader.next()) is None:
        data = await stream.receive_some(DATAGRAM_MAX)
        if not data:
            raise LinkClosed("there was no answer")
        reader.feed(data)
    return frame
