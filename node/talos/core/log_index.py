"""Which entries of the audit log are of a type, and which are about somebody: one bit each.

Row: `lookup` "t" | type u16 | bundle u64            -> 256 bits, bit i of byte i // 8 for entry bundle * 256 + i
     `lookup` "p" | first 16 bytes of a DID | bundle -> the same
A hundred entries about ten peers change a dozen rows of this, not two hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from talos.core.step import Put
from talos.core.tables import LOOKUP, Rows
from talos.errors import Damaged

BUNDLE: Final = 256  # Entries that one row tells of, as many as one C2SP bundle has.
BITS_SIZE: Final = BUNDLE // 8  # Bytes.
SUBJECT_SIZE: Final = 16  # Bytes of a DID hash. Who makes two of our peers collide in them finds them listed together.

TYPES: Final = b"t"
SUBJECTS: Final = b"p"


def of_type(type: int) -> bytes:
    """Return how the keys of a type begin."""
    return TYPES + type.to_bytes(2, "big")


def of_subject(did: bytes) -> bytes:
    """Return how the keys of a DID hash begin."""
    return SUBJECTS + did[:SUBJECT_SIZE]


def bundle_key(prefix: bytes, bundle: int) -> bytes:
    return prefix + bundle.to_bytes(8, "big")


class Index:
    """What is written of the index. Only the bundle that grows is in memory."""

    __slots__ = ("_bits", "_bundle", "_full", "_rows", "_touched")

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._bundle = -1
        self._bits: dict[bytes, int] = {}  # By how the key begins.
        self._touched: set[bytes] = set()
        self._full: list[Put] = []  # Of bundles that ended since the last call of `changed`.

    def note(self, index: int, prefixes: Iterable[bytes]) -> None:
        """Entry `index` belongs under these. Indexes never fall."""
        if index // BUNDLE != self._bundle:
            self._full += self._written()
            self._bundle, self._bits = index // BUNDLE, {}
            self._touched.clear()
        bit = 1 << index % BUNDLE
        for prefix in prefixes:
            bits = self._bits.get(prefix)
            if bits is None:
                bits = _read(self._rows.get(LOOKUP, bundle_key(prefix, self._bundle)) or bytes(BITS_SIZE))
            self._bits[prefix] = bits | bit
            self._touched.add(prefix)

    def changed(self) -> list[Put]:
        """Return the rows that changed since the last call."""
        writes = self._full + self._written()
        self._full = []
        self._touched.clear()
        return writes

    def _written(self) -> list[Put]:
        return [
            Put(LOOKUP, bundle_key(prefix, self._bundle), self._bits[prefix].to_bytes(BITS_SIZE, "little"))
            for prefix in self._touched
        ]


def listed(rows: Rows, prefix: bytes, *, before: int | None = None) -> Iterator[int]:
    """Yield the entries under `prefix`, the newest first, only those below `before`. Raises `Damaged`."""
    if before is not None and before <= 0:
        return
    start = b"" if before is None else bundle_key(prefix, (before - 1) // BUNDLE)
    for key, value in rows.scan(LOOKUP, prefix, start=start, reverse=True):
        if len(key) != len(prefix) + 8 or len(value) != BITS_SIZE:
            raise Damaged("a row of the audit log's index is not of the size it was written with")
        first, bits = int.from_bytes(key[len(prefix) :], "big") * BUNDLE, _read(value)
        if before is not None and before < first + BUNDLE:
            bits &= (1 << before - first) - 1
        while bits:
            bit = bits.bit_length() - 1
            bits ^= 1 << bit
            yield first + bit


def _read(value: bytes) -> int:
    return int.from_bytes(value, "little")
