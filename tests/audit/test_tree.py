"""A growing tree is the tree of RFC 6962 at every size, and its stored rows give back every earlier one."""

from __future__ import annotations

import pytest

from talos_audit.errors import BrokenTree, OutOfTree
from talos_audit.hashes import HASH_SIZE, SIZE_MAX, node_hash, root_of
from talos_audit.tree import ROW_HASHES, ROW_LEVELS, ROW_SIZE, Rows, Tree, range_root
from tests.audit.grown import Shelf, hashes, mth, shelf

COUNT = 600
LARGE = 16**3 + 16**2 + 16 + 1


def nothing(_level: int, _index: int) -> bytes | None:
    return None


def test_the_root_is_that_of_rfc_6962_at_every_size() -> None:
    tree = Tree()
    assert tree.root() == mth([])
    for size, leaf in enumerate(hashes(COUNT), 1):
        tree.append(leaf)
        assert tree.size == size
        assert tree.root() == root_of(hashes(COUNT)[:size]) == mth(hashes(COUNT)[:size])


@pytest.mark.parametrize("size", [4_095, 4_096, 4_097, LARGE])
def test_a_large_tree_has_the_root_of_rfc_6962(size: int) -> None:
    tree = Tree()
    tree.extend(hashes(LARGE)[:size])
    assert tree.root() == mth(hashes(LARGE)[:size])


def test_the_root_over_subtrees_is_right_when_the_last_is_ragged() -> None:
    for size in range(1, 130):
        for width in (2, 4, 16):
            subtrees = [mth(hashes(COUNT)[at : min(at + width, size)]) for at in range(0, size, width)]
            assert root_of(subtrees) == mth(hashes(COUNT)[:size])


def test_leaves_added_together_make_the_tree_that_they_make_one_by_one() -> None:
    for step in (1, 7, 16, 17, 64, 255, 256, 600):
        grown = Shelf(hashes(COUNT), step=step)
        assert grown.tree.root() == mth(hashes(COUNT))
        assert grown.rows == shelf(COUNT).rows


def test_stored_are_the_complete_subtrees_of_every_fourth_level_and_nothing_else() -> None:
    expected: dict[tuple[int, int], bytes] = {}
    for level in range(0, LARGE.bit_length(), ROW_LEVELS):
        width = 1 << level
        roots = [mth(hashes(LARGE)[at * width : (at + 1) * width]) for at in range(LARGE >> level)]
        for at in range(0, len(roots), ROW_HASHES):
            expected[level, at // ROW_HASHES] = b"".join(roots[at : at + ROW_HASHES])
    assert shelf(LARGE).rows == expected


def test_each_row_that_changed_is_told_once_lowest_level_first() -> None:
    tree, rows = Tree(), dict[tuple[int, int], bytes]()
    for step in (1, 14, 1, 1, 0, 15, 33, 300):
        tree.extend(hashes(COUNT)[tree.size : tree.size + step])
        changed = tree.changed()
        told = [(level, index) for level, index, _ in changed]
        assert told == sorted(set(told))
        assert all(rows.get((level, index)) != row for level, index, row in changed)
        rows.update({(level, index): row for level, index, row in changed})
        assert rows == Shelf(hashes(COUNT)[: tree.size]).rows
        assert tree.changed() == []


def test_a_full_row_is_never_told_again() -> None:
    tree, full = Tree(), set[tuple[int, int]]()
    for leaf in hashes(COUNT):
        tree.append(leaf)
        for level, index, row in tree.changed():
            assert (level, index) not in full
            if len(row) == ROW_SIZE:
                full.add((level, index))
    assert len(full) == COUNT // 16 + COUNT // 256


def test_the_tree_of_every_earlier_size_is_loaded_from_the_rows_of_a_later_one_and_grows_on() -> None:
    for size in range(COUNT + 1):
        tree = Tree.load(size, shelf(COUNT).read)
        assert (tree.size, tree.root(), tree.changed()) == (size, mth(hashes(COUNT)[:size]), [])
        if size % 13 == 0:
            rows = dict(shelf(COUNT).rows)
            tree.extend(hashes(COUNT)[size:])
            rows.update({(level, index): row for level, index, row in tree.changed()})
            assert (tree.root(), rows) == (mth(hashes(COUNT)), shelf(COUNT).rows)


def test_a_loaded_tree_that_takes_another_way_writes_over_the_longer_rows() -> None:
    other = hashes(COUNT)[300:]
    for size in (0, 1, 15, 16, 17, 255, 256, 257, 299):
        grown = Shelf(hashes(300))
        grown.tree = Tree.load(size, grown.read)
        grown.tree.extend(other)
        grown.keep()
        together = [*hashes(300)[:size], *other]
        assert grown.tree.root() == Tree.load(len(together), grown.read).root() == mth(together)


def test_loading_reads_only_the_rows_that_are_not_full() -> None:
    reader = Shelf()
    reader.rows = shelf(LARGE).rows
    Tree.load(LARGE, reader.read)
    assert sorted(reader.reads) == [(level, LARGE >> level >> ROW_LEVELS) for level in (0, 4, 8, 12)]
    reader.reads.clear()
    Tree.load(4_096, reader.read)
    assert reader.reads == [(12, 0)]


def test_every_subtree_that_a_path_asks_for_is_found_in_the_rows() -> None:
    for size in (*range(1, 70), 255, 256, 257, COUNT):
        for start in range(size):
            width = start & -start if start else size
            for stop in {start + 1, *(start + (1 << bit) for bit in range(10)), size}:
                if start < stop <= min(size, start + width):
                    assert range_root(start, stop, shelf(COUNT).read) == mth(hashes(COUNT)[start:stop])


def test_a_subtree_costs_one_row_of_each_stored_level_at_most() -> None:
    reader = Shelf()
    reader.rows = shelf(LARGE).rows
    Rows(reader.read).root(0, LARGE)
    assert sorted(reader.reads) == [(0, 273), (4, 17), (8, 1), (12, 0)]


def test_rows_are_read_once_in_one_reader() -> None:
    reader = Shelf()
    reader.rows = shelf(COUNT).rows
    rows = Rows(reader.read)
    assert [rows.root(at, at + 1) for at in range(16)] == list(hashes(COUNT)[:16])
    assert reader.reads == [(0, 0)]


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 0), (1, 1), (2, 1), (-1, 0), (-2, 2), (1, 3), (2, 5), (4, 13), (6, 10), (0, SIZE_MAX + 1), (8, 8)],
)
def test_a_range_that_is_no_subtree_is_refused(start: int, stop: int) -> None:
    with pytest.raises(OutOfTree):
        range_root(start, stop, shelf(COUNT).read)


@pytest.mark.parametrize("size", [-1, SIZE_MAX + 1])
def test_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(OutOfTree):
        Tree.load(size, nothing)


def test_the_empty_tree_and_a_tree_of_full_rows_need_no_row_that_is_not_there() -> None:
    assert Tree.load(0, nothing).size == 0
    with pytest.raises(BrokenTree, match="row 0 of level 4 is missing"):
        Tree.load(16, nothing)


def test_a_missing_row_is_named() -> None:
    for size in (1, 15, 17, 255, 257, 600):
        for level in range(0, size.bit_length(), ROW_LEVELS):
            if size >> level & ROW_HASHES - 1:
                rows = dict(shelf(COUNT).rows)
                index = size >> level >> ROW_LEVELS
                del rows[level, index]
                with pytest.raises(BrokenTree, match=f"row {index} of level {level} is missing"):
                    Tree.load(size, lambda *at, rows=rows: rows.get(at))


@pytest.mark.parametrize(
    "row", [b"", bytes(1), bytes(33), bytes(4 * HASH_SIZE), bytes(5 * HASH_SIZE + 1), bytes(ROW_SIZE + HASH_SIZE)]
)
def test_a_row_that_is_short_or_of_an_impossible_size_is_named(row: bytes) -> None:
    def read(_level: int, _index: int) -> bytes | None:
        return row

    with pytest.raises(BrokenTree, match="row 0 of level 0 has"):
        Tree.load(5, read)
    with pytest.raises(BrokenTree, match="row 0 of level 0 has"):
        range_root(4, 5, read)


def test_a_hash_that_was_changed_in_its_row_gives_another_root() -> None:
    for key, row in shelf(300).rows.items():
        level, index = key
        rows = {key: bytes([row[0] ^ 1]) + row[1:]}
        start = index << level + ROW_LEVELS
        stop = start + (1 << level)
        assert range_root(start, stop, lambda *at, rows=rows: rows.get(at)) != mth(hashes(300)[start:stop])


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), bytes(64)])
def test_what_is_no_hash_is_refused_and_nothing_is_added(wrong: bytes) -> None:
    tree = Tree.load(20, shelf(COUNT).read)
    with pytest.raises(ValueError, match="32 bytes"):
        tree.append(wrong)
    with pytest.raises(ValueError, match="32 bytes"):
        tree.extend([hashes(COUNT)[20], wrong])
    assert (tree.size, tree.root(), tree.changed()) == (20, mth(hashes(COUNT)[:20]), [])


def test_left_and_right_are_not_the_same() -> None:
    left, right = hashes(2)
    assert node_hash(left, right) != node_hash(right, left)
