"""What still comes when a node, or a link, has been told to stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.conversation import Conversation
from talos.core.step import Put, Step
from talos.core.tables import KEYLOGS
from talos.host import Address, Listener, Stream
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, T, running


@dataclass
class AtOnce:
    """A listener that has a stream already, so that `accept` returns it although the node has stopped."""

    stream: Stream
    address = Address("here", 1)

    async def accept(self) -> Stream:
        return self.stream

    async def aclose(self) -> None:
        return


async def test_a_stream_that_comes_in_the_moment_of_stopping_is_closed_and_breaks_nothing() -> None:
    async with running("ada", "bob") as (ada, _):
        stream = await ada.wire.dial(ada.address, "stranger")
        listener: Listener = AtOnce(stream)
        ada.links._nursery.cancel_scope.cancel()
        await ada.links.accept_from(listener)
        assert stream.is_closed


async def test_a_link_that_is_closed_by_what_came_of_one_step_takes_no_further_one(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, disk, real = list[int](), trio.Event(), Conversation.receive

    async def held(work: Callable[[], T]) -> T:
        await disk.wait()
        return work()

    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        link = b.peer(a).link
        assert link is not None

        def receive(self: Conversation, frames: Sequence[bytes], *args: int, **kwargs: bool) -> Step:
            if self is b.peer(a).conversation:
                taken.append(len(frames))
            return real(self, frames, *args, **kwargs)

        monkeypatch.setattr(Conversation, "receive", receive)
        b.desk.post._committer._blocking = held
        b.desk.post.submit_own(Step((Put(KEYLOGS, b"nobody", None),)))  # So that those behind it are one group.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.node.send, b.node.did, b"hello")
            await CLOCK.sleep(0.1)
            b.desk.post.submit_own(Step(), granted=lambda: link.close("the peer's key log has ended the session"))
            nursery.start_soon(a.node.send, b.node.did, b"hello again")
            await CLOCK.sleep(0.1)
            assert taken == [1]  # The other one waits for the disk, as the reader does.
            disk.set()
            await wait_all_tasks_blocked()
            assert taken == [1]
            assert b.peer(a).link is not link
            nursery.cancel_scope.cancel()
