"""The hashes of a Merkle tree.

Source: RFC 6962, section 2.1 (the same as RFC 9162, section 2.1.1), with SHA-256.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32  # Bytes.
SIZE_MAX: Final = 2**63 - 1  # Leaves: what a signed 64-bit integer of any other implementation holds.
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Return the root over subtrees of one size, given their hashes from left to right (there: MTH).

    They may be leaves. The last one may be smaller than the others, because a hash without a right neighbour moves
    up as it is: the split at the largest power of two, read from below.
    """
    if not hashes:
        return EMPTY_ROOT
    while (count := len(hashes)) > 1:
        above = [sha256(b"\x01" + hashes[i] + hashes[i + 1]).digest() for i in range(0, count - 1, 2)]
        if count & 1:
            above.append(hashes[-1])
        hashes = above
    return hashes[0]
