"""How far each peer has come: kept for ever, because a mark is what makes "delivered once" true.

Rows: `marks` peer 32             -> next seq to it u64 | the origin it last sent from, 16 bytes
      `marks` peer 32 | origin 16 -> highest seq taken from that origin, u64
"""

from __future__ import annotations

import struct
from typing import Final

from talos.core.content import ORIGIN_SIZE
from talos.core.step import Put
from talos.core.tables import MARKS, Rows
from talos.errors import Damaged

NO_ORIGIN: Final = bytes(ORIGIN_SIZE)
ORIGINS_MAX: Final = 256  # Per peer: it has a new one only when it is made or recovered, and each is kept for ever.

_PEER: Final = struct.Struct(">Q16s")
_HIGH: Final = struct.Struct(">Q")


class HighWater:
    """The marks of one peer, all in memory: they are few."""

    __slots__ = ("_highs", "_peer", "last_origin", "next_seq")

    def __init__(self, peer: bytes, rows: Rows) -> None:
        """Raises `Damaged`."""
        self._peer = peer
        self._highs: dict[bytes, int] = {}
        self.next_seq, self.last_origin = 1, NO_ORIGIN
        for key, value in rows.scan(MARKS, peer):
            origin = key[len(peer) :]
            if len(origin) not in (0, ORIGIN_SIZE) or len(value) != (_HIGH if origin else _PEER).size:
                raise Damaged("the marks of a peer are not of the size they were written with")
            if origin:
                self._highs[origin] = _HIGH.unpack(value)[0]
            else:
                self.next_seq, self.last_origin = _PEER.unpack(value)

    def high(self, origin: bytes) -> int:
        """Return the highest seq taken from `origin`; 0 if none."""
        return self._highs.get(origin, 0)

    @property
    def newest(self) -> tuple[bytes, int]:
        """The origin that was taken from last, and the highest seq of it."""
        return self.last_origin, self.high(self.last_origin)

    @property
    def are_none(self) -> bool:
        """True while nothing was taken from this peer, and nothing numbered towards it."""
        return not self._highs and self.next_seq == 1

    def forget(self) -> list[Put]:
        """Drop all marks: only of who never delivered anything. Numbers that it gave up have left some."""
        gone = [Put(MARKS, self._peer, None), *(Put(MARKS, self._peer + origin, None) for origin in self._highs)]
        self._highs, self.next_seq, self.last_origin = {}, 1, NO_ORIGIN
        return gone

    def has_place(self, origin: bytes) -> bool:
        """False for an origin that would be one too many: a peer must not fill the disk with marks."""
        return origin in self._highs or len(self._highs) < ORIGINS_MAX

    def took(self, origin: bytes, seq: int) -> list[Put]:
        """Everything of `origin` up to `seq` is taken."""
        self._highs[origin] = seq
        writes = [Put(MARKS, self._peer + origin, _HIGH.pack(seq))]
        if origin != self.last_origin:
            self.last_origin = origin
            writes.append(self._row())
        return writes

    def advanced(self, next_seq: int) -> Put:
        """Numbers below `next_seq` are used up towards this peer."""
        self.next_seq = next_seq
        return self._row()

    def _row(self) -> Put:
        return Put(MARKS, self._peer, _PEER.pack(self.next_seq, self.last_origin))
