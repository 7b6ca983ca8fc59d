"""What we promised to deliver to one peer, in order, until it acknowledges.

A row is WAITING (plaintext only), READY (a frame of some session is stored too, and only that frame is ever
sent), VOID (its sender gave up; the number must still be used up, so that the order does not stall) or gone.
Plaintext rows are sealed under the storage key; frames are ciphertext already.

Rows: `outbox` peer 32 | seq u64 -> phase u8 | was_sealed u8 | count u32 | sealed body
      `frames` peer 32 | seq u64 -> session id 16 | ratchet frame
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from talos.core.outbox_row import Event, Phase, Row, after
from talos.core.room import Room
from talos.core.step import Put
from talos.core.tables import FRAMES, OUTBOX
from talos.errors import Damaged

WINDOW_ROWS: Final = 64  # Unacknowledged on a link. A group commit of 64 already costs little per row.
FRAME_OVERHEAD: Final = 128  # Bytes that a frame takes more than its sealed body, at most.
WINDOW_BYTES: Final = 4 * 1024 * 1024  # What a peer's link may hold of our memory.
SESSION_ID_SIZE: Final = 16

_ROW: Final = struct.Struct(">BBI")
HEAD_SIZE: Final = _ROW.size  # Bytes in front of a stored body.
_SEQ: Final = struct.Struct(">Q")
_ACCEPTED: Final = _ROW.pack(Phase.WAITING, 0, 1)  # In front of the body of a new message.


class AckedUnsent(Damaged):
    """The peer acknowledges what was never sent: a bug of theirs, or a lie."""


@dataclass(slots=True)
class _Ahead:
    """What is on its way on the current link, so that it need not be counted again for each row that follows."""

    rows: int = 0
    size: int = 0  # Bytes, frames' overhead among them.
    refused: int = 0  # Rows from the one on that the peer had no room for.

    def add(self, row: Row, refused: int) -> None:
        self.rows += 1
        self.size += row.size + FRAME_OVERHEAD
        self.refused += row.last >= refused


class Outbox:
    """The rows for one peer. Every change returns the writes that make it durable."""

    __slots__ = ("_ahead", "_blocked_at", "_refused", "_room", "_sent", "_voids", "_window", "next_seq", "peer", "rows")

    def __init__(self, peer: bytes, next_seq: int, rows: Iterable[Row] = (), room: Room | None = None) -> None:
        self.peer = peer
        self.next_seq = next_seq
        self.rows = {row.seq: row for row in rows}
        self._room = room or Room()  # What is left in it is also for our frames, once the peer is there.
        self._room.promised += self._unsealed_size
        self._voids = sum(row.phase is Phase.VOID for row in self.rows.values())
        self._room.undelivered += self.undelivered
        self._sent = 0  # The last number that is on its way on the current link.
        self._ahead: _Ahead | None = None  # What is up to there; None until it is counted again.
        self._blocked_at: int | None = None  # The number that the peer has no room for.
        self._refused = 0  # The last number that it had no room for on this link. From there on ...
        self._window = WINDOW_ROWS  # ... so many may be on their way.

    @classmethod
    def load(
        cls,
        peer: bytes,
        next_seq: int,
        stored: Iterable[tuple[bytes, bytes]],
        frames: Mapping[bytes, bytes],
        room: Room | None = None,
    ) -> Outbox:
        """`stored` are the peer's rows of `outbox` in order; `frames` maps keys to session ids. Raises `Damaged`."""
        rows = []
        for key, value in stored:
            try:
                (seq,), (number, was_sealed, count) = _SEQ.unpack(key[len(peer) :]), _ROW.unpack_from(value)
                phase = Phase(number)
            except (struct.error, ValueError) as error:
                raise Damaged(f"an undelivered message is not as it was stored: {error}") from error
            session_id = frames.get(key)
            # A message's row is written once, WAITING, body and all; its frame is what makes it READY.
            is_ready = session_id is not None and phase is Phase.WAITING
            rows.append(
                Row(
                    seq=seq,
                    phase=Phase.READY if is_ready else phase,
                    size=len(value) - _ROW.size,
                    count=count,
                    was_sealed=bool(was_sealed) or is_ready,
                    session_id=session_id,
                )
            )
        return cls(peer, next_seq, rows, room)

    def leave(self) -> None:
        """Another takes over, from what is on disk."""
        self._room.promised -= self._unsealed_size
        self._room.undelivered -= self.undelivered

    @property
    def _unsealed_size(self) -> int:
        return sum(row.size for row in self.rows.values() if not row.was_sealed)

    def key(self, seq: int) -> bytes:
        return self.peer + _SEQ.pack(seq)

    @property
    def undelivered(self) -> int:
        """Rows that count against `queue_limit`."""
        return len(self.rows) - self._voids

    # Accepting and giving up

    def accept(self, sealed_body: bytes) -> tuple[Row, list[Put]]:
        """Take the next number for a new message, whose body was sealed for `key(next_seq)`."""
        seq = self.next_seq
        row = self.rows[seq] = Row(seq, Phase.WAITING, len(sealed_body))
        self.next_seq += 1
        self._room.promised += row.size
        self._room.undelivered += 1
        return row, [Put(OUTBOX, self.key(seq), _ACCEPTED + sealed_body)]

    def void(self, seq: int) -> list[Put]:
        """Give a message up; neighbours that were given up before become one row with it.

        Raises `IllegalMove` if it was given up already.
        """
        row = self.rows[seq]
        row.phase = after(row.phase, Event.VOIDED)
        if not row.was_sealed:
            self._room.promised -= row.size
        run = [r for r in self.rows.values() if r.phase is Phase.VOID and seq - 1 <= r.last and r.seq <= seq + 1]
        first = run[0]
        for other in run[1:]:
            first.count += other.count
            first.was_sealed |= other.was_sealed
            del self.rows[other.seq]
        first.session_id, first.frame, first.size = None, None, 0
        self._voids += 2 - len(run)
        self._room.undelivered -= 1
        self._back_to(first.seq)
        writes = [Put(table, self.key(r.seq), None) for r in run for table in (OUTBOX, FRAMES)]
        return [*writes, self._void_row(first)]

    # Sending

    def restart(self) -> None:
        """A new link: everything unacknowledged is to be sent again, in order."""
        self._sent, self._ahead = 0, None
        self._blocked_at = None
        self._refused, self._window = 0, WINDOW_ROWS

    def next_to_send(self) -> Row | None:
        """Return the next row that the window, the peer and the order allow on this link."""
        if self._blocked_at is not None or self._sent == self.next_seq - 1:
            return None
        ahead = self._ahead = self._ahead or self._counted()
        row = self.rows.get(self._sent + 1)
        if row is None:
            return None
        size = ahead.size + row.size + FRAME_OVERHEAD
        fits = ahead.rows < WINDOW_ROWS and ahead.refused < self._window and (not ahead.rows or size <= WINDOW_BYTES)
        return row if fits else None

    def _counted(self) -> _Ahead:
        """Count what is on its way, and stand right in front of the row that comes next."""
        ahead = _Ahead()
        for row in self.rows.values():
            if row.last > self._sent:
                self._sent = row.seq - 1  # Not in the middle of a void.
                break
            ahead.add(row, self._refused)
        else:
            self._sent = self.next_seq - 1
        return ahead

    def sealed(self, row: Row, session_id: bytes, frame: bytes) -> list[Put]:
        """Keep the frame that a session made for `row`. A VOID row must say so in it."""
        row.phase = after(row.phase, Event.SEALED)
        if not row.was_sealed:
            self._room.promised -= row.size
        row.session_id, row.frame = session_id, frame
        writes = [Put(FRAMES, self.key(row.seq), session_id + frame)]
        if row.phase is Phase.VOID and not row.was_sealed:
            row.was_sealed = True
            writes.append(self._void_row(row))
        row.was_sealed = True
        return writes

    def sent(self, row: Row) -> None:
        """`row`'s frame is on its way over the current link."""
        self._sent = row.last
        if self._ahead is not None:
            self._ahead.add(row, self._refused)

    def under_way(self, seq: int) -> int:
        """Return how many frames are on their way on the current link, from message `seq` on."""
        return sum(seq <= row.last for row in takewhile(lambda row: row.last <= self._sent, self.rows.values()))

    # What the peer says

    def covered(self, high: int) -> list[Row]:
        """Return the rows that are delivered if everything up to `high` has arrived.

        Raises `AckedUnsent` if no frame was ever made for one of them.
        """
        covered = list[Row]()
        for row in self.rows.values():  # They ascend.
            if row.last > high:
                break
            covered.append(row)
        if high >= self.next_seq or not all(row.was_sealed for row in covered):
            raise AckedUnsent(f"the peer acknowledges message {high}, which was never sent")
        return covered

    def acked(self, high: int) -> tuple[list[int], list[Put]]:
        """Everything up to `high` has arrived. Returns the messages delivered by that, and the writes.

        Raises `AckedUnsent`, changing nothing, as `covered` does.
        """
        covered = self.covered(high)
        if self._blocked_at is not None and high >= self._blocked_at:
            self._blocked_at = None  # The refusal is older than this word, and nobody will take it back.
        writes, delivered = list[Put](), list[int]()
        for row in covered:
            if after(row.phase, Event.ACKED) is Phase.GONE and row.phase is Phase.READY:
                delivered.append(row.seq)
            else:
                self._voids -= 1
            del self.rows[row.seq]
            key = self.key(row.seq)
            writes += (Put(OUTBOX, key, None), Put(FRAMES, key, None))
        self._room.undelivered -= len(delivered)
        self._ahead = None
        if self._window < WINDOW_ROWS:
            self._window = min(WINDOW_ROWS, self._window + sum(row.last >= self._refused for row in covered))
        return delivered, writes

    def rewind(self, seq: int) -> None:
        """The peer wants everything from `seq` on once more, and has room for it."""
        self._blocked_at = None
        self._back_to(seq)

    def _back_to(self, seq: int) -> None:
        self._sent, self._ahead = min(self._sent, seq - 1), None

    def block(self, seq: int) -> None:
        """The peer has no room for `seq`: send nothing until it wants it, or a new link is there.

        Then one message, and with each that arrives one more at a time: an inbox may be smaller than a window, and all
        that is sent beyond what it takes is sent again. As a slow start does (RFC 5681, section 3.1).
        """
        self.rewind(seq)
        self._blocked_at = self._refused = seq
        self._window = 1

    def reseal(self, seq: int) -> None:
        """The peer cannot open what was stored from `seq` on: make new frames of the same messages."""
        for row in takewhile(lambda row: row.was_sealed, self.rows.values()):  # They are sealed in order.
            if row.last >= seq:
                row.session_id = row.frame = None
        self.rewind(seq)

    def _void_row(self, row: Row) -> Put:
        return Put(OUTBOX, self.key(row.seq), _ROW.pack(row.phase, row.was_sealed, row.count))


def body_of(value: bytes) -> bytes:
    """Return the sealed body in a stored row."""
    return value[_ROW.size :]
