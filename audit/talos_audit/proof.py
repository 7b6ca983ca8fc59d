"""Proofs that a leaf is in a tree, and that a tree is the beginning of another.

Sources: RFC 6962, sections 2.1.1 and 2.1.2 (making them); RFC 9162, sections 2.1.3.2 and 2.1.4.2 (checking them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from talos_audit.errors import BadProof, OutOfTree
from talos_audit.hashes import EMPTY_ROOT, HASH_SIZE, SIZE_MAX, node_hash
from talos_audit.tree import ReadRow, Rows

RootOf = Callable[[int, int], bytes]
"""(start, stop) -> the root hash over leaves [start, stop)."""


def inclusion_path(index: int, size: int, root_of: RootOf) -> list[bytes]:
    """Return the hashes that prove leaf `index` is in the tree of the first `size` leaves.

    Ordered leaf to root: at most ceil(log2(size)) hashes of 32 bytes each (there: PATH).
    Raises `OutOfTree` unless 0 <= index < size.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise OutOfTree(f"leaf {index} is not in a tree of {size}")
    start, stop, path = 0, size, []
    while stop - start > 1:
        split = _split(start, stop)
        if index < split:
            path.append(root_of(split, stop))
            stop = split
        else:
            path.append(root_of(start, split))
            start = split
    return path[::-1]


def consistency_path(old_size: int, new_size: int, root_of: RootOf) -> list[bytes]:
    """Return the hashes that prove the tree of `new_size` leaves begins with the tree of `old_size` leaves.

    Ordered leaf to root: at most ceil(log2(new_size)) + 1 hashes of 32 bytes each (there: PROOF). Empty if the old
    tree is empty, since every tree begins with it, or if both are one size.
    Raises `OutOfTree` unless 0 <= old_size <= new_size.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise OutOfTree(f"a tree of {new_size} does not begin with one of {old_size}")
    if old_size == 0:
        return []
    start, stop, path = 0, new_size, []
    while stop != old_size:
        split = _split(start, stop)
        if old_size <= split:
            path.append(root_of(split, stop))
            stop = split
        else:
            path.append(root_of(start, split))
            start = split
    if start:  # Else this subtree is the old tree itself, and whoever verifies has its root.
        path.append(root_of(start, stop))
    return path[::-1]


def inclusion_proof(index: int, size: int, read: ReadRow) -> list[bytes]:
    """Return `inclusion_path` from stored rows: at most two rows of each stored level are read.

    Raises `OutOfTree` and `BrokenTree`.
    """
    return inclusion_path(index, size, Rows(read).root)


def consistency_proof(old_size: int, new_size: int, read: ReadRow) -> list[bytes]:
    """Return `consistency_path` from stored rows: at most two rows of each stored level are read.

    Raises `OutOfTree` and `BrokenTree`.
    """
    return consistency_path(old_size, new_size, Rows(read).root)


def verify_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Return if `path` proves that the tree of `size` leaves with this `root` has `leaf_hash` at `index`.

    Raises `BadProof` otherwise, also when the path is longer than it must be.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise BadProof(f"leaf {index} is not in a tree of {size}")
    _check_sizes((leaf_hash, root), path)
    at, last, hashed = index, size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            raise BadProof("the path goes on above the root")
        if at & 1 or at == last:
            hashed = node_hash(sibling, hashed)
            while not at & 1 and at:  # Levels on which the node has no sibling and moves up as it is.
                at >>= 1
                last >>= 1
        else:
            hashed = node_hash(hashed, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise BadProof("the path ends below the root")
    if hashed != root:
        raise BadProof(f"leaf {index} is not under this root")


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Return if `path` proves that the tree of the new size and root begins with that of the old size and root.

    The empty tree has one root only, begins every tree, and its path is empty, as is that of two trees of one size.
    Raises `BadProof` otherwise, also when the path is longer than it must be.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise BadProof(f"a tree of {new_size} does not begin with one of {old_size}")
    _check_sizes((old_root, new_root), path)
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise BadProof("this is not the root of the empty tree")
    if old_size in {0, new_size}:
        if path:
            raise BadProof("there is nothing to prove, so the path must be empty")
        if old_size and old_root != new_root:
            raise BadProof(f"two roots for one size, {old_size}")
        return
    at, last = old_size - 1, new_size - 1
    while at & 1:  # The largest complete subtree that ends the old tree.
        at >>= 1
        last >>= 1
    # The walk begins at that subtree. If it is the whole old tree, its root is known and not in the path.
    hashes = list(path) if at else [old_root, *path]
    if not hashes:
        raise BadProof("the path is empty")
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("the path goes on above the root")
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise BadProof("the path ends below the root")
    if old != old_root:
        raise BadProof(f"the old tree of {old_size} has another root")
    if new != new_root:
        raise BadProof(f"the new tree of {new_size} has another root")


def _split(start: int, stop: int) -> int:
    """Return where RFC 6962 divides a range of two or more leaves."""
    return start + (1 << (stop - start - 1).bit_length() - 1)


def _check_sizes(hashes: Sequence[bytes], path: Sequence[bytes]) -> None:
    if len(path) > SIZE_MAX.bit_length() + 1:
        raise BadProof(f"no path has {len(path)} hashes")
    for hashed in (*hashes, *path):
        if len(hashed) != HASH_SIZE:
            raise BadProof(f"a hash has {HASH_SIZE} bytes, not {len(hashed)}")
