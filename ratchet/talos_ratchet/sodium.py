"""X25519 and ChaCha20-Poly1305, as near to libsodium as Python comes.

The documented functions check what they are given, make a cipher of each key, and copy: for some 15 us of a message,
and twice the time of a header. What has to be checked is checked here: C reads as many bytes as it expects, whatever
there is. Only `bytes` go in, which nobody changes meanwhile; of a bytearray, a memoryview or a text cffi makes no
pointer but a `TypeError`. Nothing here is shared between calls, for each lets go of the GIL.

Why, and what if PyNaCl has no `nacl._sodium` any more: docs/decisions/0016-libsodium.md.

Sources: RFC 7748 (X25519); RFC 8439 (ChaCha20-Poly1305).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nacl._sodium import ffi, lib
from nacl.bindings import sodium_init

from talos_ratchet import checked
from talos_ratchet.checked import KEY_SIZE, Trial
from talos_ratchet.frame import NONCE_SIZE, TAG_SIZE

# Bytes. From 3 KiB on OpenSSL is quicker, for its bytes cost a third; but whatever comes after it finds colder caches.
SMALL_MAX: Final = 4_096

_NULL: Final = ffi.NULL
_address = ffi.from_buffer
_seal = lib.crypto_aead_chacha20poly1305_ietf_encrypt
_open = lib.crypto_aead_chacha20poly1305_ietf_decrypt
_multiply = lib.crypto_scalarmult
_multiply_base = lib.crypto_scalarmult_base

sodium_init()  # Picks the code for this processor. Again does nothing.


def public_of(secret: bytes) -> bytes:
    """Return the public key of an X25519 secret. Raises `ValueError` for another size."""
    if len(secret) != KEY_SIZE:
        raise ValueError(f"an X25519 secret has {KEY_SIZE} bytes, not {len(secret)}")
    public = bytearray(KEY_SIZE)
    _multiply_base(_address(public), secret)
    return bytes(public)


def agree(secret: bytes, public: bytes) -> bytes | None:
    """Return the X25519 shared secret; None if it is all zeros (RFC 7748, section 6.1).

    Raises `ValueError` for other sizes.
    """
    if len(secret) != KEY_SIZE or len(public) != KEY_SIZE:
        raise ValueError(f"X25519 keys have {KEY_SIZE} bytes, not {len(secret)} and {len(public)}")
    shared = bytearray(KEY_SIZE)
    return None if _multiply(_address(shared), secret, public) else bytes(shared)


class ChaCha20Poly1305:
    """One key of the AEAD. Nothing is made of it before it is used."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        """Raises `ValueError` unless the key has 32 bytes."""
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return the ciphertext and its tag: 16 bytes more. Raises `ValueError` unless the nonce has 12 bytes."""
        size = len(data)
        if size > SMALL_MAX:
            return checked.ChaCha20Poly1305(self._key).encrypt(nonce, data, associated_data)
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}")
        sealed = bytearray(size + TAG_SIZE)
        _seal(_address(sealed), _NULL, data, size, associated_data, len(associated_data), _NULL, nonce, self._key)
        return bytes(sealed)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes | None:
        """Return the plaintext; None if the tag does not fit. Raises `ValueError` unless the nonce has 12 bytes."""
        size = len(data)
        if size > SMALL_MAX:
            return checked.ChaCha20Poly1305(self._key).decrypt(nonce, data, associated_data)
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes, not {len(nonce)}")
        if size < TAG_SIZE:
            return None
        plain = bytearray(size - TAG_SIZE)
        ad_size = len(associated_data)
        if _open(_address(plain), _NULL, _NULL, data, size, associated_data, ad_size, nonce, self._key):
            return None
        return bytes(plain)


def open_with_one_of(trials: Sequence[Trial], nonce: bytes, sealed: bytes) -> tuple[int, bytes] | None:
    """Return which of the trials fits, and the plaintext; None if none does. Raises `ValueError` for sizes.

    One call for all of them: what nothing opens, whoever sent it, costs little more than the failures.
    """
    size = len(sealed)
    if len(nonce) != NONCE_SIZE or size < TAG_SIZE:
        raise ValueError(f"nonce of {len(nonce)} bytes, {size} bytes sealed")
    plain = bytearray(size - TAG_SIZE)
    room = _address(plain)
    for which, (key, ad) in enumerate(trials):
        if len(key) != KEY_SIZE:
            raise ValueError(f"a key has {KEY_SIZE} bytes, not {len(key)}")
        if not _open(room, _NULL, _NULL, sealed, size, ad, len(ad), nonce, key):
            return which, bytes(plain)
    return None
