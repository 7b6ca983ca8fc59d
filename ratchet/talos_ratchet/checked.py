"""X25519 and ChaCha20-Poly1305 by the documented functions of PyNaCl and of `cryptography`.

What `sodium` does faster, and what takes its place where PyNaCl keeps its C functions elsewhere
(docs/decisions/0016-libsodium.md). A test holds both to the same answers.

Sources: RFC 7748 (X25519); RFC 8439 (ChaCha20-Poly1305).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import aead
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

from talos_ratchet.frame import NONCE_SIZE, TAG_SIZE

KEY_SIZE: Final = 32  # Bytes: every symmetric key, chain key, X25519 secret and X25519 public key.

Trial = tuple[bytes, bytes]  # A key that may fit, and the associated data that belongs to it.


def public_of(secret: bytes) -> bytes:
    """Return the public key of an X25519 secret. Raises `ValueError` for another size."""
    if len(secret) != KEY_SIZE:  # Nobody else looks: PyNaCl hands the pointer on.
        raise ValueError(f"an X25519 secret has {KEY_SIZE} bytes, not {len(secret)}")
    return crypto_scalarmult_base(secret)


def agree(secret: bytes, public: bytes) -> bytes | None:
    """Return the X25519 shared secret; None if it is all zeros (RFC 7748, section 6.1).

    Raises `ValueError` for other sizes.
    """
    if len(secret) != KEY_SIZE or len(public) != KEY_SIZE:
        raise ValueError(f"X25519 keys have {KEY_SIZE} bytes, not {len(secret)} and {len(public)}")
    try:
        return crypto_scalarmult(secret, public)
    except RuntimeError:  # libsodium's word for an all-zero result.
        return None


class ChaCha20Poly1305:
    """One key of the AEAD."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        """Raises `ValueError` unless the key has 32 bytes."""
        self._cipher = aead.ChaCha20Poly1305(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes:
        """Return the ciphertext and its tag: 16 bytes more. Raises `ValueError` unless the nonce has 12 bytes."""
        return self._cipher.encrypt(nonce, data, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes | None:
        """Return the plaintext; None if the tag does not fit. Raises `ValueError` unless the nonce has 12 bytes."""
        try:
            return self._cipher.decrypt(nonce, data, associated_data)
        except InvalidTag:
            return None


def open_with_one_of(trials: Sequence[Trial], nonce: bytes, sealed: bytes) -> tuple[int, bytes] | None:
    """Return which of the trials fits, and the plaintext; None if none does. Raises `ValueError` for sizes."""
    if len(nonce) != NONCE_SIZE or len(sealed) < TAG_SIZE:
        raise ValueError(f"nonce of {len(nonce)} bytes, {len(sealed)} bytes sealed")
    for which, (key, ad) in enumerate(trials):
        plain = ChaCha20Poly1305(key).decrypt(nonce, sealed, ad)
        if plain is not None:
            return which, plain
    return None
