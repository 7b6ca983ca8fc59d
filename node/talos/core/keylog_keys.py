"""Rotation keys: how they follow from the recovery seed, how one is promised, how a signature is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from talos.core import codec, names

Sign: TypeAlias = Callable[[bytes], bytes]  # Message -> Ed25519 signature, 64 bytes. The key stays behind it.

KEY_SIZE: Final = 32  # Bytes of an Ed25519 or X25519 public key.
SIGNATURE_SIZE: Final = 64  # Bytes of an Ed25519 signature.
SEED_SIZE: Final = 32  # Bytes of the recovery seed, and of an Ed25519 seed.


def rotation_key(seed: bytes, n: int) -> SigningKey:
    """Return rotation key `n` (0 .. 2**32 - 1) of a 32-byte recovery seed.

    Its Ed25519 seed is HKDF-SHA256 (RFC 5869, no salt) with info = label | n as big-endian u32.
    """
    info = names.LABEL_ROTATION_KEY + n.to_bytes(4, "big")
    return SigningKey(HKDF(SHA256(), SEED_SIZE, salt=None, info=info).derive(seed))


def commitment_of(public_key: bytes) -> bytes:
    """Return the 32 bytes by which a key log promises that this key comes next, without showing it."""
    return names.digest(names.LABEL_NEXT_KEY, public_key)


def signer(key: SigningKey) -> Sign:
    """Return what signs with `key`, for whatever may sign but need not hold the key."""
    return lambda message: key.sign(message).signature


def is_signed(public_key: bytes, label: bytes, body: bytes, signature: bytes) -> bool:
    """Say whether `signature` is this 32-byte Ed25519 key's over label | 00 | body (RFC 8032, strict)."""
    try:
        VerifyKey(public_key).verify(codec.signed(label, body), signature)
    except BadSignatureError:
        return False
    return True
