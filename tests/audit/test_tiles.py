"""Tiles and bundles are those of tlog-tiles, each under one path."""

from __future__ import annotations

from collections import Counter

import pytest

from talos_audit.errors import BadTiles, BrokenTree, OutOfTree
from talos_audit.hashes import SIZE_MAX
from talos_audit.tiles import (
    LEAF_SIZE_MAX,
    TILE_WIDTH,
    Resource,
    bundle_bytes,
    parse_bundle,
    parse_path,
    path_of,
    resources,
    tile_bytes,
)
from tests.audit.grown import hashes, leaves, mth, shelf

# The first is the standard's example; the next are those of Go's sumdb/tlog/tlog_test.go without its tile height.
PATHS = [
    (Resource(0, 1_234_067, 256), "tile/0/x001/x234/067"),
    (Resource(0, 1, 256), "tile/0/001"),
    (Resource(0, 1, 5), "tile/0/001.p/5"),
    (Resource(5, 123_456_078, 256), "tile/5/x123/x456/078"),
    (Resource(5, 123_456_078, 2), "tile/5/x123/x456/078.p/2"),
    (Resource(0, 3_057_500, 256), "tile/0/x003/x057/500"),
    (Resource(None, 0, 1), "tile/entries/000.p/1"),
    (Resource(None, 999, 256), "tile/entries/999"),
    (Resource(None, 1_000, 255), "tile/entries/x001/000.p/255"),
    (Resource(63, SIZE_MAX, 1), "tile/63/x009/x223/x372/x036/x854/x775/807.p/1"),
]


@pytest.mark.parametrize(("resource", "path"), PATHS)
def test_a_resource_has_one_path_and_a_path_one_resource(resource: Resource, path: str) -> None:
    assert path_of(resource) == path
    assert parse_path(path) == resource


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "0/001",
        "/tile/0/001",
        "tile/0/001/",
        "tile/tile/0/001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/data/001",
        "tile/entries",
        "tile/0/1",
        "tile/0/0001",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/123/456/078",
        "tile/0/x123/456/078",
        "tile/0/x123/x456/x078",
        "tile/0/X123/x456/078",
        "tile/0/x12/456",
        "tile/0/\u0660\u0660\u0661",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/" + "x001/" * 5_000 + "001",
        "tile/0/001.p",
        "tile/0/001.p/",
        "tile/0/001.p/0",
        "tile/0/001.p/05",
        "tile/0/001.p/256",
        "tile/0/001.p/5/",
        "tile/0/001.p/5.p/5",
        "checkpoint",
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(BadTiles):
        parse_path(path)


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, SIZE_MAX + 1, 1), (0, 0, 0), (0, 0, 257), (None, 0, -1), (None, -1, 1)],
)
def test_a_resource_that_no_tree_has_is_refused(level: int | None, index: int, width: int) -> None:
    with pytest.raises(OutOfTree):
        Resource(level, index, width)


def test_the_standards_example_of_70_000_leaves_has_the_tiles_that_it_says() -> None:
    counted = Counter((resource.level, resource.width) for resource in resources(70_000))
    bundles = {(None, 256): 273, (None, 112): 1}
    assert counted == bundles | {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (1, ["tile/entries/000.p/1", "tile/0/000.p/1"]),
        (255, ["tile/entries/000.p/255", "tile/0/000.p/255"]),
        (256, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]),
        (257, ["tile/entries/000", "tile/entries/001.p/1", "tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]),
    ],
)
def test_a_small_tree_has_just_these_resources(size: int, paths: list[str]) -> None:
    assert list(map(path_of, resources(size))) == paths


@pytest.mark.parametrize("size", [-1, SIZE_MAX + 1])
def test_an_impossible_tree_has_no_resources(size: int) -> None:
    with pytest.raises(OutOfTree):
        resources(size)


@pytest.mark.parametrize("size", [1, 15, 16, 17, 255, 256, 257, 4_369])
def test_a_tile_holds_the_roots_that_the_standard_defines(size: int) -> None:
    all_hashes = hashes(4_369)[:size]
    for resource in resources(size):
        if resource.level is not None:
            span = TILE_WIDTH**resource.level
            start = resource.index * TILE_WIDTH
            roots = [mth(all_hashes[n * span : (n + 1) * span]) for n in range(start, start + resource.width)]
            # The rows are those of a larger tree, so that some are longer than the tile needs.
            made = tile_bytes(resource.level, resource.index, resource.width, shelf(4_369).read)
            assert made == b"".join(roots)


def test_a_tile_of_rows_that_are_missing_or_short_is_refused() -> None:
    with pytest.raises(BrokenTree, match="row 16 of level 0 is missing"):
        tile_bytes(0, 1, 1, shelf(256).read)
    with pytest.raises(BrokenTree, match="row 16 of level 0 has 32 bytes, not 2 hashes"):
        tile_bytes(0, 1, 2, shelf(257).read)
    rows = dict(shelf(300).rows)
    rows[0, 3] = rows[0, 3][:-32]
    with pytest.raises(BrokenTree, match="row 3 of level 0 has 480 bytes, not 16 hashes"):
        tile_bytes(0, 0, 256, lambda *at: rows.get(at))


@pytest.mark.parametrize(("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_a_tile_that_no_tree_has_is_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(OutOfTree):
        tile_bytes(level, index, width, shelf(300).read)


def test_a_bundle_is_leaves_behind_their_sizes() -> None:
    assert bundle_bytes([b"", b"ab", bytes(258)]) == b"\x00\x00" + b"\x00\x02ab" + b"\x01\x02" + bytes(258)


@pytest.mark.parametrize("count", [1, 2, 255, 256])
def test_the_leaves_of_a_bundle_come_back(count: int) -> None:
    assert parse_bundle(bundle_bytes(leaves(count))) == leaves(count)


def test_the_largest_leaf_comes_back_and_no_larger_one_is_written() -> None:
    assert parse_bundle(bundle_bytes([bytes(LEAF_SIZE_MAX)])) == [bytes(LEAF_SIZE_MAX)]
    with pytest.raises(BadTiles, match="65536 bytes"):
        bundle_bytes([b"", bytes(LEAF_SIZE_MAX + 1)])


@pytest.mark.parametrize("count", [0, 257])
def test_a_bundle_of_no_leaf_or_too_many_is_not_written(count: int) -> None:
    with pytest.raises(BadTiles, match=f"{count} leaves"):
        bundle_bytes([b"x"] * count)


def test_a_bundle_that_ends_early_or_goes_on_is_refused() -> None:
    raw = bundle_bytes([b"abc", b"", b"defg"])
    whole = {5, 7, len(raw)}  # Where a leaf ends.
    for size in range(len(raw)):
        if size not in whole:
            with pytest.raises(BadTiles, match="bundle"):
                parse_bundle(raw[:size])
    for more in (b"\x00", b"\x00\x01", b"\xff\xff" + bytes(65_534)):
        with pytest.raises(BadTiles, match="ends within"):
            parse_bundle(raw + more)
    with pytest.raises(BadTiles, match="more than 256 leaves"):
        parse_bundle(bytes(2 * 257))


def test_a_bundle_of_absurd_size_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadTiles, match="no bundle has 16777473 bytes"):
        parse_bundle(bytes(256 * (2 + LEAF_SIZE_MAX) + 1))
