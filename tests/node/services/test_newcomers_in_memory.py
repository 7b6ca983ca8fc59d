"""Newcomers that come and go: what is kept of them in memory is what is on disk, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from talos.core.newcomers import NEWCOMERS_MAX
from talos.core.step import Put
from talos.core.tables import NEWCOMERS, SESSIONS
from talos.errors import Damaged, StoreFailed
from talos.host import Address
from talos.services.relaying.through import Way
from tests.node.core.identities import Holder
from tests.node.services.hostile import Stranger, alone
from tests.node.services.test_newcomers import come, crowd, left_by, visited
from tests.node.services.wire import Running, T, Wire, inline, until


@dataclass
class Found:
    """Knows where one peer is, as discovery would."""

    address: Address

    def cached(self, did: bytes) -> list[Way]:
        return [self.address]

    async def find(self, did: bytes) -> list[Way]:
        return [self.address]


async def test_who_is_being_dialled_is_not_let_go_meanwhile(autojump_clock: MockClock) -> None:
    wire = Wire()
    a, b = Running(wire, "a"), Running(wire, "b")
    async with trio.open_nursery() as nursery:
        await nursery.start(a.run)
        await nursery.start(b.run)
        await b.knows(a)
        await b.links.connect(b.peer(a))
        await until(lambda: a.peer(b).link is not None)
        link = b.peer(a).link
        assert link is not None
        link.close("it has nothing to say")
        await until(lambda: a.peer(b).link is None)
        assert a.peer(b).conversation.is_newcomer
        await crowd(a, NEWCOMERS_MAX - 1)
        a.links.dialler.whereabouts = Found(b.address)
        wire.latency_s["a"] = 1.0
        dialled = a.peer(b)
        nursery.start_soon(a.links.connect, dialled)
        await come(a, Stranger("late", a.desk.card()))
        await until(lambda: dialled.link is not None)
        assert a.peer(b) is dialled, "two conversations with one peer would seal with the same keys"
        nursery.cancel_scope.cancel()


async def test_of_who_was_let_go_nothing_is_kept_not_even_that_it_has_no_address(autojump_clock: MockClock) -> None:
    async with visited() as (node, early, late):
        await come(node, late)
        assert left_by(node, early) == set()
        assert early.did not in node.desk.directory._addresses


async def test_a_newcomer_whose_rows_are_damaged_keeps_no_other_away(autojump_clock: MockClock) -> None:
    async with visited() as (node, early, late):
        store, post = node.opened.host.store, node.desk.post
        key, value = next(store.scan(SESSIONS, early.did))
        store.commit([Put(SESSIONS, key, value[:-1])])
        post._peers.pop(early.did)
        await come(node, late)
        assert left_by(node, late) >= {NEWCOMERS, SESSIONS}


async def test_a_key_log_that_did_not_reach_the_disk_is_forgotten_though_nobody_waits_any_more(
    autojump_clock: MockClock,
) -> None:
    flush = trio.Event()

    async def slow(work: Callable[[], T]) -> T:
        await flush.wait()
        return await inline(work)

    async with alone() as node, trio.open_nursery() as nursery:
        log = Holder("bob").log()
        node.desk.post._committer._blocking = slow
        nursery.start_soon(node.desk.learn, log)
        await until(lambda: log.state.did in node.desk.directory)
        nursery.cancel_scope.cancel()
        node.store.refusal = StoreFailed("the disk is broken")
        flush.set()
        with trio.CancelScope(shield=True):
            await until(lambda: not node.node.status().store_ok)
        assert log.state.did not in node.desk.directory


async def test_the_key_log_of_a_peer_whose_rows_are_damaged_is_not_taken_for_written(autojump_clock: MockClock) -> None:
    async with alone() as node:
        log = Holder("bob").log()
        node.store.commit([Put(SESSIONS, log.state.did + bytes(17), b"rotten")])
        with pytest.raises(Damaged):
            await node.desk.learn(log)
        assert log.state.did not in node.desk.directory
