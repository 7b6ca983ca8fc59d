"""A checkpoint says which log, how many leaves and which root, in one spelling."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos_audit.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from talos_audit.errors import BadNote
from talos_audit.hashes import EMPTY_ROOT, SIZE_MAX
from talos_audit.note import add_signature, sign_note
from tests.audit.grown import bit_flips
from tests.audit.signers import LOG, WITNESS
from tests.audit.test_note import VECTORS

PUBLISHED = VECTORS["checkpoint"]
BODY: str = PUBLISHED["body"]
CHECKPOINT = Checkpoint(LOG.name, 700, bytes(range(32)))


def test_the_published_body_is_read_and_written() -> None:
    checkpoint = Checkpoint(PUBLISHED["log"], PUBLISHED["size"], bytes.fromhex(PUBLISHED["root"]))
    assert Checkpoint.parse(BODY) == checkpoint
    assert checkpoint.body() == BODY


@pytest.mark.parametrize("size", [0, 1, 255, 256, SIZE_MAX])
def test_what_a_log_signs_opens_with_its_key(size: int) -> None:
    checkpoint = Checkpoint(LOG.name, size, bytes(range(32)) if size else EMPTY_ROOT)
    note = sign_checkpoint(checkpoint, LOG.public, LOG.sign)
    assert open_checkpoint(note, LOG.verifier) == checkpoint
    assert open_checkpoint(add_signature(note, *WITNESS.signing()), LOG.verifier) == checkpoint


def test_a_checkpoint_with_one_bit_changed_is_refused() -> None:
    for other in bit_flips(sign_checkpoint(CHECKPOINT, LOG.public, LOG.sign)):
        with pytest.raises(BadNote):
            open_checkpoint(other, LOG.verifier)


def test_a_checkpoint_of_another_log_is_refused_though_the_key_signed_it() -> None:
    body = replace(CHECKPOINT, origin="log.example/8").body()
    with pytest.raises(BadNote, match=r"'log\.example/8', signed by 'log\.example/7'"):
        open_checkpoint(sign_note(body, *LOG.signing()), LOG.verifier)


def test_a_checkpoint_that_only_a_witness_signed_is_refused() -> None:
    note = sign_note(CHECKPOINT.body(), *WITNESS.signing())
    with pytest.raises(BadNote, match="no known key"):
        open_checkpoint(note, LOG.verifier)
    with pytest.raises(BadNote, match="signed by"):
        open_checkpoint(note, WITNESS.verifier)


def test_extension_lines_are_passed_over() -> None:
    body = CHECKPOINT.body() + "more\nand more, with anything in it\n"
    assert Checkpoint.parse(body) == CHECKPOINT
    assert open_checkpoint(sign_note(body, *LOG.signing()), LOG.verifier) == CHECKPOINT


ROOT_LINE = BODY.split("\n")[2]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        "\n\n\n",
        BODY[:-1],
        BODY + "\n",
        BODY + "\nmore\n",
        BODY + "more",
        "\n" + BODY,
        BODY.replace("\n", "\r\n"),
        BODY.replace("\n", "\n\n", 1),
        "example.com/a\n1\n",
        *(
            f"example.com/a\n{size}\n{ROOT_LINE}\n"
            for size in ("", "01", "00", "-1", "+1", " 1", "1 ", "1_0", "0x1", "1.0", "x", "\u0661", "\u00b2")
        ),
        f"example.com/a\n{SIZE_MAX + 1}\n{ROOT_LINE}\n",
        f"example.com/a\n{'9' * 5_000}\n{ROOT_LINE}\n",
        f"example.com/a\n0\n{ROOT_LINE}\n",
        f"example.com/a\n1\n{ROOT_LINE[:-1]}\n",
        f"example.com/a\n1\n{ROOT_LINE}=\n",
        f"example.com/a\n1\n{ROOT_LINE[:-2]}J=\n",
        f"example.com/a\n1\n{ROOT_LINE[:-4]}\n",
        f"example.com/a\n1\n{ROOT_LINE} \n",
        f"example.com/a\n1\n{'A' * 44}\n",
        f"example.com/a\n1\n{ROOT_LINE[:10]}-{ROOT_LINE[11:]}\n",
        f"example.com/a\n1\n{ROOT_LINE[:10]}\u00e9{ROOT_LINE[11:]}\n",
        f"a\tb\n1\n{ROOT_LINE}\n",
    ],
)
def test_what_is_no_body_of_a_checkpoint_is_refused(body: str) -> None:
    with pytest.raises(BadNote):
        Checkpoint.parse(body)


@pytest.mark.parametrize("origin", ["", "a\nb", "\x00"])
def test_what_cannot_name_a_log_is_refused(origin: str) -> None:
    with pytest.raises(BadNote, match="cannot name a log"):
        Checkpoint(origin, 1, bytes(32))


@pytest.mark.parametrize("origin", ["a log", "a+b"])
def test_an_origin_that_can_name_no_key_is_read_and_not_signed(origin: str) -> None:
    checkpoint = Checkpoint(origin, 1, bytes(32))
    assert Checkpoint.parse(checkpoint.body()) == checkpoint
    with pytest.raises(BadNote, match="cannot name a key"):
        sign_checkpoint(checkpoint, LOG.public, LOG.sign)


@pytest.mark.parametrize(
    ("size", "root"), [(-1, bytes(32)), (SIZE_MAX + 1, bytes(32)), (1, bytes(31)), (1, bytes(33)), (0, bytes(32))]
)
def test_what_can_be_no_trees_state_is_refused(size: int, root: bytes) -> None:
    with pytest.raises(BadNote):
        Checkpoint(LOG.name, size, root)
