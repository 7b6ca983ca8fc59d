"""A committer on a bench: over a store that records its transactions, behind a disk as slow as the test likes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from talos.core.step import Put, Step
from talos.core.tables import ENTRIES, META, STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.errors import NodeStopped, StoreFailed
from talos.services.commit import Committer

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


def log(*leaves: bytes) -> Step:
    return Step(entries=leaves)


def entries(store: MemoryStore) -> list[tuple[int, bytes]]:
    return [(int.from_bytes(key, "big"), leaf) for key, leaf in store.scan(ENTRIES)]


class Bench:
    """A running committer over a recording store, behind a gate."""

    def __init__(self, callers: trio.Nursery) -> None:
        self.store = RecordingStore()
        self.gate = Gate()
        self.committer = Committer(self.store, self.gate)
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
