"""While we are away, as with a disk that takes its time, a frame may come: that is not the peer's delay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from talos.core.frames import Kind, wrap
from talos.host import LinkClosed
from talos.services.link import FRAME_S, PROGRESS_S
from tests.node.services.test_link import frame, link_pair
from tests.node.services.wire import CLOCK, T, inline, running

WAIT_S = 60.0


@pytest.mark.parametrize("there", [True, False], ids=["it has come", "it comes soon"])
async def test_a_frame_that_came_while_we_were_away_is_read(there: bool, autojump_clock: MockClock) -> None:
    link, other = link_pair()
    one, two = frame(Kind.CONTROL, byte=1), frame(Kind.CONTROL, byte=2)
    await other.send_all(wrap(one) + wrap(two)[:5])
    assert await link.next_frames(WAIT_S) == [one]
    if there:
        await other.send_all(wrap(two)[5:])
    await CLOCK.sleep(FRAME_S + 1)
    async with trio.open_nursery() as nursery:
        if not there:
            nursery.start_soon(other.send_all, wrap(two)[5:])
        assert await link.next_frames(WAIT_S) == [two]


async def test_who_does_not_go_on_once_we_are_back_has_no_more_than_its_ten_seconds(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    one = frame(Kind.CONTROL)
    await other.send_all(wrap(one) + wrap(one)[:5])
    assert await link.next_frames(WAIT_S) == [one]
    await CLOCK.sleep(FRAME_S + 1)
    back_at = trio.current_time()
    with pytest.raises(LinkClosed, match="too long"):
        await link.next_frames(WAIT_S)
    assert FRAME_S <= trio.current_time() - back_at < FRAME_S + 1


async def test_a_disk_that_stalls_costs_no_link(autojump_clock: MockClock) -> None:
    stall_s = 0.0

    async def slow(work: Callable[[], T]) -> T:
        await CLOCK.sleep(stall_s)
        return await inline(work)

    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await a.node.send(b.node.did, b"good morning")
        link = a.peer(b).link
        b.desk.post._committer._blocking = slow
        stall_s = FRAME_S + 5
        assert stall_s < PROGRESS_S
        async with trio.open_nursery() as sends:
            for _ in range(8):
                sends.start_soon(a.node.send, b.node.did, bytes(300_000))
        assert a.peer(b).link is link
