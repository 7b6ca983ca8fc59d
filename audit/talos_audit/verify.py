"""Checking a whole exported tree, from its leaves up to the signature.

1. The checkpoint is signed by the log's key.
2. Each bundle has as many leaves as the checkpoint's size asks for.
3. Each tile has the hashes that the leaves, or the full tiles of the level below, give.
4. What is left over at the right edge of all levels gives the checkpoint's root.
5. The first leaves give the root of an earlier checkpoint that somebody kept: so the log's key alone rewrites nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from talos_audit.checkpoint import Checkpoint, open_checkpoint
from talos_audit.errors import BadTiles
from talos_audit.hashes import leaf_hash, root_of
from talos_audit.note import VerifierKey
from talos_audit.tiles import CHECKPOINT, TILE_WIDTH, Resource, parse_bundle, path_of

ReadResource = Callable[[str], bytes | None]
"""Path of a resource -> its bytes, or None if it is not there."""


def verify_tiles(read_resource: ReadResource, key: VerifierKey, held: Checkpoint | None = None) -> Checkpoint:
    """Return the checkpoint of an exported tree of which every leaf, every hash and the signature are right.

    With `held`, a checkpoint of this log from another source, the tree must also begin with that one. Every resource
    of the checkpoint's size is read once; at most one tile of each level is in memory.
    Raises `BadTiles`, naming the first resource that is missing or wrong, and `BadNote` for the checkpoint.
    """
    checkpoint = open_checkpoint(_read(read_resource, CHECKPOINT), key)
    if held is not None:
        _check_held(checkpoint, held)
    edge = _Edge(read_resource)
    for start in range(0, checkpoint.size, TILE_WIDTH):
        width = min(TILE_WIDTH, checkpoint.size - start)
        hashes = _bundle(read_resource, start // TILE_WIDTH, width)
        if (
            held is not None
            and start < held.size <= start + width
            and edge.root(hashes[: held.size - start]) != held.root
        ):
            raise BadTiles(f"{CHECKPOINT}: its first {held.size} leaves are not those of the checkpoint that was kept")
        edge.add(hashes)
    edge.finish()
    if edge.root() != checkpoint.root:
        raise BadTiles(f"{CHECKPOINT}: its root is not that of the leaves")
    return checkpoint


class _Edge:
    """The tile of each level that is not full yet, while the tree is walked from left to right."""

    def __init__(self, read: ReadResource) -> None:
        self._read = read
        self._tiles: list[list[bytes]] = [[]]  # By level: the hashes of the tile that is not full.
        self._full: list[int] = [0]  # By level: how many tiles were.

    def add(self, hashes: list[bytes]) -> None:
        """Add up to 256 leaf hashes: the next bundle. Only the last one may be smaller."""
        self._tiles[0] = hashes
        level = 0
        while len(self._tiles[level]) == TILE_WIDTH:
            self._check(level)
            if level + 1 == len(self._tiles):
                self._tiles.append([])
                self._full.append(0)
            self._tiles[level + 1].append(root_of(self._tiles[level]))
            self._tiles[level] = []
            self._full[level] += 1
            level += 1

    def finish(self) -> None:
        """Check the tiles that stayed partial."""
        for level, hashes in enumerate(self._tiles):
            if hashes:
                self._check(level)

    def root(self, last: Sequence[bytes] = ()) -> bytes:
        """Return the root over all leaves so far, and `last` after them."""
        above: list[bytes] = []
        for level, hashes in enumerate(self._tiles):
            together = [*hashes, *(last if level == 0 else above)]
            above = [root_of(together)] if together else []
        return root_of(above)

    def _check(self, level: int) -> None:
        hashes = self._tiles[level]
        path = path_of(Resource(level, self._full[level], len(hashes)))
        if _read(self._read, path) != b"".join(hashes):
            raise BadTiles(f"{path}: not the hashes of what is below")


def _bundle(read: ReadResource, index: int, width: int) -> list[bytes]:
    """Return the leaf hashes of a bundle."""
    path = path_of(Resource(None, index, width))
    raw = _read(read, path)
    try:
        leaves = parse_bundle(raw)
    except BadTiles as error:
        raise BadTiles(f"{path}: {error}") from None
    if len(leaves) != width:
        raise BadTiles(f"{path}: {len(leaves)} leaves, not {width}")
    return [leaf_hash(leaf) for leaf in leaves]


def _check_held(checkpoint: Checkpoint, held: Checkpoint) -> None:
    if held.origin != checkpoint.origin:
        raise BadTiles(f"{CHECKPOINT}: of {checkpoint.origin!r}, and the one that was kept is of {held.origin!r}")
    if held.size > checkpoint.size:
        raise BadTiles(f"{CHECKPOINT}: {checkpoint.size} leaves, fewer than the {held.size} that were once signed")


def _read(read: ReadResource, path: str) -> bytes:
    raw = read(path)
    if raw is None:
        raise BadTiles(f"{path}: missing")
    return raw
