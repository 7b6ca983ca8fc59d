"""What a core wants: rows to write, entries to log, and what may happen once both are on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from talos.core.entries import Entry


class Put(NamedTuple):
    """One row: `table` is a name of `talos.core.tables`; keys are 1 to 500 bytes, ordered as bytes."""

    table: str
    key: bytes
    value: bytes | None  # None deletes the row, if it is there.


@dataclass(frozen=True, slots=True)
class Step:
    """What one event asks for. `effects` are released only after writes and entries are durable."""

    writes: tuple[Put, ...] = ()
    entries: tuple[Entry, ...] = ()  # For the audit log, in order, in the same transaction.
    effects: tuple[object, ...] = field(default=())  # Frames to send, messages to hand up.
