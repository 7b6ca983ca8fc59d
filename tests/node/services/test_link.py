"""One link: lanes in their order, deadlines both ways, and a limit on everything that waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from talos.core.frames import SIZE_MAX, Kind, wrap
from talos.errors import MalformedMessage
from talos.host import Address, LinkClosed
from talos.services.link import (
    DRAIN_S,
    FRAME_S,
    MESSAGES_MAX,
    PROGRESS_S,
    QUEUE_BYTES_MAX,
    QUEUE_FRAMES_MAX,
    WRITE_SIZE,
    Link,
)
from tests.node.services.wire import CLOCK, MemoryStream

ALL = frozenset(Kind)
HERE, THERE = Address("here", 1), Address("there", 2)


def link_pair(allowed: frozenset[Kind] = ALL) -> tuple[Link, MemoryStream]:
    """Return a link, and the other end of its stream."""
    one, other = memory_stream_pair()
    return Link(MemoryStream(one, THERE), CLOCK, dialled=True, allowed=allowed), MemoryStream(other, HERE)


@asynccontextmanager
async def writing(link: Link) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.write_queued)
        yield
        nursery.cancel_scope.cancel()


def frame(kind: Kind, size: int = 10, byte: int = 0) -> bytes:
    return bytes((kind,)) + bytes((byte,)) * (size - 1)


# Writing


async def test_control_overtakes_messages_and_messages_overtake_bulk(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    for kind in (Kind.BULK, Kind.MESSAGE, Kind.CONTROL):
        for byte in range(2):
            link.enqueue(frame(kind, byte=byte))
    async with writing(link):
        got = [await other.frame() for _ in range(6)]
    lanes = (Kind.CONTROL, Kind.MESSAGE, Kind.BULK)
    assert got == [frame(kind, byte=byte) for kind in lanes for byte in range(2)]


@given(st.lists(st.tuples(st.sampled_from([Kind.CONTROL, Kind.MESSAGE, Kind.BULK]), st.integers(0, 255)), max_size=30))
def test_nothing_overtakes_inside_a_lane(queued: list[tuple[Kind, int]]) -> None:
    async def check() -> None:
        link, other = link_pair()
        for kind, byte in queued:
            link.enqueue(frame(kind, byte=byte))
        async with writing(link):
            got = [await other.frame() for _ in queued]
        for lane in (Kind.CONTROL, Kind.MESSAGE, Kind.BULK):
            assert [one for one in got if one[0] == lane] == [frame(k, byte=b) for k, b in queued if k == lane]

    trio.run(check, clock=MockClock(autojump_threshold=0))


async def test_a_control_frame_waits_for_one_write_and_not_for_all_that_is_queued(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    for _ in range(8):
        link.enqueue(frame(Kind.MESSAGE, WRITE_SIZE))
    async with writing(link):
        await other.frame()
        link.enqueue(frame(Kind.CONTROL))
        kinds = [(await other.frame())[0] for _ in range(8)]
    assert Kind.CONTROL in kinds


async def test_a_peer_that_takes_nothing_is_gone_after_thirty_seconds(autojump_clock: MockClock) -> None:
    one, _ = memory_stream_pair()
    link = Link(Deaf(one, THERE), CLOCK, dialled=True, allowed=ALL)
    link.enqueue(frame(Kind.CONTROL))
    with pytest.raises(LinkClosed, match="took nothing for 30 s"):
        await link.write_queued()
    assert trio.current_time() == pytest.approx(PROGRESS_S)


class Deaf(MemoryStream):
    """A stream whose other end has stopped reading."""

    async def send_all(self, data: bytes) -> None:
        await trio.sleep_forever()


async def test_writing_to_whom_has_gone_closes_the_link(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    await other.aclose()
    link.enqueue(frame(Kind.CONTROL))
    with pytest.raises(LinkClosed):
        await link.write_queued()


@pytest.mark.parametrize("lane", [Kind.CONTROL, Kind.MESSAGE, Kind.BULK])
def test_a_lane_holds_so_many_frames_and_then_the_link_goes(lane: Kind) -> None:
    async def check() -> None:
        link, _ = link_pair()
        for _ in range(QUEUE_FRAMES_MAX):
            link.enqueue(frame(lane))
        assert link.close_reason is None
        link.enqueue(frame(lane))
        assert link.close_reason is not None

    trio.run(check)


def test_a_lane_holds_so_many_bytes_and_then_the_link_goes() -> None:
    async def check() -> None:
        link, _ = link_pair()
        for _ in range(QUEUE_BYTES_MAX // SIZE_MAX[Kind.MESSAGE]):
            link.enqueue(frame(Kind.MESSAGE, SIZE_MAX[Kind.MESSAGE]))
        assert link.close_reason is None
        link.enqueue(frame(Kind.CONTROL))
        assert link.close_reason is None
        link.enqueue(frame(Kind.MESSAGE))
        assert link.close_reason is not None

    trio.run(check)


# Reading


@settings(deadline=None)  # A busy machine may be slow.
@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(1, 400))
def test_frames_are_the_same_however_they_come(sizes: list[int], step: int) -> None:
    async def check() -> None:
        link, other = link_pair()
        sent = [frame(Kind.MESSAGE, size, byte) for byte, size in enumerate(sizes)]
        stream = b"".join(map(wrap, sent))
        got = list[bytes]()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_trickle, other, stream, step)
            while len(got) < len(sent):
                got += await link.next_frames(1.0)
        assert got == sent

    trio.run(check, clock=MockClock(autojump_threshold=0))


async def _trickle(stream: MemoryStream, data: bytes, step: int, pause_s: float = 0.0) -> None:
    for at in range(0, len(data), step):
        await stream.send_all(data[at : at + step])
        await CLOCK.sleep(pause_s)


async def test_silence_is_reported_and_costs_nothing(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    assert await link.next_frames(7.0) == []
    assert trio.current_time() == pytest.approx(7.0)
    await other.send_all(wrap(frame(Kind.CONTROL)))
    assert await link.next_frames(7.0) == [frame(Kind.CONTROL)]


@pytest.mark.parametrize("wait_s", [1.0, 30.0])
async def test_a_frame_that_comes_byte_by_byte_is_cut_off_ten_seconds_after_its_first(
    wait_s: float, autojump_clock: MockClock
) -> None:
    link, other = link_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_trickle, other, wrap(frame(Kind.MESSAGE, 1_000)), 1, 0.9)
        with pytest.raises(LinkClosed, match="too long to arrive"):
            await link.next_frames(wait_s)
        assert trio.current_time() == pytest.approx(FRAME_S, abs=1.0)
        nursery.cancel_scope.cancel()


async def test_every_frame_has_its_own_ten_seconds(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    stream = b"".join(wrap(frame(Kind.MESSAGE, 16, byte)) for byte in range(6))
    got = list[bytes]()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_trickle, other, stream, 3, 1.0)  # Seven seconds a frame; the reads straddle them.
        while len(got) < 6:
            got += await link.next_frames(30.0)
    assert trio.current_time() > 3 * FRAME_S


async def test_the_end_of_the_stream_closes_the_link(autojump_clock: MockClock) -> None:
    for is_greeting in (False, True):
        link, other = link_pair()
        await other.send_all(wrap(frame(Kind.CONTROL))[:-1])
        await other.aclose()
        with pytest.raises(LinkClosed, match="closed the link"):
            await (link.next_frame() if is_greeting else link.next_frames(1.0))


async def test_what_came_at_once_is_handed_on_in_halves_of_a_window(autojump_clock: MockClock) -> None:
    """So that the peer can go on when the first half is answered; and nothing is waited for in between."""
    link, other = link_pair()
    sent = [frame(Kind.MESSAGE, byte=byte) for byte in range(2 * MESSAGES_MAX + 1)]
    await other.send_all(b"".join(map(wrap, sent)))
    halves = [await link.next_frames(1.0) for _ in range(3)]
    assert [len(half) for half in halves] == [MESSAGES_MAX, MESSAGES_MAX, 1]
    assert [one for half in halves for one in half] == sent
    assert await link.next_frames(1.0) == []


async def test_what_is_no_message_is_handed_on_with_what_is_beside_it(autojump_clock: MockClock) -> None:
    link, other = link_pair()
    sent = [frame(Kind.CONTROL)] * (3 * MESSAGES_MAX) + [frame(Kind.MESSAGE)]
    await other.send_all(b"".join(map(wrap, sent)))
    assert await link.next_frames(1.0) == sent


async def test_what_is_no_frame_is_malformed(autojump_clock: MockClock) -> None:
    link, other = link_pair(frozenset({Kind.HELLO}))
    await other.send_all((2**31).to_bytes(4, "big") + bytes((Kind.HELLO,)))
    with pytest.raises(MalformedMessage):
        await link.next_frames(1.0)


async def test_a_greeting_reads_one_frame_and_leaves_the_next_to_other_rules(autojump_clock: MockClock) -> None:
    link, other = link_pair(frozenset({Kind.HELLO}))
    await other.send_all(wrap(frame(Kind.HELLO)) + wrap(frame(Kind.CONTROL)))
    assert await link.next_frame() == frame(Kind.HELLO)
    with pytest.raises(MalformedMessage, match="not allowed now"):
        await link.next_frame()
    link.allow(frozenset({Kind.CONTROL}))
    assert await link.next_frames(1.0) == [frame(Kind.CONTROL)]


# Closing


async def test_closing_ends_the_tasks_inside_and_the_first_reason_stands(autojump_clock: MockClock) -> None:
    link, _ = link_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_close_later, link)
        with link.scope:
            await trio.sleep_forever()
    assert link.close_reason == "first"


async def _close_later(link: Link) -> None:
    await wait_all_tasks_blocked()
    link.close("first")
    link.close("second")


async def test_a_link_closed_before_it_ran_ends_at_once(autojump_clock: MockClock) -> None:
    link, _ = link_pair()
    link.close("early")
    with link.scope:
        await trio.sleep_forever()
    assert trio.current_time() == 0.0


async def test_a_drained_link_is_over_after_five_seconds_however_often_it_is_drained(autojump_clock: MockClock) -> None:
    link, _ = link_pair()
    assert not link.is_draining
    await trio.sleep(1)
    link.drain("another link is better")
    assert link.is_draining

    async def again() -> None:
        await trio.sleep(DRAIN_S - 1)
        link.drain("again")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(again)
        with pytest.raises(LinkClosed, match="another link is better"):
            await link.until_drained()
    assert trio.current_time() == pytest.approx(1 + DRAIN_S)


async def test_a_link_that_is_not_drained_is_not_over(autojump_clock: MockClock) -> None:
    link, _ = link_pair()
    with trio.move_on_after(1_000_000) as waiting:
        await link.until_drained()
    assert waiting.cancelled_caught
