"""What the demo shows at the end: one row per direction, and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from talos.cli.demo.cargo import Item
from talos.cli.demo.logbook import Book, Shown
from talos.cli.demo.traffic import Stream, Traffic
from talos.cli.perform import columns


@dataclass(frozen=True, slots=True)
class Row:
    """`pieces_sent` counts a piece again that was sent again because the sender was killed before it answered."""

    sender: str
    receiver: str
    files: int
    bytes: int
    pieces: int
    pieces_sent: int
    delivered: int  # Of `pieces`.
    delivered_once: int  # Of these, those that arrived no oftener than they were sent, and never after an ack.
    doubled_after_ack: int
    verified_files: int  # Equal to the original, by SHA-256.

    @property
    def is_good(self) -> bool:
        is_whole = self.delivered_once == self.delivered == self.pieces and self.verified_files == self.files
        return is_whole and not self.doubled_after_ack


def rows_of(traffic: Traffic, cargo: tuple[Item, ...]) -> list[Row]:
    return [_row(stream, len(traffic.pieces), cargo) for stream in traffic.streams.values()]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything the demo found out. `shown` is None where the demo did not get that far."""

    rows: list[Row]
    books: list[Book]
    shown: Shown | None

    @property
    def is_good(self) -> bool:
        parts = [*(row.is_good for row in self.rows), *(book.is_good for book in self.books)]
        return all(parts) and self.shown is not None


def outcome_json(outcome: Outcome, seconds: float, killed: str) -> dict[str, object]:
    return {
        "ok": outcome.is_good,
        "seconds": round(seconds, 1),
        "killed": killed,
        "pairs": [asdict(row) | {"ok": row.is_good} for row in outcome.rows],
        "logs": [asdict(book) | {"ok": book.is_good} for book in outcome.books],
        "shown": None if outcome.shown is None else asdict(outcome.shown),
    }


def outcome_text(outcome: Outcome) -> str:
    parts = [_table(outcome.rows)]
    if outcome.books:
        parts.append(_books(outcome.books))
    if outcome.shown is not None:
        one = outcome.shown
        parts.append(
            f"{one.witness} was shown that {one.owner} received a piece of {one.file} from {one.sender}:\n"
            f"  entry {one.index} of {one.owner}'s log, proved to be under root 0x{one.root}"
        )
    return "\n\n".join(parts)


def _books(books: list[Book]) -> str:
    head = ("log of", "entries", "signed", "messages without entry", "entries without message", "")
    lines = [
        (
            book.owner,
            f"{book.report.size:,}",
            f"{book.report.signed_size:,}",
            str(book.missing),
            str(book.surplus),
            "verified" if book.is_good else "WRONG",
        )
        for book in books
    ]
    return columns([head, *lines])


def _table(rows: list[Row]) -> str:
    head = ("from", "to", "files", "bytes", "pieces", "sent", "delivered once", "doubled after ack", "verified", "")
    lines = [
        (
            row.sender,
            row.receiver,
            str(row.files),
            f"{row.bytes:,}",
            str(row.pieces),
            str(row.pieces_sent),
            str(row.delivered_once),
            str(row.doubled_after_ack),
            f"{row.verified_files} of {row.files}",
            "ok" if row.is_good else "WRONG",
        )
        for row in rows
    ]
    return columns([head, *lines])


def _row(stream: Stream, pieces: int, cargo: tuple[Item, ...]) -> Row:
    return Row(
        sender=stream.sender.name,
        receiver=stream.receiver.name,
        files=len(cargo),
        bytes=sum(len(item.content) for item in cargo),
        pieces=pieces,
        pieces_sent=stream.sends.total(),
        delivered=len(stream.arrivals),
        delivered_once=len(stream.arrivals) - stream.surplus - stream.doubled,
        doubled_after_ack=stream.doubled,
        verified_files=sum(_digest(stream.folder / str(item.transfer)) == item.digest for item in cargo),
    )


def _digest(path: Path) -> bytes:
    """Return the SHA-256 of a file; b"" if it is not there."""
    if not path.is_file():
        return b""
    return sha256(path.read_bytes()).digest()
