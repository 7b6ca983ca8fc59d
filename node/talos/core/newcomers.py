"""Identities that have proved who they are and exchanged no message with us yet: a bounded number is remembered.

Whoever completes a handshake leaves a key log, a session and its party record behind, about 3 kB, and an identity costs
nothing to make. So beyond `NEWCOMERS_MAX` the oldest goes, whole. It loses a session that carried nothing, and makes a
new one when it has something to say.

Who has ever given us a message, or was sent one, or was added by hand, is a newcomer no more, from the same transaction
on, and is never let go: its marks are what makes "delivered once" true (DECISIONS 12). A newcomer's numbers that were
given up are marks too, but nothing was delivered under them, so nothing can be delivered twice when they are gone.

Row: `newcomers` DID hash 32 -> arrival u64, growing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from talos.core.step import Put
from talos.core.tables import NEWCOMERS, Rows
from talos.errors import Damaged

NEWCOMERS_MAX: Final = 1_024  # Identities: 3 MB on disk if they are honest, and more than may be linked at once.

# Late keys of a lane, but for that of messages: 53 kB on disk, with those and of four sessions. As many as of a peer
# would be 3.3 MB of each identity.
NEWCOMER_LATE_MAX: Final = 16

_ARRIVAL: Final = struct.Struct(">Q")


class Newcomers:
    """All of them in order of arrival. In memory it may name some who are newcomers no more, until it is asked."""

    __slots__ = ("_arrivals", "_next", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.reload()

    def reload(self) -> None:
        """Take what is on disk. Raises `Damaged`."""
        arrived = []
        for did, stored in self._rows.scan(NEWCOMERS):
            if len(stored) != _ARRIVAL.size:
                raise Damaged("the row of a newcomer is not of the size it was written with")
            arrived.append((_ARRIVAL.unpack(stored)[0], did))
        arrived.sort()
        self._arrivals = dict.fromkeys(did for _, did in arrived)
        self._next = arrived[-1][0] + 1 if arrived else 0

    def __contains__(self, did: object) -> bool:
        return did in self._arrivals

    def __len__(self) -> int:
        return len(self._arrivals)

    def came(self, did: bytes) -> Put:
        """Note that one has come; return the row to write with what it leaves behind."""
        self._arrivals[did] = None
        put = Put(NEWCOMERS, did, _ARRIVAL.pack(self._next))
        self._next += 1
        return put

    def no_more(self, did: bytes) -> None:
        """It has gone, or has become a peer like any other; its row is on its way out."""
        self._arrivals.pop(did, None)

    def crowded_out(self, is_newcomer: Callable[[bytes], bool], may_go: Callable[[bytes], bool]) -> Iterator[bytes]:
        """Yield who has to go, oldest first, until no more than `NEWCOMERS_MAX` are left; say `no_more` of each.

        Who is a newcomer no more is forgotten on the way. Who may not go, being here just now, is passed over.
        """
        for did in list(self._arrivals):
            if len(self._arrivals) <= NEWCOMERS_MAX:
                return
            if not is_newcomer(did):
                self.no_more(did)
            elif may_go(did):
                yield did
