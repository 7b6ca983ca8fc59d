"""Multikeys: known answers of others, and that one key has one spelling."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.multikey import BASE_58, MULTIKEY_LENGTH, KeyKind, multikey, read_multikey
from talos.errors import UsageError

# w3c-ccg/did-method-key, test-vectors: the Ed25519 key of a seed of 32 zeros, and its X25519 key.
KEY: Final = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
AGREEMENT: Final = bytes.fromhex("5bf55c73b82ebe22be80f3430667af570fae2556a6415e6b30d4065300aa947d")
KNOWN: Final = (
    (KeyKind.ED25519, KEY, "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"),
    (KeyKind.X25519, AGREEMENT, "z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW"),
)
GOOD: Final = KNOWN[0][2]


def spelt(raw: bytes) -> str:
    """Return bytes in base58, by another way than the code's: leading zeros as ones."""
    number, digits = int.from_bytes(raw, "big"), list[str]()
    while number:
        digits.append(BASE_58[number % 58])
        number //= 58
    zeros = len(raw) - len(raw.lstrip(b"\x00"))
    return "z" + "1" * zeros + "".join(reversed(digits))


@pytest.mark.parametrize(("kind", "key", "text"), KNOWN)
def test_keys_are_written_and_read_as_the_vectors_of_did_key_have_them(kind: KeyKind, key: bytes, text: str) -> None:
    assert multikey(kind, key) == text
    assert read_multikey(text) == (kind, key)


@given(st.sampled_from(KeyKind), st.binary(min_size=32, max_size=32))
def test_every_key_is_read_back_and_has_one_length(kind: KeyKind, key: bytes) -> None:
    text = multikey(kind, key)
    assert len(text) == MULTIKEY_LENGTH
    assert text == spelt(kind.value + key)
    assert read_multikey(text) == (kind, key)


@given(st.text(BASE_58, min_size=47, max_size=47))
def test_what_is_accepted_is_what_would_be_written(digits: str) -> None:
    for text in ("z" + digits, GOOD[:5] + digits[5:] + digits[-1]):  # The second begins as keys do.
        try:
            kind, key = read_multikey(text)
        except UsageError:
            continue
        assert multikey(kind, key) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        GOOD[:-1],
        GOOD + "1",
        "z1" + GOOD[1:],
        "z1" + GOOD[1:-1],
        GOOD[1:] + "1",
        "u" + GOOD[1:],  # Another base.
        "Z" + GOOD[1:],
        GOOD[:-1] + "0",
        GOOD[:-1] + "O",
        GOOD[:-1] + "I",
        GOOD[:-1] + "l",
        GOOD[:-1] + " ",
        GOOD[:-1] + "\n",
        GOOD[:-1] + "é",
        "z" + "z" * 47,  # More than 34 bytes hold.
        "z" * 1_000_000,
        spelt(b"\xed\x01" + bytes(31)),
        spelt(b"\xed\x01" + bytes(33)),
        spelt(b"\xed\x00" + KEY),
        spelt(b"\xed" + KEY),
        spelt(b"\xe7\x01" + bytes(33)),  # secp256k1.
        spelt(b"\xee\x01" + KEY),
        spelt(b"\x00\x00" + KEY),
    ],
    ids=lambda text: text[:60],
)
def test_what_is_no_key_of_ours_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="key") as refused:
        read_multikey(text)
    assert len(refused.value.what) < 160  # However long the text was.
