"""A committer on a bench: over a store that records its transactions, behind a disk as slow as the test likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import trio
from nacl.signing import SigningKey
from trio.testing import wait_all_tasks_blocked

from talos.core.diary import CARD_KEY, CHECKPOINT_KEY, Diary, begin
from talos.core.entries import Entry, Opened
from talos.core.entry_types import EntryType
from talos.core.keylog_keys import signer
from talos.core.log_rows import body_place
from talos.core.step import Put, Step
from talos.core.tables import BODIES, ENTRIES, META, STATE_TABLES
from talos.core.vault import KEY_SIZE, Vault
from talos.drivers.entropy import entropy
from talos.drivers.memory_store import MemoryStore
from talos.errors import NodeStopped, StoreFailed
from talos.host import Store
from talos.services.commit import Committer
from talos_audit import leaf_hash

T = TypeVar("T")


class RecordingStore(MemoryStore):
    """Counts its transactions, and fails the next one if told to."""

    def __init__(self) -> None:
        super().__init__(STATE_TABLES)
        self.transactions: list[Sequence[Put]] = []
        self.fail_next: StoreFailed | None = None

    def commit(self, writes: Sequence[Put]) -> None:
        if self.fail_next is not None:
            failure, self.fail_next = self.fail_next, None
            raise failure
        super().commit(writes)
        self.transactions.append(writes)


class Gate:
    """A `Blocking` that waits at a gate before it works: as long as it is shut, the disk is slow."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()

    async def __call__(self, work: Callable[[], T]) -> T:
        await self._opened.wait()
        return work()

    def shut(self) -> None:
        self._opened = trio.Event()

    def open(self) -> None:
        self._opened.set()


def put(key: bytes, value: bytes = b"") -> Step:
    return Step(writes=(Put(META, key, value),))


VAULT = Vault({1: bytes(KEY_SIZE)}, 1)


def diary_on(store: Store) -> Diary:
    """Return the diary of a store; the first one makes its log."""
    if store.get(META, CARD_KEY) is None:
        instance = SigningKey(bytes(32))
        _, writes = begin(bytes(32), instance.verify_key.encode(), signer(instance), store, VAULT, entropy)
        if isinstance(store, MemoryStore):
            MemoryStore.commit(store, writes)  # Not counted, and never failing, whatever the test has made of it.
        else:
            store.commit(writes)
    return Diary.open(store, VAULT, entropy, is_new=store.get(META, CHECKPOINT_KEY) is None)


def log(*bodies: bytes) -> Step:
    return Step(entries=tuple(Entry(EntryType.ANCHOR, 0, b"", body) for body in bodies))


def entries(store: Store) -> list[tuple[int, bytes]]:
    """Return index and body of every entry."""
    found = []
    for key, leaf in store.scan(ENTRIES):
        sealed = store.get(BODIES, key)
        assert sealed is not None
        row = VAULT.box(BODIES).open(body_place(key, leaf_hash(leaf)), sealed)
        found.append((int.from_bytes(key, "big"), Opened.decode(row).body))
    return found


class Bench:
    """A running committer over a recording store, behind a gate."""

    def __init__(self, callers: trio.Nursery) -> None:
        self.store = RecordingStore()
        self.gate = Gate()
        self.committer = Committer(self.store, self.gate, diary_on(self.store))
        self.failures: dict[bytes, StoreFailed | NodeStopped] = {}
        self.done: list[bytes] = []
        self._callers = callers

    async def queue(self, name: bytes, *steps: Step) -> trio.CancelScope:
        """Call `commit` in a task of its own; return, once it waits, what cancels it."""
        scope = trio.CancelScope()

        async def commit() -> None:
            with scope:
                try:
                    await self.committer.commit(*steps)
                except (StoreFailed, NodeStopped) as failure:
                    self.failures[name] = failure
                else:
                    self.done.append(name)

        self._callers.start_soon(commit)
        await wait_all_tasks_blocked()
        return scope


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Stop the committer after the body, and then wait for the tasks that `queue` started."""
    async with trio.open_nursery() as callers, trio.open_nursery() as running:
        made = Bench(callers)
        await running.start(made.committer.run)
        yield made
        running.cancel_scope.cancel()
