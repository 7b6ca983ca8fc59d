"""A proof is that of RFC 6962, and nothing else is accepted for one."""

from __future__ import annotations

from functools import cache
from random import Random

import pytest

from talos_audit.errors import BadProof, BrokenTree, OutOfTree
from talos_audit.hashes import EMPTY_ROOT, SIZE_MAX
from talos_audit.proof import (
    consistency_path,
    consistency_proof,
    inclusion_path,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from tests.audit.grown import Shelf, audit_path, bit_flips, hashes, mth, shelf, subproof

COUNT = 600
SIZES = (*range(1, 71), 255, 256, 257)
ROOTS = {size: mth(hashes(COUNT)[:size]) for size in (0, *SIZES)}


def read(level: int, index: int) -> bytes | None:
    return shelf(COUNT).rows.get((level, index))


def accepts_inclusion(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    try:
        verify_inclusion(leaf, index, size, path, root)
    except BadProof:
        return False
    return True


def accepts_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> bool:
    try:
        verify_consistency(old, new, old_root, new_root, path)
    except BadProof:
        return False
    return True


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proved_to_be_in_the_tree(size: int) -> None:
    for index in range(size):
        path = inclusion_proof(index, size, read)
        assert path == audit_path(index, hashes(COUNT)[:size])
        verify_inclusion(hashes(COUNT)[index], index, size, path, ROOTS[size])


@pytest.mark.parametrize("new", [size for size in SIZES if size <= 70])
def test_every_tree_is_proved_to_begin_with_every_smaller_one(new: int) -> None:
    for old in range(1, new + 1):
        path = consistency_proof(old, new, read)
        assert path == subproof(old, hashes(COUNT)[:new])
        verify_consistency(old, new, ROOTS[old], ROOTS[new], path)


def test_a_leaf_is_proved_where_its_path_leads_and_nowhere_else() -> None:
    """A path says left or right and no more: only with the index and size that go with it is it a proof."""
    for size in range(1, 20):
        for index in range(size):
            path, leaf = inclusion_proof(index, size, read), hashes(COUNT)[index]
            for other_size in range(1, 41):
                for other in range(other_size):
                    accepted = accepts_inclusion(leaf, other, other_size, path, ROOTS[size])
                    assert accepted == (_lefts(other, other_size) == _lefts(index, size))


@cache
def _lefts(index: int, size: int) -> list[bool]:
    """Return for each hash of the path whether it stands to the left, leaf to root."""
    return [stop <= index for _, stop in reversed(_asked(index, size))]


def _asked(index: int, size: int) -> list[tuple[int, int]]:
    asked: list[tuple[int, int]] = []

    def ask(start: int, stop: int) -> bytes:
        asked.append((start, stop))
        return b""

    inclusion_path(index, size, ask)
    return asked


def test_two_trees_of_any_other_sizes_are_not_proved_consistent() -> None:
    for new in range(2, 20):
        for old in range(1, new):
            path = consistency_proof(old, new, read)
            for other_new in range(1, 24):
                for other_old in range(1, other_new + 1):
                    roots = ROOTS[other_old], ROOTS[other_new]
                    accepted = accepts_consistency(other_old, other_new, *roots, path)
                    assert accepted == ((other_old, other_new) == (old, new) or (other_old == other_new and not path))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 64, 257])
def test_an_inclusion_proof_with_one_bit_changed_is_refused(size: int) -> None:
    for index in {0, size // 2, size - 1}:
        leaf, root, path = hashes(COUNT)[index], ROOTS[size], inclusion_proof(index, size, read)
        assert not any(accepts_inclusion(other, index, size, path, root) for other in bit_flips(leaf))
        assert not any(accepts_inclusion(leaf, index, size, path, other) for other in bit_flips(root))
        for at, step in enumerate(path):
            for other in bit_flips(step)[::7]:
                assert not accepts_inclusion(leaf, index, size, [*path[:at], other, *path[at + 1 :]], root)


@pytest.mark.parametrize(
    ("old", "new"), [(1, 2), (1, 8), (2, 3), (3, 5), (4, 8), (6, 8), (7, 70), (64, 65), (200, 257)]
)
def test_a_consistency_proof_with_one_bit_changed_is_refused(old: int, new: int) -> None:
    old_root, new_root, path = mth(hashes(COUNT)[:old]), mth(hashes(COUNT)[:new]), consistency_proof(old, new, read)
    assert not any(accepts_consistency(old, new, other, new_root, path) for other in bit_flips(old_root))
    assert not any(accepts_consistency(old, new, old_root, other, path) for other in bit_flips(new_root))
    for at, step in enumerate(path):
        for other in bit_flips(step)[::3]:
            assert not accepts_consistency(old, new, old_root, new_root, [*path[:at], other, *path[at + 1 :]])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 257])
def test_a_path_that_is_longer_or_shorter_or_in_another_order_is_refused(size: int) -> None:
    for index in {0, size // 2, size - 1}:
        leaf, root, path = hashes(COUNT)[index], ROOTS[size], inclusion_proof(index, size, read)
        wrong = [[*path, leaf], [*path, root], [leaf, *path], [*path, *path, leaf], path[1:], path[:-1], path[::-1]]
        for other in wrong:
            assert other == path or not accepts_inclusion(leaf, index, size, other, root)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (2, 3), (3, 5), (4, 8), (6, 8), (7, 70), (64, 65)])
def test_a_consistency_path_that_is_longer_or_shorter_or_in_another_order_is_refused(old: int, new: int) -> None:
    old_root, new_root, path = ROOTS[old], ROOTS[new], consistency_proof(old, new, read)
    wrong = [[], [*path, old_root], [*path, new_root], [old_root, *path], [new_root, *path], path[1:], path[:-1]]
    for other in [*wrong, path[::-1]]:
        assert other == path or not accepts_consistency(old, new, old_root, new_root, other)


@pytest.mark.parametrize(("old", "new"), [(1, 5), (3, 5), (4, 8), (6, 8), (64, 70)])
def test_two_histories_are_never_proved_consistent(old: int, new: int) -> None:
    forked = [hashes(COUNT)[-1], *hashes(COUNT)[1:new]]
    path = subproof(old, forked)
    assert accepts_consistency(old, new, mth(forked[:old]), mth(forked), path)
    assert not accepts_consistency(old, new, ROOTS[old], mth(forked), path)
    assert not accepts_consistency(old, new, ROOTS[old], mth(forked), subproof(old, hashes(COUNT)[:new]))


@pytest.mark.parametrize(("old", "new"), [(1, 2), (1, 8), (2, 3), (3, 5), (4, 8), (6, 8), (7, 70), (64, 65)])
def test_a_consistency_proof_for_a_higher_or_lower_tree_is_refused(old: int, new: int) -> None:
    path = consistency_proof(old, new, read)
    for other in (2 * new, 2 * new - 1, 4 * new, new // 2):
        assert not accepts_consistency(old, other, ROOTS[old], ROOTS[new], path)


def test_every_tree_begins_with_the_empty_one_without_a_hash() -> None:
    for size in (0, 1, 8, 70):
        assert consistency_proof(0, size, read) == []
        verify_consistency(0, size, EMPTY_ROOT, ROOTS[size], [])
        assert not accepts_consistency(0, size, EMPTY_ROOT, ROOTS[size], [ROOTS[size]])
        assert not accepts_consistency(0, size, ROOTS[1], ROOTS[size], [])
    assert not accepts_consistency(0, 0, EMPTY_ROOT, ROOTS[1], [])
    assert not accepts_consistency(0, 0, ROOTS[1], ROOTS[1], [])


def test_a_tree_is_consistent_with_itself_without_a_hash() -> None:
    for size in (1, 2, 7, 64):
        assert consistency_proof(size, size, read) == []
        verify_consistency(size, size, ROOTS[size], ROOTS[size], [])
        assert not accepts_consistency(size, size, ROOTS[size], ROOTS[size + 1], [])
        assert not accepts_consistency(size, size, ROOTS[size], ROOTS[size], [ROOTS[size]])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (6, 5), (0, -1), (0, SIZE_MAX + 1)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(OutOfTree):
        inclusion_path(index, size, lambda _start, _stop: b"")
    with pytest.raises(OutOfTree):
        inclusion_proof(index, size, read)
    with pytest.raises(BadProof):
        verify_inclusion(hashes(COUNT)[0], index, size, [], hashes(COUNT)[0])


@pytest.mark.parametrize(("old", "new"), [(2, 1), (-1, 5), (-2, -1), (1, SIZE_MAX + 1)])
def test_a_tree_that_begins_with_a_larger_one_is_refused(old: int, new: int) -> None:
    with pytest.raises(OutOfTree):
        consistency_path(old, new, lambda _start, _stop: b"")
    with pytest.raises(OutOfTree):
        consistency_proof(old, new, read)
    with pytest.raises(BadProof):
        verify_consistency(old, new, hashes(COUNT)[0], hashes(COUNT)[0], [])


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33)])
def test_what_is_no_hash_is_refused(wrong: bytes) -> None:
    leaf = hashes(COUNT)[0]
    for case in [(wrong, [leaf], leaf), (leaf, [wrong], leaf), (leaf, [leaf], wrong)]:
        with pytest.raises(BadProof, match="32 bytes"):
            verify_inclusion(case[0], 0, 2, case[1], case[2])
        with pytest.raises(BadProof, match="32 bytes"):
            verify_consistency(1, 2, case[0], case[2], case[1])


def test_a_path_of_absurd_length_is_refused_before_anything_is_hashed() -> None:
    class Endless(list[bytes]):
        def __len__(self) -> int:
            return 10**9

    with pytest.raises(BadProof, match="1000000000"):
        verify_inclusion(bytes(32), 0, 2, Endless(), bytes(32))
    with pytest.raises(BadProof, match="1000000000"):
        verify_consistency(1, 2, bytes(32), bytes(32), Endless())


def test_the_longest_paths_are_as_long_as_promised() -> None:
    def counted(_start: int, _stop: int) -> bytes:
        return bytes(32)

    assert len(inclusion_path(0, SIZE_MAX, counted)) == 63
    assert len(consistency_path(SIZE_MAX - 2, SIZE_MAX, counted)) == 64
    for size in (2, 3, 100, 1_000_000, 2**40 + 1):
        height = (size - 1).bit_length()
        assert max(len(inclusion_path(index, size, counted)) for index in (0, 1, size - 1)) == height
        assert all(len(consistency_path(old, size, counted)) <= height + 1 for old in (1, size // 2, size - 1))


def test_a_proof_reads_at_most_two_rows_of_each_stored_level() -> None:
    size = 16**3 + 16**2 + 16 + 3
    reader, dice = Shelf(), Random(1)
    reader.rows = shelf(size).rows
    for _ in range(100):
        inclusion_proof(dice.randrange(size), size, reader.read)
        consistency_proof(dice.randrange(1, size), size, reader.read)
        for level in (0, 4, 8, 12):
            assert sum(read_level == level for read_level, _ in reader.reads) <= 4
        reader.reads.clear()


def test_a_proof_from_broken_rows_is_refused() -> None:
    with pytest.raises(BrokenTree):
        inclusion_proof(3, 17, lambda _level, _index: None)
    with pytest.raises(BrokenTree):
        consistency_proof(3, 17, lambda _level, _index: None)
