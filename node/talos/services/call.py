"""The dialler's half of a greeting: from an open stream to a link that is bound to one peer."""

from __future__ import annotations

from typing import Final, TypeVar

from talos.core.channel import Channel
from talos.core.frames import Kind
from talos.core.greeting import (
    LABEL_NO_SESSION,
    Ask,
    Card,
    Fetch,
    Greeting,
    NoSession,
    Offered,
    Open,
    Reason,
    Refusal,
    Resume,
    decode,
)
from talos.core.keylog import KeyLog
from talos.core.keylog_keys import is_signed
from talos.core.names import did_of
from talos.core.party import Party, check_party
from talos.errors import Damaged, MalformedMessage, Refused
from talos.services.desk import Desk
from talos.services.directory import Introduction, check_bundle
from talos.services.link import Link
from talos.services.peer import Peer
from talos_ratchet import Offer, RatchetError, read_offer

T = TypeVar("T")

ANSWERS: Final = frozenset({Kind.CONTROL, Kind.SEALED})

_WHY: Final = {
    Reason.BUSY: "the peer has no room for another link now",
    Reason.NOT_ACCEPTED: "the peer does not accept our identity",
    Reason.HANDSHAKE: "the peer could not take our handshake",
    Reason.NO_WAY: "the peer answered as a relay does",
}


async def fetch(desk: Desk, link: Link, did: bytes) -> tuple[Introduction, Card]:
    """Ask who answers on a fresh link, and check it. `did` is the DID hash it must be; empty: anybody.

    Raises `Damaged`, `Refused` or `LinkClosed`.
    """
    await link.greet(Kind.FETCH, Fetch(did).encode())
    link.allow(frozenset({Kind.CARD}))
    frame = await link.next_frame()
    card = Card.decode(frame[1:])
    return desk.directory.check(card, did, desk.now_ms()), card


async def fetch_key_log(desk: Desk, link: Link, did: bytes) -> KeyLog:
    """Ask on a fresh link for the key log of `did`, which need not be whoever answers.

    Raises `Damaged`, `Refused` or `LinkClosed`.
    """
    await link.greet(Kind.FETCH, Fetch(did).encode())
    link.allow(frozenset({Kind.CARD, Kind.KEY_LOG}))
    frame = await link.next_frame()
    log = desk.directory.read(frame[1:] if frame[0] == Kind.KEY_LOG else Card.decode(frame[1:]).key_log)
    if log.state.did != did:
        raise Damaged(f"the key log of {did_of(log.state.did)} was shown, not that of {did_of(did)}")
    return log


class Call:
    """One greeting. `greet` runs it to its end."""

    def __init__(self, desk: Desk, link: Link, peer: Peer, who: Introduction) -> None:
        self._desk = desk
        self._link = link
        self._peer = peer
        self._who = who
        self._channel = Channel.dial(who.party.x25519, desk.host.entropy)
        self._kind = Kind.HELLO  # Of the next greeting we send.

    async def greet(self) -> None:
        """Resume a session or open one. On return, the link's next control frames are this peer's.

        Raises `Refused`, `Damaged` or `LinkClosed`; the session, if there was one, is then as it was, but
        for `NoSession`, which is proof that the peer has lost it.
        """
        self._link.allow(ANSWERS)
        self._desk.recheck(self._peer)
        resumed = self._peer.conversation.resume(self._desk.now_ms())
        if resumed is not None:
            session_id, frame, step = resumed
            await self._desk.post.submit(self._peer, step).on_disk()
            await self._send(Resume(self._desk.me.did, session_id, frame))
            answer = await self._receive()
            if isinstance(answer, bytes):
                return await self._bind(answer, frame)
            await self._lost(_expect(answer, NoSession), session_id, frame)
        await self._send(Ask(self._desk.me.party.encode()))
        opening = await self._open(_expect(await self._receive(), Offered))
        return await self._bind(_expect(await self._receive(), bytes), opening)

    async def _lost(self, answer: NoSession, session_id: bytes, frame: bytes) -> None:
        who, nonce = self._who.party, self._channel.ephemeral
        body = NoSession.body(ours=who.instance, theirs=self._desk.me.did, link_nonce=nonce, frame=frame)
        if not is_signed(who.ed25519, LABEL_NO_SESSION, body, answer.signature):
            raise Damaged("the peer's NO_SESSION is not signed by its instance")
        step = self._peer.conversation.no_session(session_id, self._desk.now_ms())
        await self._desk.post.submit(self._peer, step).on_disk()

    async def _open(self, offered: Offered) -> bytes:
        """Say the opening to what was offered; return it."""
        now_ms = self._desk.now_ms()
        party = Party.decode(offered.party)
        if party.did != self._peer.did or party.x25519 != self._who.party.x25519:
            raise Damaged("the peer answered with the party record of somebody else")
        check_party(party, self._desk.directory.merged(self._who.key_log), now_ms)
        bundle = check_bundle(offered.bundle, party)
        offer = self._offer(offered.offer, party) if offered.offer else None
        opening, step = self._peer.conversation.open(offered.party, bundle, offer, now_ms)
        await self._desk.post.submit(self._peer, step).on_disk()
        await self._send(Open(opening, self._desk.me.key_log.encode()))
        return opening

    def _offer(self, raw: bytes, party: Party) -> Offer:
        try:
            return read_offer(raw, signer=party.ed25519, requester=self._desk.me.did, now_ms=None)
        except RatchetError as error:
            raise Damaged(f"the peer's offer does not hold: {error}") from error

    async def _bind(self, frame: bytes, asked: bytes) -> None:
        now_ms = self._desk.now_ms()
        try:
            self._link.session_id, proof, step = self._peer.conversation.answered(frame, asked, now_ms)
        except RatchetError as error:
            raise Damaged(f"the peer's answer does not authenticate: {error}") from error
        self._link.told = asked
        await self._desk.post.submit(self._peer, step, self._link).on_disk()
        await self._link.send_now(proof)

    async def _send(self, greeting: Greeting) -> None:
        sealed = self._channel.seal(greeting.encode())
        body = self._channel.ephemeral + sealed if self._kind is Kind.HELLO else sealed
        await self._link.greet(self._kind, body)
        self._kind = Kind.SEALED

    async def _receive(self) -> Greeting | bytes:
        """Return the next greeting, or a control frame as bytes. Raises `Refused` for a refusal."""
        frame = await self._link.next_frame()
        return frame if frame[0] == Kind.CONTROL else decode(self._channel.open(frame[1:]))


def _expect(answer: Greeting | bytes, kind: type[T]) -> T:
    """Return the answer if it is what comes next. Raises `Refused` for a refusal, else `MalformedMessage`."""
    if isinstance(answer, kind):
        return answer
    if isinstance(answer, Refusal):
        raise Refused(_WHY[answer.reason])
    raise MalformedMessage(f"the peer answered with {type(answer).__name__}, not {kind.__name__}")
