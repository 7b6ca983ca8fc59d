"""A sealed file: a few secret bytes under a passphrase, on a disk that others may get to read.

    magic 8 | version u8 | purpose u8 | kdf u8 | passes u32 | memory_kib u32 | salt 16 | nonce 24
    | XChaCha20-Poly1305 ciphertext and tag, with all of the above as associated data
    | SHA-256 of all of the above

The key is Argon2id(passphrase, salt) (RFC 9106), or without a passphrase a constant: then the file's mode is
all that protects it. The hash at the end is no secret's: it tells a damaged file from a wrong passphrase.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import Final
from unicodedata import normalize

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES,
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from talos.core.dice import Entropy
from talos.core.vault import KEY_SIZE
from talos.errors import Damaged, PassphraseNeeded, UsageError

FILE_SIZE_MAX: Final = 16 * 1024  # Bytes: a full keystore has a tenth of it.
MEMORY_MAX_KIB: Final = 1024 * 1024  # 1 GiB. A forged header must not make us swap.
PASSES_MAX: Final = 16  # At 1 GiB this is half a minute, the longest that a header may cost us.
MEMORY_LEAST_KIB: Final = 8  # Argon2's own floor.
PASSPHRASE_FIX: Final = "Set TALOS_PASSPHRASE or TALOS_PASSPHRASE_FILE, or type it when asked"

_MAGIC: Final = b"TALOSKEY"
_VERSION: Final = 1
_SALT_SIZE: Final = argon2id.SALTBYTES  # 16 bytes.
_NONCE_SIZE: Final = 24  # Bytes, XChaCha20.
_HEADER: Final = Struct(f">8sBBBII{_SALT_SIZE}s{_NONCE_SIZE}s")
_HASH_SIZE: Final = 32
_SIZE_LEAST: Final = _HEADER.size + crypto_aead_xchacha20poly1305_ietf_ABYTES + _HASH_SIZE
_NO_PASSPHRASE_KEY: Final = sha256(b"talos/v1/no-passphrase").digest()  # Public: it only makes the tag check.
_OPEN_FIX: Final = "Say --no-passphrase to run on open keys; if you sealed them, somebody has exchanged the file"


class Purpose(IntEnum):
    """What a sealed file is for; one cannot be put in the other's place."""

    ROOT = 1
    UNLOCK = 2


class _Kdf(IntEnum):
    NONE = 0
    ARGON2ID = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess at a passphrase costs."""

    passes: int
    memory_kib: int


DEFAULT_COST: Final = Cost(passes=3, memory_kib=64 * 1024)  # RFC 9106's second choice: 0.1 s, fits small hosts.


@dataclass(frozen=True, slots=True)
class Lock:
    """What a file is sealed with: derived once, it seals what the file is to hold next without the passphrase."""

    purpose: Purpose
    kdf: _Kdf
    cost: Cost
    salt: bytes
    key: bytes = field(repr=False)

    def seal(self, plaintext: bytes, entropy: Entropy) -> bytes:
        """Return the bytes of a sealed file. Quick."""
        nonce = entropy(_NONCE_SIZE)
        costs = self.cost.passes, self.cost.memory_kib
        header = _HEADER.pack(_MAGIC, _VERSION, self.purpose, self.kdf, *costs, self.salt, nonce)
        body = header + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, header, nonce, self.key)
        return body + sha256(body).digest()


def seal(
    purpose: Purpose, plaintext: bytes, passphrase: str | None, entropy: Entropy, cost: Cost = DEFAULT_COST
) -> bytes:
    """Return the bytes of a sealed file. `passphrase=None` seals it under a constant. Slow: derives a key."""
    salt = entropy(_SALT_SIZE)
    if passphrase is None:
        lock = Lock(purpose, _Kdf.NONE, Cost(0, 0), bytes(_SALT_SIZE), _NO_PASSPHRASE_KEY)
    else:
        lock = Lock(purpose, _Kdf.ARGON2ID, cost, salt, _derive(passphrase, salt, cost))
    return lock.seal(plaintext, entropy)


def unseal(purpose: Purpose, raw: bytes, passphrase: str | None) -> bytes:
    """Return the plaintext of a sealed file. Slow, and raises, as `unlock`."""
    return unlock(purpose, raw, passphrase)[0]


def unlock(purpose: Purpose, raw: bytes, passphrase: str | None) -> tuple[bytes, Lock]:
    """Return the plaintext of a sealed file, and its lock.

    Slow: derives a key, once all that is cheap has been checked.

    Raises `PassphraseNeeded` where it is missing, wrong, or given for a file that has none; else `Damaged`.
    """
    if not _SIZE_LEAST <= len(raw) <= FILE_SIZE_MAX:
        raise Damaged(f"a sealed file of {len(raw)} bytes is cut short, or no sealed file")
    body, header = raw[:-_HASH_SIZE], raw[: _HEADER.size]
    if sha256(body).digest() != raw[-_HASH_SIZE:]:
        raise Damaged("a sealed file was changed or cut short")
    magic, version, wanted, kdf, passes, memory_kib, salt, nonce = _HEADER.unpack(header)
    if (magic, version, wanted) != (_MAGIC, _VERSION, purpose):
        raise Damaged(f"this is no {purpose.name.lower()} file that this version of Talos can read")
    cost = Cost(passes, memory_kib)
    key = _key_for(kdf, cost, salt, passphrase)
    try:
        plaintext = crypto_aead_xchacha20poly1305_ietf_decrypt(body[_HEADER.size :], header, nonce, key)
    except CryptoError:
        if kdf == _Kdf.NONE:
            raise Damaged("a sealed file does not open, though it has no passphrase") from None
        raise PassphraseNeeded("the passphrase is wrong", fix=PASSPHRASE_FIX) from None
    return plaintext, Lock(purpose, _Kdf(kdf), cost, salt, key)


def is_sealed(raw: bytes) -> bool:
    """Say whether unsealing `raw` takes a passphrase. Raises `Damaged` where it is too short for a sealed file."""
    if len(raw) < _SIZE_LEAST:
        raise Damaged(f"a sealed file of {len(raw)} bytes is cut short, or no sealed file")
    kdf: int = _HEADER.unpack_from(raw)[3]
    return kdf != _Kdf.NONE


def _key_for(kdf: int, cost: Cost, salt: bytes, passphrase: str | None) -> bytes:
    if kdf == _Kdf.NONE and (cost, salt) == (Cost(0, 0), bytes(_SALT_SIZE)):
        if passphrase is not None:
            # Whoever has a passphrase has sealed the keys; so these would be somebody else's, put in their place.
            raise PassphraseNeeded("the keys lie open, though there is a passphrase for them", fix=_OPEN_FIX)
        return _NO_PASSPHRASE_KEY
    is_bounded = 1 <= cost.passes <= PASSES_MAX and MEMORY_LEAST_KIB <= cost.memory_kib <= MEMORY_MAX_KIB
    if kdf != _Kdf.ARGON2ID or not is_bounded:
        raise Damaged(f"a sealed file asks for {cost.passes} passes over {cost.memory_kib} KiB: more than we grant")
    if passphrase is None:
        raise PassphraseNeeded("the keystore is sealed with a passphrase", fix=PASSPHRASE_FIX)
    return _derive(passphrase, salt, cost)


def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    if not passphrase:
        raise UsageError("a passphrase must not be empty", fix="Give one, or ask for none with --no-passphrase")
    try:
        # NFC, because two keyboards may compose one letter differently.
        typed = normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:  # Bytes that were no UTF-8 come out of Python's environment and terminal so.
        raise UsageError("a passphrase must be UTF-8 text", fix=PASSPHRASE_FIX) from None
    return argon2id.kdf(KEY_SIZE, typed, salt, cost.passes, cost.memory_kib * 1024)
