"""A relay: joins the stream of who calls to one of who is called, and passes bytes on. It reads none, keeps none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from talos.core import codec
from talos.core.budgets import OverBudget, Source, Work, source_of
from talos.core.reservations import CALL_MS, RelayFull, Reservations, Ring
from talos.errors import NotReachable, Refused
from talos.host import Clock, LinkClosed, Stream
from talos.services.desk import Desk
from talos.services.link import Link
from talos.services.peer import Peer
from talos.services.requests import Requests, RequestType

PIECE_SIZE: Final = 16 * 1024  # Bytes held of one call in one direction.
IDLE_S: Final = 120.0  # Of silence on both ways, after which a call is over: both ends ask after 30 s whether it is.
VERSION: Final = 1

Say = Callable[[], Awaitable[None]]  # Tells the other end of the link that it is joined.
Served = Callable[[], Awaitable[None]]  # What is left to do once the greeting is over.


@dataclass(eq=False, slots=True)
class _Call:
    ring: Ring
    refusal: Refused | None = None  # Why it ended before its time.
    called: Stream | None = None
    waiting: trio.CancelScope = field(default_factory=trio.CancelScope)  # The caller, for its client.
    has_come: trio.Event = field(default_factory=trio.Event)
    is_over: trio.Event = field(default_factory=trio.Event)


class Relay:
    """One per node that is a relay."""

    def __init__(self, desk: Desk, requests: Requests) -> None:
        self._desk = desk
        self._requests = requests
        self._calls: dict[bytes, _Call] = {}  # By token.
        self.reservations = Reservations(desk.host.entropy)
        requests.handlers[RequestType.RESERVE] = self._reserve
        self.passed = 0  # Bytes, since the start.

    async def _reserve(self, peer: Peer, body: bytes) -> bytes:
        """Answer a client: [version, ms for which it can be called here]. Raises `RelayFull`."""
        if peer.link is None:
            raise NotReachable("the link has ended")
        self.reservations.prune(lambda did: self._desk.post.peer_or_stranger(did).link is not None)
        life_ms = self.reservations.reserve(peer.did, source_of(peer.link.host).host, self._desk.steady_ms())
        return codec.pack(VERSION, life_ms)

    def keeps(self, did: bytes) -> bool:
        """Say whether this peer's link is how others reach it."""
        return did in self.reservations

    async def through(self, link: Link, did: bytes, source: Source, say: Say) -> Served:
        """Call a client, `say` so once it has come, and return what joins the two streams. Raises `Refused`."""
        caller = link.taken_over()
        # To the client all callers are one host, ours: so that one of them does not use up what it has for all.
        if not self._desk.spend(Work.CALL, Source(source.host + did, source.net + did)):
            raise OverBudget("too many calls to this client from one source, or at all")
        ring, displaced = self.reservations.ring(did, source.host, self._desk.steady_ms())
        if displaced is not None:
            self._displace(displaced, "wait")
        call = self._calls[ring.token] = _Call(ring)
        is_joined = False
        try:
            called = await self._come(call)
            await say()
            is_joined = True
        finally:
            if not is_joined:
                self._end(call)

        async def join() -> None:
            try:
                await self._join(did, caller, called)
            finally:
                self._end(call)

        return join

    async def join(self, link: Link, token: bytes, say: Say) -> Served:
        """Take the stream of a client that was called; return what keeps it until the call is over.

        Raises `NoReservation` for a token that nobody was told or that was shown before, and `RelayFull`.
        """
        stream = link.taken_over()
        ring = self.reservations.waits(token, self._desk.steady_ms())
        call = self._calls[ring.token]
        try:
            displaced = self.reservations.join(ring)
        except RelayFull as full:
            self._end(call, full)
            raise
        if displaced is not None:
            self._displace(displaced, "are joined")
        await say()  # First: what comes next on its stream is the caller's.
        call.called = stream
        call.has_come.set()
        return call.is_over.wait

    async def _come(self, call: _Call) -> Stream:
        """Return the client's stream, once it has come. Raises `Refused`."""
        client, clock = self._desk.post.peer_or_stranger(call.ring.did), self._desk.host.clock
        try:
            with call.waiting, clock.move_on_after(CALL_MS / 1000):
                await self._requests.ask(client, RequestType.CALLED, call.ring.token, timeout_s=CALL_MS / 1000)
                await call.has_come.wait()
        except NotReachable as error:
            raise Refused(f"whom you want does not answer: {error.what}") from error
        if call.refusal is not None:
            raise call.refusal
        if call.called is None:
            raise Refused("whom you want did not come in time")
        return call.called

    def _displace(self, ring: Ring, how: str) -> None:
        text = f"as many calls as may {how}, and this was the oldest of the address that has most"
        self._end(self._calls[ring.token], RelayFull(text))

    def _end(self, call: _Call, refusal: Refused | None = None) -> None:
        self._calls.pop(call.ring.token, None)
        self.reservations.over(call.ring)
        call.refusal = refusal
        call.waiting.cancel()  # Who still waits holds a greeting's place, and is told at once.
        call.is_over.set()  # Whoever keeps the client's stream closes it, and that ends the other.

    async def _join(self, did: bytes, caller: Stream, called: Stream) -> None:
        """Pass bytes both ways until either end closes, or nothing is said for long."""
        clock = self._desk.host.clock
        heard_at = clock.monotonic()

        async def pump(source: Stream, target: Stream) -> None:
            nonlocal heard_at
            try:
                while data := await source.receive_some(PIECE_SIZE):
                    heard_at = clock.monotonic()
                    self.passed += len(data)
                    await target.send_all(data)
                    wait_ms = self.reservations.wait_ms(did, len(data), self._desk.steady_ms())
                    if wait_ms:
                        await clock.sleep(wait_ms / 1000)
            except LinkClosed:
                pass  # One end has gone: so has the call.
            nursery.cancel_scope.cancel()

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump, caller, called)
                nursery.start_soon(pump, called, caller)
                await _until_silent(clock, lambda: heard_at)
                nursery.cancel_scope.cancel()
        finally:
            await caller.aclose()
            await called.aclose()


async def _until_silent(clock: Clock, heard_at: Callable[[], float]) -> None:
    while (left_s := heard_at() + IDLE_S - clock.monotonic()) > 0:
        await clock.sleep(left_s)
