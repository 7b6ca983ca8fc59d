"""The growing tree, and the rows of hashes it is stored in.

Stored are the hashes of complete subtrees of 16**k leaves: level 0, 4, 8 and so on of the binary tree. 16 of them that
follow each other are a row; a row is written again until it is full, and never after. Everything between the stored
levels is hashed again when it is asked for: at most 11 hashes for the four siblings a proof needs from one row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from talos_audit.errors import BrokenTree, OutOfTree
from talos_audit.hashes import EMPTY_ROOT, HASH_SIZE, SIZE_MAX, root_of

ROW_LEVELS: Final = 4  # Levels of the binary tree from one stored level to the next.
ROW_HASHES: Final = 16  # 2**ROW_LEVELS.
ROW_SIZE: Final = ROW_HASHES * HASH_SIZE  # Bytes of a full row.

ReadRow = Callable[[int, int], bytes | None]
"""(stored level, row index) -> the bytes of that row, or None. A longer row than was asked for does no harm."""


class Rows:
    """Stored rows, each read once. Make one for each proof: it does not see what is written later."""

    __slots__ = ("_known", "_read")

    def __init__(self, read: ReadRow) -> None:
        self._read = read
        self._known: dict[tuple[int, int], bytes] = {}

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes [start, stop) of a stored level. They must lie in one row. Raises `BrokenTree`."""
        index = start // ROW_HASHES
        row = self._known.get((level, index))
        if row is None:
            row = self._known[level, index] = read_row(self._read, level, index)
        first = index * ROW_HASHES
        if len(row) < (stop - first) * HASH_SIZE:
            raise BrokenTree(f"row {index} of level {level} has {len(row)} bytes, fewer than {stop - first} hashes")
        ends = range((start - first + 1) * HASH_SIZE, (stop - first + 1) * HASH_SIZE, HASH_SIZE)
        return [row[end - HASH_SIZE : end] for end in ends]

    def root(self, start: int, stop: int) -> bytes:
        """Return the root over leaves [start, stop), one of the ranges that RFC 6962 paths are made of.

        `start` must be a multiple of a power of two that is no smaller than the range. Reads at most one row of each
        stored level. Raises `OutOfTree` for another range, and `BrokenTree`.
        """
        width = stop - start
        if not (0 <= start < stop <= SIZE_MAX) or start & ((1 << (width - 1).bit_length()) - 1):
            raise OutOfTree(f"leaves {start} to {stop} are no subtree")
        root: list[bytes] = []  # Of the leaves right of the current level's hashes: a smaller subtree, or none.
        level = 0
        while width >> level:
            if count := width >> level & ROW_HASHES - 1:
                end = stop >> level
                root = [root_of(self.hashes(level, end - count, end) + root)]
            level += ROW_LEVELS
        return root[0]


def read_row(read: ReadRow, level: int, index: int) -> bytes:
    """Return a stored row of 1 to 16 hashes. Raises `BrokenTree`."""
    row = read(level, index)
    if row is None:
        raise BrokenTree(f"row {index} of level {level} is missing")
    if not 0 < len(row) <= ROW_SIZE or len(row) % HASH_SIZE:
        raise BrokenTree(f"row {index} of level {level} has {len(row)} bytes")
    return row


def range_root(start: int, stop: int, read: ReadRow) -> bytes:
    """Return the root over leaves [start, stop) from stored rows; `Rows.root` says which ranges, and what is raised."""
    return Rows(read).root(start, stop)


class Tree:
    """A tree that grows at its right edge. Holds O(log n) hashes, and those not yet fetched by `changed`."""

    __slots__ = ("_new", "_peaks", "_saved", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._saved = 0  # The size at the last `changed`.
        self._peaks: list[bytes] = []  # Roots of the complete subtrees, largest first: one for each bit of the size.
        self._new: list[list[bytes]] = [[]]  # For each stored level, from the start of the first row that is not full.

    @classmethod
    def load(cls, size: int, read: ReadRow) -> Tree:
        """Return the tree of the first `size` leaves, given the rows of a tree at least as large.

        Reads one row of each stored level at most, and looks at its size only: compare `root` with a signed one.
        Raises `OutOfTree` for an impossible size, and `BrokenTree`.
        """
        if not 0 <= size <= SIZE_MAX:
            raise OutOfTree(f"no tree has {size} leaves")
        tree, rows = cls(), Rows(read)
        tree._size = tree._saved = size
        tree._new = [_partial_row(level, size >> level, rows) for level in range(0, size.bit_length() or 1, ROW_LEVELS)]
        for hashes in reversed(tree._new):
            start = 0
            for bit in reversed(range(ROW_LEVELS)):
                if len(hashes) >> bit & 1:
                    tree._peaks.append(root_of(hashes[start : start + (1 << bit)]))
                    start += 1 << bit
        return tree

    @property
    def size(self) -> int:
        """Leaves."""
        return self._size

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf, by its hash. Raises `ValueError`, and changes nothing, unless that has 32 bytes."""
        if len(leaf_hash) != HASH_SIZE:
            raise ValueError(f"a hash has {HASH_SIZE} bytes, not {len(leaf_hash)}")
        self._push(leaf_hash)

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Add leaves in this order, by their hashes. Raises as `append`: all of them are added, or none."""
        hashes = list(leaf_hashes)
        for leaf_hash in hashes:
            if len(leaf_hash) != HASH_SIZE:
                raise ValueError(f"a hash has {HASH_SIZE} bytes, not {len(leaf_hash)}")
        for leaf_hash in hashes:
            self._push(leaf_hash)

    def _push(self, peak: bytes) -> None:
        new, peaks = self._new, self._peaks
        new[0].append(peak)
        size, level = self._size, 0
        self._size = size + 1
        while size & 1:  # Two subtrees of one size become one, as in a binary counter.
            peak = sha256(b"\x01" + peaks.pop() + peak).digest()
            size >>= 1
            level += 1
            if not level % ROW_LEVELS:
                if level // ROW_LEVELS == len(new):
                    new.append([])
                new[level // ROW_LEVELS].append(peak)
        peaks.append(peak)

    def root(self) -> bytes:
        """Return the root over all leaves: at most one hash for each bit of the size."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = sha256(b"\x01" + peak + root).digest()
        return root

    def changed(self) -> list[tuple[int, int, bytes]]:
        """Return (stored level, row index, bytes) of each row that changed since the last call, each once.

        Level 0 first, rows ascending. The caller stores them, in one transaction with the leaves.
        """
        rows: list[tuple[int, int, bytes]] = []
        for level, hashes in zip(range(0, ROW_LEVELS * len(self._new), ROW_LEVELS), self._new, strict=True):
            before, after = self._saved >> level, self._size >> level
            if before == after:
                continue
            index = before // ROW_HASHES
            for at in range(0, len(hashes), ROW_HASHES):
                rows.append((level, index, b"".join(hashes[at : at + ROW_HASHES])))
                index += 1
            del hashes[: len(hashes) - after % ROW_HASHES]
        self._saved = self._size
        return rows

    def edge(self) -> list[tuple[int, int, bytes]]:
        """Return (stored level, row index, bytes) of each row that is not full yet; right after `changed`."""
        levels = zip(range(0, ROW_LEVELS * len(self._new), ROW_LEVELS), self._new, strict=True)
        return [(level, (self._size >> level) // ROW_HASHES, b"".join(hashes)) for level, hashes in levels if hashes]


def _partial_row(level: int, count: int, rows: Rows) -> list[bytes]:
    """Return the hashes of the row that is not full yet, on a level of `count` hashes."""
    partial = count % ROW_HASHES
    return rows.hashes(level, count - partial, count) if partial else []
