"""What a link takes while its latest step is on its way to the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.conversation import Conversation
from talos.core.step import Put, Step
from talos.core.tables import KEYLOGS
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, T, running


class SlowDisk:
    """Holds the commits of one node, and counts the frames of each step that it takes from another."""

    def __init__(self, node: Running, peer: Running, patch: pytest.MonkeyPatch) -> None:
        self.taken = taken = list[int]()
        self.ends = ends = trio.Event()
        real = Conversation.receive

        def receive(self: Conversation, frames: Sequence[bytes], *args: int, **kwargs: bool) -> Step:
            if self is node.peer(peer).conversation:
                taken.append(len(frames))
            return real(self, frames, *args, **kwargs)

        async def held(work: Callable[[], T]) -> T:
            await ends.wait()
            return work()

        patch.setattr(Conversation, "receive", receive)
        node.desk.post._committer._blocking = held


async def test_while_the_disk_is_slow_no_link_brings_more_than_one_step(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        disk = SlowDisk(b, a, monkeypatch)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(a.node.send, b.node.did, b"hello")
                await CLOCK.sleep(0.1)
            assert disk.taken == [1]
            disk.ends.set()
        assert sum(disk.taken) == 3


async def test_a_link_that_is_closed_by_what_came_of_one_step_takes_no_further_one(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        link = b.peer(a).link
        assert link is not None
        disk = SlowDisk(b, a, monkeypatch)
        b.desk.post.submit_own(Step((Put(KEYLOGS, b"nobody", None),)))  # So that those behind it are one group.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.node.send, b.node.did, b"hello")
            await CLOCK.sleep(0.1)
            b.desk.post.submit_own(Step(), granted=lambda: link.close("the peer's key log has ended the session"))
            nursery.start_soon(a.node.send, b.node.did, b"hello again")
            await CLOCK.sleep(0.1)
            assert disk.taken == [1]  # The other one waits for the disk, as the reader does.
            disk.ends.set()
            await wait_all_tasks_blocked()
            assert disk.taken == [1]
            assert b.peer(a).link is not link
            nursery.cancel_scope.cancel()
