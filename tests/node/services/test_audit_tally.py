"""Refusals are written down once, whatever is cancelled or fails meanwhile; and questions cost no flush each."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core import codec
from talos.core.entry_types import Refusal
from talos.core.refusals import STRANGER, Refusals
from talos.drivers.clock import RealClock
from talos.errors import StoreFailed
from talos.services.audit import PUBLISH_S, Audit
from talos.services.commit import Committer
from tests.node.services.commit_bench import VAULT, Gate, RecordingStore, diary_on, entries, log

NOW_MS = 20_000 * 86_400_000


@dataclass
class Bench:
    """An audit service over a store and a disk that a test holds in its hand."""

    store: RecordingStore
    gate: Gate
    committer: Committer
    refusals: Refusals
    audit: Audit

    def refuse(self, times: int) -> None:
        for _ in range(times):
            self.refusals.refuse(Refusal.SIGNATURE, STRANGER, b"x", NOW_MS)


def bench() -> Bench:
    store, gate = RecordingStore(), Gate()
    committer, refusals = Committer(store, gate, diary_on(store)), Refusals(store)
    desk = SimpleNamespace(post=SimpleNamespace(refusals=refusals, keeper=committer), now_ms=lambda: NOW_MS)
    host = SimpleNamespace(store=store, blocking=gate, clock=RealClock())
    return Bench(store, gate, committer, refusals, Audit(cast("Any", host), committer, cast("Any", desk), VAULT))


async def test_a_refusal_is_written_once_though_the_tally_is_cancelled_while_it_is_written() -> None:
    made = bench()
    made.refuse(7)
    async with trio.open_nursery() as nursery:
        await nursery.start(made.committer.run)
        async with trio.open_nursery() as services:
            made.gate.shut()
            services.start_soon(made.audit.tally)
            await wait_all_tasks_blocked()
            services.cancel_scope.cancel()
        made.gate.open()
        await made.committer.drain()
        await made.audit.close()
        nursery.cancel_scope.cancel()
    assert [codec.quick_array(body)[2] for _, body in entries(made.store)] == [7]


async def test_a_tally_that_cannot_be_written_counts_on_and_shows_until_it_is() -> None:
    made = bench()
    async with trio.open_nursery() as nursery:
        await nursery.start(made.committer.run)
        made.refuse(3)
        made.store.fail_next = StoreFailed("full")
        await made.audit.tally()
        await made.committer.commit(log(b"x"))
        await made.audit.sign()
        assert made.audit.trouble == "full", "that the log is signed says nothing about refusals"
        made.refuse(2)
        await made.audit.tally()
        assert made.audit.trouble is None
        nursery.cancel_scope.cancel()
    assert codec.quick_array(entries(made.store)[-1][1])[2] == 5


async def test_questions_lead_to_no_more_checkpoints_than_one_a_second(autojump_clock: MockClock) -> None:
    made = bench()
    async with trio.open_nursery() as nursery:
        await nursery.start(made.committer.run)
        made.store.transactions.clear()
        for _ in range(50):
            await made.committer.commit(log(b"x"))
            await made.audit.show_head(cast("Any", None), b"")
        assert len(made.store.transactions) == 50 + 1
        await trio.sleep(PUBLISH_S)
        await made.audit.show_head(cast("Any", None), b"")
        assert len(made.store.transactions) == 50 + 2
        assert not made.committer.has_unsigned
        nursery.cancel_scope.cancel()
