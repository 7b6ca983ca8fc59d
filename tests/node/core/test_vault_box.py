"""A box is AES-256-GCM under a key made for its table alone, and opens nothing that is not in its place."""

from __future__ import annotations

from hashlib import sha256
from hmac import digest

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from talos.core.vault import KEY_SIZE, NONCE_SIZE, OVERHEAD, Box, Vault
from talos.errors import Damaged

KEY = bytes(range(KEY_SIZE))
OTHER_KEY = bytes(range(1, KEY_SIZE + 1))
NONCE = bytes(range(NONCE_SIZE))
BOX = Vault({7: KEY, 8: OTHER_KEY}, current=7).box("bodies")

# Of KEY, NONCE, place b"row" and plaintext b"secret", computed with `by_hand`.
KNOWN = bytes.fromhex("00000007000102030405060708090a0b") + bytes.fromhex(
    "8600f6b2ff953fa84c75d61a8538e854c848d4578d7d"
)


def by_hand(key: bytes, table: bytes, place: bytes, plaintext: bytes, nonce: bytes) -> bytes:
    """Return ciphertext and tag, the key derived by RFC 5869, sections 2.2 and 2.3: no salt is 32 zeros."""
    pseudorandom = digest(bytes(32), key, sha256)
    table_key = digest(pseudorandom, b"talos/v1/box/" + table + b"\x01", sha256)
    return AESGCM(table_key).encrypt(nonce, plaintext, place)


def refuses(box: Box, place: bytes, sealed: bytes, why: str = "a row of bodies") -> None:
    with pytest.raises(Damaged, match=why):
        box.open(place, sealed)


def test_the_known_row_is_key_id_nonce_ciphertext_and_tag() -> None:
    assert BOX.seal(b"row", b"secret", NONCE) == KNOWN
    assert b"\x00\x00\x00\x07" + NONCE + by_hand(KEY, b"bodies", b"row", b"secret", NONCE) == KNOWN
    assert BOX.open(b"row", KNOWN) == b"secret"


@given(st.binary(max_size=100), st.binary(max_size=2_000), st.binary(min_size=12, max_size=12))
def test_a_row_opens_where_it_was_sealed_and_is_32_bytes_longer(place: bytes, plaintext: bytes, nonce: bytes) -> None:
    sealed = BOX.seal(place, plaintext, nonce)
    assert sealed == b"\x00\x00\x00\x07" + nonce + by_hand(KEY, b"bodies", place, plaintext, nonce)
    assert len(sealed) == len(plaintext) + OVERHEAD == len(plaintext) + 32
    assert BOX.open(place, sealed) == plaintext


@pytest.mark.parametrize("place", [b"", b"ro", b"row\x00", b"other", b"\x00row", b"bodies\x00row"])
def test_a_row_moved_to_another_place_does_not_open(place: bytes) -> None:
    refuses(BOX, place, KNOWN, "a row of bodies does not open")


def test_the_box_of_another_table_opens_nothing() -> None:
    other = Vault({7: KEY, 8: OTHER_KEY}, current=7).box("body")
    refuses(other, b"row", KNOWN, "a row of body does not open")
    refuses(other, b"row", BOX.seal(b"row", b"secret", NONCE), "a row of body does not open")
    assert other.seal(b"row", b"secret", NONCE) != KNOWN


def test_neither_the_storage_key_itself_nor_the_vault_opens_a_row_of_a_box() -> None:
    vault = Vault({7: KEY}, current=7)
    with pytest.raises(Damaged):
        vault.open("bodies", b"row", KNOWN)
    refuses(BOX, b"row", KNOWN[:16] + AESGCM(KEY).encrypt(NONCE, b"secret", b"row"), "does not open")


def test_every_flipped_bit_and_every_cut_is_refused() -> None:
    for at in range(len(KNOWN) * 8):
        flipped = bytearray(KNOWN)
        flipped[at // 8] ^= 1 << at % 8
        refuses(BOX, b"row", bytes(flipped))
    for size in range(len(KNOWN)):
        refuses(BOX, b"row", KNOWN[:size])
    refuses(BOX, b"row", KNOWN + b"\x00", "does not open")


def test_a_row_that_is_too_short_for_a_tag_is_called_cut_short() -> None:
    empty = BOX.seal(b"row", b"", NONCE)
    assert len(empty) == OVERHEAD
    for size in range(OVERHEAD):
        refuses(BOX, b"row", empty[:size], "cut short")


def test_boxes_seal_under_the_key_that_is_kept_whatever_the_current_one_is() -> None:
    vault = Vault({7: KEY, 8: OTHER_KEY}, current=8)
    assert vault.box("bodies").seal(b"row", b"secret", NONCE) == KNOWN
    vault.turn(9, bytes(KEY_SIZE))
    vault.retire()
    assert vault.box("bodies").open(b"row", KNOWN) == b"secret"


def test_a_row_under_a_key_that_is_gone_or_another_of_the_same_id_does_not_open() -> None:
    refuses(Vault({8: KEY}, current=8).box("bodies"), b"row", KNOWN, "not in the keystore")
    refuses(Vault({7: OTHER_KEY}, current=7).box("bodies"), b"row", KNOWN, "does not open")


def test_a_row_that_claims_another_key_does_not_open() -> None:
    refuses(BOX, b"row", b"\x00\x00\x00\x08" + KNOWN[4:], "not in the keystore")
