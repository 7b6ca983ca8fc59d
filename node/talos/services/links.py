"""All links of a node: who may knock, and what runs on a link once it is bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import Final

import trio

from talos.core.budgets import FAMILIAR_MAX, OverBudget, Source, Work, source_of
from talos.core.content import Ping
from talos.core.entry_types import Refusal
from talos.core.frames import Kind
from talos.core.refusals import STRANGER, refusal_of
from talos.errors import MalformedMessage, NodeStopped, TalosError
from talos.host import LinkClosed, Listener, Stream
from talos.services.answer import FIRST, Answer
from talos.services.commit import Submitted
from talos.services.desk import Desk
from talos.services.dial import Dialler
from talos.services.errands import Holding, Relaying, Served
from talos.services.link import GREETING_S, Link
from talos.services.peer import Peer
from talos.services.places import Place, Places
from talos.services.supervise import supervise
from talos_ratchet import RatchetError

LINKS_MAX: Final = 256  # Bound links.
LINKS_HIGH: Final = 192  # Beyond it, the links that have been silent longest are closed ...
LINKS_LOW: Final = 160  # ... until so many are left. A peer that something is owed to keeps its link.
NEWCOMER_LINKS_MAX: Final = 64  # Of them, of identities that have exchanged no message: the silent make room.
PING_S: Final = 30.0  # Of silence, before we ask whether anybody is there.
FLUSH_POLL_S: Final = 0.01
DEAD_S: Final = 90.0  # Of silence, after which nobody is.

LANES: Final = frozenset({Kind.CONTROL, Kind.MESSAGE, Kind.BULK})


class Links:
    """Runs in one nursery of the node's. A task that fails closes its link, never the node."""

    def __init__(self, desk: Desk, nursery: trio.Nursery) -> None:
        self._desk = desk
        self._nursery = nursery
        self._places = Places()
        self._bound: dict[Link, Peer] = {}
        self.dialler = Dialler(desk, self.spawn, self._serve)
        self.look = self.dialler.look
        desk.post.redial = self.redial
        self.holding: Holding | None = None  # If this node holds statements for others.
        self.relay: Relaying | None = None  # If this node is one.
        self.crashes = 0
        self.last_crash: str | None = None
        for did in islice(desk.directory.known(), FAMILIAR_MAX):
            for address in desk.directory.addresses(did):
                desk.budgets.befriend(source_of(address.host))

    @property
    def bound(self) -> int:
        return len(self._bound)

    async def flushed(self) -> None:
        """Return once no bound link has a frame waiting. A peer that does not read keeps it waiting."""
        while any(link.has_queued for link in self._bound):
            await self._desk.host.clock.sleep(FLUSH_POLL_S)

    async def connect(self, peer: Peer) -> None:
        """Return once the peer has a link on which something can be sent. Raises as `Dialler.connect` does."""
        while peer.link is not None and peer.link.is_draining:
            await self.ended(peer, peer.link)
        await self.dialler.connect(peer)

    def redial(self, peer: Peer) -> None:
        """Dial the peer once its link, which is to end, has ended. What comes of it is in `peer.reason`.

        Nothing is dialled where the node has stopped.
        """
        if self._nursery.cancel_scope.cancel_called:
            return
        self.spawn(f"redial {peer.did.hex()[:8]}", partial(self._redial, peer, peer.link))

    async def _redial(self, peer: Peer, link: Link | None) -> None:
        await self.ended(peer, link)
        try:
            await self.connect(peer)
        except TalosError as error:
            peer.reason = str(error)

    async def ended(self, peer: Peer, link: Link | None) -> None:
        """Return once the peer's drained `link` has ended, as it does within DRAIN_S, or another is the peer's."""
        while link is not None and peer.link is link:
            await self._desk.post.work_came.wait()

    # Accepting

    async def accept_from(self, listener: Listener) -> None:
        """Take links until cancelled."""
        while True:
            stream = await listener.accept()
            if self._nursery.cancel_scope.cancel_called:  # It came in the very moment in which the node stopped.
                await stream.aclose()
                return
            source = source_of(stream.peer.host)
            place = self._place(source)
            if place is None:
                self._desk.post.refusals.refuse(Refusal.OVER_BUDGET, STRANGER, b"", self._desk.now_ms())
                await stream.aclose()
                continue
            link = Link(stream, self._desk.host.clock, dialled=False, allowed=FIRST)
            self.spawn(f"link from {stream.peer}", partial(self._welcome, link, place))

    def _place(self, source: Source, *, is_relayed: bool = False) -> Place | None:
        """Return a place for a greeting, or None: there is none, or too many came from there of late."""
        if len(self._bound) >= LINKS_MAX or not self._desk.spend(Work.LINK, source):
            return None
        # Who comes through a relay may be anybody, though the relay is a peer.
        familiar = not is_relayed and self._desk.budgets.is_familiar(source)
        return self._places.enter(source, familiar=familiar, is_relayed=is_relayed)

    async def take(self, stream: Stream) -> None:
        """Take a stream that came through a relay, as one that was accepted. Raises `OverBudget`."""
        place = self._place(source_of(stream.peer.host), is_relayed=True)
        if place is None:
            await stream.aclose()
            raise OverBudget("too many come through that relay")
        link = Link(stream, self._desk.host.clock, dialled=False, allowed=FIRST, is_relayed=True)
        self.spawn(f"link through {stream.peer}", partial(self._welcome, link, place))

    async def _welcome(self, link: Link, place: Place) -> None:
        greeted: Peer | Served | None = None
        kind = Refusal.GAVE_UP
        try:
            try:
                with place.scope, self._desk.host.clock.move_on_after(GREETING_S):
                    greeted = await Answer(self._desk, link, place.source, self.relay, self.holding).greet()
            except (TalosError, RatchetError) as error:
                kind = refusal_of(error)
            if greeted is None:
                self._desk.post.refusals.refuse(kind, STRANGER, link.last_greeting, self._desk.now_ms())
        finally:
            self._places.leave(place)
            if greeted is None:
                await link.aclose()
        if isinstance(greeted, Peer):
            await self._serve(greeted, link)
        elif greeted is not None:
            try:
                await greeted()
            finally:
                await link.aclose()

    # A bound link

    async def _serve(self, peer: Peer, link: Link, bound: trio.Event | None = None) -> None:
        """Run a bound link to its end."""
        link.allow(LANES)
        for older, owner in self._bound.items():
            if owner is peer and older.is_draining:
                older.close("two newer links have taken its place")  # So that no peer holds more than two.
        self._bound[link] = peer
        peer.holds += 1
        self._trim(link)
        try:
            self._remember(peer, link)
            self._desk.post.bind(peer, link)
            if bound is not None:
                bound.set()
            with link.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_until_closed, link, link.write_queued)
                    nursery.start_soon(_until_closed, link, partial(self._read, peer, link))
                    nursery.start_soon(_until_closed, link, link.until_drained)
        finally:
            del self._bound[link]
            peer.holds -= 1
            self._remember(peer, link)
            self._desk.post.unbind(peer, link)
            if bound is not None:
                bound.set()
            await link.aclose()

    def _remember(self, peer: Peer, link: Link) -> None:
        """Whom we exchange messages with comes from there: strangers elsewhere shall not keep it out."""
        if not peer.conversation.is_newcomer:
            self._desk.budgets.befriend(source_of(link.host))

    def _trim(self, newest: Link) -> None:
        """Make room before there is none. Whoever is cut off is greeted again when there is something to say."""
        kept = {link for link, peer in self._bound.items() if self.relay is not None and self.relay.keeps(peer.did)}
        new = [link for link, peer in self._bound.items() if peer.conversation.is_newcomer and link not in kept]
        if len(new) > NEWCOMER_LINKS_MAX:
            oldest = min((link for link in new if link is not newest), key=lambda link: link.heard_at)
            oldest.close(f"more than {NEWCOMER_LINKS_MAX} links of peers that have said nothing, the longest of all")
        if len(self._bound) <= LINKS_HIGH:
            return
        spared = {newest} | kept
        idle = [link for link, peer in self._bound.items() if link not in spared and not peer.conversation.has_work]
        for link in sorted(idle, key=lambda link: link.heard_at)[: len(self._bound) - LINKS_LOW]:
            link.close(f"more than {LINKS_HIGH} links, and this one was silent longest")

    async def _read(self, peer: Peer, link: Link) -> None:
        """Read until the link ends: while one step goes to disk, what the next one comes of."""
        clock, post = self._desk.host.clock, self._desk.post
        latest: Submitted | None = None
        while True:
            try:
                frames = await link.next_frames(PING_S)
            except MalformedMessage:
                post.refusals.refuse(Refusal.MALFORMED, peer.did, b"", post.now_ms())
                raise
            if latest is not None and not latest.is_on_disk:
                await latest.on_disk()
            if link.close_reason is not None:  # By what came of that step, or of one beside it: nobody has told us yet.
                raise LinkClosed(link.close_reason)
            if frames:
                older = peer.link is not link
                step = peer.conversation.receive(frames, post.now_ms(), self._desk.steady_ms(), older=older)
                latest = post.submit(peer, step, link)
            silent_s = clock.monotonic() - link.heard_at
            if silent_s >= DEAD_S:
                raise LinkClosed(f"nothing was heard for {silent_s:.0f} s")
            if peer.link is link and peer.conversation.is_stuck(self._desk.steady_ms()):
                raise LinkClosed("what the peer sends does not open")
            if not frames and peer.link is link:
                post.submit(peer, peer.conversation.say(Ping(), post.now_ms()))

    def spawn(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run a task of the node's, supervised. Raises `NodeStopped`."""
        if self._nursery.cancel_scope.cancel_called:
            raise NodeStopped("the node has stopped; it greets nobody")

        async def supervised() -> None:
            await supervise(name, work, on_crash=self._crashed)

        self._nursery.start_soon(supervised, name=name)

    def _crashed(self, name: str, error: Exception) -> None:
        self.crashes += 1
        self.last_crash = f"{name}: {type(error).__name__}: {error}"


async def _until_closed(link: Link, work: Callable[[], Awaitable[None]]) -> None:
    """Run one task of a link; the end of one ends the other."""
    try:
        await work()
    except TalosError as error:
        link.close(str(error))
