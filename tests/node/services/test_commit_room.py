"""What is on its way to the disk counts against the room until it is there, was refused, or nobody writes any more."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from talos.core.room import Space
from talos.errors import StoreFailed
from tests.node.services.commit_bench import bench, log, put


async def test_what_waits_is_under_way_and_what_is_on_disk_is_not() -> None:
    async with bench() as at:
        at.gate.shut()
        await at.queue(b"first", put(b"first", bytes(1_000)))
        await at.queue(b"second", put(b"second", bytes(500)), log(b"leaf"))
        assert at.committer.room.under_way > 1_500
        at.gate.open()
        await at.committer.drain()
        assert at.committer.room.under_way == 0


async def test_what_was_refused_is_not_under_way_any_more_nor_what_stood_behind_it() -> None:
    async with bench() as at:
        at.gate.shut()
        at.store.fail_next = StoreFailed("broken")
        for name in (b"first", b"second", b"third"):
            await at.queue(name, put(name, bytes(1_000)))
        at.gate.open()
        await at.committer.drain()
        await wait_all_tasks_blocked()
        assert len(at.failures) == 3
        assert at.committer.room.under_way == 0
        await at.committer.commit(put(b"after"))
        assert at.committer.room.under_way == 0


async def test_nothing_is_under_way_once_nobody_writes() -> None:
    async with bench() as at:
        at.gate.shut()
        for name in (b"first", b"second"):
            await at.queue(name, put(name, bytes(1_000)))
    assert at.committer.room.under_way == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_the_room_is_measured_after_each_transaction_also_after_one_that_failed(fails: bool) -> None:
    async with bench() as at:
        seen = list[Space]()
        at.committer.measured = lambda: seen.append(at.committer.room.space)
        for number in range(3):
            at.store.room = lambda left=number: Space(left, is_disk=True)  # type: ignore[method-assign,misc]  # A number each.
            at.store.fail_next = StoreFailed("broken") if fails else None
            if fails:
                with pytest.raises(StoreFailed):
                    await at.committer.commit(put(b"key"))
            else:
                await at.committer.commit(put(b"key"))
        assert seen == [Space(number, is_disk=True) for number in range(3)]
