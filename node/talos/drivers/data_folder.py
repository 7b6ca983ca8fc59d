"""A node's data folder: made whole or not at all, opened by one process at a time.

lock  unlock.sealed  root.sealed  store/state/  store/cache/  did  talos.toml  control.sock

`did` holds the DID as text, so that who asks for it need not disturb the store; the store is what counts.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from talos.core.diary import Diary
from talos.core.dice import Entropy
from talos.core.identity import SEED_SIZE, Identity, enrol, load
from talos.core.names import did_of, parse_peer
from talos.core.room import RESERVE
from talos.core.step import Put
from talos.core.storage_key import Keep, new_vault
from talos.core.tables import CACHE_TABLES, STATE_TABLES
from talos.core.vault import Vault
from talos.drivers.clock import RealClock
from talos.drivers.entropy import entropy
from talos.drivers.files import atomic_write, discard, is_there, make_folder, sync_folder
from talos.drivers.folder_lock import LOCK_FILE, hold_folder
from talos.drivers.kem import require_kem
from talos.drivers.keystore import Keystore, Unlocked
from talos.drivers.lmdb_reader import read_beside_node
from talos.drivers.lmdb_rows import DATA_FILE
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import real_host
from talos.errors import Damaged, Refused, StoreFailed, UsageError
from talos.host import Host, ReadableStore, Store

CACHE_SIZE_MAX_MIB: Final = 256  # Cards of 100,000 peers.
DID_FILE: Final = "did"


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
    keep: Keep = field(repr=False, default=lambda keys, current: None)  # There is no keystore in memory.


@dataclass(frozen=True, slots=True)
class DataFolder:
    path: Path
    store_size_max_mib: int
    root_file: Path | None = None  # Where the recovery seed is kept, if not in the folder.

    @property
    def _state_path(self) -> Path:
        return self.path / "store" / "state"

    @property
    def keystore(self) -> Keystore:
        return Keystore(self.path, self.root_file)

    def has_identity(self) -> bool:
        return self.keystore.exists()

    def require_room(self, *, new_identity: bool = False) -> None:
        """Raises `Refused` where there is an identity, unless a `new_identity` replaces it; else `UsageError` where
        none may be made: others have access to the folder, or a seed lies where the next is to lie.
        """
        if self.keystore.exists() and not new_identity:
            raise Refused(f"there is an identity in {self.path}", fix="Use it, or pass --new-identity")
        self.keystore.check_place()

    def create(self, name: str, *, passphrase: str | None, root_passphrase: str | None = None) -> Created:
        """Make an identity. No passphrase must have been asked for by name, by whoever calls this with None.

        Raises `Refused` where there is one already, `Locked`, `StoreFailed` or `UsageError`, and leaves nothing. After
        a kill a second attempt moves aside what lies here without an identity, and succeeds; but a seed that was to
        lie elsewhere may be there, and is then refused like any other that is in the way.
        """
        require_kem()
        self.require_room()
        make_folder(self.path)
        with hold_folder(self.path):
            self.require_room()  # Again: somebody may have been faster.
            seed, vault = entropy(SEED_SIZE), new_vault(entropy)
            enrolled = enrol(name, seed, vault, entropy, RealClock().wall_ms())
            sealed = self.keystore.seal(
                seed,
                Unlocked(0, enrolled.rotation_key, vault.keys, vault.current),
                entropy,
                passphrase=passphrase,
                root_passphrase=root_passphrase,
                no_passphrase=passphrase is None,
            )
            self._set_aside()
            with ExitStack() as undo:
                undo.callback(shutil.rmtree, self.path / "store", ignore_errors=True)
                with closing(self._state()) as state:
                    settle(state, enrolled.step.writes, vault, entropy)
                undo.callback(discard, self.path / DID_FILE)
                self._write_did(enrolled.did)
                self.keystore.create(sealed)  # Last, because this is what makes the folder an identity.
                undo.pop_all()
            return Created(enrolled.did, seed)

    @contextmanager
    def open(self, passphrase: str | None) -> Iterator[Opened]:
        """Hold the folder and everything in it.

        Raises `NoIdentity`, `Locked`, `PassphraseNeeded`, `UsageError`, `StoreFailed`, or `Damaged`, also where the
        store is gone: an empty one in its place would be another node under the same name.
        """
        require_kem()
        self._require_whole()
        with ExitStack() as stack:
            stack.enter_context(hold_folder(self.path))
            self._require_whole()  # Again: somebody may have replaced it meanwhile.
            keystore = self.keystore.open(passphrase)
            unlocked = keystore.unlocked
            state = self._state()
            stack.callback(state.close)
            cache = self._cache()
            stack.callback(cache.close)
            vault = Vault(unlocked.storage_keys, unlocked.storage_current)
            host = real_host(state, cache)
            me = load(state, vault, unlocked.rotation_secret, host.clock.wall_ms())
            if self._read_did() != did_of(me.did):
                self._write_did(me.did)
            yield Opened(host, me, vault, keystore.keep)

    def did(self) -> bytes:
        """Return the DID hash of the identity in here; beside a running node too, and no passphrase needed.

        Raises `NoIdentity`, or `Damaged` where the store is gone or the file `did` is not as it was written.
        """
        self._require_whole()
        text = self._read_did()
        try:
            return parse_peer(text)
        except UsageError:
            raise Damaged(
                f"{self.path / DID_FILE} names no identity", fix="Start talos-node once: it writes the file anew"
            ) from None

    @contextmanager
    def read(self) -> Iterator[ReadableStore]:
        """Open the `state` store to be read, beside a running node too; no passphrase needed, and all stays sealed.

        While no node runs the whole file is checked first, at about 100 MB/s. Raises
        `NoIdentity`, `Damaged`, `StoreFailed`, or `UsageError` where we may not, or this process has it open itself.
        """
        self._require_whole()
        with read_beside_node(self.path, self._state_path, STATE_TABLES) as rows:
            yield rows

    def replace(self, keep: Sequence[str] = ()) -> Path:
        """Move the whole folder aside, for a new identity in its place. Returns where it is now.

        In its place is then a folder with copies of the files named in `keep`. If it is killed half-way the identity
        is in the old place or in the new one, whole; `finish_replace` does the rest. Raises `Locked`, or
        `UsageError` where a seed that lies elsewhere would be in the way of the next, or the folder cannot move.
        """
        self.keystore.check_place()
        with hold_folder(self.path):
            self._prepare_fresh(keep)
            aside = self._rename_aside()
            finish_replace(self.path)
        discard(aside / LOCK_FILE)
        return aside

    def _prepare_fresh(self, keep: Sequence[str]) -> None:
        fresh = _fresh(self.path)
        make_folder(fresh)
        for name in keep:
            try:
                content = (self.path / name).read_bytes()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise UsageError(
                    f"cannot read {self.path / name}: {error.strerror}", fix="Move it elsewhere"
                ) from error
            atomic_write(fresh / name, content)

    def _rename_aside(self) -> Path:
        try:
            aside = self.path.with_name(f"{self.path.name}.old-{_free_number(self.path)}")
            self.path.rename(aside)
            sync_folder(self.path.parent)
        except OSError as error:
            raise UsageError(
                f"cannot move {self.path} aside: {error.strerror}", fix="Rename it yourself, then run `talos init`"
            ) from error
        return aside

    def _require_whole(self) -> None:
        self.keystore.require()
        try:
            has_store = (self._state_path / DATA_FILE).exists()
        except OSError as error:
            raise UsageError(
                f"cannot read {self._state_path}: {error.strerror}", fix=f"Run as the owner of {self.path}"
            ) from error
        if not has_store:
            raise Damaged(
                f"the store of the identity in {self.path} is gone: there is no {Path('store', 'state', DATA_FILE)}",
                fix="Put it back if you moved it; else make another identity with `talos init --new-identity`",
            )

    def _state(self) -> LmdbStore:
        make_folder(self.path / "store")
        return LmdbStore(self._state_path, self.store_size_max_mib, STATE_TABLES, reserve=RESERVE)

    def _cache(self) -> LmdbStore:
        path = self.path / "store" / "cache"
        try:
            return LmdbStore(path, CACHE_SIZE_MAX_MIB, CACHE_TABLES)
        except Damaged as error:
            fix = f"Check the disk, then delete {path}: what is in it is fetched again"
            raise Damaged(error.what, fix=fix) from error

    def _read_did(self) -> str:
        """Return what the file `did` says; "" if nothing."""
        path = self.path / DID_FILE
        try:
            return path.read_text("utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}", fix=f"Run as the owner of {path}") from error

    def _write_did(self, did: bytes) -> None:
        atomic_write(self.path / DID_FILE, f"{did_of(did)}\n".encode())

    def _set_aside(self) -> None:
        """Move away what lies here without an identity: the work of a `create` that was killed, or what somebody
        has left of a lost one. Store and seed get the same number, because they belong together.
        """
        left = [self.path / "store", *([self.keystore.root_path] if self.keystore.has_root_inside else [])]
        number = _free_number(*left)
        for path in left:
            if path.exists():
                _move(path, path.with_name(f"{path.name}.old-{number}"))


def finish_replace(path: Path) -> None:
    """Put in place what a `replace` of `path` that was killed has prepared, if there was one.

    Raises `StoreFailed`, and `UsageError` for a place that we may not look into.
    """
    fresh = _fresh(path)
    fix = "Choose a place of your own"
    if is_there(fresh, fix=fix) and not is_there(path, fix=fix):
        _move(fresh, path)


@contextmanager
def in_memory(name: str) -> Iterator[Opened]:
    """A new identity that ends with the process: nothing is written anywhere."""
    require_kem()
    state, cache = MemoryStore(STATE_TABLES), MemoryStore(CACHE_TABLES)
    host = real_host(state, cache)
    yield enrolled_on(host, name, entropy)


def enrolled_on(host: Host, name: str, dice: Entropy) -> Opened:
    """Make a new identity on a host whose store is empty, and open it."""
    vault = new_vault(dice)
    enrolled = enrol(name, dice(SEED_SIZE), vault, dice, host.clock.wall_ms())
    settle(host.store, enrolled.step.writes, vault, dice)
    return Opened(host, load(host.store, vault, enrolled.rotation_key, host.clock.wall_ms()), vault)


def settle(store: Store, writes: Sequence[Put], vault: Vault, dice: Entropy) -> None:
    """Put a new identity in its store; once it is there, sign its log for the first time."""
    store.commit(writes)
    store.commit(Diary.open(store, vault, dice, is_new=True).sign())


def _fresh(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _move(path: Path, to: Path) -> None:
    try:
        path.rename(to)
        sync_folder(to.parent)
    except OSError as error:
        raise StoreFailed(f"cannot rename {path} to {to}: {error.strerror}") from error


def _free_number(*paths: Path) -> int:
    """Return the least n from 1 for which no path.old-n is there."""
    number = 1
    while any(path.with_name(f"{path.name}.old-{number}").exists() for path in paths):
        number += 1
    return number
