"""The primitives that docs/protocol stands on, and nothing of ours: for deriving its examples a second time."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256, shake_256
from hmac import digest
from struct import pack, unpack

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgpack import packb, unpackb

LABEL = b"talos/v1/"


def secret(name: str, size: int = 32) -> bytes:
    return shake_256(b"talos example: " + name.encode()).digest(size)


def hashed(label: str, body: bytes) -> bytes:
    """H of README.md."""
    return sha256(LABEL + label.encode() + b"\x00" + body).digest()


def verify(label: str, key: bytes, signature: bytes, body: bytes) -> None:
    """Raise `InvalidSignature` unless `signature` is S(label, body) of README.md."""
    Ed25519PublicKey.from_public_bytes(key).verify(signature, LABEL + label.encode() + b"\x00" + body)


def hmac(key: bytes, body: bytes) -> bytes:
    return digest(key, body, "sha256")


def expand(key: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869, section 2.3."""
    out = block = b""
    for number in range(1, 1 + -(-size // 32)):
        block = hmac(key, block + info + bytes([number]))
        out += block
    return out[:size]


def hkdf(salt: bytes, ikm: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869, section 2."""
    return expand(hmac(salt, ikm), info, size)


def ed25519(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def x25519(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def dh(secret: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def opened(key: bytes, nonce: bytes, ad: bytes, sealed: bytes) -> bytes:
    return ChaCha20Poly1305(key).decrypt(nonce, sealed, ad)


def array(raw: bytes) -> list[object]:
    value = unpackb(raw)
    if not isinstance(value, list):
        raise TypeError("no array")
    return value


def packed(values: Sequence[object]) -> bytes:
    return packb(list(values))


def octets(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("no bytes")
    return value


def root_step(root: bytes, secret: bytes, public: bytes) -> tuple[bytes, bytes, bytes]:
    """Return next root, chain key and next header key: ratchet.md, "Derivations"."""
    out = hkdf(root, dh(secret, public), LABEL + b"root\x00", 96)
    return out[:32], out[32:64], out[64:]


def message_key(chain_key: bytes, number: int) -> bytes:
    for _ in range(number):
        chain_key = hmac(chain_key, b"\x02")
    return hmac(chain_key, b"\x01")


def open_frame(frame: bytes, transcript: bytes, header_key: bytes, chain_key: bytes) -> tuple[bytes, int, int, bytes]:
    """Return ratchet key, PN, N and plaintext of a frame: ratchet.md, "Frame"."""
    lane = frame[0] - 0x10
    nonce, ad = frame[1:13], transcript + bytes([lane])
    header = opened(header_key, nonce, ad, frame[13:80])
    previous, number, pq_epoch, flags, lease_epoch = unpack(">IIHBQ", header[32:])
    if pq_epoch or flags or lease_epoch:
        raise ValueError("nothing of this is in the examples")
    plaintext = opened(message_key(chain_key, number), nonce, ad + frame[:80], frame[80:])
    return header[:32], previous, number, plaintext


def numbered(number: int, key_type: str, key: bytes) -> bytes:
    """Return id u32, type and key, as a transcript has them."""
    return pack(">I", number) + bytes.fromhex(key_type) + key


def sized(raw: bytes) -> bytes:
    return pack(">H", len(raw)) + raw
