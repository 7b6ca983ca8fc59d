"""Which entries of the audit log are of a type, and which are about somebody: one bit each.

Row: `lookup` "t" | type u16 | bundle u64            -> 256 bits, bit i of byte i // 8 for entry bundle * 256 + i
     `lookup` "p" | first 16 bytes of a DID | bundle -> the same
It is written with each checkpoint and not with each entry, so that an entry changes no page but those of its own. What
came after the newest checkpoint is looked through one by one; `meta` indexed says from where on, u64.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from talos.core.step import Put
from talos.core.tables import LOOKUP, META, Rows
from talos.errors import Damaged

BUNDLE: Final = 256  # Entries that one row tells of, as many as one C2SP bundle has.
BITS_SIZE: Final = BUNDLE // 8  # Bytes.
SUBJECT_SIZE: Final = 16  # Bytes of a DID hash. Who makes two of our peers collide in them finds them listed together.

TYPES: Final = b"t"
SUBJECTS: Final = b"p"
INDEX_KEY_SIZES: Final = {TYPES: 1 + 2 + 8, SUBJECTS: 1 + SUBJECT_SIZE + 8}  # Bytes.


INDEXED_KEY: Final = b"indexed"


def of_type(type: int) -> bytes:
    """Return how the keys of a type begin."""
    return TYPES + type.to_bytes(2, "big")


def of_subject(did: bytes) -> bytes:
    """Return how the keys of a DID hash begin."""
    return SUBJECTS + did[:SUBJECT_SIZE]


def bundle_key(prefix: bytes, bundle: int) -> bytes:
    return prefix + bundle.to_bytes(8, "big")


class Index:
    """What is not written of the index yet: it follows the log, and is on disk as far as the log is signed."""

    __slots__ = ("_bits", "_rows")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._bits: dict[bytes, int] = {}  # By key.

    def mark(self, bundle: int, marks: Mapping[bytes, int]) -> None:
        """Set bits: of each prefix, those of the entries of `bundle` that belong under it."""
        for prefix, bits in marks.items():
            key = bundle_key(prefix, bundle)
            self._bits[key] = self._bits.get(key, 0) | bits

    def changed(self) -> list[Put]:
        """Return the rows as they must become. Raises `Damaged` where one is not of the size it was written with."""
        rows = []
        for key, bits in self._bits.items():
            known = self._rows.get(LOOKUP, key)
            rows.append(Put(LOOKUP, key, (bits | (0 if known is None else _read(known))).to_bytes(BITS_SIZE, "little")))
        return rows

    def written(self) -> None:
        """What `changed` returned is on disk."""
        self._bits = {}


def listed(rows: Rows, prefix: bytes, *, before: int | None = None) -> Iterator[int]:
    """Yield the entries under `prefix`, the newest first, only those below `before`. Raises `Damaged`."""
    if before is not None and before <= 0:
        return
    start = b"" if before is None else bundle_key(prefix, (before - 1) // BUNDLE)
    for key, value in rows.scan(LOOKUP, prefix, start=start, reverse=True):
        if len(key) != len(prefix) + 8:
            raise Damaged("the index of the audit log has a row that is of no bundle")
        first, bits = int.from_bytes(key[len(prefix) :], "big") * BUNDLE, _read(value)
        if before is not None and before < first + BUNDLE:
            bits &= (1 << before - first) - 1
        while bits:
            bit = bits.bit_length() - 1
            bits ^= 1 << bit
            yield first + bit


def indexed(rows: Rows) -> int:
    """Return how many entries the index tells of. Raises `Damaged`."""
    value = rows.get(META, INDEXED_KEY) or b""
    if len(value) != 8:
        raise Damaged("the audit log has lost how far its index reaches")
    return int.from_bytes(value, "big")


def _read(value: bytes) -> int:
    if len(value) != BITS_SIZE:
        raise Damaged("a row of the audit log's index is not of the size it was written with")
    return int.from_bytes(value, "little")
