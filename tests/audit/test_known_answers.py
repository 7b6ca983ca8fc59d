"""The tree that Certificate Transparency publishes, and what another implementation says of a thousand others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from pymerkle import InmemoryTree  # type: ignore[import-untyped]  # It is published without types.

from talos_audit.hashes import EMPTY_ROOT, leaf_hash, root_of
from talos_audit.proof import (
    consistency_path,
    inclusion_path,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from talos_audit.tree import Tree
from tests.audit.grown import hashes, leaves, shelf

FOLDER: Final = Path(__file__).parent.parent / "vectors" / "audit"
VECTORS: Final[dict[str, Any]] = json.loads((FOLDER / "reference_tree.json").read_text())
ARGON: Final[dict[str, Any]] = json.loads((FOLDER / "argon2020.json").read_text())
LEAF_HASHES: Final = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
ROOTS: Final = [bytes.fromhex(root) for root in VECTORS["roots"]]


def subtree(start: int, stop: int) -> bytes:
    return root_of(LEAF_HASHES[start:stop])


def test_the_empty_tree_has_the_published_root() -> None:
    assert EMPTY_ROOT.hex() == VECTORS["empty_root"]
    assert root_of([]) == Tree().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_tree_has_the_published_root_at_each_size(size: int) -> None:
    tree = Tree()
    tree.extend(LEAF_HASHES[:size])
    assert root_of(LEAF_HASHES[:size]) == tree.root() == ROOTS[size - 1]


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_an_inclusion_path_is_the_published_one_and_is_accepted(vector: dict[str, Any]) -> None:
    index, size = vector["index"], vector["size"]
    path = inclusion_path(index, size, subtree)
    assert [step.hex() for step in path] == vector["path"]
    verify_inclusion(LEAF_HASHES[index], index, size, path, ROOTS[size - 1])


@pytest.mark.parametrize("vector", VECTORS["consistency"])
def test_a_consistency_path_is_the_published_one_and_is_accepted(vector: dict[str, Any]) -> None:
    old, new = vector["old"], vector["new"]
    path = consistency_path(old, new, subtree)
    assert [step.hex() for step in path] == vector["path"]
    verify_consistency(old, new, ROOTS[old - 1], ROOTS[new - 1], path)


def test_what_a_certificate_log_of_almost_a_billion_leaves_answered_is_accepted() -> None:
    size, root = ARGON["size"], bytes.fromhex(ARGON["root"])
    leaf = leaf_hash(bytes.fromhex(ARGON["leaf"]))
    verify_inclusion(leaf, ARGON["index"], size, list(map(bytes.fromhex, ARGON["inclusion"])), root)
    path = list(map(bytes.fromhex, ARGON["consistency"]))
    verify_consistency(ARGON["old_size"], size, bytes.fromhex(ARGON["old_root"]), root, path)


@pytest.fixture(scope="module")
def theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for leaf in leaves(1_000):
        tree.append_entry(leaf)
    return tree


def test_pymerkle_finds_the_same_root_at_every_size_to_a_thousand(theirs: InmemoryTree) -> None:
    tree = Tree()
    for size, leaf in enumerate(hashes(1_000), 1):
        tree.append(leaf)
        assert tree.root() == theirs.get_root(size), size


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 255, 256, 257, 300, 1_000])
def test_pymerkle_makes_the_same_inclusion_paths(theirs: InmemoryTree, size: int) -> None:
    for index in range(0, size, max(1, size // 40)):
        path = inclusion_proof(index, size, shelf(1_000).read)
        assert theirs.prove_inclusion(index + 1, size).path == [hashes(1_000)[index], *path]  # It puts the leaf first.


@pytest.mark.parametrize("size", [2, 3, 16, 17, 255, 256, 257, 300, 1_000])
def test_pymerkle_proves_that_our_roots_are_consistent(theirs: InmemoryTree, size: int) -> None:
    """Its paths have another shape (RFC 9162 leaves out what the old root tells), so both roots are compared."""
    for old in range(1, size, max(1, size // 40)):
        proof = theirs.prove_consistency(old, size)
        assert proof.retrieve_prior_state() == Tree.load(old, shelf(1_000).read).root()
        assert proof.compute_root() == Tree.load(size, shelf(1_000).read).root()
