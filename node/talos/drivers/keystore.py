"""The secrets of a node at rest: two small sealed files.

root.sealed    the recovery seed. Opened only to rotate, revoke, change controllers, or recover.
unlock.sealed  what the running node needs: the current rotation key, and the keys of its stored rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from talos.core import codec
from talos.core.dice import Entropy
from talos.core.keylog_keys import SEED_SIZE
from talos.core.vault import KEY_SIZE
from talos.drivers.entropy import entropy
from talos.drivers.files import FILE_MODE, atomic_write, discard, make_folder
from talos.drivers.sealed_file import (
    DEFAULT_COST,
    FILE_SIZE_MAX,
    PASSPHRASE_FIX,
    Cost,
    Lock,
    Purpose,
    is_sealed,
    seal,
    unlock,
    unseal,
)
from talos.errors import Damaged, NoIdentity, UsageError

ROOT_FILE: Final = "root.sealed"
UNLOCK_FILE: Final = "unlock.sealed"
STORAGE_KEYS_MAX: Final = 32  # Four are needed: one that is kept, the current one, and the old one until it goes.

_OTHERS: Final = 0o077  # Mode bits of group and world.
_UNLOCK_VERSION: Final = 1
_INDEX_MAX: Final = 2**32 - 1


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


@dataclass(frozen=True, slots=True)
class Sealed:
    """The content of both files, ready to be written."""

    root: bytes = field(repr=False)
    unlock: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keystore:
    """The two files of one data folder. What seals or opens them takes as long as Argon2id; all else is quick."""

    folder: Path
    root_file: Path | None = None  # Where the seed lives, if not in the folder.
    cost: Cost = DEFAULT_COST

    @property
    def root_path(self) -> Path:
        return self.root_file or self.folder / ROOT_FILE

    @property
    def unlock_path(self) -> Path:
        return self.folder / UNLOCK_FILE

    @property
    def has_root_inside(self) -> bool:
        """Say whether the seed is kept in the folder, and so moves with it."""
        return self.root_path.resolve().is_relative_to(self.folder.resolve())

    def exists(self) -> bool:
        """Raises `UsageError` for a folder that we may not look into."""
        return _is_there(self.unlock_path)

    def require(self) -> None:
        """Raises `NoIdentity` unless it `exists`."""
        if not self.exists():
            raise NoIdentity(f"there is no identity in {self.folder}", fix=f"talos init --data-dir {self.folder}")

    def is_sealed(self) -> bool:
        """Say whether opening it takes a passphrase. Raises `NoIdentity`, `UsageError` or `Damaged`."""
        return is_sealed(_read(self.unlock_path))

    def check_place(self) -> None:
        """Raises `UsageError` where no new keystore may be: a folder open to others, a seed that lies elsewhere."""
        if _is_there(self.folder):
            _check_private(self.folder, self.folder.stat().st_mode, "700")
        if not self.has_root_inside and _is_there(self.root_path):
            raise UsageError(
                f"{self.root_path} is there already, and may hold the recovery seed of another identity",
                fix=f"Move {self.root_path} elsewhere, or choose another identity.root_file",
            )

    def seal(
        self,
        seed: bytes,
        unlocked: Unlocked,
        entropy: Entropy,
        *,
        passphrase: str | None,
        root_passphrase: str | None = None,
        no_passphrase: bool = False,
    ) -> Sealed:
        """Return what `create` writes: the seed under `root_passphrase`, or if there is none under `passphrase`.

        Raises `UsageError` where a passphrase is empty, or none is given but not asked for by name either.
        """
        if (passphrase is None) != no_passphrase:
            raise UsageError("a new keystore needs a passphrase", fix=f"{PASSPHRASE_FIX}, or pass --no-passphrase")
        return Sealed(
            seal(Purpose.ROOT, seed, root_passphrase or passphrase, entropy, self.cost),
            seal(Purpose.UNLOCK, unlocked.encode(), passphrase, entropy, self.cost),
        )

    def create(self, sealed: Sealed) -> None:
        """Write both files; `unlock.sealed`, which makes it an identity, last.

        Raises `UsageError` as `check_place` does, or where a file is there already; `StoreFull` or `StoreFailed`.
        Neither file is left then.
        """
        self.check_place()
        for path in (self.unlock_path, self.root_path):
            if _is_there(path):
                raise UsageError(f"{path} is there already", fix="Choose another --data-dir, or move the file away")
        make_folder(self.folder)
        make_folder(self.root_path.parent)
        with ExitStack() as undo:
            for path, content in ((self.root_path, sealed.root), (self.unlock_path, sealed.unlock)):
                undo.callback(discard, path)
                atomic_write(path, content, FILE_MODE)
            undo.pop_all()

    def unlock(self, passphrase: str | None) -> Unlocked:
        """Raises `NoIdentity`, `UsageError` for a file others can read, `PassphraseNeeded`, `Damaged`."""
        return self.open(passphrase).unlocked

    def open(self, passphrase: str | None) -> OpenKeystore:
        """Return what the file holds, and what writes it anew. Raises as `unlock` does."""
        raw, lock = unlock(Purpose.UNLOCK, _read(self.unlock_path), passphrase)
        return OpenKeystore(self.unlock_path, Unlocked.decode(raw), lock)

    def recovery_seed(self, passphrase: str | None) -> bytes:
        """Return the 32-byte recovery seed. Raises as `unlock` does."""
        seed = unseal(Purpose.ROOT, _read(self.root_path), passphrase)
        return codec.octets(seed, length=SEED_SIZE, field="recovery seed")


@dataclass(frozen=True, slots=True)
class OpenKeystore:
    """`unlock.sealed` of a node that runs."""

    path: Path
    unlocked: Unlocked
    lock: Lock

    def keep(self, keys: Mapping[int, bytes], current: int) -> None:
        """Put these storage keys in the place of all before, durably. Raises `StoreFailed`, as `atomic_write` does."""
        held = replace(self.unlocked, storage_keys=dict(keys), storage_current=current)
        atomic_write(self.path, self.lock.seal(held.encode(), entropy), FILE_MODE)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            _check_private(path, os.fstat(stream.fileno()).st_mode, "600")
            return stream.read(FILE_SIZE_MAX + 1)
    except FileNotFoundError:
        raise NoIdentity(f"there is no {path}", fix="Make an identity with `talos init`") from None
    except OSError as error:
        raise _unreadable(path, error) from error


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot read {path}: {error.strerror}", fix=f"Run as the owner of {path.parent}")


def _check_private(path: Path, mode: int, wanted: str) -> None:
    if mode & _OTHERS:
        raise UsageError(f"others than its owner have access to {path}", fix=f"Run `chmod {wanted} {path}`")
