"""A key log that was learnt counts from then on, and what did not reach the disk is learnt anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.tables import KEYLOGS
from talos.errors import StoreFailed
from tests.node.core.identities import Holder
from tests.node.services.hostile import alone
from tests.node.services.wire import T


class Disk:
    """Fails the next commit, once that is allowed to end."""

    def __init__(self) -> None:
        self.may_end = trio.Event()

    async def __call__(self, work: Callable[[], T]) -> T:
        await self.may_end.wait()
        raise StoreFailed("the disk is gone")


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_key_log_that_did_not_reach_the_disk_is_learnt_anew(cancelled: bool, autojump_clock: MockClock) -> None:
    log, failed = Holder("bob").log(), list[StoreFailed]()
    did = log.state.did
    async with alone() as node:
        desk, disk = node.desk, Disk()

        async def learn(task_status: trio.TaskStatus[trio.CancelScope]) -> None:
            with trio.CancelScope() as scope:
                task_status.started(scope)
                try:
                    await desk.learn(log)
                except StoreFailed as error:
                    failed.append(error)

        well, desk.post._committer._blocking = desk.post._committer._blocking, disk
        async with trio.open_nursery() as nursery:
            scope: trio.CancelScope = await nursery.start(learn)
            await wait_all_tasks_blocked()
            assert desk.directory.key_log(did) == log
            if cancelled:
                scope.cancel()
                await wait_all_tasks_blocked()
            disk.may_end.set()
        await desk.post._committer.drain()
        assert len(failed) == (not cancelled)
        assert desk.directory.key_log(did) is None
        desk.post._committer._blocking = well
        await desk.learn(log)
        assert node.opened.host.store.get(KEYLOGS, did) == log.encode()
