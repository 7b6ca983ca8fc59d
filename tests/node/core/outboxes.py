"""An outbox beside the rows that its writes have made."""

from __future__ import annotations

from collections.abc import Iterable

from talos.core.outbox import SESSION_ID_SIZE, Outbox
from talos.core.step import Put
from talos.core.tables import FRAMES, OUTBOX

PEER = bytes(range(32))
SESSIONS = [bytes((number,)) * SESSION_ID_SIZE for number in range(3)]


class Kept:
    """An outbox, and the rows that its writes have made."""

    def __init__(self) -> None:
        self.outbox = Outbox(PEER, 1)
        self.tables: dict[str, dict[bytes, bytes]] = {OUTBOX: {}, FRAMES: {}}

    def write(self, writes: Iterable[Put]) -> None:
        for put in writes:
            if put.value is None:
                self.tables[put.table].pop(put.key, None)
            else:
                self.tables[put.table][put.key] = put.value

    def accept(self, body: bytes = b"body") -> int:
        row, writes = self.outbox.accept(body)
        self.write(writes)
        return row.seq

    def send(self, session: bytes = SESSIONS[0], count: int = 1_000) -> list[int]:
        """Seal and send what may be sent, at most `count` rows; return their numbers."""
        sent = list[int]()
        while len(sent) < count and (row := self.outbox.next_to_send()) is not None:
            if row.session_id != session:
                self.write(self.outbox.sealed(row, session, b"frame %d" % row.seq))
            self.outbox.sent(row)
            sent.append(row.seq)
        return sent

    def void(self, seq: int) -> None:
        self.write(self.outbox.void(seq))

    def acked(self, high: int) -> list[int]:
        delivered, writes = self.outbox.acked(high)
        self.write(writes)
        return delivered

    def loaded(self) -> Outbox:
        frames = {key: value[:SESSION_ID_SIZE] for key, value in self.tables[FRAMES].items()}
        return Outbox.load(PEER, self.outbox.next_seq, sorted(self.tables[OUTBOX].items()), frames)
