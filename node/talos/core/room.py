"""How much room the store has, and what that allows (DECISIONS 16).

A store keeps a reserve, which is not counted as room. New messages, ours and others', must fit the room. Everything
that brings what is there to its end needs no room and may use the reserve: acknowledgements, what is done or given up,
the ratchets' rows, key logs, the entries of all that in the audit log. So a full store can be drained, and is then
well again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MIB: Final = 1024 * 1024
# Bytes. To be done with a message leaves an entry behind, 450 bytes on disk with its hashes and its share of the index:
# for a full inbox (10,000) and what `queue_limit` allows by default (1,000) that is 4.8 MiB. The rest is for pages that
# are copied before they are free again.
RESERVE: Final = 8 * MIB
# Bytes of room: the largest message, its frame, and twice that for pages that are half full.
LOW_BELOW: Final = 4 * MIB
WELL_FROM: Final = 2 * LOW_BELOW  # So that a store at the edge does not say yes and no by turns.
# Bytes on disk for a byte of a row, at the most: pages split in the middle, large rows fill up whole pages.
COST: Final = 2
PLENTY: Final = 2**62


class Space(NamedTuple):
    """What a store has left, reserve not counted: 0 or less, once it lives on that."""

    left: int  # Bytes.
    is_disk: bool  # It is the disk that ends first, not what the settings allow.


class Room:
    """One per store. Say what is `under_way`, `promised` and `undelivered`, and what was `measured` after it."""

    __slots__ = ("is_low", "promised", "space", "undelivered", "under_way")

    def __init__(self) -> None:
        self.space = Space(PLENTY, is_disk=False)
        self.under_way = 0  # Bytes of rows that were granted room, and are not in the last measurement.
        # Bytes of frames yet to be made of messages that were taken: all their peers may come at once.
        self.promised = 0
        self.undelivered = 0  # Messages of ours in the outboxes of all peers, those given up not counted.
        self.is_low = False  # No new message is taken.

    def measured(self, space: Space) -> None:
        """The store has this much left, with all in it that is not under way."""
        self.space = space
        spare = self._spare(0)
        if spare < LOW_BELOW:
            self.is_low = True
        elif spare >= WELL_FROM:
            self.is_low = False

    def takes(self, size: int) -> bool:
        """Say whether a new message that puts `size` bytes into rows may be taken; if not, the store is low."""
        if self._spare(size) < 0:
            self.is_low = True
        return not self.is_low

    def _spare(self, size: int) -> int:
        return self.space.left - COST * (self.under_way + self.promised + size)
