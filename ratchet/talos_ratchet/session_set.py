"""All sessions with one peer instance: which one to send on, and which one a frame belongs to.

Both ends send on the confirmed session whose id is smallest: after a simultaneous start they agree without a word.
The others only receive, so that nothing under way is lost, and end a day later.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final, NamedTuple

from talos_ratchet.checked import Trial
from talos_ratchet.errors import Duplicate, Forged, UnknownSession
from talos_ratchet.frame import cut_head
from talos_ratchet.opened import Opened
from talos_ratchet.ratchet import Ratchet
from talos_ratchet.receive import LIVE_CHAINS_MAX, open_old
from talos_ratchet.rows import ID_SIZE, Changes
from talos_ratchet.session import Lane, Session, nobody_asks
from talos_ratchet.suite import SUITE_1, Suite

SESSIONS_MAX: Final = 4  # Per peer: one to send on, three that only receive.
HEADER_KEYS_MAX: Final = SESSIONS_MAX * LIVE_CHAINS_MAX  # Tried on one frame: 0.6 us each, for whatever garbage.
SUPERSEDED_LIFE_MS: Final = 24 * 3_600_000  # How long a session that is no longer sent on still receives.

NO_KEY_FITS: Final = "no header key of any session fits"


class _Ways(NamedTuple):
    """All that is tried first on a frame of one lane. Noted until a session moves, for it is asked of each frame."""

    since_ms: int  # For so long it is right,
    until_ms: float  # because a session that only receives ends by itself.
    trials: list[Trial]
    owners: list[tuple[Session, Ratchet, int]]  # Of each trial; and which of its lane's live keys it is.
    lanes: list[tuple[Session, Ratchet]]


class SessionSet:
    """Mutated by its verbs alone; what they change is in the next `changes`."""

    __slots__ = ("_dropped", "_sessions", "_ways")

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}
        self._dropped: set[bytes] = set()  # Keys of rows to delete.
        self._ways: dict[int, _Ways] = {}  # By lane.

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, session_id: bytes) -> bool:
        return session_id in self._sessions

    def get(self, session_id: bytes) -> Session | None:
        return self._sessions.get(session_id)

    def sessions(self) -> list[Session]:
        """Return all sessions in the order in which a frame is tried: those to send on first, then newest first."""
        if len(self._sessions) == 1:  # As nearly always, and this is asked for each frame.
            return list(self._sessions.values())
        return sorted(self._sessions.values(), key=_trial_order)

    @property
    def best(self) -> Session | None:
        """Of the sessions that are confirmed and not archived the one of the smallest id; None if there is none."""
        live = [one for one in self._sessions.values() if one.confirmed and one.superseded_ms is None]
        if len(live) < 2:
            return live[0] if live else None
        return min(live, key=lambda one: one.id)

    def add(self, session: Session) -> Session | None:
        """Add a session; return the one dropped for it, if there were four: the least useful, never the sender's.

        Raises `Duplicate` if a session of this id is there: its opening is being replayed.
        """
        if session.id in self._sessions:
            raise Duplicate(f"session {session.id.hex()} is there")
        dropped = None
        if len(self._sessions) >= SESSIONS_MAX:
            sender = self.best
            dropped = min((one for one in self._sessions.values() if one is not sender), key=_worth)
            self.drop(dropped.id)
        self._hold(session)
        return dropped

    def sending(self, now_ms: int) -> Session | None:
        """Return the session to send on: the `best`.

        The other confirmed ones are superseded from now on. So whoever wants a new session to win over an older
        one, whatever their ids, archives the older one.
        """
        best = self.best
        for session in self._sessions.values():
            if session.confirmed and session is not best:
                session.supersede(now_ms)
        return best

    def open(self, lane: Lane, frame: bytes, now_ms: int) -> tuple[Session, Opened]:
        """Open a frame on the session it fits, changing nothing; `session.take(lane, opened)` is up to the caller.

        The chains that the peer may be sending on are tried first, of all sessions. What is left of
        `HEADER_KEYS_MAX` goes to old chains, those of the session to send on first, newest first.

        Raises `Forged` if it fits none of these, and what `Session.open` raises.
        """
        nonce, sealed = cut_head(frame, lane)
        ways = self._ways.get(lane)
        if ways is None or not ways.since_ms <= now_ms <= ways.until_ms:
            ways = self._ways[lane] = self._find_ways(lane, now_ms)
        if not ways.lanes:
            raise Forged(NO_KEY_FITS)
        found = ways.lanes[0][1].suite.open_header(ways.trials, nonce, sealed)
        if found is not None:
            session, ratchet, which = ways.owners[found[0]]
            return session, ratchet.open(frame, which, found[1], now_ms)
        left = HEADER_KEYS_MAX - len(ways.trials)
        for session, ratchet in ways.lanes:
            if left <= 0:
                break
            opened = open_old(ratchet, frame, nonce, sealed, now_ms, most=left)
            if opened is not None:
                return session, opened
            left -= len(ratchet.old)
        raise Forged(NO_KEY_FITS)

    def archive(self, session_id: bytes, *, now_ms: int) -> None:
        """Send no more on a session; it receives for another day. Raises `UnknownSession`."""
        self._known(session_id).supersede(now_ms)

    def drop(self, session_id: bytes) -> None:
        """Forget a session at once, rows and all. Raises `UnknownSession`."""
        session = self._known(session_id)
        session.moves()
        session.moves = nobody_asks
        del self._sessions[session_id]
        self._dropped.update(key for key, _ in (*session.rows(), *session.changes().rows))

    def expire(self, now_ms: int) -> list[Session]:
        """Drop the sessions whose day is over, and late keys past their time; return the sessions dropped."""
        over = [session for session in self._sessions.values() if _is_over(session, now_ms)]
        for session in over:
            self.drop(session.id)
        for session in self._sessions.values():
            session.expire(now_ms)
        return over

    def changes(self) -> Changes:
        """Return the rows changed since the last call."""
        rows = [row for session in self._sessions.values() for row in session.changes().rows]
        if self._dropped:
            rows = list({**dict.fromkeys(sorted(self._dropped)), **dict(rows)}.items())
            self._dropped.clear()
        return Changes(rows)

    @classmethod
    def load(cls, rows: Iterable[tuple[bytes, bytes]], suite: Suite = SUITE_1) -> SessionSet:
        """Return the set from all rows of all its sessions, in any order. Raises `Malformed`."""
        by_id: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for key, value in rows:
            by_id.setdefault(key[:ID_SIZE], []).append((key, value))
        loaded = cls()
        for own_rows in by_id.values():
            loaded._hold(Session.load(own_rows, suite))
        return loaded

    def _hold(self, session: Session) -> None:
        self._sessions[session.id] = session
        self._ways.clear()
        session.moves = self._ways.clear

    def _find_ways(self, lane: Lane, now_ms: int) -> _Ways:
        trials: list[Trial] = []
        owners: list[tuple[Session, Ratchet, int]] = []
        lanes: list[tuple[Session, Ratchet]] = []
        until_ms: float = inf
        for session in self.sessions():
            ratchet = session.lanes[lane]
            if ratchet is None or _is_over(session, now_ms):
                continue
            if session.superseded_ms is not None:
                until_ms = min(until_ms, session.superseded_ms + SUPERSEDED_LIFE_MS)
            lanes.append((session, ratchet))
            trials += ratchet.live
            owners += [(session, ratchet, which) for which in range(len(ratchet.live))]
        return _Ways(now_ms, until_ms, trials, owners, lanes)

    def _known(self, session_id: bytes) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownSession(f"no session {session_id.hex()}")
        return session


def _is_over(session: Session, now_ms: int) -> bool:
    return session.superseded_ms is not None and now_ms - session.superseded_ms > SUPERSEDED_LIFE_MS


def _trial_order(session: Session) -> tuple[bool, bool, int, bytes]:
    return session.superseded_ms is not None, not session.confirmed, -session.created_ms, session.id


def _worth(session: Session) -> tuple[bool, bool, int]:
    """Least first: the longest superseded, then the oldest unconfirmed, then the oldest."""
    superseded_ms = session.superseded_ms
    return superseded_ms is None, session.confirmed, session.created_ms if superseded_ms is None else superseded_ms
