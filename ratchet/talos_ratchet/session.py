"""A session: what one handshake gave two instances, and the lanes it seeds (docs/decisions/0001-lanes.md).

Its row: version 1 | suite 1 | flags 1 | created_ms 8 | superseded_ms 8 | transcript hash 32
| seeds of the lanes not open yet 2 * 96 | the responder's first keys of those lanes 2 * 32     307 bytes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from struct import Struct
from typing import Final

from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.errors import Forged, Malformed, OutOfTurn
from talos_ratchet.frame import cut_head
from talos_ratchet.keys import Entropy, KeyPair, make_key_pair
from talos_ratchet.late import LATE_KEYS_MAX
from talos_ratchet.opened import Opened
from talos_ratchet.ratchet import Ratchet
from talos_ratchet.receive import open_old
from talos_ratchet.rows import ID_SIZE, SESSION_TAG, Changes, Row, lane_changes, lane_rows, load_lane
from talos_ratchet.suite import SUITE_1, Suite

VERSION: Final = 1  # Of the row.
SEED_SIZE: Final = 3 * KEY_SIZE  # Root, and the first header key of either side.
LANE_KEYS_SIZE: Final = 2 * KEY_SIZE  # The responder's first keys: messages, then bulk.

INITIATED: Final = 1  # Flags of the row.
CONFIRMED: Final = 2
LANES_OPEN: Final = 4
SUPERSEDED: Final = 8

_ROW: Final = Struct(f">BBBQQ32s{2 * SEED_SIZE}s{LANE_KEYS_SIZE}s")


def nobody_asks() -> None:
    """What a session calls that is in no set."""


class Lane(IntEnum):
    """A ratchet of its own each, so that what is urgent never makes gaps in what is ordered."""

    CONTROL = 1
    MESSAGE = 2
    BULK = 3


LANES: Final = tuple(Lane)
LATER_LANES: Final = (Lane.MESSAGE, Lane.BULK)  # Opened with fresh keys of the responder.


class Session:
    """Made by `start` and `accept`, or loaded. Mutated by `seal`, `take` and the verbs on lanes alone."""

    __slots__ = (
        "_changed",
        "_keys",
        "_seeds",
        "confirmed",
        "created_ms",
        "id",
        "initiated",
        "lanes",
        "moves",
        "suite",
        "superseded_ms",
        "transcript",
    )

    def __init__(
        self,
        *,
        id: bytes,
        initiated: bool,
        created_ms: int,
        transcript: bytes,
        control: Ratchet | None,
        seeds: bytes,
        suite: Suite,
    ) -> None:
        self.id = id  # 16 bytes, known to both ends.
        self.initiated = initiated  # By us.
        self.created_ms = created_ms  # UTC, by our own clock.
        self.confirmed = False  # The peer has proved that it holds this session now; see `take`.
        self.superseded_ms: int | None = None  # Since when another session is the one to send on.
        self.transcript = transcript  # 32 bytes; both ends hashed the same handshake.
        self.suite = suite
        self._seeds = seeds  # Of the later lanes; empty once they are open.
        self._keys = b""  # The responder's first keys of the later lanes.
        self.lanes: list[Ratchet | None] = [None, control, None, None]  # By number. Read only.
        self._changed = True
        self.moves: Callable[[], object] = nobody_asks  # Called when what the set tries, or in which order, changes.

    def __repr__(self) -> str:
        return f"Session({self.id.hex()}, initiated={self.initiated}, confirmed={self.confirmed})"

    def lane(self, lane: Lane) -> Ratchet | None:
        return self.lanes[lane]

    @property
    def messages(self) -> int:
        """How many frames the message lane has had, both ways."""
        ratchet = self.lanes[Lane.MESSAGE]
        return 0 if ratchet is None else ratchet.frames

    def can_send(self, lane: Lane) -> bool:
        ratchet = self.lanes[lane]
        return ratchet is not None and ratchet.can_send

    def offer_lanes(self, entropy: Entropy) -> bytes:
        """Open the later lanes for receiving and return our first keys of them, 64 bytes; the same ones ever after.

        Raises `OutOfTurn` on the initiator's side.
        """
        if self.initiated:
            raise OutOfTurn("the responder offers lanes, the initiator opens them")
        if not self._keys:
            pairs = [make_key_pair(entropy) for _ in LATER_LANES]
            self._open_lanes([self._respond(lane, pair) for lane, pair in zip(LATER_LANES, pairs, strict=True)])
            self._keys = b"".join(pair.public for pair in pairs)
        return self._keys

    def open_lanes(self, keys: bytes, entropy: Entropy) -> None:
        """Open the later lanes with the responder's `keys`; the same keys again change nothing.

        Raises `Malformed` for bad keys; `OutOfTurn` for other keys than before, or on the responder's side.
        """
        if not self.initiated:
            raise OutOfTurn("the responder offers lanes, the initiator opens them")
        if self._keys:
            if keys != self._keys:
                raise OutOfTurn("the lanes are open, with other keys")
            return
        if len(keys) != LANE_KEYS_SIZE:
            raise Malformed(f"keys of the lanes have {LANE_KEYS_SIZE} bytes, not {len(keys)}")
        halves = (keys[:KEY_SIZE], keys[KEY_SIZE:])
        self._open_lanes([self._initiate(lane, key, entropy) for lane, key in zip(LATER_LANES, halves, strict=True)])
        self._keys = keys

    def seal(self, lane: Lane, plaintext: bytes, *, entropy: Entropy, lease_epoch: int = 0) -> bytes:
        """Return the lane's next frame: 96 bytes more than `plaintext`. To be stored before it is sent.

        Raises `OutOfTurn` if nothing may be sent on the lane yet, `Malformed` for sizes, or `Exhausted`.
        """
        ratchet = self.lanes[lane]
        if ratchet is None:
            raise OutOfTurn(f"lane {lane} is not open")
        if ratchet.turn_due:
            self.moves()
        return ratchet.seal(plaintext, entropy, lease_epoch)

    def open(self, lane: Lane, frame: bytes, *, now_ms: int) -> Opened:
        """Authenticate and decrypt a frame, changing nothing; `take` it, or forget it.

        Raises `OutOfTurn` (lane not open), `Malformed`, `Forged`, `Duplicate`, `Expired`, `TooFarAhead`
        or `Exhausted`.
        """
        ratchet = self.lanes[lane]
        if ratchet is None:
            raise OutOfTurn(f"lane {lane} is not open")
        nonce, sealed = cut_head(frame, lane)
        found = ratchet.suite.open_header(ratchet.live, nonce, sealed)
        if found is not None:
            return ratchet.open(frame, *found, now_ms)
        opened = open_old(ratchet, frame, nonce, sealed, now_ms)
        if opened is None:
            raise Forged("no header key fits")
        return opened

    def take(self, lane: Lane, opened: Opened, late_max: int = LATE_KEYS_MAX) -> None:
        """Move the lane on past an opened frame. Raises `OutOfTurn` if another one was taken since.

        If it passes over others, no more than `late_max` late keys of the lane are kept then, the newest.
        The initiator's session is confirmed by the first control frame taken. The responder's, by the first
        one sent after the initiator had seen our first ratchet key: whoever replays an opening cannot make it.
        """
        ratchet = self.lanes[lane]
        if ratchet is None or opened.ratchet is not ratchet:
            raise OutOfTurn("this frame was opened on another lane or session, or before a reload")
        if opened.leap is not None:
            self.moves()
        ratchet.take(opened, late_max)
        if not self.confirmed and lane == Lane.CONTROL and ratchet.chain >= (1 if self.initiated else 2):
            self.confirmed = self._changed = True
            self.moves()

    def supersede(self, now_ms: int) -> None:
        """Note that another session is the one to send on since `now_ms`; the first such time stays."""
        if self.superseded_ms is None:
            self.superseded_ms = now_ms
            self._changed = True
            self.moves()

    def reinstate(self) -> None:
        """It is the one to send on again."""
        if self.superseded_ms is not None:
            self.superseded_ms = None
            self._changed = True
            self.moves()

    def expire(self, now_ms: int) -> int:
        """Drop the late keys that have outlived their time on all lanes; return how many."""
        return sum(ratchet.expire(now_ms) for ratchet in self.lanes if ratchet is not None)

    def changes(self) -> Changes:
        """Return the rows changed since the last call, or since the session was made or loaded."""
        rows: list[Row] = []
        if self._changed:
            rows.append((self.id + SESSION_TAG, self._row()))
            self._changed = False
        for ratchet in self.lanes:
            if ratchet is not None and (ratchet.changed or ratchet.old_changed or ratchet.late.changed):
                rows += lane_changes(self.id, ratchet)
        return Changes(rows)

    def rows(self) -> list[Row]:
        """Return all rows, changed or not."""
        lanes = [row for ratchet in self.lanes if ratchet is not None for row in lane_rows(self.id, ratchet)]
        return [(self.id + SESSION_TAG, self._row()), *lanes]

    @classmethod
    def load(cls, rows: Iterable[tuple[bytes, bytes]], suite: Suite = SUITE_1) -> Session:
        """Return the session from all its rows, in any order. Raises `Malformed`."""
        by_lane: dict[int, list[tuple[bytes, bytes]]] = {}
        ids, own = set[bytes](), None
        for key, value in rows:
            ids.add(key[:ID_SIZE])
            rest = key[ID_SIZE:]
            if rest == SESSION_TAG:
                own = value
            elif len(rest) >= 2 and rest[1] in LANES:
                by_lane.setdefault(rest[1], []).append((rest, value))
            else:
                raise Malformed(f"row {key.hex()} is none of a session's")
        if own is None or len(ids) != 1:
            raise Malformed(f"{len(ids)} session ids in the rows of one session, or its own row is missing")
        session = cls._from_row(ids.pop(), own, suite)
        for lane, lane_rows_ in by_lane.items():
            session.lanes[lane] = load_lane(suite, session.transcript, lane, lane_rows_)
        return session

    @classmethod
    def _from_row(cls, id: bytes, raw: bytes, suite: Suite) -> Session:
        if len(raw) != _ROW.size:
            raise Malformed(f"a session's row has {_ROW.size} bytes, not {len(raw)}")
        version, suite_id, flags, created_ms, superseded_ms, transcript, seeds, keys = _ROW.unpack(raw)
        if (version, suite_id) != (VERSION, suite.id):
            raise Malformed(f"session row of version {version}, suite {suite_id}")
        session = cls(
            id=id,
            initiated=bool(flags & INITIATED),
            created_ms=created_ms,
            transcript=transcript,
            control=None,
            seeds=b"" if flags & LANES_OPEN else seeds,
            suite=suite,
        )
        session.confirmed = bool(flags & CONFIRMED)
        session.superseded_ms = superseded_ms if flags & SUPERSEDED else None
        session._keys = keys if flags & LANES_OPEN else b""
        session._changed = False
        return session

    def _row(self) -> bytes:
        flags = INITIATED * self.initiated + CONFIRMED * self.confirmed + LANES_OPEN * bool(self._keys)
        flags += SUPERSEDED * (self.superseded_ms is not None)
        superseded_ms = self.superseded_ms or 0
        head = (VERSION, self.suite.id, flags, self.created_ms, superseded_ms)
        return _ROW.pack(*head, self.transcript, self._seeds, self._keys)

    def _respond(self, lane: Lane, pair: KeyPair) -> Ratchet:
        return Ratchet.respond(self.suite, self.transcript, lane, self._seed(lane), pair)

    def _initiate(self, lane: Lane, key: bytes, entropy: Entropy) -> Ratchet:
        return Ratchet.initiate(self.suite, self.transcript, lane, self._seed(lane), key, entropy)

    def _seed(self, lane: Lane) -> bytes:
        at = LATER_LANES.index(lane) * SEED_SIZE
        return self._seeds[at : at + SEED_SIZE]

    def _open_lanes(self, ratchets: list[Ratchet]) -> None:
        self.moves()
        for lane, ratchet in zip(LATER_LANES, ratchets, strict=True):
            self.lanes[lane] = ratchet
        self._seeds = b""  # Whoever steals our rows later must not be able to begin the lanes anew.
        self._changed = True
