from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from talos.core.vault import KEY_SIZE, NONCE_SIZE, OVERHEAD, Vault
from talos.errors import Damaged, UsageError

KEY = bytes(range(KEY_SIZE))
NONCE = bytes(range(NONCE_SIZE))
VAULT = Vault({7: KEY, 8: bytes(KEY_SIZE)}, current=7)


def dice(size: int) -> bytes:
    return bytes(range(size))


@given(st.text("abc_", min_size=1), st.binary(max_size=500), st.binary(max_size=2_000))
def test_a_row_opens_where_it_was_sealed(table: str, row_key: bytes, plaintext: bytes) -> None:
    sealed = VAULT.seal(table, row_key, plaintext, dice)
    assert len(sealed) == len(plaintext) + OVERHEAD
    assert VAULT.open(table, row_key, sealed) == plaintext


def test_the_layout_is_key_id_nonce_ciphertext() -> None:
    expected = AESGCM(KEY).encrypt(NONCE, b"secret", b"inbox\x00row")
    assert VAULT.seal("inbox", b"row", b"secret", dice) == b"\x00\x00\x00\x07" + NONCE + expected
    assert len(expected) - len(b"secret") == OVERHEAD - 4 - 12 == 16


def test_a_row_moved_to_another_place_does_not_open() -> None:
    sealed = VAULT.seal("inbox", b"row", b"secret", dice)
    for table, row_key in (
        ("inbox", b"other"),
        ("outbox", b"row"),
        ("inbo", b"x\x00row"),
        ("inbo", b"xrow"),
        ("", b"inbox\x00row"),
    ):
        with pytest.raises(Damaged, match=f"a row of {table}"):
            VAULT.open(table, row_key, sealed)


def test_every_flipped_bit_and_every_cut_is_refused() -> None:
    sealed = VAULT.seal("inbox", b"row", b"secret", dice)
    for at in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises(Damaged, match="a row of inbox"):
            VAULT.open("inbox", b"row", bytes(flipped))
    for size in range(len(sealed)):
        with pytest.raises(Damaged, match="a row of inbox"):
            VAULT.open("inbox", b"row", sealed[:size])


def test_rows_of_an_older_key_stay_readable() -> None:
    sealed = Vault({1: KEY}, current=1).seal("inbox", b"row", b"secret", dice)
    assert Vault({1: KEY, 2: bytes(KEY_SIZE)}, current=2).open("inbox", b"row", sealed) == b"secret"
    with pytest.raises(Damaged, match="not in the keystore"):
        Vault({2: KEY}, current=2).open("inbox", b"row", sealed)


@pytest.mark.parametrize(("keys", "current"), [({}, 1), ({1: KEY}, 2), ({1: KEY[1:]}, 1), ({1: KEY, 2: b""}, 1)])
def test_a_vault_needs_whole_keys_and_a_current_one(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(UsageError):
        Vault(keys, current)


def test_a_new_key_seals_and_the_old_one_opens_until_it_is_retired() -> None:
    vault = Vault({1: KEY, 2: KEY[::-1]}, current=2)
    first, old = Vault({1: KEY}, 1).seal("inbox", b"row", b"first", dice), vault.seal("inbox", b"row", b"old", dice)
    assert vault.is_current(old)
    vault.turn(3, bytes(KEY_SIZE))
    new = vault.seal("inbox", b"row", b"new", dice)
    assert new.startswith(b"\x00\x00\x00\x03")
    assert [vault.is_current(one) for one in (first, old, new)] == [False, False, True]
    assert [vault.open("inbox", b"row", one) for one in (first, old, new)] == [b"first", b"old", b"new"]
    vault.retire()
    assert vault.keys == {1: KEY, 3: bytes(KEY_SIZE)}
    assert vault.open("inbox", b"row", first) == b"first"
    with pytest.raises(Damaged, match="not in the keystore"):
        vault.open("inbox", b"row", old)


@pytest.mark.parametrize(("key_id", "key"), [(2, KEY), (1, KEY), (3, KEY[1:])])
def test_a_new_key_comes_after_all_others_and_is_whole(key_id: int, key: bytes) -> None:
    vault = Vault({1: KEY, 2: KEY[::-1]}, current=2)
    with pytest.raises(UsageError):
        vault.turn(key_id, key)
    assert (vault.current, len(vault.keys)) == (2, 2)


def test_no_key_shows_in_a_repr() -> None:
    assert repr(VAULT) == "Vault(2 keys)"
