"""What every store takes: rows of known tables, with keys of 1 to 500 bytes.

Checked here and not left to LMDB, so that a store in memory refuses the same rows with the same words.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from talos.core.step import Put
from talos.errors import StoreFailed

KEY_SIZE_MAX: Final = 500  # Bytes. LMDB's limit is 511; a round number is easier to remember.


class BadRow(StoreFailed):
    """A table or key that no store takes: a bug of ours. Nothing was written."""

    exit_code = 70


class SnapshotEnded(StoreFailed):
    """A snapshot was read after the end of its `with`: a bug of ours."""

    exit_code = 70

    def __init__(self) -> None:
        super().__init__("this snapshot of the store has ended; nothing was read")


def check_table(table: str, tables: Container[str]) -> None:
    if table not in tables:
        raise BadRow(f"this store has no table {table!r}")


def check_key(table: str, key: bytes, tables: Container[str]) -> None:
    check_table(table, tables)
    if not 1 <= len(key) <= KEY_SIZE_MAX:
        raise BadRow(f"a key of table {table!r} has {len(key)} bytes; keys have 1 to {KEY_SIZE_MAX}")


def outcome(writes: Iterable[Put], tables: Container[str]) -> dict[str, dict[bytes, bytes | None]]:
    """Return what the writes come to if done in order: of each table, the last value of each key.

    Raises `BadRow` for the first write that no store takes. A hot path: called for every row that is written.
    """
    changes: dict[str, dict[bytes, bytes | None]] = {}
    for table, key, value in writes:
        rows = changes.get(table)
        if rows is None:
            check_table(table, tables)
            rows = changes[table] = {}
        if not 1 <= len(key) <= KEY_SIZE_MAX:
            check_key(table, key, tables)
        rows[key] = value
    return changes


def reverse_bound(prefix: bytes, start: bytes) -> bytes | None:
    """Return the key before which a reverse scan begins; None if it begins at the last key of the table."""
    after_start = start + b"\0" if start else None
    head = prefix.rstrip(b"\xff")
    after_prefix = head[:-1] + bytes([head[-1] + 1]) if head else None  # Nothing comes after a prefix of only ff.
    bounds = [bound for bound in (after_start, after_prefix) if bound is not None]
    return min(bounds, default=None)
