"""How many links there may be, who makes room when there are too many, and how long frames and messages may take."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from talos.core.content import MessageContent
from talos.core.frames import SIZE_MAX, Kind
from talos.core.outbox import WINDOW_ROWS
from talos.core.report import ReceiptState
from talos.host import LinkClosed
from talos.services import links
from talos.services.link import FRAME_S, RATE_LEAST
from talos.services.peer import Peer
from talos_ratchet import Lane
from tests.node.services.hostile import Stranger, alone, dial
from tests.node.services.test_bad_peers import ORIGIN, owe
from tests.node.services.test_link import link_pair
from tests.node.services.test_links_replay import words
from tests.node.services.wire import CLOCK, Running, running


async def come(node: Running, number: int) -> Stranger:
    """Bind the link of one more peer, which says something; the first is silent longest."""
    stranger = Stranger(f"{number}", node.desk.card())
    assert await stranger.bind(await dial(node, f"10.{number}.0.1"))
    await stranger.say(MessageContent(ORIGIN, 1, b"hello"), lane=Lane.MESSAGE)
    await (await node.node.receive()).ack()
    await CLOCK.sleep(0.1)
    return stranger


async def is_cut(stranger: Stranger) -> bool:
    with trio.move_on_after(1.0):
        return await stranger.stream.is_cut()
    return False


async def test_those_silent_longest_make_room_before_there_is_none_save_whom_we_owe_something(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINKS_HIGH", 4)
    monkeypatch.setattr(links, "LINKS_LOW", 2)
    async with alone() as node:
        came = [await come(node, number) for number in range(4)]
        assert node.links.bound == 4
        await owe(node, came[0], 1)
        came.append(await come(node, 4))
        assert [await is_cut(one) for one in came] == [False, True, True, True, False]


async def test_with_all_links_taken_a_stranger_is_closed_without_a_word_and_nobody_loses_a_link(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "LINKS_MAX", 2)
    async with alone() as node:
        came = [await come(node, number) for number in range(2)]
        stream = await dial(node, "10.9.0.1")
        with trio.fail_after(1.0):  # A greeting has ten seconds; this one does not begin.
            assert await stream.is_cut()
        assert [await is_cut(one) for one in came] == [False, False]


@pytest.mark.parametrize("size", [1_000, SIZE_MAX[Kind.MESSAGE]])
async def test_a_frame_may_take_as_much_longer_as_it_is_long(size: int, autojump_clock: MockClock) -> None:
    link, other = link_pair()
    await other.send_all(size.to_bytes(4, "big") + bytes((Kind.MESSAGE,)))
    with pytest.raises(LinkClosed, match="too long to arrive"):
        await link.next_frames(1_000.0)
    assert trio.current_time() == pytest.approx(FRAME_S + size / RATE_LEAST, abs=0.01)


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_a_message_is_tried_as_often_as_was_asked_for(
    retries: int, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("a", "b") as (a, b):
        connect, tries = a.links.connect, 0

        async def to_the_deaf(peer: Peer) -> None:
            nonlocal tries
            tries += 1
            await connect(peer)
            for ours, _ in a.wire.streams:
                ours.is_deaf = True  # Whatever `a` says from now on is lost.

        # In place of the links of those who send; whoever redials for what waits has the true ones.
        monkeypatch.setattr(a.node._running_now().messages, "_links", SimpleNamespace(connect=to_the_deaf))
        receipt = await a.node.send(b.node.did, b"hello?", timeout=1.0, retry_count=retries)
        assert (receipt.state, tries) == (ReceiptState.QUEUED, 1 + retries)


async def test_an_inbox_smaller_than_the_window_takes_all_and_little_is_sent_twice(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 300
    async with running("a", "b") as (a, b):
        monkeypatch.setattr(b.desk.post.inbox, "_peer_rows_max", 5)
        await a.links.connect(a.peer(b))
        said = len(a.wire.streams[0][0].sent)
        for number in range(count):
            _, step = a.peer(b).conversation.submit(b"%d" % number, CLOCK.wall_ms())
            a.desk.post.submit(a.peer(b), step)
        for number in range(count):
            with trio.fail_after(5.0):
                message = await b.node.receive()
            assert message.body == b"%d" % number
            await message.ack()
        kinds = [frame[4] for frame in words(bytes(a.wire.streams[0][0].sent[said:]))]
        assert count < kinds.count(Kind.MESSAGE) < 2 * count + WINDOW_ROWS
        assert len(a.wire.streams) == 1, "nobody was over any budget"
