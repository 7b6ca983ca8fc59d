"""Trees and their stored rows for the tests beside this file, and RFC 6962 word for word to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from talos_audit.hashes import leaf_hash
from talos_audit.tree import Tree


def leaves(count: int, *, of: str = "leaf") -> list[bytes]:
    """Return leaves of various sizes, the same in every run; no two are equal, and one is empty."""
    return [b"" if i == 7 else f"{of} {i}.".encode() * (1 + i % 5) for i in range(count)]


@cache
def hashes(count: int) -> tuple[bytes, ...]:
    return tuple(map(leaf_hash, leaves(count)))


class Shelf:
    """A tree whose rows are kept, as a store would keep them."""

    def __init__(self, leaf_hashes: Sequence[bytes] = (), *, step: int = 100) -> None:
        self.tree = Tree()
        self.rows: dict[tuple[int, int], bytes] = {}
        self.reads: list[tuple[int, int]] = []
        for at in range(0, len(leaf_hashes), step):
            self.tree.extend(leaf_hashes[at : at + step])
            self.keep()

    def keep(self) -> None:
        self.rows.update({(level, index): row for level, index, row in self.tree.changed()})

    def read(self, level: int, index: int) -> bytes | None:
        self.reads.append((level, index))
        return self.rows.get((level, index))


@cache
def shelf(count: int) -> Shelf:
    """Return a shelf that nobody may change."""
    return Shelf(hashes(count))


def mth(nodes: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, over leaf hashes."""
    if not nodes:
        return sha256(b"").digest()
    if len(nodes) == 1:
        return nodes[0]
    k = largest_power_of_two_below(len(nodes))
    return sha256(b"\x01" + mth(nodes[:k]) + mth(nodes[k:])).digest()


def audit_path(m: int, nodes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1, over leaf hashes."""
    if len(nodes) == 1:
        return []
    k = largest_power_of_two_below(len(nodes))
    if m < k:
        return [*audit_path(m, nodes[:k]), mth(nodes[k:])]
    return [*audit_path(m - k, nodes[k:]), mth(nodes[:k])]


def subproof(m: int, nodes: Sequence[bytes], b: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2, over leaf hashes; PROOF is that with b = true."""
    if m == len(nodes):
        return [] if b else [mth(nodes)]
    k = largest_power_of_two_below(len(nodes))
    if m <= k:
        return [*subproof(m, nodes[:k], b), mth(nodes[k:])]
    return [*subproof(m - k, nodes[k:], False), mth(nodes[:k])]


def largest_power_of_two_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def bit_flips(raw: bytes) -> list[bytes]:
    """Return every copy of `raw` that differs in one bit."""
    flipped = []
    for at in range(len(raw)):
        for bit in range(8):
            copy = bytearray(raw)
            copy[at] ^= 1 << bit
            flipped.append(bytes(copy))
    return flipped
