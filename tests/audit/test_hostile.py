"""Whatever a stranger sends: what is accepted has one spelling, and only the documented errors come out."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos_audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from talos_audit.errors import AuditError, BadNote, BadProof, BadTiles, BrokenTree, OutOfTree
from talos_audit.hashes import EMPTY_ROOT, SIZE_MAX
from talos_audit.note import CONTROLS, VerifierKey, open_note, sign_note
from talos_audit.proof import inclusion_proof, verify_consistency, verify_inclusion
from talos_audit.tiles import Resource, bundle_bytes, parse_bundle, parse_path, path_of
from talos_audit.tlog_proof import TlogProof
from talos_audit.tree import Tree, range_root
from talos_audit.verify import verify_tiles
from tests.audit.exported import export, kept
from tests.audit.grown import leaves, shelf
from tests.audit.signers import LOG, Signer

NOTE: Final = sign_checkpoint(kept(leaves(5)), LOG.public, LOG.sign)
PROOF: Final = TlogProof(3, tuple(inclusion_proof(3, 5, shelf(5).read)), NOTE, b"extra").encode()
BUNDLE: Final = bundle_bytes(leaves(5))
EXPORT: Final = export(leaves(5))

some = settings(max_examples=150, deadline=None)  # A deadline would make a busy machine fail.
hashes = st.binary(min_size=32, max_size=32)
names = st.text(st.characters(exclude_categories=("Z", "Cc", "Cs"), exclude_characters="+"), min_size=1, max_size=20)
texts = st.text(st.characters(codec="utf-8", exclude_characters=CONTROLS.decode()))
numbers = st.integers(-2, SIZE_MAX + 2)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that resemble `whole`: a piece of it is replaced, by anything or by another piece."""
    places = st.integers(0, len(whole))
    pieces = st.one_of(st.binary(max_size=8), st.builds(lambda a, b: whole[a:b], places, places))
    return st.builds(lambda a, b, piece: whole[: min(a, b)] + piece + whole[max(a, b) :], places, places, pieces)


@some
@given(names, texts, st.binary(min_size=32, max_size=32))
def test_every_text_that_was_signed_opens_as_it_was(name: str, text: str, seed: bytes) -> None:
    signer = Signer(name, seed=seed)
    note = sign_note(text + "\n", *signer.signing())
    assert open_note(note, [signer.verifier]) == (text + "\n", [signer.verifier])
    assert VerifierKey.parse(signer.verifier.encode()) == signer.verifier


@some
@given(names, st.integers(0, SIZE_MAX), hashes)
def test_every_checkpoint_that_was_written_is_read_as_it_was(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root if size else EMPTY_ROOT)
    assert Checkpoint.parse(checkpoint.body()) == checkpoint


@some
@given(st.none() | st.integers(0, 63), st.integers(0, SIZE_MAX), st.integers(1, 256))
def test_every_path_that_was_written_is_read_as_it_was(level: int | None, index: int, width: int) -> None:
    resource = Resource(level, index, width)
    assert parse_path(path_of(resource)) == resource


@some
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_every_bundle_that_was_written_is_read_as_it_was(some_leaves: list[bytes]) -> None:
    assert parse_bundle(bundle_bytes(some_leaves)) == some_leaves


@some
@given(st.integers(0, SIZE_MAX - 1), st.lists(hashes, max_size=63), st.binary(max_size=100))
def test_every_proof_that_was_written_is_read_as_it_was(index: int, path: list[bytes], extra: bytes) -> None:
    proof = TlogProof(index, tuple(path), NOTE, extra)
    assert TlogProof.parse(proof.encode()) == proof


@some
@given(st.binary(max_size=300) | damaged(NOTE))
def test_a_hostile_note_is_refused_or_is_the_note(raw: bytes) -> None:
    try:
        text, signers = open_note(raw, [LOG.verifier])
        checkpoint = open_checkpoint(raw, LOG.verifier)
    except BadNote:
        return
    # Signatures of strangers may have come or gone; what is signed is what was.
    assert (text, signers, checkpoint) == (kept(leaves(5)).body(), [LOG.verifier], kept(leaves(5)))


@some
@given(st.text() | damaged(LOG.verifier.encode().encode()).map(lambda raw: raw.decode("utf-8", "replace")))
def test_a_hostile_verifier_key_is_refused_or_has_one_spelling(text: str) -> None:
    try:
        key = VerifierKey.parse(text)
    except BadNote:
        return
    assert key.encode() == text


@some
@given(st.text() | damaged(kept(leaves(5)).body().encode()).map(lambda raw: raw.decode("utf-8", "replace")))
def test_a_hostile_body_is_refused_or_has_one_spelling(body: str) -> None:
    try:
        checkpoint = Checkpoint.parse(body)
    except BadNote:
        return
    assert body.startswith(checkpoint.body())  # Extension lines may follow.


@some
@given(st.binary(max_size=300) | damaged(PROOF))
def test_a_hostile_proof_file_is_refused_or_has_one_spelling(raw: bytes) -> None:
    try:
        proof = TlogProof.parse(raw)
    except (BadProof, BadNote):
        return
    assert proof.encode() == raw


@some
@given(st.binary(max_size=2_000) | damaged(BUNDLE))
def test_a_hostile_bundle_is_refused_or_has_one_spelling(raw: bytes) -> None:
    try:
        parsed = parse_bundle(raw)
    except BadTiles:
        return
    assert bundle_bytes(parsed) == raw


@some
@given(st.text() | damaged(b"tile/0/x001/x234/067.p/5").map(lambda raw: raw.decode("utf-8", "replace")))
def test_a_hostile_path_is_refused_or_has_one_spelling(path: str) -> None:
    try:
        resource = parse_path(path)
    except BadTiles:
        return
    assert path_of(resource) == path


@some
@given(st.binary(max_size=34), numbers, numbers, st.lists(st.binary(max_size=34), max_size=70), hashes, hashes)
def test_a_proof_of_random_hashes_is_refused_whatever_it_claims(
    leaf: bytes, index: int, size: int, path: list[bytes], root: bytes, other: bytes
) -> None:
    if leaf != root:
        with pytest.raises(BadProof):
            verify_inclusion(leaf, index, size, path, root)
    if root != other:
        with pytest.raises(BadProof):
            verify_consistency(index, size, root, other, path)


@some
@given(st.sampled_from(sorted(EXPORT)), st.data())
def test_an_export_with_a_hostile_resource_is_refused_or_is_the_export(path: str, data: st.DataObject) -> None:
    raw = data.draw(st.binary(max_size=200) | damaged(EXPORT[path]))
    try:
        checkpoint = verify_tiles({**EXPORT, path: raw}.get, LOG.verifier)
    except (BadTiles, BadNote):
        assert raw != EXPORT[path]
        return
    assert checkpoint == kept(leaves(5))
    assert raw == EXPORT[path] or path == "checkpoint"  # To which strangers may have added signatures.


@some
@given(numbers, numbers, st.none() | st.binary(max_size=600) | st.integers(0, 16).map(lambda count: bytes(32 * count)))
def test_hostile_rows_and_ranges_are_refused_or_give_a_hash(start: int, stop: int, row: bytes | None) -> None:
    for first, last in ((start, stop), (0, stop), (stop - 1, stop)):
        try:
            assert len(range_root(first, last, lambda _level, _index: row)) == 32
        except (BrokenTree, OutOfTree):
            continue
    try:
        tree = Tree.load(stop, lambda _level, _index: row)
    except (BrokenTree, OutOfTree):
        return
    assert (tree.size, len(tree.root())) == (stop, 32)


def test_every_error_is_one_of_this_package() -> None:
    assert all(issubclass(error, AuditError) for error in (BadNote, BadProof, BadTiles, BrokenTree, OutOfTree))
