"""A proof file proves one leaf with nothing but the log's key, and has one spelling."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest

from talos_audit.checkpoint import Checkpoint, sign_checkpoint
from talos_audit.errors import BadNote, BadProof
from talos_audit.hashes import SIZE_MAX
from talos_audit.note import add_signature
from talos_audit.proof import inclusion_proof
from talos_audit.tlog_proof import EXTRA_SIZE_MAX, TlogProof
from tests.audit.exported import kept
from tests.audit.grown import bit_flips, hashes, leaves, shelf
from tests.audit.signers import LOG, WITNESS


def proof_of(index: int, size: int, extra: bytes = b"") -> TlogProof:
    note = sign_checkpoint(kept(leaves(size)), LOG.public, LOG.sign)
    return TlogProof(index, tuple(inclusion_proof(index, size, shelf(size).read)), note, extra)


def accepts(raw: bytes, leaf: bytes) -> bool:
    try:
        TlogProof.parse(raw).verify(leaf, LOG.verifier)
    except (BadProof, BadNote):
        return False
    return True


def test_a_file_is_written_as_the_standard_says() -> None:
    proof = proof_of(2, 5, b"\x00\xff")
    hashed = [b64encode(step).decode() for step in proof.path]
    head = ["c2sp.org/tlog-proof@v1", "extra AP8=", "index 2", *hashed, "", ""]
    assert len(hashed) == 3
    assert proof.encode() == "\n".join(head).encode() + proof.checkpoint
    assert replace(proof, extra=b"").encode() == "\n".join([head[0], *head[2:]]).encode() + proof.checkpoint


@pytest.mark.parametrize("size", [1, 2, 3, 256, 257, 700])
def test_every_proof_comes_back_and_proves_its_leaf_only(size: int) -> None:
    for index in {0, size // 2, size - 1}:
        for extra in (b"", b"\x00", b"anything"):
            proof = proof_of(index, size, extra)
            assert TlogProof.parse(proof.encode()) == proof
            assert proof.verify(hashes(size)[index], LOG.verifier) == kept(leaves(size))
            with pytest.raises(BadProof):
                proof.verify(hashes(701)[700], LOG.verifier)


def test_a_proof_holds_the_signatures_of_witnesses_untouched() -> None:
    note = add_signature(proof_of(1, 3).checkpoint, *WITNESS.signing())
    proof = TlogProof.parse(replace(proof_of(1, 3), checkpoint=note).encode())
    assert proof.checkpoint == note
    assert proof.verify(hashes(3)[1], LOG.verifier) == kept(leaves(3))


@pytest.mark.parametrize(("index", "size"), [(0, 1), (1, 3), (5, 8)])
def test_a_file_with_one_bit_changed_is_refused(index: int, size: int) -> None:
    raw = proof_of(index, size).encode()
    assert accepts(raw, hashes(size)[index])
    for other in bit_flips(raw):
        assert not accepts(other, hashes(size)[index])


def test_extra_data_is_read_and_not_authenticated() -> None:
    raw = proof_of(1, 3, b"aaa").encode().replace(b"YWFh", b"YWFi")
    assert TlogProof.parse(raw).extra == b"aab"
    assert accepts(raw, hashes(3)[1])


def test_a_shorter_file_is_refused() -> None:
    raw = proof_of(5, 8, b"extra").encode()
    for size in range(len(raw)):
        assert not accepts(raw[:size], hashes(8)[5])


def test_a_proof_under_another_checkpoint_or_key_is_refused() -> None:
    proof, leaf = proof_of(5, 8), hashes(8)[5]
    with pytest.raises(BadNote, match="no known key"):
        proof.verify(leaf, WITNESS.verifier)
    for other in (kept(leaves(9)), Checkpoint(LOG.name, 8, bytes(32)), kept(leaves(3))):
        note = sign_checkpoint(other, LOG.public, LOG.sign)
        with pytest.raises(BadProof):
            replace(proof, checkpoint=note).verify(leaf, LOG.verifier)
    for index in (*range(5), 6, 7, 8, 1_000):
        with pytest.raises(BadProof):
            replace(proof, index=index).verify(leaf, LOG.verifier)
    for path in (proof.path[1:], proof.path[:-1], proof.path[::-1], (*proof.path, bytes(32)), ()):
        with pytest.raises(BadProof):
            replace(proof, path=path).verify(leaf, LOG.verifier)


GOOD = proof_of(1, 2, b"extra").encode().decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1\n", ""),
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("c2sp.org/tlog-proof@v1", " c2sp.org/tlog-proof@v1"),
        ("c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\n\n"),
        ("c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\r\n"),
        ("extra ZXh0cmE=", "extra "),
        ("extra ZXh0cmE=", "extra"),
        ("extra ZXh0cmE=", "extra  ZXh0cmE="),
        ("extra ZXh0cmE=", "extra ZXh0cmE"),
        ("extra ZXh0cmE=", "extra ZXh0cmF="),
        ("extra ZXh0cmE=", "extra ZXh0cmE=\nextra ZXh0cmE="),
        ("extra ZXh0cmE=\nindex 1", "index 1\nextra ZXh0cmE="),
        ("index 1\n", ""),
        ("index 1", "index"),
        ("index 1", "index "),
        ("index 1", "index 01"),
        ("index 1", "index +1"),
        ("index 1", "index -1"),
        ("index 1", "index 1 "),
        ("index 1", "index 9223372036854775807"),
        ("index 1", "index " + "9" * 5_000),
        ("index 1", "Index 1"),
        ("index 1", "index 1\nAAAA"),
        ("index 1", "index 1\nnot base64!"),
        ("index 1", "index 1\n\u00e9"),
        ("index 1", "index 1" + ("\n" + "A" * 43 + "=") * 63),
        ("\n\n", "\n"),
    ],
)
def test_what_is_no_proof_is_refused(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(BadProof):
        TlogProof.parse(GOOD.replace(old, new).encode())


def test_a_proof_of_a_checkpoint_that_is_no_note_is_refused() -> None:
    for checkpoint in (b"", b"log.example/7\n3\n", proof_of(1, 2).checkpoint[:-1]):
        with pytest.raises(BadNote):
            TlogProof.parse(replace(proof_of(1, 2), checkpoint=checkpoint).encode())


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": -1},
        {"index": SIZE_MAX},
        {"path": (bytes(31),)},
        {"path": (bytes(33),)},
        {"path": (bytes(32),) * 64},
        {"extra": bytes(EXTRA_SIZE_MAX + 1)},
    ],
)
def test_what_cannot_be_a_proof_is_not_made(wrong: dict[str, object]) -> None:
    with pytest.raises(BadProof):
        replace(proof_of(1, 2), **wrong)  # type: ignore[arg-type]  # Each case replaces another field.


def test_the_largest_proof_comes_back_and_no_larger_file_is_read() -> None:
    proof = TlogProof(SIZE_MAX - 1, (bytes(32),) * 63, proof_of(1, 2).checkpoint, bytes(EXTRA_SIZE_MAX))
    assert TlogProof.parse(proof.encode()) == proof
    with pytest.raises(BadProof, match="no proof has 300000 bytes"):
        TlogProof.parse(bytes(300_000))
