"""The ratchet sessions with one peer, kept in rows sealed under the storage key.

What is stored is what `talos_ratchet` says has changed; what an opening consumed (a place in SEEN) goes into the
same step. Both ends send on the session that their link was greeted on; the others stay able to receive for a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from talos.core.dice import Encapsulate, Entropy
from talos.core.keylog import KeyLog
from talos.core.party import Party
from talos.core.step import Put
from talos.core.tables import PARTIES, SESSIONS, Rows
from talos.core.vault import Vault
from talos_ratchet import (
    SUITE_1,
    Accepted,
    Bundle,
    KeyPair,
    Lane,
    Offer,
    Opened,
    Opening,
    Prekeys,
    Session,
    SessionSet,
    Suite,
    accept,
    start,
)


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


class Sessions:
    """All sessions with one peer. Every change is in `changes()` until it is asked for."""

    __slots__ = ("_in_use", "_ours", "_parties", "_peer", "_rows", "_set")

    def __init__(self, peer: bytes, ours: Ours, rows: Rows) -> None:
        self._peer = peer
        self._ours = ours
        self._rows = rows
        self._parties: list[Put] = []
        self._in_use: bytes | None = None  # The session that the link was greeted on.
        self._set = SessionSet.load(self._stored(rows), ours.suite)

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
            self._forget_party(dropped.id)
        for one in before:
            if not one.confirmed and one.initiated is session.initiated and one.id in self._set:
                self._drop(one.id)
        self._parties.append(Put(PARTIES, self._peer + session.id, party))

    def forget(self) -> None:
        """Drop every session."""
        for session in self._set.sessions():
            self._drop(session.id)

    def confirmed(self) -> list[Session]:
        """Return the sessions that the peer is known to hold, oldest first."""
        held = [session for session in self._set.sessions() if session.confirmed]
        return sorted(held, key=lambda session: (session.created_ms, session.id))

    def _drop(self, session_id: bytes) -> None:
        self._set.drop(session_id)
        self._forget_party(session_id)

    def _forget_party(self, session_id: bytes) -> None:
        self._parties.append(Put(PARTIES, self._peer + session_id, None))

    def use(self, session_id: bytes, now_ms: int) -> None:
        """Send on this session from now on, because the link was greeted on it; the others only receive.

        It is the one thing that both ends know for certain: which sessions the other has confirmed, they do not.
        """
        if session_id not in self._set:
            return
        self._in_use = session_id
        for session in self._set.sessions():
            if session.confirmed and session.id != session_id:
                self.archive(session.id, now_ms)

    def rest(self) -> None:
        """The link has ended."""
        self._in_use = None

    def archive(self, session_id: bytes, now_ms: int) -> Session | None:
        """Send nothing more on this session: the peer does not have it. Returns it if it was in use until now."""
        session = self._set.get(session_id)
        if session is None or session.superseded_ms is not None:
            return None
        self._set.archive(session_id, now_ms=now_ms)
        return session

    def expire(self, now_ms: int) -> None:
        """Forget the sessions whose day is over, and skipped keys past their time."""
        for session in self._set.expire(now_ms):
            self._forget_party(session.id)

    def recheck(self, log: KeyLog, now_ms: int) -> list[Session]:
        """Drop the sessions whose party does not hold any more under what the peer's key log says now; return them."""
        dropped = []
        for session in self._set.sessions():
            raw = self._rows.get(PARTIES, self._peer + session.id)
            if raw is not None and not Party.decode(raw).still_good(log, now_ms):
                self._drop(session.id)
                dropped.append(session)
        return dropped

    def sending(self, now_ms: int) -> Session | None:
        """Return the session of the link, else the one to resume; None if there is none."""
        in_use = None if self._in_use is None else self._set.get(self._in_use)
        return in_use or self._set.sending(now_ms)

    def holds(self, session_id: bytes) -> bool:
        return session_id in self._set

    def is_met(self) -> bool:
        return self._set.has_live

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
