"""A lane as rows of a store, so that one message writes one small row and not all that is kept.

    session id 16 | 00                          the session (session.py)
    session id 16 | 01 | lane 1                 flags 1, counters, keys                   345 bytes
    session id 16 | 02 | lane 1                 the old chains: (number 4 | header key 32) * 0..5
    session id 16 | 03 | lane 1 | chain 4 | N 4   one late key: key 32 | kept since 8      40 bytes

Integers are big endian. Rows hold secrets: sealing them at rest is the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from talos_ratchet.chain import Chain
from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.errors import Malformed
from talos_ratchet.keys import KeyPair
from talos_ratchet.late import Place
from talos_ratchet.ratchet import Ratchet
from talos_ratchet.receive import OLD_CHAINS_MAX
from talos_ratchet.suite import Suite

ID_SIZE: Final = 16  # Bytes of a session id.
SESSION_TAG: Final = b"\x00"
LANE_TAG: Final = b"\x01"
OLD_TAG: Final = b"\x02"
LATE_TAG: Final = b"\x03"

TURN_DUE: Final = 1  # Flags of a lane's row; keys that are not there yet are stored as zeros.
HAS_OURS: Final = 2
HAS_THEIRS: Final = 4
CAN_SEND: Final = 8
CAN_RECEIVE: Final = 16

Row = tuple[bytes, bytes | None]  # None deletes.

_LANE: Final = Struct(">B4IQ" + 10 * f"{KEY_SIZE}s")
_OLD: Final = Struct(f">I{KEY_SIZE}s")
_LATE: Final = Struct(">II")


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows to write in one transaction, each key once; a value of None deletes."""

    rows: list[Row]


def lane_changes(session_id: bytes, ratchet: Ratchet) -> list[Row]:
    """Return the lane's rows that changed since the last call."""
    lane = bytes([ratchet.lane])
    rows: list[Row] = []
    if ratchet.changed:
        rows.append((session_id + LANE_TAG + lane, _lane_row(ratchet)))
        ratchet.changed = False
    if ratchet.old_changed:
        rows.append((session_id + OLD_TAG + lane, _old_row(ratchet)))
        ratchet.old_changed = False
    if ratchet.late.changed:
        prefix = session_id + LATE_TAG + lane
        rows += [(prefix + _LATE.pack(*place), value) for place, value in ratchet.late.changes()]
    return rows


def lane_rows(session_id: bytes, ratchet: Ratchet) -> list[Row]:
    """Return all rows of the lane."""
    lane = bytes([ratchet.lane])
    prefix = session_id + LATE_TAG + lane
    late = [(prefix + _LATE.pack(*place), value) for place, value in ratchet.late.rows()]
    return [
        (session_id + LANE_TAG + lane, _lane_row(ratchet)),
        (session_id + OLD_TAG + lane, _old_row(ratchet)),
        *late,
    ]


def load_lane(suite: Suite, transcript: bytes, lane: int, rows: Iterable[tuple[bytes, bytes]]) -> Ratchet:
    """Return the lane from all its rows, whose keys begin after the session id. Raises `Malformed`."""
    ratchet, late, seen = Ratchet(suite, transcript, lane), list[tuple[Place, bytes]](), set[bytes]()
    for key, value in rows:
        tag = key[:1]
        if tag == LATE_TAG and len(key) == 2 + _LATE.size:
            late.append((_LATE.unpack_from(key, 2), value))
        elif tag == LANE_TAG and len(key) == 2:
            _load_lane_row(ratchet, value)
        elif tag == OLD_TAG and len(key) == 2:
            _load_old_row(ratchet, value)
        else:
            raise Malformed(f"row {key.hex()} is none of a lane's")
        seen.add(tag)
    if not {LANE_TAG, OLD_TAG} <= seen:
        raise Malformed(f"rows of lane {lane} are missing")
    ratchet.late.load(late)
    ratchet.refresh()
    ratchet.changed = ratchet.old_changed = False
    return ratchet


def _lane_row(ratchet: Ratchet) -> bytes:
    ours, sending, receiving = ratchet.ours, ratchet.sending, ratchet.receiving
    flags = TURN_DUE * ratchet.turn_due + HAS_OURS * (ours is not None) + HAS_THEIRS * bool(ratchet.theirs)
    flags += CAN_SEND * (sending is not None) + CAN_RECEIVE * (receiving is not None)
    return _LANE.pack(
        flags,
        0 if sending is None else sending.number,
        0 if receiving is None else receiving.number,
        ratchet.previous,
        ratchet.chain,
        ratchet.ended,
        ratchet.root,
        b"" if ours is None else ours.secret,
        b"" if ours is None else ours.public,
        ratchet.theirs,
        b"" if sending is None else sending.key,
        b"" if receiving is None else receiving.key,
        ratchet.send_header,
        ratchet.receive_header,
        ratchet.next_send_header,
        ratchet.next_receive_header,
    )


def _load_lane_row(ratchet: Ratchet, raw: bytes) -> None:
    if len(raw) != _LANE.size:
        raise Malformed(f"a lane's row has {_LANE.size} bytes, not {len(raw)}")
    flags, sent, received, ratchet.previous, ratchet.chain, ratchet.ended, *keys = _LANE.unpack(raw)
    root, secret, public, theirs, send_key, receive_key, send_header, receive_header, *next_headers = keys
    ratchet.root = root
    ratchet.turn_due = bool(flags & TURN_DUE)
    ratchet.ours = KeyPair(secret, public) if flags & HAS_OURS else None
    ratchet.theirs = theirs if flags & HAS_THEIRS else b""
    if flags & CAN_SEND:
        ratchet.sending, ratchet.send_header = Chain(ratchet.suite, send_key, sent), send_header
    if flags & CAN_RECEIVE:
        ratchet.receiving, ratchet.receive_header = Chain(ratchet.suite, receive_key, received), receive_header
    ratchet.next_send_header, ratchet.next_receive_header = next_headers


def _old_row(ratchet: Ratchet) -> bytes:
    return b"".join(_OLD.pack(*old) for old in ratchet.old)


def _load_old_row(ratchet: Ratchet, raw: bytes) -> None:
    if len(raw) % _OLD.size or len(raw) > OLD_CHAINS_MAX * _OLD.size:
        raise Malformed(f"{len(raw)} bytes are no list of old chains")
    ratchet.old = list(_OLD.iter_unpack(raw))
