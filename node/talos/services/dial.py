"""Dialling: one attempt per peer at a time, from its addresses to a greeted link."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple, Protocol

import trio

from talos.core.greeting import Card
from talos.core.keylog import KeyLog
from talos.core.party import KeyLogBehind
from talos.errors import Damaged, NotReachable, TalosError
from talos.host import Address, DialError, LinkClosed, Stream
from talos.services.call import Call, fetch, fetch_key_log
from talos.services.desk import Desk
from talos.services.directory import Introduction, SomebodyElse
from talos.services.link import GREETING_S, Link
from talos.services.peer import Peer
from talos.services.relaying.through import Relayed, Way, dial_through
from talos_ratchet import RatchetError

DIALS_MAX: Final = 32  # At once.
STAGGER_S: Final = 0.25  # Before the next address of a peer is tried beside the first (RFC 8305, section 5).

ELSEWHERE: Final = (NotReachable, DialError, LinkClosed, Damaged, SomebodyElse)  # The peer may be found elsewhere.

Serve = Callable[[Peer, Link, trio.Event], Awaitable[None]]  # Runs a greeted link to its end; the event: it is bound.
Spawn = Callable[[str, Callable[[], Awaitable[None]]], None]  # Starts a supervised task. Raises `NodeStopped`.


class Whereabouts(Protocol):
    """Where peers are that are not where they were, or whom nobody has told us of."""

    def cached(self, did: bytes) -> list[Way]:
        """Return what was found before and still holds."""

    async def find(self, did: bytes) -> list[Way]:
        """Return where it is now, one way at least. Raises `NotReachable` with the reason."""


class Nowhere:
    """No discovery: only what the user says."""

    def cached(self, did: bytes) -> list[Way]:
        return []

    async def find(self, did: bytes) -> list[Way]:
        raise NotReachable("no address of the peer is known", fix="Run `talos peers add DID@HOST:PORT`")


class Seen(NamedTuple):
    who: Introduction
    host: str  # The IP address that answered.


class Dialler:
    """Dials for `Links`, which serves what comes of it."""

    def __init__(self, desk: Desk, spawn: Spawn, serve: Serve) -> None:
        self._desk = desk
        self._spawn = spawn
        self._serve = serve
        self._dialling: dict[bytes, _Dialling] = {}
        self._dials = trio.CapacityLimiter(DIALS_MAX)
        self.whereabouts: Whereabouts = Nowhere()

    async def connect(self, peer: Peer) -> None:
        """Return once the peer has a link. All who ask at once share one attempt.

        Raises `NotReachable`, `Refused` or `Damaged` with the reason, `NodeStopped` if nobody dials any more.
        """
        if peer.link is not None:
            return
        dialling = self._dialling.get(peer.did)
        if dialling is None:
            dialling = _Dialling()
            self._spawn(f"dial {peer.did.hex()[:8]}", partial(self._dial, peer, dialling))
            self._dialling[peer.did] = dialling
        await dialling.done.wait()
        # The peer may have dialled us meanwhile: then all is well, whatever became of our own attempt.
        if dialling.failure is not None and peer.link is None:
            raise dialling.failure

    async def look(self, address: Address, did: bytes) -> Seen:
        """Return who answers at an address, checked, and keep its card. Empty `did`: anybody.

        Raises `DialError`, `LinkClosed`, `Refused` or `Damaged`.
        """
        async with self._visit(address) as link:
            introduction, card = await fetch(self._desk, link, did)
        await self._introduce(introduction, card)
        return Seen(introduction, link.host)

    async def ask_key_log(self, address: Address, did: bytes) -> KeyLog:
        """Return the key log of `did`, verified, from who answers at an address. Raises as `look` does."""
        async with self._visit(address) as link:
            return await fetch_key_log(self._desk, link, did)

    @asynccontextmanager
    async def _visit(self, address: Address) -> AsyncIterator[Link]:
        """A link for a question or two, within one deadline. Raises `DialError`."""
        with self._desk.host.clock.move_on_after(GREETING_S) as deadline:
            link = self._dialled(address, await self._desk.host.network.dial_stream(address))
            try:
                yield link
            finally:
                await link.aclose()
        if deadline.cancelled_caught:
            raise DialError(
                f"{address} did not answer within {GREETING_S:.0f} s", fix="Check that a node listens there"
            )

    async def _dial(self, peer: Peer, dialling: _Dialling) -> None:
        link: Link | None = None
        peer.holds += 1  # Once forgotten it would be made anew from the disk, and both would use the same keys.
        try:
            async with self._dials:
                link = await self._greeted(peer)
        except (TalosError, RatchetError) as error:
            peer.reason = str(error)
            dialling.failure = error if isinstance(error, TalosError) else Damaged(str(error))
        finally:
            peer.holds -= 1  # From here to the first pause of `_serve`, which holds it too, nothing comes in between.
            del self._dialling[peer.did]
            if link is None:
                dialling.failure = dialling.failure or NotReachable("the dial was broken off")
                dialling.done.set()
        if link is not None:
            await self._serve(peer, link, dialling.done)

    async def _greeted(self, peer: Peer) -> Link:
        """Dial where the peer is said to be; if it is not there, where discovery finds it now."""
        known: list[Way] = [*self._desk.directory.addresses(peer.did), *self.whereabouts.cached(peer.did)]
        failure: TalosError | None = None
        if known:
            try:
                return await self._reach(peer, known)
            except ELSEWHERE as error:
                failure = error
        try:
            found = await self.whereabouts.find(peer.did)
        except NotReachable as error:
            raise failure or error from None
        moved = [way for way in found if way not in known]
        if failure is not None and not moved:
            raise failure
        return await self._reach(peer, moved)

    async def _reach(self, peer: Peer, ways: list[Way]) -> Link:
        """Greet the peer on the first way that leads to it: where one answers, somebody else may be by now.

        Each that answers and does not lead to it costs GREETING_S at most. Raises why the first of them does not.
        """
        left, failures = list(ways), list[TalosError]()
        while left:
            answered: Way | None = None
            with self._desk.host.clock.move_on_after(GREETING_S) as deadline:
                try:
                    answered, stream = await self._first_to_answer(left)
                    return await self._greeted_on(peer, answered, stream)
                except ELSEWHERE as error:
                    failures.append(error)
            if deadline.cancelled_caught:
                failures.append(NotReachable(f"no answer within {GREETING_S:.0f} s from {', '.join(map(str, left))}"))
            if answered is None:
                break
            left.remove(answered)
        raise failures[0]

    async def _greeted_on(self, peer: Peer, way: Way, stream: Stream) -> Link:
        link = self._dialled(way, stream)
        greeted = False
        try:
            await self._greet(peer, link)
            greeted = True
        finally:
            if not greeted:
                await link.aclose()
        return link

    async def _greet(self, peer: Peer, link: Link) -> None:
        desk = self._desk
        who = desk.directory.card(peer.did, desk.now_ms())
        if who is not None:
            try:
                await Call(desk, link, peer, who).greet()
            except (Damaged, LinkClosed, KeyLogBehind):
                # The card we kept may be of an instance, or a key, that is gone: ask anew, next time.
                await desk.directory.forget_card(peer.did)
                raise
            return
        who, card = await fetch(desk, link, peer.did)
        await self._introduce(who, card)
        await Call(desk, link, peer, who).greet()

    async def _introduce(self, who: Introduction, card: Card) -> None:
        await self._desk.learn(who.key_log)
        await self._desk.directory.keep_card(who.did, card)

    async def _first_to_answer(self, ways: list[Way]) -> tuple[Way, Stream]:
        """Dial the ways one after the other, a little apart; the first stream wins."""
        streams: list[tuple[Way, Stream]] = []
        failures: list[TalosError] = []
        winner: tuple[Way, Stream] | None = None
        try:
            async with trio.open_nursery() as nursery:
                for way in ways:
                    answered = trio.Event()

                    async def attempt(way: Way = way, answered: trio.Event = answered) -> None:
                        try:
                            stream = await self._stream(way)
                        except (DialError, LinkClosed, NotReachable, Damaged) as error:
                            failures.append(error)
                            answered.set()
                            return
                        streams.append((way, stream))
                        nursery.cancel_scope.cancel()

                    nursery.start_soon(attempt)
                    with self._desk.host.clock.move_on_after(STAGGER_S):
                        await answered.wait()
            if not streams:
                raise failures[0]
            winner = streams[0]
            return winner
        finally:
            for dialled in streams:
                if dialled is not winner:
                    await dialled[1].aclose()

    async def _stream(self, way: Way) -> Stream:
        host = self._desk.host
        if isinstance(way, Relayed):
            return await dial_through(host.network, host.entropy, way)
        return await host.network.dial_stream(way)

    def _dialled(self, way: Way, stream: Stream) -> Link:
        return Link(stream, self._desk.host.clock, dialled=True, allowed=frozenset(), at=way)


class _Dialling:
    """One attempt, and everybody who waits for it."""

    __slots__ = ("done", "failure")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.failure: TalosError | None = None
