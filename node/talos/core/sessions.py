"""The ratchet sessions with one peer, kept in rows sealed under the storage key.

What is stored is what `talos_ratchet` says has changed; what an opening consumed (a place in SEEN) goes into the
same step. Both ends send on the session that their link was greeted on; the others stay able to receive for a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from talos.core.dice import Encapsulate, Entropy
from talos.core.keylog import KeyLog
from talos.core.party import Party
from talos.core.session_life import NEXT, Event, Phase, after
from talos.core.step import Put
from talos.core.tables import PARTIES, SESSIONS, Rows
from talos.core.vault import Vault
from talos.errors import Damaged
from talos_ratchet import (
    LATE_KEYS_MAX,
    SUITE_1,
    Accepted,
    Bundle,
    KeyPair,
    Lane,
    Offer,
    Opened,
    Opening,
    Prekeys,
    RatchetError,
    Session,
    SessionSet,
    Suite,
    accept,
    start,
)

RENEW_MS: Final = 7 * 24 * 3_600_000  # A post-quantum secret that is learnt opens what was said in a week, no more,
RENEW_MESSAGES: Final = 10_000  # or in so many messages, both ways.


@dataclass(frozen=True, slots=True)
class Wear:
    """When a session is worn out: then its initiator has a new one made in its place, with fresh secrets."""

    age_ms: int = RENEW_MS
    messages: int = RENEW_MESSAGES


WEAR: Final = Wear()


@dataclass(frozen=True, slots=True)
class Ours:
    """What every conversation of this node shares."""

    did: bytes  # Our DID hash.
    party: bytes  # Our party record, verbatim.
    pair: KeyPair = field(repr=False)  # Our static instance X25519 key.
    origin: bytes  # 16 bytes: who we are as a sender (DECISIONS 12).
    vault: Vault = field(repr=False)
    entropy: Entropy = field(repr=False)
    encapsulate: Encapsulate = field(repr=False)
    suite: Suite = SUITE_1
    wear: Wear = WEAR


class Sessions:
    """All sessions with one peer. Every change is in `changes()` until it is asked for."""

    __slots__ = ("_given_up", "_in_use", "_ours", "_parties", "_peer", "_rows", "_set")

    def __init__(self, peer: bytes, ours: Ours, rows: Rows) -> None:
        """Raises `Damaged`."""
        self._peer = peer
        self._ours = ours
        self._rows = rows
        self._parties: list[Put] = []
        self._given_up: set[bytes] = set()  # No link that is being greeted on these is taken up any more.
        self._in_use: bytes | None = None  # The session that the link was greeted on.
        try:
            self._set = SessionSet.load(self._stored(rows), ours.suite)
        except RatchetError as error:
            raise Damaged(f"a session with a peer is not as it was stored: {error}") from error

    def _stored(self, rows: Rows) -> Iterator[tuple[bytes, bytes]]:
        for key, sealed in rows.scan(SESSIONS, self._peer):
            yield key[len(self._peer) :], self._ours.vault.open(SESSIONS, key, sealed)

    def start(self, party: bytes, bundle: Bundle, offer: Offer | None, first: bytes, *, now_ms: int) -> bytes:
        """Start a session with the peer whose party record this is; return the opening to send."""
        session, opening = start(
            pair=self._ours.pair,
            party=self._ours.party,
            peer_party=party,
            bundle=bundle,
            offer=offer,
            first=first,
            entropy=self._ours.entropy,
            encapsulate=self._ours.encapsulate,
            now_ms=now_ms,
            suite=self._ours.suite,
        )
        self._add(session, party)
        return opening

    def accept(self, opening: Opening, agreement: bytes, prekeys: Prekeys, *, now_ms: int) -> Accepted:
        """Accept the peer's opening; `agreement` is the checked X25519 key of its party. Raises `RatchetError`."""
        accepted = accept(
            opening,
            pair=self._ours.pair,
            party=self._ours.party,
            peer_agreement=agreement,
            prekeys=prekeys,
            entropy=self._ours.entropy,
            now_ms=now_ms,
            suite=self._ours.suite,
        )
        self._add(accepted.session, opening.party)
        return accepted

    def _add(self, session: Session, party: bytes) -> None:
        """Add a session. Raises `Duplicate`, changing nothing, if its opening was taken before."""
        before = self._set.sessions()
        dropped = self._set.add(session)
        if dropped is not None:
            after(self.phase(dropped), Event.DROPPED)
            self._forget_party(dropped.id)
        for one in before:
            if not one.confirmed and one.initiated is session.initiated and one.id in self._set:
                self._move(one, Event.DROPPED)
        self._parties.append(Put(PARTIES, self._peer + session.id, party))

    def forget(self) -> None:
        """Drop every session."""
        for session in self._set.sessions():
            self._move(session, Event.DROPPED)

    def phase(self, session: Session) -> Phase:
        """Return where a session is in its life, as long as it is in the set."""
        if session.superseded_ms is not None:
            return Phase.RECEIVING
        if not session.confirmed:
            return Phase.OPENING
        return Phase.IN_USE if session.id == self._in_use else Phase.CONFIRMED

    def _move(self, session: Session, event: Event, now_ms: int = 0) -> None:
        """Do what the table says. `now_ms` counts where the session is superseded. Raises `IllegalMove`."""
        before = self.phase(session)
        to = after(before, event)
        if event is Event.LINK_ENDED:
            self._in_use = None
        elif event is Event.GREETED:
            self._in_use = session.id
            session.reinstate()
        elif to is Phase.RECEIVING:
            self._set.archive(session.id, now_ms=now_ms)
        elif to is Phase.OVER:
            self._set.drop(session.id)
            self._forget_party(session.id)

    def take(self, session: Session, lane: Lane, opened: Opened, late_max: int = LATE_KEYS_MAX) -> bool:
        """Move the session past an opened frame; returns True if that is what proves that the peer holds it.

        `late_max` is as in `Session.take`. Raises `OutOfTurn` if another frame was taken since.
        """
        if session.confirmed:
            session.take(lane, opened, late_max)
            return False
        before = self.phase(session)
        session.take(lane, opened, late_max)
        if session.confirmed:
            after(before, Event.PROVED)
        return session.confirmed

    def confirmed(self) -> list[Session]:
        """Return the sessions that the peer is known to hold, oldest first."""
        held = [session for session in self._set.sessions() if session.confirmed]
        return sorted(held, key=lambda session: (session.created_ms, session.id))

    def _forget_party(self, session_id: bytes) -> None:
        self._parties.append(Put(PARTIES, self._peer + session_id, None))

    def use(self, session_id: bytes, now_ms: int) -> bool:
        """Send on this session from now on, because the link was greeted on it; the others only receive.

        It is the one thing that both ends know for certain: which sessions the other has confirmed, they do not.
        Returns False, changing nothing, if it was given up since it was greeted.
        """
        greeted = self._set.get(session_id)
        if greeted is None or session_id in self._given_up or (self.phase(greeted), Event.GREETED) not in NEXT:
            return False
        self._move(greeted, Event.GREETED)
        for session in self._set.sessions():
            if session.confirmed and session is not greeted:
                self._move(session, Event.SUPERSEDED, now_ms)
        return True

    def rest(self) -> None:
        """The link has ended."""
        session = self.of_link
        if session is not None:
            self._move(session, Event.LINK_ENDED)
        self._in_use = None

    def archive(self, session_id: bytes, now_ms: int) -> Session | None:
        """Send nothing more on this session: the peer does not have it. Returns it if it was in use until now."""
        session = self._set.get(session_id)
        if session is None or self.phase(session) not in (Phase.CONFIRMED, Phase.IN_USE):
            return None
        self._move(session, Event.SUPERSEDED, now_ms)
        return session

    def give_up(self, now_ms: int) -> list[Session]:
        """Send nothing more on any session that both ends hold; return those that could be sent on until now."""
        proved = [one for one in self._set.sessions() if self.phase(one) is not Phase.OPENING]
        held = [
            one
            for one in proved
            if one.superseded_ms is None or (one.id == self._in_use and one.id not in self._given_up)
        ]
        self._given_up = {one.id for one in proved}
        for session in held:
            self._move(session, Event.SUPERSEDED, now_ms)
        return held

    def worn(self, now_ms: int) -> str | None:
        """Say why the session that is sent on, or to be resumed, is to be renewed now by us; None if it is not.

        Its age is judged either way: a clock that was set back must not keep a session for ever.
        """
        session, wear = self.sending, self._ours.wear
        if session is None or not session.initiated:
            return None
        if abs(now_ms - session.created_ms) >= wear.age_ms:
            return f"renewed after {wear.age_ms // 1000} s"
        if session.messages >= wear.messages:
            return f"renewed after {session.messages} messages"
        return None

    def expire(self, now_ms: int) -> None:
        """Forget the sessions whose day is over, and skipped keys past their time."""
        for session in self._set.expire(now_ms):
            after(self.phase(session), Event.DAY_ENDED)
            self._forget_party(session.id)

    def recheck(self, log: KeyLog, now_ms: int) -> list[Session]:
        """Drop the sessions whose party does not hold any more under what the peer's key log says now; return them."""
        dropped = []
        for session in self._set.sessions():
            raw = self._rows.get(PARTIES, self._peer + session.id)
            if raw is not None and not _still_good(raw, log, now_ms):
                self._move(session, Event.DROPPED)
                dropped.append(session)
        return dropped

    @property
    def of_link(self) -> Session | None:
        """The session that the link was greeted on, though it may have been given up since."""
        return None if self._in_use is None else self._set.get(self._in_use)

    @property
    def sending(self) -> Session | None:
        """The session of the link, else the one to resume; None if there is none, or it was given up."""
        session = self.of_link or self._set.best
        return None if session is None or session.superseded_ms is not None else session

    def holds(self, session_id: bytes) -> bool:
        return session_id in self._set

    def seal(self, session: Session, lane: Lane, plaintext: bytes) -> bytes:
        return session.seal(lane, plaintext, entropy=self._ours.entropy)

    def open(self, lane: Lane, frame: bytes, now_ms: int) -> tuple[Session, Opened]:
        """Open a frame of any live session, changing nothing. Raises `RatchetError`."""
        return self._set.open(lane, frame, now_ms)

    def lane_keys(self, session: Session) -> bytes:
        return session.offer_lanes(self._ours.entropy)

    def open_lanes(self, session: Session, keys: bytes) -> None:
        session.open_lanes(keys, self._ours.entropy)

    def changes(self) -> list[Put]:
        """Return the rows that changed since the last call, sealed."""
        vault, entropy = self._ours.vault, self._ours.entropy
        writes, self._parties = self._parties, []
        for tail, row in self._set.changes().rows:
            key = self._peer + tail
            writes.append(Put(SESSIONS, key, None if row is None else vault.seal(SESSIONS, key, row, entropy)))
        return writes


def _still_good(party: bytes, log: KeyLog, now_ms: int) -> bool:
    """Say so of a stored record. What cannot be read any more bears nothing out, and a session is soon replaced."""
    try:
        return Party.decode(party).still_good(log, now_ms)
    except Damaged:
        return False
