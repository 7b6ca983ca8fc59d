"""A node's data folder: made whole or not at all, opened by one process at a time.

lock  unlock.sealed  root.sealed  store/state/  store/cache/  talos.toml  control.sock
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from talos.core.dice import Entropy
from talos.core.identity import SEED_SIZE, Identity, enrol, load, read_did
from talos.core.tables import CACHE_TABLES, STATE_TABLES
from talos.core.vault import KEY_SIZE, Vault
from talos.drivers.clock import RealClock
from talos.drivers.entropy import entropy
from talos.drivers.files import make_folder
from talos.drivers.folder_lock import LOCK_FILE, hold_folder
from talos.drivers.kem import require_kem
from talos.drivers.keystore import Keystore, Unlocked
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import real_host
from talos.errors import NoIdentity, Refused, TalosError
from talos.host import Host

CACHE_SIZE_MAX_MIB: Final = 256  # Cards of 100,000 peers.
FIRST_STORAGE_KEY: Final = 1


@dataclass(frozen=True, slots=True)
class Created:
    """A new identity. The seed is the only thing that can recover it: show it once, keep it nowhere else."""

    did: bytes
    recovery_seed: bytes = field(repr=False)  # 32 bytes.


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything a node runs on."""

    host: Host
    me: Identity
    vault: Vault = field(repr=False)


@dataclass(frozen=True, slots=True)
class DataFolder:
    path: Path
    store_size_max_mib: int
    root_file: Path | None = None  # Where the recovery seed is kept, if not in the folder.

    @property
    def keystore(self) -> Keystore:
        return Keystore(self.path, self.root_file)

    def has_identity(self) -> bool:
        return self.keystore.exists()

    def create(self, name: str, *, passphrase: str | None, root_passphrase: str | None = None) -> Created:
        """Make an identity. No passphrase must have been asked for by name, by whoever calls this with None.

        Raises `Refused` where there is one already, `Locked`, `StoreFailed` or `UsageError`; nothing is left then
        that a second attempt would trip over.
        """
        require_kem()
        make_folder(self.path)
        with hold_folder(self.path):
            if self.keystore.exists():
                raise Refused(f"there is an identity in {self.path}", fix="Use it, or pass --new-identity")
            self._set_aside()
            seed, storage_key = entropy(SEED_SIZE), entropy(KEY_SIZE)
            enrolled = enrol(name, seed, _vault(storage_key), entropy, RealClock().wall_ms())
            state = self._state()
            try:
                state.commit(enrolled.step.writes)
            finally:
                state.close()
            unlocked = Unlocked(0, enrolled.rotation_key, {FIRST_STORAGE_KEY: storage_key}, FIRST_STORAGE_KEY)
            # Last, because this is what makes the folder an identity.
            self.keystore.create(
                seed,
                unlocked,
                entropy,
                passphrase=passphrase,
                root_passphrase=root_passphrase,
                no_passphrase=passphrase is None,
            )
            return Created(enrolled.did, seed)

    @contextmanager
    def open(self, passphrase: str | None) -> Iterator[Opened]:
        """Hold the folder and everything in it. Raises `NoIdentity`, `Locked`, `PassphraseNeeded` or `Damaged`."""
        require_kem()
        if not self.keystore.exists():
            raise self._no_identity()
        with ExitStack() as stack:
            stack.enter_context(hold_folder(self.path))
            unlocked = self.keystore.unlock(passphrase)
            state = self._state()
            stack.callback(state.close)
            cache = LmdbStore(self.path / "store" / "cache", CACHE_SIZE_MAX_MIB, CACHE_TABLES)
            stack.callback(cache.close)
            vault = Vault(unlocked.storage_keys, unlocked.storage_current)
            host = real_host(state, cache)
            yield Opened(host, load(state, vault, unlocked.rotation_secret, host.clock.wall_ms()), vault)

    def did(self) -> bytes:
        """Return the DID hash of the identity in here; no passphrase needed. Raises `NoIdentity` or `Locked`."""
        if not self.keystore.exists():
            raise self._no_identity()
        with hold_folder(self.path):
            state = self._state()
            try:
                return read_did(state)
            finally:
                state.close()

    def replace(self) -> Path:
        """Move the whole folder aside, for a new identity in its place. Returns where it is now. Raises `Locked`."""
        with hold_folder(self.path):
            aside = _free_name(self.path)
            self.path.rename(aside)
        (aside / LOCK_FILE).unlink(missing_ok=True)
        return aside

    def _state(self) -> LmdbStore:
        make_folder(self.path / "store")
        return LmdbStore(self.path / "store" / "state", self.store_size_max_mib, STATE_TABLES)

    def _set_aside(self) -> None:
        """A store without a keystore is what an interrupted `create` leaves, or the rest of a lost identity."""
        store = self.path / "store"
        if store.exists():
            store.rename(_free_name(store))

    def _no_identity(self) -> TalosError:
        return NoIdentity(
            f"there is no identity in {self.path}", fix="Run `talos init`, with the same --data-dir if any"
        )


@contextmanager
def in_memory(name: str) -> Iterator[Opened]:
    """A new identity that ends with the process: nothing is written anywhere."""
    require_kem()
    state, cache = MemoryStore(STATE_TABLES), MemoryStore(CACHE_TABLES)
    host = real_host(state, cache)
    yield enrolled_on(host, name, entropy)


def enrolled_on(host: Host, name: str, dice: Entropy) -> Opened:
    """Make a new identity on a host whose store is empty, and open it."""
    vault = _vault(dice(KEY_SIZE))
    enrolled = enrol(name, dice(SEED_SIZE), vault, dice, host.clock.wall_ms())
    host.store.commit(enrolled.step.writes)
    return Opened(host, load(host.store, vault, enrolled.rotation_key, host.clock.wall_ms()), vault)


def _vault(key: bytes) -> Vault:
    return Vault({FIRST_STORAGE_KEY: key}, FIRST_STORAGE_KEY)


def _free_name(path: Path) -> Path:
    """Return the first of path.old-1, path.old-2, ... that is not there."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return aside
