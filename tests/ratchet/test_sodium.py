"""The direct calls into libsodium: the documented functions' answers, and no byte read that was not given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest
from cryptography.hazmat.primitives.ciphers import aead
from hypothesis import example, given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from talos_ratchet import SUITE_1, checked, sodium
from talos_ratchet.checked import Trial
from talos_ratchet.keys import LOW_ORDER
from talos_ratchet.sodium import SMALL_MAX
from talos_ratchet.suite import Opener, Sealer


class Aead(Sealer, Opener, Protocol):
    """One key, both ways."""


class Calls(Protocol):
    """What `sodium` and `checked` both are."""

    def public_of(self, secret: bytes) -> bytes: ...

    def agree(self, secret: bytes, public: bytes) -> bytes | None: ...

    def ChaCha20Poly1305(self, key: bytes) -> Aead: ...

    def open_with_one_of(self, trials: Sequence[Trial], nonce: bytes, sealed: bytes) -> tuple[int, bytes] | None: ...


KEY, NONCE, AD = bytes(range(32)), bytes(range(12)), b"associated"
BODY = bytes(51)
SEALED = aead.ChaCha20Poly1305(KEY).encrypt(NONCE, BODY, AD)
POINT = crypto_scalarmult_base(bytes(reversed(KEY)))

keys = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=12, max_size=12)
sizes = st.one_of(st.integers(0, 200), st.integers(SMALL_MAX - 40, SMALL_MAX + 40), st.integers(0, 3 * SMALL_MAX))
both = pytest.mark.parametrize("calls", [sodium, checked], ids=["sodium", "checked"])


def test_pynacl_keeps_its_c_functions_where_we_look_for_them() -> None:
    """If not, nodes run all the same, by `checked` and slower: docs/decisions/0016-libsodium.md says what to do."""
    assert SUITE_1.seal_aead is sodium.ChaCha20Poly1305, "PyNaCl has no nacl._sodium, or not all that we call in it"


@pytest.mark.parametrize("instead", ["None", "type('Other', (), {'ffi': nacl._sodium.ffi, 'lib': object()})"])
def test_where_they_are_gone_the_documented_functions_take_their_place(instead: str) -> None:
    """The module, or a function in it."""
    code = (
        f"import sys, nacl.bindings; sys.modules['nacl._sodium'] = {instead};"
        "from talos_ratchet import SUITE_1;"
        "print(SUITE_1.seal_aead.__module__, SUITE_1.agree(bytes([8] * 32), bytes([9] + [0] * 31)).hex())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["talos_ratchet.checked", crypto_scalarmult_base(bytes([8] * 32)).hex()]


@both
@given(key=keys, nonce=nonces, size=sizes, ad=st.binary(max_size=200), fill=st.binary(min_size=1, max_size=9))
@example(key=KEY, nonce=NONCE, size=SMALL_MAX, ad=b"", fill=b"a")
@example(key=KEY, nonce=NONCE, size=SMALL_MAX + 1, ad=b"", fill=b"a")
@example(key=KEY, nonce=NONCE, size=SMALL_MAX - 16, ad=b"", fill=b"a")  # Sealed, it is as large as the limit, ...
@example(key=KEY, nonce=NONCE, size=SMALL_MAX - 15, ad=b"", fill=b"a")  # ... and larger.
@example(key=KEY, nonce=NONCE, size=0, ad=b"", fill=b"a")
def test_each_size_is_sealed_and_opened_as_by_openssl(
    calls: Calls, key: bytes, nonce: bytes, size: int, ad: bytes, fill: bytes
) -> None:
    plain = (fill * (size // len(fill) + 1))[:size]
    cipher, theirs = calls.ChaCha20Poly1305(key), aead.ChaCha20Poly1305(key)
    sealed = cipher.encrypt(nonce, plain, ad)
    assert type(sealed) is bytes
    assert sealed == theirs.encrypt(nonce, plain, ad)
    opened = cipher.decrypt(nonce, sealed, ad)
    assert type(opened) is bytes
    assert opened == plain


@both
@given(
    key=keys, nonce=nonces, size=sizes, ad=st.binary(min_size=1, max_size=50), at=st.integers(0), bit=st.integers(0, 7)
)
def test_whatever_bit_is_changed_nothing_is_opened(
    calls: Calls, key: bytes, nonce: bytes, size: int, ad: bytes, at: int, bit: int
) -> None:
    def changed(raw: bytes) -> bytes:
        place = at % len(raw)
        return raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]

    cipher = calls.ChaCha20Poly1305(key)
    sealed = cipher.encrypt(nonce, bytes(size), ad)
    assert cipher.decrypt(nonce, changed(sealed), ad) is None
    assert cipher.decrypt(nonce, sealed, changed(ad)) is None
    assert cipher.decrypt(changed(nonce), sealed, ad) is None
    assert calls.ChaCha20Poly1305(changed(key)).decrypt(nonce, sealed, ad) is None
    assert cipher.decrypt(nonce, sealed[:-1], ad) is None
    assert calls.open_with_one_of([(key, ad)], nonce, changed(sealed)) is None


@both
@given(secret=keys, public=keys)
def test_x25519_is_as_by_pynacl(calls: Calls, secret: bytes, public: bytes) -> None:
    assert calls.public_of(secret) == crypto_scalarmult_base(secret)
    shared = None if public in LOW_ORDER else crypto_scalarmult(secret, public)
    assert calls.agree(secret, public) == shared


@both
def test_a_point_of_low_order_agrees_on_nothing(calls: Calls) -> None:
    assert {calls.agree(KEY, point) for point in LOW_ORDER} == {None}


@both
@pytest.mark.parametrize("fits", [0, 1, 7, None])
def test_the_one_key_that_fits_is_found(calls: Calls, fits: int | None) -> None:
    trials = [(bytes([at]) * 32, AD) for at in range(8)]
    trials[3] = (KEY, AD + b"of another lane")
    if fits is not None:
        trials[fits] = (KEY, AD)
    assert calls.open_with_one_of(trials, NONCE, SEALED) == (None if fits is None else (fits, BODY))
    assert calls.open_with_one_of([], NONCE, SEALED) is None


@both
@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_key_of_another_size_is_refused(calls: Calls, size: int) -> None:
    raw = bytes(range(1, size + 1))
    for use in (
        lambda: calls.public_of(raw),
        lambda: calls.agree(raw, POINT),
        lambda: calls.agree(KEY, raw),
        lambda: calls.ChaCha20Poly1305(raw),
        lambda: calls.open_with_one_of([(raw, AD)], NONCE, SEALED),
    ):
        with pytest.raises(ValueError, match=r".+"):
            use()


@both
@pytest.mark.parametrize("size", [0, 11, 13, 24])
@pytest.mark.parametrize("body", [0, 51, SMALL_MAX, SMALL_MAX + 1])
def test_a_nonce_of_another_size_is_refused(calls: Calls, size: int, body: int) -> None:
    cipher, nonce = calls.ChaCha20Poly1305(KEY), bytes(size)
    for use in (
        lambda: cipher.encrypt(nonce, bytes(body), AD),
        lambda: cipher.decrypt(nonce, bytes(body + 16), AD),
        lambda: calls.open_with_one_of([(KEY, AD)], nonce, bytes(body + 16)),
    ):
        with pytest.raises(ValueError, match=r".+"):
            use()


@both
@pytest.mark.parametrize("size", range(16))
def test_what_is_shorter_than_a_tag_is_not_opened(calls: Calls, size: int) -> None:
    assert calls.ChaCha20Poly1305(KEY).decrypt(NONCE, bytes(size), AD) is None
    with pytest.raises(ValueError, match=f"{size} bytes sealed"):
        calls.open_with_one_of([(KEY, AD)], NONCE, bytes(size))


@pytest.mark.parametrize("other", [bytearray, memoryview, lambda raw: raw.decode("latin1"), lambda raw: None])
@pytest.mark.parametrize("which", range(14))
def test_c_is_given_bytes_and_nothing_else(other: Callable[[bytes], bytes], which: int) -> None:
    """What could be changed while C reads it, or is no memory at all, is refused before a byte of it is read."""
    sealed, point = SEALED[:16] + bytes(36), POINT
    given_ = [KEY, KEY, point, KEY, NONCE, BODY, AD, KEY, NONCE, sealed, AD, KEY, AD, NONCE]
    given_[which] = other(given_[which])
    secret, mine, theirs, key, nonce, body, ad, key_2, nonce_2, sealed, ad_2, key_3, ad_3, nonce_3 = given_
    with pytest.raises(TypeError):
        (
            sodium.public_of(secret),
            sodium.agree(mine, theirs),
            sodium.ChaCha20Poly1305(key).encrypt(nonce, body, ad),
            sodium.ChaCha20Poly1305(key_2).decrypt(nonce_2, sealed, ad_2),
            sodium.open_with_one_of([(key_3, ad_3)], nonce_3, SEALED),
        )


def test_many_threads_do_not_meet() -> None:
    """Each call lets go of the GIL while C works."""

    def work(at: int) -> bool:
        key, body = bytes([at]) * 32, bytes([at]) * 3_000
        cipher, theirs = sodium.ChaCha20Poly1305(key), aead.ChaCha20Poly1305(key).encrypt(NONCE, body, AD)
        public = crypto_scalarmult_base(key)
        return all(
            cipher.encrypt(NONCE, body, AD) == theirs
            and cipher.decrypt(NONCE, theirs, AD) == body
            and sodium.open_with_one_of([(KEY, AD), (key, AD)], NONCE, theirs) == (1, body)
            and sodium.public_of(key) == public
            for _ in range(200)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(1, 33)))
