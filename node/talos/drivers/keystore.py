"""The secrets of a node at rest: two small sealed files.

    root.sealed    the recovery seed. Opened only to rotate, revoke, change controllers, or recover.
    unlock.sealed  what the running node needs: the current rotation key, and the keys of its stored rows.

    magic 8 | version u8 | purpose u8 | kdf u8 | passes u32 | memory_kib u32 | salt 16 | nonce 24
    | XChaCha20-Poly1305 ciphertext and tag, with all of the above as associated data
    | SHA-256 of all of the above

The key is Argon2id(passphrase, salt) (RFC 9106), or without a passphrase a constant: then the file's mode is
all that protects it. The hash at the end is no secret's: it tells a damaged file from a wrong passphrase.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from pathlib import Path
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

from talos.core import codec
from talos.core.dice import Entropy
from talos.core.keylog_keys import SEED_SIZE
from talos.core.vault import KEY_SIZE
from talos.drivers.files import FILE_MODE, atomic_write, make_folder
from talos.errors import Damaged, NoIdentity, PassphraseNeeded, StoreFailed, UsageError

ROOT_FILE: Final = "root.sealed"
UNLOCK_FILE: Final = "unlock.sealed"
FILE_SIZE_MAX: Final = 16 * 1024  # Bytes: a full keystore has a tenth of it.
STORAGE_KEYS_MAX: Final = 32  # One per storage-key rotation since the last re-sealing of all rows.
MEMORY_MAX_KIB: Final = 1024 * 1024  # 1 GiB. A forged header must not make us swap.
PASSES_MAX: Final = 16  # At 1 GiB this is half a minute, the longest that a header may cost us.
MEMORY_LEAST_KIB: Final = 8  # Argon2's own floor.

_MAGIC: Final = b"TALOSKEY"
_VERSION: Final = 1
_SALT_SIZE: Final = argon2id.SALTBYTES  # 16 bytes.
_NONCE_SIZE: Final = 24  # Bytes, XChaCha20.
_HEADER: Final = Struct(f">8sBBBII{_SALT_SIZE}s{_NONCE_SIZE}s")
_HASH_SIZE: Final = 32
_SIZE_LEAST: Final = _HEADER.size + crypto_aead_xchacha20poly1305_ietf_ABYTES + _HASH_SIZE
_NO_PASSPHRASE_KEY: Final = sha256(b"talos/v1/no-passphrase").digest()  # Public: it only makes the tag check.
_OTHERS: Final = 0o077  # Mode bits of group and world.
_UNLOCK_VERSION: Final = 1
_INDEX_MAX: Final = 2**32 - 1

_PASSPHRASE_FIX: Final = "Set TALOS_PASSPHRASE or TALOS_PASSPHRASE_FILE, or type it when asked"


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
class Unlocked:
    """What `unlock.sealed` holds."""

    rotation_index: int  # n of the current rotation key.
    rotation_secret: bytes = field(repr=False)  # Its Ed25519 seed, 32 bytes.
    storage_keys: Mapping[int, bytes] = field(repr=False)  # By id, 32 bytes each.
    storage_current: int  # The id that new rows are sealed under.

    def encode(self) -> bytes:
        keys = [(key_id, key) for key_id, key in sorted(self.storage_keys.items())]
        return codec.pack(_UNLOCK_VERSION, self.rotation_index, self.rotation_secret, keys, self.storage_current)

    @classmethod
    def decode(cls, raw: bytes) -> Unlocked:
        """Raises `MalformedMessage`, or `Damaged` where the current storage key is missing."""
        version, index, secret, listed, current = codec.array(raw, length=5, size_max=FILE_SIZE_MAX, field="keys")
        codec.integer(version, least=_UNLOCK_VERSION, most=_UNLOCK_VERSION, field="version")
        keys: dict[int, bytes] = {}
        for item in codec.listing(listed, least=1, most=STORAGE_KEYS_MAX, field="storage_keys"):
            key_id, key = codec.listing(item, least=2, most=2, field="storage_key")
            least = max(keys, default=-1) + 1  # Ascending, so that one set has one encoding.
            name = codec.integer(key_id, least=least, most=_INDEX_MAX, field="storage_key.id")
            keys[name] = codec.octets(key, length=KEY_SIZE, field="storage_key")
        if current not in keys:
            raise Damaged("the keystore names a storage key that it does not hold")
        return cls(
            codec.integer(index, least=0, most=_INDEX_MAX, field="rotation_index"),
            codec.octets(secret, length=SEED_SIZE, field="rotation_secret"),
            keys,
            codec.integer(current, least=0, most=_INDEX_MAX, field="storage_current"),
        )


def seal(
    purpose: Purpose, plaintext: bytes, passphrase: str | None, entropy: Entropy, cost: Cost = DEFAULT_COST
) -> bytes:
    """Return the bytes of a sealed file. `passphrase=None` seals it under a constant. Slow: derives a key."""
    salt, nonce = entropy(_SALT_SIZE), entropy(_NONCE_SIZE)
    if passphrase is None:
        header = _HEADER.pack(_MAGIC, _VERSION, purpose, _Kdf.NONE, 0, 0, bytes(_SALT_SIZE), nonce)
        key = _NO_PASSPHRASE_KEY
    else:
        costs = (cost.passes, cost.memory_kib)
        header = _HEADER.pack(_MAGIC, _VERSION, purpose, _Kdf.ARGON2ID, *costs, salt, nonce)
        key = _derive(passphrase, salt, cost)
    body = header + crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, header, nonce, key)
    return body + sha256(body).digest()


def unseal(purpose: Purpose, raw: bytes, passphrase: str | None) -> bytes:
    """Return the plaintext of a sealed file. Slow: derives a key, once all that is cheap has been checked.

    Raises `PassphraseNeeded` where it is missing or wrong, else `Damaged`.
    """
    if not _SIZE_LEAST <= len(raw) <= FILE_SIZE_MAX:
        raise Damaged(f"a sealed file of {len(raw)} bytes is cut short, or no sealed file")
    body, header = raw[:-_HASH_SIZE], raw[: _HEADER.size]
    if sha256(body).digest() != raw[-_HASH_SIZE:]:
        raise Damaged("a sealed file was changed or cut short")
    magic, version, wanted, kdf, passes, memory_kib, salt, nonce = _HEADER.unpack(header)
    if (magic, version, wanted) != (_MAGIC, _VERSION, purpose):
        raise Damaged(f"this is no {purpose.name.lower()} file that this version of Talos can read")
    key = _key_for(kdf, Cost(passes, memory_kib), salt, passphrase)
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(body[_HEADER.size :], header, nonce, key)
    except CryptoError:
        if kdf == _Kdf.NONE:
            raise Damaged("a sealed file does not open, though it has no passphrase") from None
        raise PassphraseNeeded("the passphrase is wrong", fix=_PASSPHRASE_FIX) from None


def _key_for(kdf: int, cost: Cost, salt: bytes, passphrase: str | None) -> bytes:
    if kdf == _Kdf.NONE and (cost, salt) == (Cost(0, 0), bytes(_SALT_SIZE)):
        return _NO_PASSPHRASE_KEY
    is_bounded = 1 <= cost.passes <= PASSES_MAX and MEMORY_LEAST_KIB <= cost.memory_kib <= MEMORY_MAX_KIB
    if kdf != _Kdf.ARGON2ID or not is_bounded:
        raise Damaged(f"a sealed file asks for {cost.passes} passes over {cost.memory_kib} KiB: more than we grant")
    if passphrase is None:
        raise PassphraseNeeded("the keystore is sealed with a passphrase", fix=_PASSPHRASE_FIX)
    return _derive(passphrase, salt, cost)


def _derive(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    if not passphrase:
        raise UsageError("a passphrase must not be empty", fix="Give one, or ask for none with --no-passphrase")
    # NFC, because two keyboards may compose one letter differently.
    typed = normalize("NFC", passphrase).encode()
    return argon2id.kdf(KEY_SIZE, typed, salt, cost.passes, cost.memory_kib * 1024)


@dataclass(frozen=True, slots=True)
class Keystore:
    """The two files of one data folder. All methods block on the disk, and but for `exists` on Argon2id."""

    folder: Path
    root_file: Path | None = None  # Where the seed lives, if not in the folder.
    cost: Cost = DEFAULT_COST

    @property
    def root_path(self) -> Path:
        return self.root_file or self.folder / ROOT_FILE

    @property
    def unlock_path(self) -> Path:
        return self.folder / UNLOCK_FILE

    def exists(self) -> bool:
        return self.unlock_path.exists()

    def is_sealed(self) -> bool:
        """Say whether opening it takes a passphrase. Raises `NoIdentity`, `UsageError` or `Damaged`."""
        raw = _read(self.unlock_path)
        if len(raw) < _SIZE_LEAST:
            raise Damaged(f"a sealed file of {len(raw)} bytes is cut short, or no sealed file")
        kdf: int = _HEADER.unpack_from(raw)[3]
        return kdf != _Kdf.NONE

    def create(
        self,
        seed: bytes,
        unlocked: Unlocked,
        entropy: Entropy,
        *,
        passphrase: str | None,
        root_passphrase: str | None = None,
        no_passphrase: bool = False,
    ) -> None:
        """Write both files; `unlock.sealed`, which makes it an identity, last. On failure neither is left.

        The seed is sealed under `root_passphrase`, or if there is none under `passphrase`.
        Raises `UsageError` where a file is there already, or no passphrase is given but not asked for either.
        """
        if (passphrase is None) != no_passphrase:
            raise UsageError("a new keystore needs a passphrase", fix=f"{_PASSPHRASE_FIX}, or pass --no-passphrase")
        for path in (self.unlock_path, self.root_path):
            if path.exists():
                raise UsageError(f"{path} is there already", fix="Choose another --data-dir, or move the file away")
        root = seal(Purpose.ROOT, seed, root_passphrase or passphrase, entropy, self.cost)
        unlock = seal(Purpose.UNLOCK, unlocked.encode(), passphrase, entropy, self.cost)
        make_folder(self.folder)
        _check_private(self.folder, self.folder.stat().st_mode, "700")
        make_folder(self.root_path.parent)
        atomic_write(self.root_path, root, FILE_MODE)
        try:
            atomic_write(self.unlock_path, unlock, FILE_MODE)
        except StoreFailed:
            self.root_path.unlink(missing_ok=True)
            raise

    def save(self, unlocked: Unlocked, entropy: Entropy, *, passphrase: str | None) -> None:
        """Replace `unlock.sealed`, in one move. Raises `StoreFailed`."""
        sealed = seal(Purpose.UNLOCK, unlocked.encode(), passphrase, entropy, self.cost)
        atomic_write(self.unlock_path, sealed, FILE_MODE)

    def unlock(self, passphrase: str | None) -> Unlocked:
        """Raises `NoIdentity`, `UsageError` for a file others can read, `PassphraseNeeded`, `Damaged`."""
        return Unlocked.decode(unseal(Purpose.UNLOCK, _read(self.unlock_path), passphrase))

    def recovery_seed(self, passphrase: str | None) -> bytes:
        """Return the 32-byte recovery seed. Raises as `unlock` does."""
        seed = unseal(Purpose.ROOT, _read(self.root_path), passphrase)
        return codec.octets(seed, length=SEED_SIZE, field="recovery seed")


def _read(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        raise NoIdentity(f"there is no {path}", fix="Make an identity with `talos init`") from None
    with os.fdopen(file, "rb") as stream:
        _check_private(path, os.fstat(file).st_mode, "600")
        return stream.read(FILE_SIZE_MAX + 1)


def _check_private(path: Path, mode: int, wanted: str) -> None:
    if mode & _OTHERS:
        raise UsageError(f"others than its owner have access to {path}", fix=f"Run `chmod {wanted} {path}`")
