"""The audit log as it lies on disk: where its entries are, how many, and which hashes follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final

from talos.core.tables import BODIES, ENTRIES, TREE, Rows, entry_key, tree_key
from talos.errors import Damaged
from talos_audit import HASH_SIZE, ROW_HASHES, ROW_LEVELS, ReadRow, leaf_hash, root_of

ENTRY_KEY_SIZE: Final = 8  # Bytes.
_ROW_SIZE: Final = ROW_HASHES * HASH_SIZE

DAMAGE_FIX: Final = "Keep the data folder as evidence, and make another identity: talos init --new-identity"


def body_place(key: bytes, leaf_hash: bytes) -> bytes:
    """Return what a body row is sealed for: its place and its leaf, so that it vouches for every bit of that."""
    return key + leaf_hash


def leaves(rows: Rows, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield index and leaf of every entry from `start` on. Raises `Damaged` for a row that is of no entry."""
    for key, leaf in rows.scan(ENTRIES, start=entry_key(start) if start else b""):
        yield index_of(key), leaf


def next_index(rows: Rows) -> int:
    """Return the index after the last entry; 0 if there is none. Old entries may have been pruned.

    Raises `Damaged`.
    """
    last = next(rows.scan(ENTRIES, reverse=True), None)
    return 0 if last is None else index_of(last[0]) + 1


def traces(rows: Rows) -> int:
    """Return how many entries there are by what else was written with them: their hashes and bodies.

    Raises `Damaged`.
    """
    body, row = next(rows.scan(BODIES, reverse=True), None), next(rows.scan(TREE, reverse=True), None)
    hashes = 0 if row is None else int.from_bytes(row[0][1:], "big") * ROW_HASHES + len(row[1]) // HASH_SIZE
    return max(hashes, 0 if body is None else index_of(body[0]) + 1)


def index_of(key: bytes) -> int:
    """Return the index in a key of `entries` or `bodies`. Raises `Damaged`."""
    if len(key) != ENTRY_KEY_SIZE:
        raise Damaged(f"the audit log has a row that is of no entry: its key is {key[:16].hex()}", fix=DAMAGE_FIX)
    return int.from_bytes(key, "big")


def leaf_hashes(rows: Rows, start: int, stop: int) -> list[bytes]:
    """Return the hashes of leaves [start, stop), from the leaves. Raises `Damaged` where one is missing."""
    hashes: list[bytes] = []
    for index, leaf in islice(leaves(rows, start), stop - start):
        if index != start + len(hashes):
            break
        hashes.append(leaf_hash(leaf))
    if len(hashes) < stop - start:
        raise Damaged(f"audit entry {start + len(hashes)} is missing", fix=DAMAGE_FIX)
    return hashes


def rebuilt(rows: Rows, start: int, hashes: Sequence[bytes]) -> ReadRow:
    """Return what reads the rows that are not full yet, made from what is below them, not from what is stored.

    `hashes` are those of the leaves from `start` on, which begins a row. A row that is full is stored as it is.
    """

    @cache
    def read(level: int, index: int) -> bytes | None:
        first = index * ROW_HASHES
        if level == 0:
            return b"".join(hashes[first - start : first - start + ROW_HASHES])
        found = []
        for child in range(first, first + ROW_HASHES):
            row = rows.get(TREE, tree_key(level - ROW_LEVELS, child))
            if row is None or len(row) != _ROW_SIZE:
                break
            found.append(root_of([row[at : at + HASH_SIZE] for at in range(0, _ROW_SIZE, HASH_SIZE)]))
        return b"".join(found)

    return read
