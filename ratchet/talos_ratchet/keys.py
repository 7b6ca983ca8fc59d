"""Key pairs and prekeys: made from injected entropy, checked when read, secrets kept out of every repr.

Sources: RFC 7748 (X25519); FIPS 203 (ML-KEM-1024, kept as its 64 byte seed d || z).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.errors import Malformed
from talos_ratchet.suite import public_of

Entropy = Callable[[int], bytes]  # entropy(n) returns n unpredictable bytes.
Encapsulate = Callable[[bytes], tuple[bytes, bytes]]  # ML-KEM-1024: public key -> (secret 32, ciphertext 1568).
Sign = Callable[[bytes], bytes]  # Ed25519: message -> signature of 64 bytes.

EC_TYPE: Final = b"\x05"  # Begins an X25519 key, and
KEM_TYPE: Final = b"\x0a"  # an ML-KEM-1024 key, in all that is signed or hashed: one never passes for the other.
KEM_SEED_SIZE: Final = 64  # Bytes.
KEM_PUBLIC_SIZE: Final = 1568
KEM_CIPHERTEXT_SIZE: Final = 1568
ID_MAX: Final = 2**32 - 1  # Prekey ids are u32.
FIELD_PRIME: Final = 2**255 - 19

# A public KEM key begins with 1,024 coefficients of 12 bits, little endian, each below q (FIPS 203, 4.2.1 and table 2).
_KEM_Q: Final = 3_329
_COEFFICIENTS_SIZE: Final = 1_536  # Bytes.
_PAIRS: Final = _COEFFICIENTS_SIZE // 3
# In each 24 bits: the lower coefficient; what carries into bit 12 unless that is below q; and that bit.
_LOWER, _TO_CARRY, _CARRY = (
    int.from_bytes(value.to_bytes(3, "little") * _PAIRS, "little") for value in (0xFFF, 0x1000 - _KEM_Q, 0x1000)
)

# The u coordinates below the prime whose multiples by a clamped scalar are all zero (RFC 7748, section 7).
LOW_ORDER: Final = frozenset(
    u.to_bytes(32, "little")
    for u in (
        0,
        1,
        FIELD_PRIME - 1,
        0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
        0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    )
)

_PREKEY: Final = Struct(f">I{KEY_SIZE}s")
_KEM_PREKEY: Final = Struct(f">I{KEM_SEED_SIZE}s{KEM_PUBLIC_SIZE}s")


def check_point(raw: bytes, name: str) -> bytes:
    """Return `raw` if it is the one encoding of a usable X25519 public key. Raises `Malformed`."""
    if len(raw) != KEY_SIZE or int.from_bytes(raw, "little") >= FIELD_PRIME:
        raise Malformed(f"{name} is not a canonical X25519 key")
    if raw in LOW_ORDER:
        raise Malformed(f"{name} has low order")
    return raw


def check_kem_public(raw: bytes, name: str) -> bytes:
    """Return `raw` if it passes the checks of FIPS 203, section 7.2. Raises `Malformed`.

    All coefficients at once, in two large numbers: to load the key into OpenSSL takes ten times as long.
    """
    coefficients = int.from_bytes(raw[:_COEFFICIENTS_SIZE], "little")
    carried = ((coefficients & _LOWER) + _TO_CARRY) | ((coefficients >> 12 & _LOWER) + _TO_CARRY)
    if len(raw) != KEM_PUBLIC_SIZE or carried & _CARRY:
        raise Malformed(f"{name} is not an ML-KEM-1024 key")
    return raw


def check_id(number: int) -> int:
    if not 0 <= number <= ID_MAX:
        raise Malformed(f"prekey id {number} is not a u32")
    return number


@dataclass(frozen=True, slots=True)
class KeyPair:
    secret: bytes = field(repr=False)  # 32 bytes, clamped where it is used.
    public: bytes  # 32 bytes.

    @classmethod
    def of(cls, secret: bytes) -> KeyPair:
        """Raises `Malformed` unless `secret` has 32 bytes."""
        if len(secret) != KEY_SIZE:
            raise Malformed(f"an X25519 secret has {KEY_SIZE} bytes, not {len(secret)}")
        return cls(secret, public_of(secret))


def make_key_pair(entropy: Entropy) -> KeyPair:
    return KeyPair.of(entropy(KEY_SIZE))


@dataclass(frozen=True, slots=True)
class Prekey:
    """An X25519 prekey: the signed one, or a one-time one."""

    id: int  # 0 .. 2**32 - 1, chosen by the owner.
    pair: KeyPair

    def encode(self) -> bytes:
        """Return id 4 | secret 32, for storage."""
        return _PREKEY.pack(self.id, self.pair.secret)

    @classmethod
    def decode(cls, raw: bytes) -> Prekey:
        """Raises `Malformed`."""
        if len(raw) != _PREKEY.size:
            raise Malformed(f"a stored prekey has {_PREKEY.size} bytes, not {len(raw)}")
        number, secret = _PREKEY.unpack(raw)
        return cls(number, KeyPair.of(secret))


def make_prekey(id: int, entropy: Entropy) -> Prekey:
    """Raises `Malformed` for an id that is not a u32."""
    return Prekey(check_id(id), make_key_pair(entropy))


class Decapsulates(Protocol):
    """What `accept` asks of a KEM prekey."""

    @property
    def id(self) -> int: ...

    @property
    def public(self) -> bytes: ...

    def decapsulate(self, ciphertext: bytes) -> bytes: ...


class KemPrekey:
    """An ML-KEM-1024 prekey: the last-resort one, or a one-time one."""

    __slots__ = ("_key", "id", "public", "seed")

    def __init__(self, id: int, seed: bytes, public: bytes, key: MLKEM1024PrivateKey | None = None) -> None:
        self.id = id
        self.seed = seed  # 64 bytes, secret.
        self.public = public  # 1568 bytes.
        self._key = key  # If it is not at hand, loaded when first used: expanding a seed costs three uses.

    def __repr__(self) -> str:
        return f"KemPrekey(id={self.id})"

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """Return the shared secret of 32 bytes; a mauled ciphertext yields noise, not an error (FIPS 203, 6.3).

        Raises `Malformed` unless `ciphertext` has 1568 bytes.
        """
        if len(ciphertext) != KEM_CIPHERTEXT_SIZE:
            raise Malformed(f"an ML-KEM-1024 ciphertext has {KEM_CIPHERTEXT_SIZE} bytes, not {len(ciphertext)}")
        if self._key is None:
            self._key = MLKEM1024PrivateKey.from_seed_bytes(self.seed)
        return self._key.decapsulate(ciphertext)

    def encode(self) -> bytes:
        """Return id 4 | seed 64 | public 1568, for storage."""
        return _KEM_PREKEY.pack(self.id, self.seed, self.public)

    @classmethod
    def decode(cls, raw: bytes) -> KemPrekey:
        """Raises `Malformed`."""
        if len(raw) != _KEM_PREKEY.size:
            raise Malformed(f"a stored KEM prekey has {_KEM_PREKEY.size} bytes, not {len(raw)}")
        return cls(*_KEM_PREKEY.unpack(raw))


def make_kem_prekey(id: int, entropy: Entropy) -> KemPrekey:
    """Raises `Malformed` for an id that is not a u32."""
    seed = entropy(KEM_SEED_SIZE)
    key = MLKEM1024PrivateKey.from_seed_bytes(seed)
    return KemPrekey(check_id(id), seed, key.public_key().public_bytes_raw(), key)
