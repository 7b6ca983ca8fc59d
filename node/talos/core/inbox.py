"""What arrived and is not done: durable before it is acknowledged, handed out in the order it came.

One inbox per node. Rows leave when the application says done. High-water marks are the conversations' business.
Row: `inbox` arrival u64 -> sender 32 | origin 16 | seq u64 | received ms u64 | sealed body
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

from talos.core.room import Room
from talos.core.step import Put
from talos.core.tables import INBOX
from talos.errors import Damaged

PEER_ROWS_MAX: Final = 1_000  # Not yet done, per peer (DECISIONS 14), unless the node is told another number.
PEER_BYTES_MAX: Final = 64 * 1024 * 1024
NODE_ROWS_MAX: Final = 10_000
NODE_BYTES_MAX: Final = 256 * 1024 * 1024
SLACK: Final = 0.75  # Of each limit: below it, who was told BUSY is asked to go on.

_ARRIVAL: Final = struct.Struct(">Q")
_HEAD: Final = struct.Struct(">32s16sQQ")
HEAD_SIZE: Final = _HEAD.size  # Bytes in front of a stored body.


class Arrived(NamedTuple):
    """A message that is on disk and not done. `redelivered`: it may have been handed out before a restart."""

    arrival: int
    sender: bytes
    origin: bytes
    seq: int
    received_ms: int  # UTC, by our clock.
    size: int  # Bytes of the sealed body.
    redelivered: bool

    @property
    def key(self) -> bytes:
        return _ARRIVAL.pack(self.arrival)


@dataclass(slots=True)
class _Load:
    rows: int = 0
    size: int = 0


_NOTHING: Final = _Load()  # Of a peer that has nothing here; never changed.


class Inbox:
    """Rows by arrival. `add` reserves at once; `arrived` makes the row visible when it is on disk."""

    __slots__ = ("_handed_out", "_next", "_node", "_order", "_peer_rows_max", "_per_peer", "_waiting", "room")

    def __init__(self, room: Room | None = None, peer_rows_max: int = PEER_ROWS_MAX) -> None:
        self.room = room or Room()  # Of the store that holds it.
        self._peer_rows_max = peer_rows_max
        self._next = 1
        self._node = _Load()
        self._per_peer: dict[bytes, _Load] = {}
        self._waiting: dict[int, Arrived] = {}
        self._order: list[int] = []  # A heap of those that wait, and of some that are done.
        self._handed_out: dict[int, Arrived] = {}

    def load(self, stored: Iterable[tuple[bytes, bytes]], *, restarted: bool = True) -> None:
        """Take over what is on disk; `restarted` marks it as perhaps handed out already.

        Also called when a commit failed: what was reserved but is not on disk is forgotten, what is
        with the application stays with it. Raises `Damaged`.
        """
        known = self._waiting | self._handed_out
        with_application = self._handed_out
        self._node, self._per_peer, self._waiting, self._handed_out = _Load(), {}, {}, {}
        for key, value in stored:
            if len(key) != _ARRIVAL.size or len(value) < _HEAD.size:
                raise Damaged("a row of the inbox is not of a size that it was written with")
            arrival = _ARRIVAL.unpack(key)[0]
            sender, origin, seq, received_ms = _HEAD.unpack_from(value)
            size = len(value) - _HEAD.size
            fresh = Arrived(arrival, sender, origin, seq, received_ms, size, redelivered=restarted)
            row = known.get(arrival, fresh)
            self._count(row, 1)
            (self._handed_out if arrival in with_application else self._waiting)[arrival] = row
            self._next = max(self._next, arrival + 1)
        self._order = sorted(self._waiting)

    def has_room(self, sender: bytes, size: int) -> bool:
        """True if a sealed body of `size` bytes from `sender` is within every limit, and the store's."""
        peer = self._per_peer.get(sender, _NOTHING)
        return (
            peer.rows < self._peer_rows_max
            and peer.size + size <= PEER_BYTES_MAX
            and self._node.rows < NODE_ROWS_MAX
            and self._node.size + size <= NODE_BYTES_MAX
            and self.room.takes(size)
        )

    def has_slack(self, sender: bytes) -> bool:
        """True once enough is done that whoever was told BUSY may send a whole window again, not one message."""
        peer = self._per_peer.get(sender, _NOTHING)
        return not self.room.is_low and all(
            part <= limit * SLACK
            for part, limit in (
                (peer.rows, self._peer_rows_max),
                (peer.size, PEER_BYTES_MAX),
                (self._node.rows, NODE_ROWS_MAX),
                (self._node.size, NODE_BYTES_MAX),
            )
        )

    @property
    def next_key(self) -> bytes:
        """The row key that the next body must be sealed for."""
        return _ARRIVAL.pack(self._next)

    def add(self, sender: bytes, origin: bytes, seq: int, sealed_body: bytes, now_ms: int) -> tuple[Arrived, Put]:
        """Reserve a row for a message. The caller has asked `has_room`, and sealed for `next_key`."""
        row = Arrived(self._next, sender, origin, seq, now_ms, len(sealed_body), redelivered=False)
        self._next += 1
        self._count(row, 1)
        return row, Put(INBOX, row.key, _HEAD.pack(sender, origin, seq, now_ms) + sealed_body)

    def arrived(self, row: Arrived) -> None:
        """The row is on disk: it may be handed out."""
        self._wait(row)

    def hand_out(self) -> Arrived | None:
        """Return the oldest message that nobody holds, and hold it for the caller."""
        while self._order:
            row = self._waiting.pop(heappop(self._order), None)
            if row is not None:
                self._handed_out[row.arrival] = row
                return row
        return None

    def take_back(self, row: Arrived) -> None:
        """The caller went away with the message unread: it waits again, in its place."""
        if self._handed_out.pop(row.arrival, None) is not None:
            self._wait(row)

    def _wait(self, row: Arrived) -> None:
        self._waiting[row.arrival] = row
        heappush(self._order, row.arrival)

    def done(self, row: Arrived) -> Put | None:
        """The application is done with it. Returns the write, or None if it was done before."""
        if row.arrival not in self._handed_out:
            return None
        return Put(INBOX, row.key, None)

    def forget(self, row: Arrived) -> None:
        """Its deletion is on disk, even if whoever was done with it changed their mind meanwhile."""
        handed_out = self._handed_out.pop(row.arrival, None)
        if handed_out is not None or self._waiting.pop(row.arrival, None) is not None:
            self._count(row, -1)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def not_done(self) -> int:
        return self._node.rows

    def _count(self, row: Arrived, sign: int) -> None:
        node, peer, size = self._node, self._per_peer.get(row.sender), sign * row.size
        if peer is None:
            peer = self._per_peer[row.sender] = _Load()
        node.rows += sign
        node.size += size
        peer.rows += sign
        peer.size += size
        if not peer.rows:
            del self._per_peer[row.sender]


def body_of(value: bytes) -> bytes:
    """Return the sealed body in a stored row."""
    return value[_HEAD.size :]
