"""Steps and checkpoints have one writer: neither is begun while the other is being written."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from talos.errors import StoreFailed
from talos.services.commit import Committer
from talos_audit import open_checkpoint
from tests.node.services.commit_bench import RecordingStore, diary_on, entries, log

T = TypeVar("T")


class Turnstile:
    """A `Blocking` in front of which all work waits until the test lets it through, one piece at a time."""

    def __init__(self) -> None:
        self.waiting: deque[trio.Event] = deque()

    async def __call__(self, work: Callable[[], T]) -> T:
        turn = trio.Event()
        self.waiting.append(turn)
        await turn.wait()
        return work()

    async def let_one_through(self) -> None:
        self.waiting.popleft().set()
        await wait_all_tasks_blocked()


class Line:
    """A running committer, and what has come of the calls so far: in order, as sizes that are signed for or on disk."""

    def __init__(self, callers: trio.Nursery) -> None:
        self.store = RecordingStore()
        self.turnstile = Turnstile()
        self.diary = diary_on(self.store)
        self.committer = Committer(self.store, self.turnstile, self.diary)
        self.done: list[tuple[str, int]] = []
        self._callers = callers

    async def ask_for_commit(self, body: bytes) -> None:
        async def commit() -> None:
            try:
                indexes = await self.committer.commit(log(body))
            except StoreFailed:
                self.done.append(("not written", 0))
            else:
                self.done.append(("written", indexes.stop))

        self._callers.start_soon(commit)
        await wait_all_tasks_blocked()

    async def ask_for_checkpoint(self) -> None:
        async def sign() -> None:
            try:
                note = await self.committer.checkpoint()
            except StoreFailed:
                self.done.append(("not signed", 0))
            else:
                assert note is not None
                self.done.append(("signed", open_checkpoint(note, self.diary.card.verifier).size))

        self._callers.start_soon(sign)
        await wait_all_tasks_blocked()


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """Two entries are on disk, and one of them is signed for."""
    async with trio.open_nursery() as running, trio.open_nursery() as callers:
        made = Line(callers)
        await running.start(made.committer.run)
        await made.ask_for_commit(b"one")
        await made.turnstile.let_one_through()
        await made.ask_for_checkpoint()
        await made.turnstile.let_one_through()
        await made.ask_for_commit(b"two")
        await made.turnstile.let_one_through()
        assert made.done == [("written", 1), ("signed", 1), ("written", 2)]
        made.done.clear()
        yield made
        running.cancel_scope.cancel()


async def test_a_checkpoint_waits_for_the_commit_that_is_being_written_and_covers_it() -> None:
    async with line() as at:
        await at.ask_for_commit(b"three")
        await at.ask_for_checkpoint()
        assert len(at.turnstile.waiting) == 1, "the checkpoint has not begun"
        await at.turnstile.let_one_through()
        assert at.done == [("written", 3)]
        assert len(at.turnstile.waiting) == 1, "now it has"
        await at.turnstile.let_one_through()
        assert at.done == [("written", 3), ("signed", 3)]


async def test_a_commit_waits_for_the_checkpoint_that_is_being_signed_and_is_not_covered_by_it() -> None:
    async with line() as at:
        await at.ask_for_checkpoint()
        await at.ask_for_commit(b"three")
        assert len(at.turnstile.waiting) == 1, "the commit has not begun"
        await at.turnstile.let_one_through()
        assert at.done == [("signed", 2)]
        assert len(entries(at.store)) == 2
        await at.turnstile.let_one_through()
        assert at.done == [("signed", 2), ("written", 3)]
        assert at.committer.has_unsigned


async def test_two_checkpoints_are_signed_one_after_the_other() -> None:
    async with line() as at:
        for _ in range(2):
            await at.ask_for_checkpoint()
        assert len(at.turnstile.waiting) == 1
        for _ in range(2):
            await at.turnstile.let_one_through()
        assert at.done == [("signed", 2)] * 2


async def test_after_a_commit_that_failed_a_checkpoint_covers_what_is_on_disk() -> None:
    async with line() as at:
        at.store.fail_next = StoreFailed("broken")
        await at.ask_for_commit(b"lost")
        await at.ask_for_checkpoint()
        await at.turnstile.let_one_through()
        await at.turnstile.let_one_through()
        assert at.done == [("not written", 0), ("signed", 2)]


async def test_a_checkpoint_that_did_not_reach_the_disk_is_not_the_newest() -> None:
    async with line() as at:
        before = at.committer.newest
        at.store.fail_next = StoreFailed("broken")
        await at.ask_for_checkpoint()
        await at.turnstile.let_one_through()
        assert at.done == [("not signed", 0)]
        assert at.committer.newest == before
        assert at.committer.has_unsigned


async def test_after_a_checkpoint_that_failed_a_commit_goes_on_from_what_is_on_disk() -> None:
    async with line() as at:
        at.store.fail_next = StoreFailed("broken")
        await at.ask_for_checkpoint()
        await at.ask_for_commit(b"three")
        await at.turnstile.let_one_through()
        await at.turnstile.let_one_through()
        assert at.done == [("not signed", 0), ("written", 3)]
        assert entries(at.store) == [(0, b"one"), (1, b"two"), (2, b"three")]
