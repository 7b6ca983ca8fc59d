"""An exported tree is accepted whole and right, or not at all; once a checkpoint was kept, nobody can rewrite it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from random import Random

import pytest

from talos_audit.checkpoint import Checkpoint, sign_checkpoint
from talos_audit.errors import BadNote, BadTiles
from talos_audit.hashes import EMPTY_ROOT
from talos_audit.tiles import CHECKPOINT, path_of, resources
from talos_audit.verify import verify_tiles
from tests.audit.exported import Export, export, kept
from tests.audit.grown import bit_flips, leaves
from tests.audit.signers import LOG, WITNESS

SIZES = (1, 2, 3, 255, 256, 257, 700)
EXPORTS = {size: export(leaves(size)) for size in SIZES}


def accepts(files: Export, held: Checkpoint | None = None) -> bool:
    try:
        verify_tiles(files.get, LOG.verifier, held)
    except (BadTiles, BadNote):
        return False
    return True


@pytest.mark.parametrize("size", SIZES)
def test_an_exported_tree_is_accepted_by_whoever_kept_any_checkpoint_of_it(size: int) -> None:
    assert verify_tiles(EXPORTS[size].get, LOG.verifier) == kept(leaves(size))
    for earlier in {0, 1, size // 2, size - 1, size, min(size, 255), min(size, 256), min(size, 257), min(size, 512)}:
        assert verify_tiles(EXPORTS[size].get, LOG.verifier, kept(leaves(earlier))) == kept(leaves(size))


def test_the_empty_tree_is_a_checkpoint_alone() -> None:
    assert verify_tiles(export([]).get, LOG.verifier, kept([])) == Checkpoint(LOG.name, 0, EMPTY_ROOT)
    assert list(export([])) == [CHECKPOINT]


@pytest.mark.parametrize("size", SIZES)
def test_every_resource_is_read_once_and_none_besides(size: int) -> None:
    read: list[str] = []

    def reading(path: str) -> bytes | None:
        read.append(path)
        return EXPORTS[size].get(path)

    verify_tiles(reading, LOG.verifier, kept(leaves(size // 2)))
    assert sorted(read) == sorted([CHECKPOINT, *map(path_of, resources(size))])


def test_a_tree_with_three_levels_of_tiles_is_accepted_in_little_memory() -> None:
    size = 65_537
    files = export([b"leaf %d" % i for i in range(size)])
    assert "tile/2/000.p/1" in files
    tracemalloc.start()
    try:
        assert verify_tiles(files.get, LOG.verifier).size == size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 256 * 1024  # Bytes; the hashes alone are 2 MiB.
    files["tile/2/000.p/1"] = bytes(32)
    with pytest.raises(BadTiles, match=r"^tile/2/000\.p/1: "):
        verify_tiles(files.get, LOG.verifier)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_small_tree_with_any_bit_changed_is_refused(size: int) -> None:
    for path, raw in EXPORTS[size].items():
        for other in bit_flips(raw):
            assert not accepts({**EXPORTS[size], path: other}), path


@pytest.mark.parametrize("size", [255, 256, 257, 700])
def test_a_tree_with_a_bit_changed_is_refused(size: int) -> None:
    dice = Random(size)
    for path, raw in EXPORTS[size].items():
        for at in (0, len(raw) - 1, *(dice.randrange(len(raw)) for _ in range(20))):
            other = bytearray(raw)
            other[at] ^= 1 << dice.randrange(8)
            assert not accepts({**EXPORTS[size], path: bytes(other)}), (path, at)


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_with_a_resource_missing_shorter_or_longer_is_refused_and_the_resource_named(size: int) -> None:
    for path, raw in EXPORTS[size].items():
        without = {name: content for name, content in EXPORTS[size].items() if name != path}
        with pytest.raises(BadTiles, match=f"^{path}: missing"):
            verify_tiles(without.get, LOG.verifier)
        for other in (b"", raw[:-1], raw[:-32], raw + b"\x00", raw + bytes(32), raw + raw):
            files = {**EXPORTS[size], path: other}
            if path == CHECKPOINT:
                with pytest.raises(BadNote):
                    verify_tiles(files.get, LOG.verifier)
            else:
                _assert_names(files, path)


def _assert_names(files: Export, path: str) -> None:
    """A bundle that still holds as many leaves is found by the tile above it, which is then the one named."""
    with pytest.raises(BadTiles) as caught:
        verify_tiles(files.get, LOG.verifier)
    named, _, _ = str(caught.value).partition(":")
    assert named in {path, path.replace("entries", "0")}


def test_two_resources_in_each_others_place_are_refused() -> None:
    files = EXPORTS[700]
    for one, other in [("tile/0/000", "tile/0/001"), ("tile/entries/000", "tile/entries/001")]:
        assert not accepts({**files, one: files[other], other: files[one]})


def test_two_leaves_in_each_others_place_are_refused_and_the_tile_named() -> None:
    swapped = leaves(700)
    swapped[3], swapped[300] = swapped[300], swapped[3]
    files = {**export(swapped), CHECKPOINT: EXPORTS[700][CHECKPOINT]}
    with pytest.raises(BadTiles, match="checkpoint: its root is not that of the leaves"):
        verify_tiles(files.get, LOG.verifier)
    bundles = {path: raw for path, raw in files.items() if "entries" in path}
    with pytest.raises(BadTiles, match=r"^tile/0/000: "):
        verify_tiles({**EXPORTS[700], **bundles}.get, LOG.verifier)


def test_a_tree_signed_by_another_key_is_refused() -> None:
    checkpoint = kept(leaves(3))
    for note in (
        sign_checkpoint(checkpoint, WITNESS.public, WITNESS.sign),
        sign_checkpoint(Checkpoint(WITNESS.name, 3, checkpoint.root), WITNESS.public, WITNESS.sign),
    ):
        with pytest.raises(BadNote):
            verify_tiles({**EXPORTS[3], CHECKPOINT: note}.get, LOG.verifier)


Rewriting = Callable[[list[bytes]], list[bytes]]


def edited(at: int) -> Rewriting:
    return lambda old: [*old[:at], b"another", *old[at + 1 :]]


def removed(at: int) -> Rewriting:
    return lambda old: [*old[:at], *old[at + 1 :], b"one more, so that the size is the same"]


def inserted(at: int) -> Rewriting:
    return lambda old: [*old[:at], b"slipped in", *old[at:]]


def reordered(at: int) -> Rewriting:
    return lambda old: [*old[:at], old[at + 1], old[at], *old[at + 2 :]]


@pytest.mark.parametrize("rewriting", [edited, removed, inserted, reordered])
@pytest.mark.parametrize("held", [2, 255, 256, 257, 512, 699, 700])
def test_a_rewritten_tree_is_refused_by_a_holder_of_one_checkpoint_though_the_log_signed_it_again(
    rewriting: Callable[[int], Rewriting], held: int
) -> None:
    for at in {0, held // 2, held - 2}:
        rewritten = export(rewriting(at)(leaves(700)))
        assert accepts(rewritten)  # By whoever kept nothing.
        with pytest.raises(BadTiles, match=f"^checkpoint: its first {held} leaves are not those"):
            verify_tiles(rewritten.get, LOG.verifier, kept(leaves(held)))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 699])
def test_a_tree_that_was_cut_is_refused_by_a_holder_of_a_later_checkpoint(size: int) -> None:
    assert accepts(export(leaves(size)))
    with pytest.raises(BadTiles, match=f"^checkpoint: {size} leaves, fewer than the 700 that were once signed"):
        verify_tiles(export(leaves(size)).get, LOG.verifier, kept(leaves(700)))


def test_what_comes_after_the_checkpoint_that_was_kept_is_the_logs_to_say() -> None:
    rewritten = export([*leaves(300), *leaves(400, of="other")])
    assert accepts(rewritten, kept(leaves(300)))
    assert not accepts(rewritten, kept(leaves(301)))


def test_a_checkpoint_kept_of_another_log_is_refused() -> None:
    held = Checkpoint("log.example/8", 3, kept(leaves(3)).root)
    with pytest.raises(BadTiles, match=r"and the one that was kept is of 'log\.example/8'"):
        verify_tiles(EXPORTS[700].get, LOG.verifier, held)
