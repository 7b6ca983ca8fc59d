"""A node whose store is low: new messages are refused, all else goes on, and it is well again by itself."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.diary_read import Query
from talos.core.entry_types import EntryType, Refusal
from talos.core.refusals import AGGREGATE_MS, STRANGER
from talos.core.report import AuditEntry, ReceiptState
from talos.core.room import LOW_BELOW, MIB, WELL_FROM, Space
from talos.core.step import Put
from talos.core.tables import OUTBOX, SESSIONS
from talos.errors import StoreFailed, StoreFull
from talos.services.keeper import LOOK_S
from tests.node.services.wire import CLOCK, Running, Wire, running, until

FULL = Space(-1, is_disk=False)
FULL_DISK = Space(LOW_BELOW - 1, is_disk=True)
WELL = Space(WELL_FROM + MIB, is_disk=False)  # There may be something under way.


async def entries(node: Running, type: EntryType) -> list[AuditEntry]:
    return await node.node.audit.query(Query(type=type))


async def befalls(node: Running, space: Space) -> None:
    """From now on the store says so, and the node has noticed."""
    node.store.space = space
    await until(lambda: node.desk.post.keeper.room.is_low is (space is not WELL), LOOK_S + 1)


async def low(node: Running, space: Space = FULL) -> None:
    """From now on the store says so; the node notices with its next commit, or when it is asked for one."""
    node.store.space = space
    node.desk.post.keeper.look()
    await CLOCK.sleep(0.1)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (
            FULL,
            r"the store is nearly full \(4096 MiB\): .* set store\.size_max_mib above 4096 in talos\.toml and restart",
        ),
        (FULL_DISK, r"the disk below the store is nearly full: .*\. Free space on it"),
    ],
)
async def test_a_new_message_is_refused_with_the_reason_and_the_mend_and_uses_up_nothing(
    autojump_clock: MockClock, space: Space, words: str
) -> None:
    async with running("a", "b") as (a, b):
        first = await a.node.send(b.node.did, b"before")
        await a.node._committer.drain()
        a.store.space = space
        a.desk.post.keeper.look()
        for _ in range(3):
            with pytest.raises(StoreFull, match=words):
                await a.node.send(b.node.did, b"refused")
        assert not list(a.store.scan(OUTBOX))
        status = a.node.status()
        assert not status.store_ok
        assert status.reason is not None
        assert "nearly full" in status.reason
        a.store.space = WELL
        second = await a.node.send(b.node.did, b"after")  # It looks again at once: no need to wait.
        assert (second.state, second.id.seq) == (ReceiptState.DELIVERED, first.id.seq + 1)
        assert (a.node.status().store_ok, a.node.status().reason) == (True, None)


async def test_a_peer_is_told_to_wait_and_goes_on_when_there_is_room_without_a_new_link(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"before")
        await low(b)
        links = len(a.wire.streams)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.node.send, b.node.did, b"waits")
            await CLOCK.sleep(5)
            assert (a.node.status().undelivered, b.node.status().inbox) == (1, 1)
            await befalls(b, WELL)
        assert a.node.status().undelivered == 0
        assert [(await b.node.receive()).body for _ in range(2)] == [b"before", b"waits"]
        assert len(a.wire.streams) == links
        assert b.node._committer.trouble is None


async def test_what_is_there_is_brought_to_its_end_all_the_same_and_written_down(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await b.node.send(a.node.did, b"theirs")
        async with trio.open_nursery() as nursery:
            await low(b)  # So that ours is under way while we are low.
            nursery.start_soon(a.node.send, b.node.did, b"ours")
            await CLOCK.sleep(1)
            assert a.node.status().undelivered == 1
            await low(a)
            await befalls(b, WELL)
        assert a.node.status().undelivered == 0
        await (await a.node.receive()).ack()
        assert a.node.status().inbox == 0
        done = [entry.details and entry.details["event"] for entry in await entries(a, EntryType.MESSAGE)]
        assert done == ["received", "sent", "delivered", "done"]
        assert not a.node.status().store_ok


@pytest.mark.parametrize(("space", "limit"), [(FULL, 4096), (FULL_DISK, 0)])
async def test_the_log_tells_of_it_once_each_time(autojump_clock: MockClock, space: Space, limit: int) -> None:
    async with running("a", "b") as (a, b):
        for times in (1, 2):
            await low(a, space)
            for _ in range(3):
                with pytest.raises(StoreFull):
                    await a.node.send(b.node.did, b"refused")
            await CLOCK.sleep(3 * LOOK_S)
            told = await entries(a, EntryType.AUDIT_FULL)
            assert [entry.details for entry in told] == [{"size_max_mib": limit}] * times
            await befalls(a, WELL)
        await a.node.audit.verify_chain()


async def test_a_store_that_is_low_at_the_start_is_told_of_and_the_node_runs(autojump_clock: MockClock) -> None:
    wire = Wire()
    node = Running(wire, "a")
    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        await node.leave()
        node = Running(wire, "a", again=node)
        node.store.space = FULL
        await nursery.start(node.run)
        await CLOCK.sleep(1)
        assert not node.node.status().store_ok
        assert len(await entries(node, EntryType.AUDIT_FULL)) == 1
        nursery.cancel_scope.cancel()


async def test_a_store_that_becomes_low_through_what_others_send_is_noticed_with_the_commit(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await CLOCK.sleep(1)
        b.store.space = FULL
        assert (await a.node.send(b.node.did, b"the last")).state is ReceiptState.DELIVERED
        assert not b.node.status().store_ok
        receipt = await a.node.send(b.node.did, b"one too many", timeout=1, retry_count=0)
        assert receipt.state is ReceiptState.QUEUED


async def test_refusals_do_not_get_at_the_reserve_and_are_counted_on(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, _):
        await low(a)
        size = a.node.audit.size
        for _ in range(5):
            a.desk.post.refusals.refuse(Refusal.MALFORMED, STRANGER, b"frame", a.desk.now_ms())
        await CLOCK.sleep(3 * AGGREGATE_MS / 1000)
        assert a.node.audit.size == size
        await befalls(a, WELL)
        await CLOCK.sleep(2 * AGGREGATE_MS / 1000)
        (refused,) = await entries(a, EntryType.REFUSED)
        assert refused.details is not None
        assert refused.details["count"] == 5


async def test_a_stranger_is_told_to_try_later_and_who_is_known_is_not(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await a.node.send(b.node.did, b"we know each other")
        await low(b)
        await low(a)  # Whoever calls is in the same need.
        for did in (a.did, b.did):
            for node in (a, b):
                node.store.commit([Put(SESSIONS, key, None) for key, _ in node.store.scan(SESSIONS, did)])
        link = a.peer(b).link
        assert link is not None
        link.close("the test wants a new greeting")
        for node, other in ((a, b), (b, a)):
            node.peer(other).conversation.reload()
        await until(lambda: a.peer(b).link is None)
        await a.links.connect(a.peer(b))
        assert a.peer(b).conversation.has_session(), "a new one: there was none to resume"
        before = {key for key, _ in b.store.scan(SESSIONS)}
        receipt = await c.node.send(b.node.did, b"hello", timeout=1, retry_count=0)
        assert receipt.state is ReceiptState.QUEUED
        assert receipt.why_queued is not None
        assert "no room" in receipt.why_queued
        assert {key for key, _ in b.store.scan(SESSIONS)} == before
        await befalls(b, WELL)
        await c.links.connect(c.peer(b))
        await until(lambda: c.node.status().undelivered == 0)


async def test_a_store_that_cannot_be_asked_ends_no_node(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await low(a)

        def fail() -> Space:
            raise StoreFailed("nobody knows")

        a.store.room = fail  # type: ignore[method-assign]  # A fault of the disk, not of the store's code.
        await CLOCK.sleep(3 * LOOK_S)
        del a.store.room
        await befalls(a, WELL)
        assert (await a.node.send(b.node.did, b"again")).state is ReceiptState.DELIVERED
