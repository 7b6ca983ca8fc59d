"""The responder's half of a greeting: from an accepted stream to a link that is bound to one peer.

A stranger gets, in this order: one card; one X25519 agreement; one offer; its key log verified; and only if its party
record holds against that, one handshake. Before each of these its source's budget is asked, and by then TCP has proved
that whoever asks hears what is sent there. All of it within one deadline and one link's limits.
"""

from __future__ import annotations

from typing import Final

from talos.core import codec
from talos.core.budgets import OverBudget, Source, Work
from talos.core.frames import Kind
from talos.core.greeting import (
    LABEL_NO_SESSION,
    Ask,
    Fetch,
    Greeting,
    NoSession,
    Offered,
    Open,
    Reason,
    Resume,
)
from talos.core.keylog import KeyLog
from talos.core.party import Party, check_party
from talos.core.prekeys import seen_key
from talos.core.tables import SEEN
from talos.errors import Damaged, MalformedMessage, Refused
from talos.services.caller import Caller
from talos.services.desk import Desk
from talos.services.errands import Errand, Errands, Holding, Relaying, Served
from talos.services.link import Link
from talos.services.peer import Peer
from talos_ratchet import Duplicate, Opening, RatchetError, read_opening

FIRST: Final = frozenset({Kind.FETCH, Kind.HELLO, Kind.DATAGRAM})


class Answer:
    """One greeting. `greet` runs it to its end."""

    def __init__(
        self, desk: Desk, link: Link, source: Source, relay: Relaying | None = None, holding: Holding | None = None
    ) -> None:
        self._desk = desk
        self._link = link
        self._caller = Caller(desk, link, source)
        self._errands = Errands(desk, self._caller, relay, holding)
        self._held: list[Peer] = []  # Whom this may write of: none of them is let go until it ends.

    async def greet(self) -> Peer | Served:
        """Return the peer that the link is bound to: it has proved itself, twice, on this link.

        Or, where it wants to be joined to another, what is left to do for it.

        Raises `Refused`, `Damaged` or `LinkClosed`. Nothing is written for whom does not authenticate.
        """
        self._link.allow(FIRST)
        frame = await self._link.next_frame()
        if frame[0] == Kind.DATAGRAM:
            return await self._errands.answer_datagram(frame[1:])
        if frame[0] == Kind.FETCH:
            await self._errands.show(Fetch.decode(frame[1:]))
            self._link.allow(frozenset({Kind.HELLO}))
            frame = await self._link.next_frame()
        greeting = await self._caller.hear(frame[1:])
        if isinstance(greeting, Errand):
            return await self._errands.run(greeting)
        try:
            peer, answer = await self._converse(greeting)
            return await self._prove(peer, answer)
        finally:
            for peer in self._held:
                peer.holds -= 1

    async def _prove(self, peer: Peer, answer: bytes) -> Peer:
        # The opening or resuming frame may be a replay; words that name our answer cannot be.
        self._link.allow(frozenset({Kind.CONTROL}))
        spoken = await self._link.next_frame()
        now_ms, steady_ms = self._desk.now_ms(), self._desk.steady_ms()
        try:
            self._link.session_id, step = peer.conversation.proved(spoken, answer, now_ms, steady_ms)
        except RatchetError as error:
            raise Damaged(f"the dialler did not prove itself: {error}") from error
        self._link.told = answer
        await self._desk.post.submit(peer, step, self._link).on_disk()
        return peer

    async def _converse(self, greeting: Greeting) -> tuple[Peer, bytes]:
        """Return who it seems to be, and the frame that answered it."""
        self._link.allow(frozenset({Kind.SEALED}))
        if isinstance(greeting, Resume):
            resumed = await self._resume(greeting)
            if resumed is not None:
                return resumed
            greeting = await self._caller.reply()
        if not isinstance(greeting, Ask):
            raise MalformedMessage(f"{type(greeting).__name__} does not begin a greeting")
        await self._offer(greeting)
        answer = await self._caller.reply()
        if not isinstance(answer, Open):
            raise MalformedMessage(f"{type(answer).__name__} does not follow an offer")
        return await self._open(answer)

    async def _resume(self, greeting: Resume) -> tuple[Peer, bytes] | None:
        """Go on with a session, or prove that we cannot and return None."""
        desk = self._desk
        peer = None if desk.directory.key_log(greeting.did) is None else desk.post.peer(greeting.did)
        if peer is not None and peer.conversation.holds(greeting.session_id):
            self._hold(peer)
            # Only the two of us, and who has recorded a HELLO, know that number: strangers cannot spend this.
            await self._caller.spend(Work.RESUME)
            await self._let_greet(peer)
            desk.recheck(peer)
            try:
                frame, step = peer.conversation.resumed(greeting.frame, desk.now_ms())
            except Duplicate as error:
                # Somebody replays what the peer once said: that is no reason to let it drop its session.
                await self._caller.refuse(Reason.HANDSHAKE)
                raise Damaged("the resuming frame was used before") from error
            except RatchetError:
                pass  # Answered below, with proof.
            else:
                await desk.post.submit(peer, step, self._link).on_disk()
                await self._link.send_now(frame)
                return peer, frame
        body = NoSession.body(
            ours=desk.me.party.instance,
            theirs=greeting.did,
            link_nonce=self._caller.nonce,
            frame=greeting.frame,
        )
        await self._caller.say(NoSession(desk.me.sign(codec.signed(LABEL_NO_SESSION, body))))
        return None

    async def _offer(self, greeting: Ask) -> None:
        desk = self._desk
        claimed, now_ms = Party.decode(greeting.party), desk.now_ms()
        # Who is over its budget is not sent away: the last-resort prekey serves, as when the pool is empty.
        may_have = not desk.ring.would_make(claimed.did, now_ms) or desk.spend(Work.OFFER, self._caller.source)
        offer = desk.ring.offer(claimed.did, now_ms) if may_have else b""
        await self._caller.say(Offered(desk.me.party.encode(), desk.ring.bundle, offer))

    async def _open(self, greeting: Open) -> tuple[Peer, bytes]:
        """Accept a handshake, if its party holds against its key log and its frame authenticates."""
        try:
            opening = read_opening(greeting.opening)
            party = Party.decode(opening.party)
            log = self._desk.directory.if_known(party.did, greeting.key_log)
            if log is None:
                await self._caller.spend(Work.KEY_LOG)
                log = self._desk.directory.merged(self._desk.directory.read(greeting.key_log))
            check_party(party, log, self._desk.now_ms())
        except OverBudget:
            raise
        except (RatchetError, Refused, Damaged) as error:
            await self._caller.refuse(Reason.NOT_ACCEPTED)
            raise Damaged(f"a handshake was refused: {error}") from error
        if self._desk.post.keeper.room.is_low and self._desk.directory.key_log(party.did) is None:
            await self._caller.refuse(Reason.BUSY)
            raise Refused("a stranger was told to try later: the store is nearly full")
        await self._let_greet(self._desk.post.peer_or_stranger(party.did))
        await self._caller.spend(Work.ACCEPT)
        try:
            return await self._accept(opening, party, log)
        except RatchetError as error:
            await self._caller.refuse(Reason.HANDSHAKE)
            raise Damaged(f"a handshake did not authenticate: {error}") from error

    async def _accept(self, opening: Opening, party: Party, log: KeyLog) -> tuple[Peer, bytes]:
        desk, now_ms = self._desk, self._desk.now_ms()
        if not opening.one_time and desk.host.store.get(SEEN, seen_key(opening)) is not None:
            raise Duplicate("this opening was taken before")
        if not opening.one_time and not desk.ring.may_note:
            await self._caller.refuse(Reason.BUSY)
            raise OverBudget("too many openings on last-resort prekeys are noted")
        found = desk.ring.find(opening, party.did, now_ms)
        peer = desk.post.peer_or_stranger(party.did)
        arrival = desk.post.newcomers.came(peer.did) if desk.is_unknown(peer) else None
        try:
            frame, step = peer.conversation.accept(
                opening, party.x25519, found.prekeys, found.consumed, now_ms, arrival=arrival
            )
        except RatchetError:
            if arrival is not None:
                desk.post.newcomers.no_more(peer.did)
            raise
        desk.post.adopt(peer)
        self._hold(peer)
        if opening.one_time:
            desk.ring.spent(party.did, now_ms)  # Now: another opening with the same pair may come any moment.
            pending = desk.post.submit(peer, step, self._link)
        else:
            desk.ring.noted()
            pending = desk.post.submit(peer, step, self._link, undo=desk.ring.not_noted)
        desk.make_room()
        await desk.learn(log)
        await pending.on_disk()
        await self._link.send_now(frame)
        return peer, frame

    async def _let_greet(self, peer: Peer) -> None:
        """Raises `OverBudget` if this peer has been here too often, or too badly, of late."""
        if not peer.conversation.may_greet(self._desk.steady_ms()):
            await self._caller.refuse(Reason.BUSY)
            raise OverBudget("this peer has used up its greetings for now")

    def _hold(self, peer: Peer) -> None:
        self._held.append(peer)
        peer.holds += 1
