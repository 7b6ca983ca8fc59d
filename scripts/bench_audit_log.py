"""The audit log that is measured, the bare disk and the bare LMDB it is measured against.

All three lie in one folder, so on one disk. Every contender returns the seconds of each of its commits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from time import perf_counter  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final, TypeVar

import lmdb

from talos.core import acts
from talos.core.content import ORIGIN_SIZE
from talos.core.diary import Diary
from talos.core.entry_types import SessionEvent
from talos.core.identity import SEED_SIZE, enrol
from talos.core.names import DID_SIZE
from talos.core.step import Put, Step
from talos.core.tables import STATE_TABLES
from talos.core.vault import KEY_SIZE, Vault
from talos.drivers.data_folder import settle
from talos.drivers.entropy import entropy
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.real_host import Workers
from talos.host import Blocking
from talos.services.commit import Committer
from talos_ratchet import ID_SIZE as SESSION_ID_SIZE

T = TypeVar("T")

STORE_SIZE_MAX_MIB: Final = 4_096
PEERS: Final = 50  # So each of the newest 100 entries about one of them lies in a row of hashes of its own.
NOW_MS: Final = 1_700_000_000_000
CONTENT: Final = bytes(200)  # Of a message. The log keeps a hash of it.
KEY_SIZE_BARE: Final = 8  # Bytes.
BLOCK: Final = bytes(4_096)
BLOCKS: Final = 256  # Of the file that is overwritten.


class CountedStore(LmdbStore):
    """The store of a node; counts what is written while it is told to."""

    is_counting = False
    rows = 0
    size = 0  # Bytes of keys and values.

    def commit(self, writes: Sequence[Put]) -> None:
        if self.is_counting:
            self.rows += len(writes)
            self.size += sum(len(write.key) + len(write.value or b"") for write in writes)
        super().commit(writes)


class TimedBlocking:
    """A `talos.host.Blocking` that times the work itself: in a worker thread as in a node, or right where it is."""

    def __init__(self) -> None:
        self.workers: Blocking | None = None  # None: no thread is changed.
        self.spent: list[float] = []  # Seconds of each work.

    async def __call__(self, work: Callable[[], T]) -> T:
        def timed() -> T:
            begun = perf_counter()
            result = work()
            self.spent.append(perf_counter() - begun)
            return result

        return timed() if self.workers is None else await self.workers(timed)


class AuditLog:
    """A node's store with its identity in it, and a real committer; `committer.run` is the caller's to start."""

    def __init__(self, folder: Path, rare: int) -> None:
        self.rare = rare  # One entry in so many is of a session and not of a message.
        self._folder = folder / "state"
        self.store = self._opened()
        self.vault = Vault({1: entropy(KEY_SIZE)}, 1)
        enrolled = enrol("bench", entropy(SEED_SIZE), self.vault, entropy, NOW_MS)
        settle(self.store, enrolled.step.writes, self.vault, entropy)
        self.did = enrolled.did
        self.peers = [entropy(DID_SIZE) for _ in range(PEERS)]
        self.peers_at_once = PEERS  # Each has a page of the index of its own: the more at once, the more is flushed.
        self._origin = entropy(ORIGIN_SIZE)
        self._blocking = TimedBlocking()
        self._workers = Workers()
        self._made = 0
        self.committer = Committer(self.store, self._blocking, self.open())

    def _opened(self) -> CountedStore:
        return CountedStore(self._folder, STORE_SIZE_MAX_MIB, STATE_TABLES)

    def reopened(self) -> float:
        """Close the store and open it, as a start does: seconds. The committer must have ended."""
        self.store.close()
        begun = perf_counter()
        self.store = self._opened()
        return perf_counter() - begun

    def close(self) -> None:
        self.store.close()

    def open(self) -> Diary:
        return Diary.open(self.store, self.vault, entropy)

    def step(self) -> Step:
        """Return the step of one message, as a node has it; now and then that of a new session."""
        self._made += 1
        peer, now_ms = self.peers[self._made % self.peers_at_once], NOW_MS + self._made
        if self._made % self.rare:
            entry = acts.sent(self.did, peer, self._origin, self._made, CONTENT, now_ms, entropy)
        else:
            entry = acts.session(SessionEvent.ESTABLISHED, peer, entropy(SESSION_ID_SIZE), now_ms, initiated=True)
        return Step(entries=(entry,))

    async def build(self, size: int, group: int, progress: Callable[[int, int], None]) -> float:
        """Grow to `size` entries, in transactions of `group`. Return entries per second of the writer's thread."""
        before, spent = self.committer.size, 0.0
        while self.committer.size < size:
            progress(self.committer.size, size)
            spent += sum(await self.commits(1, min(group, size - self.committer.size)))
        progress(size, size)
        await self.committer.checkpoint()
        return (size - before) / spent

    async def commits(self, times: int, group: int) -> list[float]:
        """Commit `group` entries in one transaction, `times` over: seconds of append and commit, no thread changed."""
        self._blocking.workers = None
        return (await self._commit(times, group))[0]

    async def commits_in_trio(self, times: int, group: int) -> tuple[list[float], list[float]]:
        """The same as a node does it: seconds in the worker thread, and seconds until `commit` returned."""
        self._blocking.workers = self._workers
        return await self._commit(times, group)

    async def _commit(self, times: int, group: int) -> tuple[list[float], list[float]]:
        self._blocking.spent, whole = [], []
        for steps in [[self.step() for _ in range(group)] for _ in range(times)]:
            begun = perf_counter()
            await self.committer.commit(*steps)
            whole.append(perf_counter() - begun)
        return self._blocking.spent, whole

    async def count(self, times: int, group: int) -> tuple[float, float]:
        """Return rows, and bytes of keys and values, that one entry in a group of so many costs, on average."""
        store = self.store
        store.rows, store.size, store.is_counting = 0, 0, True
        await self.commits(times, group)
        store.is_counting = False
        return store.rows / times / group, store.size / times / group


class BareLmdb:
    """LMDB with nothing around it: default sync, one table, one row for each entry, at its end."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._env = lmdb.Environment(str(folder), map_size=STORE_SIZE_MAX_MIB * 2**20, lib_version=0)
        self._dice = os.urandom(2**20)  # noqa: TID251 - Only bytes that do not compress.
        self._keys = (index.to_bytes(KEY_SIZE_BARE, "big") for index in count())

    def commits(self, times: int, group: int, row_size: int) -> list[float]:
        """Commit `group` rows in one transaction, `times` over. A row has `row_size` bytes, its key among them."""
        spent = []
        for rows in [[self._row(row_size) for _ in range(group)] for _ in range(times)]:
            begun = perf_counter()
            with self._env.begin(write=True) as txn:
                if group == 1:
                    txn.put(*rows[0], append=True)
                else:
                    with txn.cursor() as cursor:
                        cursor.putmulti(rows, append=True)
            spent.append(perf_counter() - begun)
        return spent

    def _row(self, size: int) -> tuple[bytes, bytes]:
        key = next(self._keys)
        start = int.from_bytes(key, "big") * 97 % (len(self._dice) - size)
        return key, self._dice[start : start + size - len(key)]

    def close(self) -> None:
        self._env.close()


class RawDisk:
    """A file that was written once, so that overwriting it changes no metadata: what one flush costs at least."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._file, BLOCK * BLOCKS)
        os.fsync(self._file)
        self._offsets = (len(BLOCK) * (at % BLOCKS) for at in count())

    def flushes(self, times: int) -> list[float]:
        """Overwrite 4 KiB and flush, `times` over."""
        spent = []
        for offset in (next(self._offsets) for _ in range(times)):
            begun = perf_counter()
            os.pwrite(self._file, BLOCK, offset)
            os.fdatasync(self._file)
            spent.append(perf_counter() - begun)
        return spent

    def close(self) -> None:
        os.close(self._file)
