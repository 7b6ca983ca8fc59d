"""A note opens only for a key that signed it, byte for byte; what others wrote opens too."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any, Final

import pytest

from talos_audit.errors import BadNote
from talos_audit.note import NOTE_SIZE_MAX, SIGNATURES_MAX, VerifierKey, add_signature, open_note, sign_note
from tests.audit.grown import bit_flips
from tests.audit.signers import LOG, WITNESS, Signer

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "audit" / "notes.json").read_text(encoding="utf-8")
)
GO: Final = VECTORS["notes"][1]
PETER: Final = VerifierKey.parse(GO["vkeys"][0])
TEXT: Final = "One line.\n\nAnother, after an empty one.\n"


def note_of(vector: dict[str, Any]) -> bytes:
    return "\n".join([vector["text"], "".join(vector["signatures"])]).encode()


@pytest.mark.parametrize("vector", VECTORS["notes"], ids=lambda vector: vector["name"])
def test_a_published_note_opens_for_its_published_keys(vector: dict[str, Any]) -> None:
    keys = [VerifierKey.parse(vkey) for vkey in vector["vkeys"]]
    assert [key.encode() for key in keys] == vector["vkeys"]
    assert open_note(note_of(vector), keys) == (vector["text"], keys)
    for key in keys:
        assert open_note(note_of(vector), [key]) == (vector["text"], [key])


def test_the_published_seed_signs_the_published_note() -> None:
    peter = Signer("PeterNeumann", seed=bytes.fromhex(GO["first_seed"]))
    note = sign_note(GO["text"], *peter.signing())
    assert note.decode() == GO["text"] + "\n" + GO["signatures"][0]


def test_signatures_that_are_added_follow_the_others() -> None:
    note = sign_note(TEXT, *LOG.signing())
    both = add_signature(note, *WITNESS.signing())
    assert both.startswith(note)
    assert open_note(both, [WITNESS.verifier, LOG.verifier]) == (TEXT, [LOG.verifier, WITNESS.verifier])
    assert add_signature(both, *LOG.signing()) == add_signature(sign_note(TEXT, *WITNESS.signing()), *LOG.signing())


def test_an_old_and_a_new_key_of_one_name_both_sign() -> None:
    new = Signer(LOG.name, seed=bytes(32))
    note = add_signature(sign_note(TEXT, *LOG.signing()), *new.signing())
    assert open_note(note, [LOG.verifier, new.verifier]) == (TEXT, [LOG.verifier, new.verifier])


def test_a_text_may_hold_empty_lines_and_what_looks_like_a_signature() -> None:
    for text in ("\n", "\n\n", "a\n\n", "a\n\n— b Zm9v\n", "å\u2028ß\n", TEXT):
        assert open_note(sign_note(text, *LOG.signing()), [LOG.verifier]) == (text, [LOG.verifier])


@pytest.mark.parametrize(
    "text", ["", "a", "a\n ", "a\rb\n", "\x00\n", "\t\n", "\x1f\n", "\ud800\n", "x" * NOTE_SIZE_MAX + "\n"]
)
def test_what_is_no_text_of_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(BadNote):
        sign_note(text, *LOG.signing())


@pytest.mark.parametrize("text", ["a\rb\n", "\x00\n", "\t\n", "\x1f\n"])
def test_a_text_with_control_characters_is_refused_though_it_is_signed(text: str) -> None:
    signature = b64encode(LOG.verifier.key_id + LOG.sign(text.encode())).decode()
    with pytest.raises(BadNote, match="control characters"):
        open_note(f"{text}\n— {LOG.name} {signature}\n".encode(), [LOG.verifier])


def test_what_a_signer_returns_must_be_a_signature() -> None:
    with pytest.raises(BadNote, match="64 bytes"):
        sign_note(TEXT, LOG.name, LOG.public, lambda _message: bytes(63))


def test_a_note_with_one_bit_changed_is_refused() -> None:
    note = sign_note("short\n", *LOG.signing())
    for other in bit_flips(note):
        with pytest.raises(BadNote):
            open_note(other, [LOG.verifier])


def test_a_bit_changed_in_one_of_two_signatures_can_at_most_make_its_key_unknown() -> None:
    """A damaged name or key id is that of a stranger, and strangers are ignored; a damaged signature is not."""
    note = add_signature(sign_note("short\n", *LOG.signing()), *WITNESS.signing())
    outcomes: dict[int, int] = {0: 0, 1: 0}
    for other in bit_flips(note):
        try:
            text, signers = open_note(other, [LOG.verifier, WITNESS.verifier])
        except BadNote:
            outcomes[0] += 1
        else:
            assert (text, len(signers)) == ("short\n", 1)
            outcomes[1] += 1
    assert outcomes[1] < 8 * (len(LOG.name) + len(WITNESS.name) + 2 * 6) < outcomes[0]


def test_a_shorter_note_is_refused() -> None:
    note = sign_note(TEXT, *LOG.signing())
    for size in range(len(note)):
        with pytest.raises(BadNote):
            open_note(note[:size], [LOG.verifier])


def test_a_signature_of_a_stranger_is_ignored_whatever_its_type() -> None:
    note = sign_note(TEXT, *LOG.signing()).decode()
    cosigned = b64encode(WITNESS.verifier.key_id + bytes(8) + bytes(64)).decode()  # As type 04: a time, a signature.
    for line in (f"— {WITNESS.name} {cosigned}\n", f"— {LOG.name} {cosigned}\n", "— x AAAAAAA=\n"):
        assert open_note((note + line).encode(), [LOG.verifier]) == (TEXT, [LOG.verifier])
    same_id = b64encode(LOG.verifier.key_id + bytes(64)).decode()
    assert open_note(f"{note}— {WITNESS.name} {same_id}\n".encode(), [LOG.verifier])[1] == [LOG.verifier]


def test_a_note_that_nobody_known_signed_is_refused() -> None:
    note = sign_note(TEXT, *LOG.signing())
    other = Signer(LOG.name, seed=bytes(32)).verifier
    for keys in ([], [WITNESS.verifier], [other]):
        with pytest.raises(BadNote, match="no known key"):
            open_note(note, keys)


def test_one_bad_signature_of_a_known_key_refuses_the_note_even_if_others_hold() -> None:
    note = sign_note(TEXT, *LOG.signing())
    bad = b64encode(WITNESS.verifier.key_id + bytes(64)).decode()
    both = note + f"— {WITNESS.name} {bad}\n".encode()
    assert open_note(both, [LOG.verifier])[1] == [LOG.verifier]
    with pytest.raises(BadNote, match="does not verify"):
        open_note(both, [LOG.verifier, WITNESS.verifier])
    short = b64encode(LOG.verifier.key_id + bytes(63)).decode()
    with pytest.raises(BadNote, match="does not verify"):
        open_note(note + f"— {LOG.name} {short}\n".encode(), [LOG.verifier])


def test_a_signature_that_stands_twice_counts_once() -> None:
    note = sign_note(TEXT, *LOG.signing())
    line = note[note.rindex("— ".encode()) :]
    assert open_note(note + line, [LOG.verifier, LOG.verifier])[1] == [LOG.verifier]


SIGNATURE: Final = GO["signatures"][0]


@pytest.mark.parametrize(
    "note",
    [
        GO["text"],
        GO["text"] + "\n",
        GO["text"] + SIGNATURE,
        SIGNATURE,
        "\n" + SIGNATURE,
        GO["text"] + "\n" + SIGNATURE[:-1],
        GO["text"] + "\n" + SIGNATURE + "\n",
        GO["text"] + "\n" + SIGNATURE + "An unexpected line.\n",
        GO["text"] + "\n" + SIGNATURE.replace("— ", "- "),
        GO["text"] + "\n" + SIGNATURE.replace("PeterNeumann", "Peter Neumann"),
        GO["text"] + "\n" + SIGNATURE.replace("PeterNeumann", "Peter+Neumann"),
        GO["text"] + "\n" + SIGNATURE.replace("PeterNeumann", ""),
        GO["text"] + "\n" + SIGNATURE.replace("PeterNeumann ", "PeterNeumann  "),
        GO["text"] + "\n" + SIGNATURE.replace("PeterNeumann ", "PeterNeumann\u3000"),
        GO["text"] + "\n" + SIGNATURE.replace("=", ""),
        GO["text"] + "\n" + SIGNATURE.replace("AM=", "AN="),  # Bits that base64 does not use.
        GO["text"] + "\n" + SIGNATURE.replace("\n", " \n"),
        GO["text"] + "\n" + SIGNATURE.replace("\n", "\r\n"),
        GO["text"] + "\n" + SIGNATURE[:60] + "ABCD" + SIGNATURE[60:],
        GO["text"] + "\n" + SIGNATURE + "— Somebody x08gow==\n",  # A key id and no signature.
        GO["text"] + "\n" + SIGNATURE + "— Somebody x08\n",
        GO["text"] + "\n" + SIGNATURE + "— Somebody \n",
        "\x01" + GO["text"] + "\n" + SIGNATURE,
        GO["text"].replace(" ", "\t") + "\n" + SIGNATURE,
        "x" + GO["text"] + "\n" + SIGNATURE,
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(BadNote):
        open_note(note.encode(), [PETER])


@pytest.mark.parametrize("raw", [b"\xff", b"\xc0\x8a", b"\xed\xa0\x80"])
def test_what_is_no_utf_8_is_refused(raw: bytes) -> None:
    with pytest.raises(BadNote, match="UTF-8"):
        open_note(raw + note_of(GO), [PETER])


def test_as_many_signatures_as_the_limit_are_read_and_no_more() -> None:
    strangers = "— x AAAAAAA=\n" * (SIGNATURES_MAX - 1)
    note = GO["text"] + "\n" + strangers + SIGNATURE
    assert open_note(note.encode(), [PETER]) == (GO["text"], [PETER])
    with pytest.raises(BadNote, match="65 signatures"):
        open_note((note + "— x AAAAAAA=\n").encode(), [PETER])
    with pytest.raises(BadNote, match="65 signatures"):
        add_signature(note.encode(), *LOG.signing())


def test_sixteen_signatures_of_the_largest_assigned_type_are_read() -> None:
    stranger = "— witness.example " + b64encode(bytes(4 + 8 + 2_420)).decode() + "\n"
    note = sign_note(TEXT, *LOG.signing()) + (stranger * 15).encode()
    assert open_note(note, [LOG.verifier]) == (TEXT, [LOG.verifier])


def test_a_note_as_large_as_the_limit_is_read_and_no_larger_one() -> None:
    overhead = len(sign_note("\n", *LOG.signing()))
    note = sign_note("x" * (NOTE_SIZE_MAX - overhead) + "\n", *LOG.signing())
    assert len(note) == NOTE_SIZE_MAX
    assert open_note(note, [LOG.verifier])[1] == [LOG.verifier]
    with pytest.raises(BadNote, match="131073 bytes"):
        open_note(b"x" + note, [LOG.verifier])


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    class Collision(VerifierKey):  # Finding a real one takes four billion keys.
        key_id = LOG.verifier.key_id

    with pytest.raises(BadNote, match="one name and one id"):
        open_note(sign_note(TEXT, *LOG.signing()), [LOG.verifier, Collision(LOG.name, WITNESS.public)])


def test_a_verifier_key_with_one_bit_changed_or_a_part_of_one_is_refused() -> None:
    vkey = GO["vkeys"][0]
    for other in bit_flips(vkey.encode()):
        with pytest.raises(BadNote):
            VerifierKey.parse(other.decode("latin-1"))
    for start in range(len(vkey) + 1):
        for stop in range(start, len(vkey) + 1):
            if (start, stop) != (0, len(vkey)):
                with pytest.raises(BadNote):
                    VerifierKey.parse(vkey[start:stop])


@pytest.mark.parametrize("vector", VECTORS["refused_vkeys"], ids=lambda vector: vector["why"])
def test_a_verifier_key_that_others_refuse_is_refused(vector: dict[str, str]) -> None:
    with pytest.raises(BadNote):
        VerifierKey.parse(vector["vkey"])


@pytest.mark.parametrize(
    "vkey", [GO["vkeys"][0].replace("c74f", "C74F"), GO["vkeys"][0] + "\n", " " + GO["vkeys"][0], "", "++"]
)
def test_a_verifier_key_has_one_spelling(vkey: str) -> None:
    with pytest.raises(BadNote):
        VerifierKey.parse(vkey)


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\n", "a\tb", "a\x00", "\u00a0", "a\u2003", "a\u2028b", "\x85", "\ud800"]
)
def test_what_cannot_name_a_key_is_refused(name: str) -> None:
    with pytest.raises(BadNote):
        VerifierKey(name, LOG.public)
    with pytest.raises(BadNote):
        sign_note(TEXT, name, LOG.public, LOG.sign)


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), bytes(64)])
def test_what_is_no_key_is_refused(key: bytes) -> None:
    with pytest.raises(BadNote, match="32 bytes"):
        VerifierKey(LOG.name, key)


def test_a_key_of_low_order_verifies_nothing() -> None:
    zero = VerifierKey(LOG.name, bytes(32))
    note = sign_note(TEXT, LOG.name, zero.key, lambda _message: bytes(64))
    with pytest.raises(BadNote, match="does not verify"):
        open_note(note, [zero])
