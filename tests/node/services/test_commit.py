"""The committer: what is grouped, what is atomic, and who learns of a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.core.entries import Entry
from talos.core.entry_types import BODY_SIZE_MAX, EntryType
from talos.core.log_rows import next_index
from talos.core.names import DID_SIZE
from talos.core.step import Put, Step
from talos.core.tables import BODIES, ENTRIES, META, STATE_TABLES, TREE, entry_key
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.memory_store import MemoryStore
from talos.drivers.real_host import Workers
from talos.drivers.rows import BadRow
from talos.errors import NodeStopped, StoreFailed, StoreFull
from talos.services.commit import ENTRY_ROWS_SIZE, SIZE_MAX, STEPS_MAX, Committer
from tests.node.services.commit_bench import bench, diary_on, entries, log, put

T = TypeVar("T")


async def test_a_commit_returns_once_its_rows_can_be_read() -> None:
    async with bench() as at:
        await at.committer.commit(put(b"key", b"value"))
        assert at.store.get(META, b"key") == b"value"


async def test_a_lone_step_waits_for_nobody() -> None:
    async with bench() as at:
        for key in (b"one", b"two"):
            await at.committer.commit(put(key))
        assert len(at.store.transactions) == 2


async def test_what_gathers_during_one_transaction_goes_into_the_next_together() -> None:
    async with bench() as at:
        at.gate.shut()
        for number in range(50):
            await at.queue(b"%d" % number, put(b"%d" % number), log(b"leaf %d" % number))
        at.gate.open()
        await at.committer.drain()
        assert len(at.store.transactions) == 2
        assert entries(at.store) == [(number, b"leaf %d" % number) for number in range(50)]


async def test_a_transaction_takes_a_thousand_steps_and_no_more() -> None:
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"first", put(b"first"))
        for _ in range(3):
            await at.queue(b"many", *(put(b"%d" % number) for number in range(STEPS_MAX // 2)))
        at.gate.open()
        await at.committer.drain()
        assert [len(writes) for writes in at.store.transactions] == [1, STEPS_MAX, STEPS_MAX // 2]


async def test_a_transaction_takes_4_mib_and_no_more_unless_one_call_is_larger() -> None:
    half, whole = bytes(SIZE_MAX // 2 - 1), bytes(SIZE_MAX)
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"first", put(b"f"))
        for name, value in ((b"a", half), (b"b", half), (b"c", b""), (b"d", whole), (b"e", b"")):
            await at.queue(name, put(name, value))
        at.gate.open()
        await at.committer.drain()
        groups = [[write.key for write in writes] for writes in at.store.transactions]
        assert groups == [[b"f"], [b"a", b"b"], [b"c"], [b"d"], [b"e"]]


async def test_entries_count_towards_the_size_of_a_transaction() -> None:
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"first", put(b"f"))
        for name in (b"a", b"b"):
            await at.queue(name, log(*[bytes(BODY_SIZE_MAX)] * (SIZE_MAX // 2 // BODY_SIZE_MAX + 1)))
        at.gate.open()
        await at.committer.drain()
        assert len(at.store.transactions) == 3


async def test_entries_count_with_all_their_rows_however_small_their_bodies() -> None:
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"first", put(b"f"))
        for name in (b"a", b"b"):
            await at.queue(name, log(*[b""] * (SIZE_MAX // 2 // ENTRY_ROWS_SIZE + 1)))
        at.gate.open()
        await at.committer.drain()
        assert len(at.store.transactions) == 3


async def test_an_entry_takes_about_as_much_as_it_is_counted_for() -> None:
    async with bench() as at:
        entry = Entry(EntryType.ANCHOR, 0, bytes(DID_SIZE), b"")
        await at.committer.commit(Step(entries=(entry,) * 1_000))
        [writes] = at.store.transactions
        size = sum(len(write.key) + len(write.value or b"") for write in writes) // 1_000
        assert ENTRY_ROWS_SIZE // 2 <= size <= ENTRY_ROWS_SIZE


async def test_the_steps_of_one_call_share_a_transaction_however_many_they_are() -> None:
    async with bench() as at:
        await at.committer.commit(*(put(b"%d" % number) for number in range(STEPS_MAX + 1)))
        assert [len(writes) for writes in at.store.transactions] == [STEPS_MAX + 1]


async def test_entries_are_in_the_same_transaction_as_the_writes_they_tell_of() -> None:
    async with bench() as at:
        step = Step(writes=(Put(META, b"key", b"value"),), entries=log(b"one", b"two").entries)
        assert await at.committer.commit(step) == range(0, 2)
        assert entries(at.store) == [(0, b"one"), (1, b"two")]
        [written] = at.store.transactions
        assert written[0] == Put(META, b"key", b"value")
        assert {write.table for write in written} == {META, ENTRIES, BODIES, TREE}


async def test_each_call_learns_the_indexes_of_its_own_entries() -> None:
    async with bench() as at:
        assert await at.committer.commit(log(b"0", b"1"), put(b"x"), log(b"2")) == range(0, 3)
        assert await at.committer.commit(put(b"x")) == range(3, 3)
        assert await at.committer.commit(log(b"3")) == range(3, 4)


async def test_calls_that_share_a_transaction_learn_each_its_own_indexes() -> None:
    async with bench() as at:
        at.gate.shut()
        at.committer.submit(put(b"first"))
        await wait_all_tasks_blocked()
        calls = [at.committer.submit(*steps) for steps in ((log(b"0", b"1"), put(b"x")), (log(b"2"),), (log(b"3"),))]
        at.gate.open()
        await at.committer.drain()
        assert len(at.store.transactions) == 2
        assert [call.indexes for call in calls] == [range(0, 2), range(2, 3), range(3, 4)]


async def test_a_step_that_writes_nothing_waits_for_those_before_it_and_costs_no_transaction() -> None:
    async with bench() as at:
        await at.committer.commit(Step(effects=("frame",)))
        at.gate.shut()
        await at.queue(b"writes", put(b"key"))
        await at.queue(b"only effects", Step(effects=("frame",)))
        assert at.done == []
        at.gate.open()
        await at.committer.drain()
        await wait_all_tasks_blocked()
        assert sorted(at.done) == [b"only effects", b"writes"]
        assert len(at.store.transactions) == 1


@pytest.mark.parametrize("failure", [StoreFull("full", fix="Grow it"), StoreFailed("broken")])
async def test_a_failure_takes_its_group_and_all_behind_it_and_nobody_after(failure: StoreFailed) -> None:
    async with bench() as at:
        at.gate.shut()
        at.store.fail_next = failure
        for name in (b"in the group", b"behind", b"behind too"):
            await at.queue(name, put(name), log(name))
        at.gate.open()
        await wait_all_tasks_blocked()
        assert sorted(at.failures) == [b"behind", b"behind too", b"in the group"]
        assert {(type(got), str(got)) for got in at.failures.values()} == {(type(failure), str(failure))}
        assert len({id(got) for got in at.failures.values()}) == 3, "each task raises an instance of its own"
        assert at.store.transactions == []

        assert await at.committer.commit(put(b"after"), log(b"after")) == range(0, 1)
        assert [write.key for write in at.store.transactions[0]][:2] == [b"after", entry_key(0)]


async def test_all_that_one_failure_refuses_name_it_as_their_cause() -> None:
    async with bench() as at:
        at.gate.shut()
        at.store.fail_next = StoreFailed("broken")
        refused = [at.committer.submit(put(name)) for name in (b"in the group", b"in it too")]
        await wait_all_tasks_blocked()
        refused.append(at.committer.submit(put(b"behind")))
        at.gate.open()
        await at.committer.drain()
        failures = [one.failure for one in refused if one.failure is not None]
        assert len({id(failure) for failure in failures}) == 3, "each task raises an instance of its own"
        assert len({id(failure.__cause__) for failure in failures}) == 1
        assert failures[0].__cause__ is not None


async def test_after_a_failure_the_index_goes_on_from_what_is_on_disk() -> None:
    async with bench() as at:
        await at.committer.commit(log(b"kept"))
        at.store.fail_next = StoreFailed("broken")
        with pytest.raises(StoreFailed, match="broken"):
            await at.committer.commit(log(b"lost", b"lost too"))
        await at.committer.commit(log(b"next"))
        assert entries(at.store) == [(0, b"kept"), (1, b"next")]


async def test_after_a_failure_that_reached_the_disk_all_the_same_no_entry_is_overwritten() -> None:
    class InDoubt(MemoryStore):
        is_in_doubt = False

        def commit(self, writes: Sequence[Put]) -> None:
            super().commit(writes)
            if self.is_in_doubt:
                self.is_in_doubt = False
                raise StoreFailed("the disk failed while it said yes")

    committer = Committer(store := InDoubt(STATE_TABLES), Workers(), diary_on(store))
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        await committer.commit(log(b"first"))
        await committer.checkpoint()
        store.is_in_doubt = True
        with pytest.raises(StoreFailed):
            await committer.commit(log(b"in doubt"))
        await committer.commit(log(b"next"))
        nursery.cancel_scope.cancel()
    assert entries(store) == [(0, b"first"), (1, b"in doubt"), (2, b"next")]


async def test_a_row_no_store_takes_fails_its_caller_and_not_the_committer() -> None:
    async with bench() as at:
        with pytest.raises(BadRow):
            await at.committer.commit(Step(writes=(Put("nowhere", b"key", b""),)))
        await at.committer.commit(put(b"key"))
        assert at.store.get(META, b"key") == b""


async def test_a_commit_whose_caller_is_cancelled_is_written_all_the_same() -> None:
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"first", put(b"first"))
        (await at.queue(b"cancelled", put(b"cancelled", b"yes"))).cancel()
        at.gate.open()
        await at.committer.drain()
        assert at.done == [b"first"]
        assert at.store.get(META, b"cancelled") == b"yes"


async def test_drain_flushes_what_is_queued_before_a_stop() -> None:
    async with bench() as at:
        at.gate.shut()
        for name in (b"one", b"two"):
            await at.queue(name, put(name))
        at.gate.open()
        await at.committer.drain()
    assert sorted(at.done) == [b"one", b"two"]
    assert at.failures == {}


async def test_drain_waits_for_what_is_being_written_though_nothing_is_queued_behind_it() -> None:
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"being written", put(b"x"))
        drained = trio.Event()

        async def drain() -> None:
            await at.committer.drain()
            drained.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            await wait_all_tasks_blocked()
            assert not drained.is_set()
            at.gate.open()
        assert len(at.store.transactions) == 1


async def test_drain_with_nothing_queued_returns_at_once() -> None:
    async with bench() as at:
        await at.committer.drain()
        await at.committer.commit(put(b"key"))
        await at.committer.drain()
    await at.committer.drain()


async def test_a_stop_without_drain_leaves_nobody_waiting() -> None:
    async with bench() as at:
        at.gate.shut()
        for name in (b"being written", b"queued"):
            await at.queue(name, put(name))
    assert {name: str(failure) for name, failure in at.failures.items()} == {
        b"being written": "the node stopped; it is not known whether this was written",
        b"queued": "the node stopped; nothing of this was written",
    }
    assert at.store.transactions == []


async def test_a_commit_after_the_stop_is_refused() -> None:
    async with bench() as at:
        pass
    with pytest.raises(NodeStopped, match="nothing was written"):
        await at.committer.commit(put(b"key"))


async def test_a_bug_in_the_store_ends_the_committer_and_nobody_waits_for_ever() -> None:
    class Broken(MemoryStore):
        def commit(self, writes: Sequence[Put]) -> None:
            raise ZeroDivisionError

    async def inline(work: Callable[[], T]) -> T:
        return work()

    committer = Committer(broken := Broken(STATE_TABLES), inline, diary_on(broken))
    stopped: list[NodeStopped] = []

    async def commit() -> None:
        with pytest.raises(NodeStopped) as raised:
            await committer.commit(put(b"key"))
        stopped.append(raised.value)

    async def run_to_its_end() -> None:
        with pytest.raises(ZeroDivisionError):
            await committer.run()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_to_its_end)
        nursery.start_soon(commit)
    assert len(stopped) == 1


async def test_the_index_continues_over_restarts_on_disk(tmp_path: Path) -> None:
    for restart in range(3):
        store = LmdbStore(tmp_path / "store", 16, STATE_TABLES)
        committer = Committer(store, Workers(), diary_on(store))
        async with trio.open_nursery() as nursery:
            await nursery.start(committer.run)
            assert await committer.commit(log(b"a", b"b")) == range(2 * restart, 2 * restart + 2)
            await committer.checkpoint()
            nursery.cancel_scope.cancel()
        store.close()


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [
        (range(0), 0),
        (range(1), 1),
        (range(2), 2),
        (range(1000), 1000),
        (range(500, 1000), 1000),
        (range(2**63 - 1, 2**63 + 2), 2**63 + 2),
        (range(2**64 - 2, 2**64 - 1), 2**64 - 1),
    ],
)
def test_the_next_index_follows_the_last_entry_even_if_old_ones_were_pruned(indexes: range, expected: int) -> None:
    store = MemoryStore(STATE_TABLES)
    store.commit([Put(ENTRIES, entry_key(index), b"leaf") for index in indexes])
    assert next_index(store) == expected


def test_the_order_of_entry_keys_is_the_order_of_entries() -> None:
    indexes = [0, 1, 255, 256, 65_535, 65_536, 2**32, 2**64 - 1]
    assert sorted(map(entry_key, reversed(indexes))) == [entry_key(index) for index in indexes]


async def test_a_group_commits_whole_steps_under_load_from_many_tasks(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 16, STATE_TABLES)
    committer = Committer(store, Workers(), diary_on(store))
    tasks, each = 20, 10

    async def work(task: int) -> None:
        for number in range(each):
            name = b"%d/%d" % (task, number)
            [index] = await committer.commit(Step(writes=(Put(META, name, b""),), entries=log(name).entries))
            assert entries(store)[index] == (index, name)

    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        async with trio.open_nursery() as workers:
            for task in range(tasks):
                workers.start_soon(work, task)
        nursery.cancel_scope.cancel()
    names = [body for _, body in entries(store)]
    assert len(names) == tasks * each
    assert sorted(names) == [key for key, _ in store.scan(META) if b"/" in key]
    store.close()
