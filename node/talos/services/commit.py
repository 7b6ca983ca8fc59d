"""The one writer: puts what the cores ask for on disk, many steps in one transaction.

It waits on no timer. While one transaction is being flushed the next steps gather, so a group is as large as the
disk is slow, and a lone step waits for nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import trio

from talos.core.diary import Diary
from talos.core.entries import Entry
from talos.core.room import Room
from talos.core.step import Put, Step
from talos.errors import Damaged, NodeStopped, StoreFailed, TalosError
from talos.host import Blocking, Store
from talos.services.signal import Signal

STEPS_MAX: Final = 1_000  # Per transaction: bounds what one failure takes with it.
SIZE_MAX: Final = 4 * 1024 * 1024  # Bytes of keys, values and entries per transaction: bounds the wait of a lone step.
ENTRY_ROWS_SIZE: Final = 400  # Bytes that an entry takes in all its rows, beside its body.


@dataclass(slots=True)
class Submitted:
    """The steps of one `commit` call; they go into one transaction together."""

    steps: tuple[Step, ...]
    size: int  # Bytes.
    granted: Callable[[], None]
    refused: Callable[[TalosError], None]
    done: trio.Event = field(default_factory=trio.Event)
    failure: StoreFailed | NodeStopped | None = None
    indexes: range = range(0)

    @property
    def is_on_disk(self) -> bool:
        """True once all is on disk: who asks that first need not wait."""
        return self.failure is None and self.done.is_set()

    async def on_disk(self) -> range:
        """Return the indexes of the entries, once all is on disk. Raises what `Committer.commit` raises."""
        await self.done.wait()
        if self.failure is not None:
            raise self.failure
        return self.indexes


class Committer:
    """Grants steps in the order of the `commit` calls. `run` is its one task."""

    def __init__(self, store: Store, blocking: Blocking, diary: Diary) -> None:
        self._store = store
        self._blocking = blocking
        self._diary = diary
        self._writing = trio.Semaphore(1, max_value=1)  # One writer: of steps, or of a checkpoint.
        self._is_ahead = False  # The diary holds entries that did not reach the disk.
        self._queue: deque[Submitted] = deque()
        self._wake = trio.Event()
        self._latest: Submitted | None = None
        self._is_stopped = False
        self.size = diary.size  # Entries of the audit log that are on disk.
        self.grew = Signal()  # The audit log has new entries, and they are on disk.
        self.room = Room()
        self._space = self.room.space  # After the last commit.
        self.measured: Callable[[], None] = lambda: None  # Called when `room` was.
        self.failed: Callable[[], None] = lambda: None  # Puts back memory that many steps share; see `submit`.
        self.trouble: str | None = None  # Why the store did not take what it should, until it has taken something.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit until cancelled; whoever still waits then gets `NodeStopped`. Starts at once.

        Run it once. To lose nothing that is queued, `drain` before cancelling.
        """
        group: list[Submitted] = []
        task_status.started()
        try:
            while True:
                await self._wake.wait()
                group = self._take_group()
                await self._grant(group)
        finally:
            self._is_stopped = True
            for request in group:
                self._refuse(request, NodeStopped("the node stopped; it is not known whether this was written"))
            self._refuse_queue(NodeStopped("the node stopped; nothing of this was written"))

    async def commit(self, *steps: Step) -> range:
        """Return once all `steps` are on disk, in one transaction; return the indexes of their entries.

        A step that writes nothing waits for all before it too: its effects may rest on what they wrote.
        Waiting tasks wake in no particular order. A cancelled commit may still have committed.

        Raises `StoreFailed` if its transaction failed, or one that was granted before while this one waited. Then
        nothing of it was written: forget what these steps led to, and load the state from the store again.
        Raises `NodeStopped` once `run` has ended.
        """
        return await self.submit(*steps).on_disk()

    def submit(
        self,
        *steps: Step,
        granted: Callable[[], None] = lambda: None,
        refused: Callable[[TalosError], None] = lambda failure: None,
    ) -> Submitted:
        """Queue `steps` at once, as `commit` does, for callers that must keep an order.

        The committer calls `granted` when they are on disk, in the order of all calls, before it grants anything
        else; or `refused` with the failure, before anybody can build on what was refused. Neither may block or
        raise, but for one thing: a `refused`, or `failed` before all of them, that cannot read back what is on disk
        raises `StoreFailed` or `Damaged`.
        Then `run` ends with that, and everybody who waits gets `NodeStopped`: on memory that is ahead of the disk
        nothing more may be built. Raises `NodeStopped` once `run` has ended.
        """
        if self._is_stopped:
            raise NodeStopped("the node has stopped; nothing was written")
        request = Submitted(steps, sum(map(_size, steps)), granted, refused)
        self._queue.append(request)
        self.room.under_way += request.size
        self._latest = request
        self._wake.set()
        return request

    async def drain(self) -> None:
        """Return once everything queued so far is on disk, or has failed."""
        if self._latest is not None:
            await self._latest.done.wait()

    def _take_group(self) -> list[Submitted]:
        """Take from the queue what fits one transaction; at least one request, however large it is."""
        group = [self._queue.popleft()]
        steps, size = len(group[0].steps), group[0].size
        while self._queue:
            request = self._queue[0]
            steps, size = steps + len(request.steps), size + request.size
            if steps > STEPS_MAX or size > SIZE_MAX:
                break
            group.append(self._queue.popleft())
        if not self._queue:
            self._wake = trio.Event()
        return group

    async def _grant(self, group: list[Submitted]) -> None:
        try:
            await self._write(group)
        except StoreFailed as failure:
            self.trouble = str(failure)
            self.failed()
            # Those behind stepped on from state that never reached the disk, so they cannot be granted either.
            for request in group:
                self._refuse(request, _copy(failure))
            self._refuse_queue(failure)
        else:
            for request in group:
                self.room.under_way -= request.size
                request.granted()
                request.done.set()
        self.room.measured(self._space)
        self.measured()

    async def _write(self, group: list[Submitted]) -> None:
        if not any(request.size for request in group):
            return
        await self._take_turn()
        try:
            await self._blocking(partial(self._commit, group))
        finally:
            self._writing.release()
        self.trouble = None
        self._see_growth()

    def _see_growth(self) -> None:
        """The diary is on disk as it is in memory."""
        if self._diary.size > self.size:
            self.size = self._diary.size
            self.grew.send()

    async def _take_turn(self) -> None:
        """Be the one who writes. A pause only if another is: the write that follows has one of its own."""
        try:
            self._writing.acquire_nowait()
        except trio.WouldBlock:
            await self._writing.acquire()

    def _commit(self, group: list[Submitted]) -> None:
        """Blocks. Puts steps and entries on disk in one transaction."""
        self._with_diary(partial(self._put, group))

    def _put(self, group: list[Submitted], diary: Diary) -> None:
        writes: list[Put] = []
        entries: list[Entry] = []
        first = diary.size
        for request in group:
            start = first + len(entries)
            for step in request.steps:
                writes += step.writes
                entries += step.entries
            request.indexes = range(
                start, first + len(entries)
            )  # Whoever waits sees them if this commit does not fail.
        writes += diary.append(entries)
        writes += diary.changed()
        try:
            self._store.commit(writes)
        finally:
            self._space = self._store.room()

    def _with_diary(self, work: Callable[[Diary], None]) -> None:
        """Do what needs the diary as the disk has it; after a failure it is read from there first, the next time."""
        try:
            if self._is_ahead:
                self._diary.reload()
            self._is_ahead = True
            work(self._diary)
            self._is_ahead = False
        except Damaged as error:
            raise StoreFailed(
                f"nothing was written, for the audit log is not well: {error.what}", fix=error.fix
            ) from error

    @property
    def has_unsigned(self) -> bool:
        """True if entries are on disk that no checkpoint covers, or may be: a commit has failed."""
        return self._is_ahead or self._diary.signed_size < self.size

    @property
    def newest(self) -> bytes | None:
        """The newest signed checkpoint, which may not cover all; None while there is no entry."""
        return self._diary.checkpoint

    async def checkpoint(self) -> bytes | None:
        """Return the signed checkpoint of all entries that are on disk; None while there is no entry.

        Raises `StoreFailed`, also where disk and memory differ.
        """
        await self._take_turn()
        try:
            await self._blocking(partial(self._with_diary, self._sign))
            self._see_growth()  # A commit that failed may have been read back from the disk: then it is there.
            return self._diary.checkpoint
        finally:
            self._writing.release()

    def _sign(self, diary: Diary) -> None:
        """Blocks. Durable before signed, signed and durable before shown."""
        writes = diary.sign()
        if writes:
            self._store.commit(writes)
            diary.signed(writes)

    async def write_alone(self, work: Callable[[], list[Put] | None]) -> bool:
        """Commit the rows that `work` makes of what is on disk, with no other commit in between.

        Returns False, and has written nothing, where that is None. `work` runs in a worker thread. Raises
        `StoreFailed`, and what `work` raises.
        """
        await self._take_turn()
        try:
            return await self._blocking(lambda: self._write_rows(work()))
        finally:
            self._writing.release()

    def _write_rows(self, writes: list[Put] | None) -> bool:
        if writes:
            self._store.commit(writes)
        return writes is not None

    def _refuse_queue(self, failure: StoreFailed | NodeStopped) -> None:
        while self._queue:
            self._refuse(self._queue.popleft(), _copy(failure))
        self._wake = trio.Event()

    def _refuse(self, request: Submitted, failure: StoreFailed | NodeStopped) -> None:
        if not request.done.is_set():
            request.failure = failure
            request.refused(failure)  # If it raises, this request comes here once more: see `run`.
            self.room.under_way -= request.size
            request.done.set()


def _size(step: Step) -> int:
    """Return the bytes that a step takes: 0 only if it writes nothing, for no key is empty."""
    size = len(step.entries) * ENTRY_ROWS_SIZE
    for _, key, value in step.writes:
        size += len(key) + (0 if value is None else len(value))
    for entry in step.entries:
        size += len(entry.body)
    return size


def _copy(failure: StoreFailed | NodeStopped) -> StoreFailed | NodeStopped:
    # One instance raised in many tasks would pile up the tracebacks of all of them.
    copy = type(failure)(failure.what, fix=failure.fix)
    copy.__cause__ = failure
    return copy
