"""Tiles: a whole tree as files that anybody may copy, serve and check.

    checkpoint                      the newest one, a signed note
    tile/<L>/<N>[.p/<W>]            256 hashes of 32 bytes that follow each other on level 8L of the binary tree
    tile/entries/<N>[.p/<W>]        256 leaves, each behind its size in two bytes, big endian

N counts tiles from the left, in groups of three digits: 1234067 is x001/x234/067. W is the number of hashes or leaves
of the last tile of a level if that is not full, 1 to 255. A tile is 16 stored rows of `talos_audit.tree`, joined.
Source: C2SP, tlog-tiles v0.1.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from talos_audit.errors import BadTiles, BrokenTree, OutOfTree
from talos_audit.hashes import HASH_SIZE, SIZE_MAX
from talos_audit.text import decimal
from talos_audit.tree import ROW_HASHES, ReadRow, read_row

TILE_LEVELS: Final = 8  # Levels of the binary tree from one tile level to the next.
TILE_WIDTH: Final = 256  # 2**TILE_LEVELS hashes or leaves: a full tile.
TILE_LEVEL_MAX: Final = 63  # By the standard. A tree of 2**63 - 1 leaves has tiles to level 7.
LEAF_SIZE_MAX: Final = 65_535  # Bytes: what the two bytes before a leaf can say.
CHECKPOINT: Final = "checkpoint"

_SIZE: Final = Struct(">H")
_BUNDLE_SIZE_MAX: Final = TILE_WIDTH * (_SIZE.size + LEAF_SIZE_MAX)
_TILE: Final = "tile/"
_ENTRIES: Final = "entries"


@dataclass(frozen=True, slots=True)
class Resource:
    """One tile, or one bundle of leaves. Raises `OutOfTree` for one that no tree has."""

    level: int | None  # Of tiles, 0 .. 63; None for a bundle of leaves.
    index: int  # From the left, 0 .. 2**63 - 1.
    width: int  # Hashes or leaves, 1 .. 256; 256 is full.

    def __post_init__(self) -> None:
        if not (0 <= (self.level or 0) <= TILE_LEVEL_MAX and 0 <= self.index <= SIZE_MAX):
            raise OutOfTree(f"no tree has tile {self.index} of level {self.level}")
        if not 0 < self.width <= TILE_WIDTH:
            raise OutOfTree(f"no tile is {self.width} wide")


def resources(size: int) -> Iterator[Resource]:
    """Return what belongs to the checkpoint of a tree of `size` leaves: the bundles, then tiles, lowest level first.

    Nothing for the empty tree. Raises `OutOfTree` for an impossible size.
    """
    if not 0 <= size <= SIZE_MAX:
        raise OutOfTree(f"no tree has {size} leaves")
    return _resources(size)


def _resources(size: int) -> Iterator[Resource]:
    yield from _of_level(None, size)
    level = 0
    while size >> level * TILE_LEVELS:
        yield from _of_level(level, size >> level * TILE_LEVELS)
        level += 1


def _of_level(level: int | None, count: int) -> Iterator[Resource]:
    for index in range(count // TILE_WIDTH):
        yield Resource(level, index, TILE_WIDTH)
    if count % TILE_WIDTH:
        yield Resource(level, count // TILE_WIDTH, count % TILE_WIDTH)


def path_of(resource: Resource) -> str:
    """Return the path of a resource below the log's prefix, without a slash before it."""
    index = resource.index
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    level = _ENTRIES if resource.level is None else resource.level
    partial = "" if resource.width == TILE_WIDTH else f".p/{resource.width}"
    return f"{_TILE}{level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(path: str) -> Resource:
    """Return the resource of a path; only the spelling of `path_of` is accepted. Raises `BadTiles`."""
    level, _, rest = path.removeprefix(_TILE).partition("/")
    groups, partial, width = rest.partition(".p/")
    try:
        resource = Resource(
            None if level == _ENTRIES else decimal(level),
            decimal(groups.replace("/x", "").removeprefix("x").replace("/", "").lstrip("0") or "0"),
            decimal(width) if partial else TILE_WIDTH,
        )
    except (ValueError, OutOfTree):
        raise BadTiles(f"{path!r} is the path of no tile") from None
    if path_of(resource) != path:
        raise BadTiles(f"{path!r} is the path of no tile")
    return resource


def tile_bytes(level: int, index: int, width: int, read: ReadRow) -> bytes:
    """Return a tile from stored rows: `width` hashes of 32 bytes. A longer row does no harm.

    Raises `OutOfTree` for a tile that no tree has, and `BrokenTree`.
    """
    Resource(level, index, width)
    rows = -(-width // ROW_HASHES)
    first = index * (TILE_WIDTH // ROW_HASHES)
    stored = [read_row(read, TILE_LEVELS * level, first + row) for row in range(rows)]
    for row, raw in enumerate(stored, first):
        needed = min(ROW_HASHES, width - (row - first) * ROW_HASHES)
        if len(raw) < needed * HASH_SIZE:
            raise BrokenTree(f"row {row} of level {TILE_LEVELS * level} has {len(raw)} bytes, not {needed} hashes")
    return b"".join(stored)[: width * HASH_SIZE]


def bundle_bytes(leaves: Sequence[bytes]) -> bytes:
    """Return leaves as one bundle. Raises `BadTiles` unless they are 1 to 256, of at most 65,535 bytes each."""
    if not 0 < len(leaves) <= TILE_WIDTH:
        raise BadTiles(f"no bundle has {len(leaves)} leaves")
    for leaf in leaves:
        if len(leaf) > LEAF_SIZE_MAX:
            raise BadTiles(f"a leaf of {len(leaf)} bytes, more than {LEAF_SIZE_MAX}, fits no bundle")
    return b"".join(part for leaf in leaves for part in (_SIZE.pack(len(leaf)), leaf))


def parse_bundle(raw: bytes) -> list[bytes]:
    """Return the leaves of a bundle, 1 to 256. Raises `BadTiles`."""
    if not 0 < len(raw) <= _BUNDLE_SIZE_MAX:
        raise BadTiles(f"no bundle has {len(raw)} bytes")
    leaves: list[bytes] = []
    at = 0
    while at < len(raw):
        start = at + _SIZE.size
        if start > len(raw):
            raise BadTiles(f"the bundle ends within the size of leaf {len(leaves)}")
        at = start + _SIZE.unpack_from(raw, start - _SIZE.size)[0]
        if at > len(raw):
            raise BadTiles(f"the bundle ends within leaf {len(leaves)}")
        if len(leaves) == TILE_WIDTH:
            raise BadTiles(f"a bundle of more than {TILE_WIDTH} leaves")
        leaves.append(raw[start:at])
    return leaves
