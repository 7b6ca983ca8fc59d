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


def check_table(table: str, tables: Container[str]) -> None:
    if table not in tables:
        raise BadRow(f"this store has no table {table!r}")


def check_key(table: str, key: bytes, tables: Container[str]) -> None:
    check_table(table, tables)
    if not 1 <= len(key) <= KEY_SIZE_MAX:
        raise BadRow(f"a key of table {table!r} has {len(key)} bytes; keys have 1 to {KEY_SIZE_MAX}")


def check_writes(writes: Iterable[Put], tables: Container[str]) -> None:
    """Raises `BadRow` for the first write that no store takes."""
    for write in writes:
        check_key(write.table, write.key, tables)
