"""Peers that have proved who they are, and mean it no good: what each deed costs at its limit, and one beyond."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from talos.core.allowance import ALLOWED, BREACH_GREETINGS, Deed
from talos.core.content import (
    SEQ_MAX,
    Ack,
    ContentKind,
    ControlContent,
    Marks,
    MessageContent,
    OpenContent,
    Ping,
    Request,
    VoidContent,
    Want,
)
from talos.core.frames import Kind, wrap
from talos.core.greeting import Reason, Refusal
from talos.core.intake import UNREADABLE_MAX
from talos.core.outbox import WINDOW_ROWS
from talos.core.tables import OUTBOX
from talos_ratchet import JUMP_MAX, Lane
from talos_ratchet.receive import OLD_CHAINS_MAX
from tests.node.services.hostile import Stranger, alone, dial, refusals
from tests.node.services.test_links_strangers import rows, talk
from tests.node.services.wire import CLOCK, Running, running, until
from tests.ratchet.people import WatchedSuite

ORIGIN: Final = bytes(range(16))
CHUNK: Final = 50  # Frames said before the answers are read: far fewer than a lane of the node's may queue.
HEADER_KEYS: Final = 2 + OLD_CHAINS_MAX  # Of one session and lane: of this chain, the next, and those before.


@asynccontextmanager
async def met(suite: WatchedSuite | None = None) -> AsyncIterator[tuple[Running, Stranger]]:
    """Run a node with a link to one peer, which it has had a message from; nothing is under way."""
    async with alone(suite or WatchedSuite()) as node:
        bad = Stranger("bad", node.desk.card())
        assert await bad.bind(await dial(node))
        await bad.say(OpenContent(), MessageContent(ORIGIN, 1, b"hello"), lane=Lane.MESSAGE)
        await (await node.node.receive()).ack()
        assert (await bad.hear())[0] == ContentKind.ACK
        yield node, bad


def peer_of(node: Running, bad: Stranger) -> str | None:
    """Return why there is no link to the peer, as `talos peers` shows it; None while there is one."""
    (status,) = node.node.peers()
    return None if status.linked else status.reason


async def repeat(bad: Stranger, content: ControlContent, times: int, answered_by: ContentKind) -> int:
    """Say the same thing over and over; return how often it was answered."""
    answers = 0
    while times:
        now = min(times, CHUNK)
        await bad.say(*[content] * now)
        for _ in range(now):
            heard = await bad.hear()
            if not heard:
                return answers
            answers += heard[0] == answered_by
        times -= now
    return answers


REPEATED: Final[dict[Deed, tuple[ControlContent, ContentKind]]] = {
    Deed.PING: (Ping(), ContentKind.PONG),
    Deed.REQUEST: (Request(1, 99, b""), ContentKind.REPLY),
}


@pytest.mark.parametrize("deed", REPEATED)
async def test_what_is_asked_again_and_again_is_answered_to_its_limit_and_then_the_link_ends(
    deed: Deed, autojump_clock: MockClock
) -> None:
    content, answer = REPEATED[deed]
    async with met() as (node, bad):
        assert await repeat(bad, content, ALLOWED[deed], answer) == ALLOWED[deed]
        assert peer_of(node, bad) is None
        assert await repeat(bad, content, 1, answer) == 0
        assert peer_of(node, bad) == f"more than {ALLOWED[deed]} {deed.name} in a minute"
        assert refusals(node) == {"OVER_BUDGET": 1}


@pytest.mark.parametrize("lane", [Lane.MESSAGE, Lane.BULK])
async def test_frames_that_say_nothing_are_taken_to_their_limit(lane: Lane, autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        for _ in range(ALLOWED[Deed.OPEN] - 1):  # One has begun the message lane.
            await bad.say(OpenContent(), lane=lane)
        await CLOCK.sleep(0.1)
        assert peer_of(node, bad) is None
        await bad.say(OpenContent(), lane=lane)
        assert await bad.stream.is_cut()
        assert peer_of(node, bad) == f"more than {ALLOWED[Deed.OPEN]} OPEN in a minute"


# Wanting, again and again


async def owe(node: Running, bad: Stranger, count: int) -> None:
    """Let the node have so many messages for the peer, which it never acknowledges."""
    peer = node.desk.post.peer(bad.did)
    for number in range(count):
        _, step = peer.conversation.submit(b"%d" % number, CLOCK.wall_ms())
        node.desk.post.submit(peer, step)
    await node.node._committer.drain()


@pytest.mark.parametrize("reseal", [False, True])
async def test_a_window_is_sent_again_for_each_want_until_that_is_too_much(
    reseal: bool, autojump_clock: MockClock
) -> None:
    async with met() as (node, bad):
        # Of whom it claims to know nothing it gets all anew, whatever number it names.
        want = Want(ORIGIN, 2**40, reseal=True) if reseal else Want(node.opened.me.origin, 1, reseal=False)
        await owe(node, bad, WINDOW_ROWS)
        for _ in range(WINDOW_ROWS):
            assert (await bad.stream.frame())[0] == Kind.MESSAGE
        wants, link = 0, node.desk.post.peer(bad.did).link
        assert link is not None
        while link.close_reason is None:
            wants += 1
            await bad.say(want)
            await CLOCK.sleep(0.001)
        assert wants == ALLOWED[Deed.RESENT] // WINDOW_ROWS + 1
        sent = 0
        while frame := await bad.stream.frame():
            sent += frame[0] == Kind.MESSAGE
        assert sent <= ALLOWED[Deed.RESENT]
        assert link.close_reason == f"more than {ALLOWED[Deed.RESENT]} RESENT in a minute"


async def test_what_is_acknowledged_may_be_sent_again_once_more(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        link, origin = node.desk.post.peer(bad.did).link, node.opened.me.origin
        assert link is not None
        for window in (0, 1):
            await owe(node, bad, WINDOW_ROWS)
            # All that is allowed in the first window; as much again as was acknowledged in the second.
            for _ in range(1 if window else ALLOWED[Deed.RESENT] // WINDOW_ROWS):
                await bad.say(Want(origin, 1 + window * WINDOW_ROWS, reseal=False))
                await CLOCK.sleep(0.001)
            assert link.close_reason is None
            await bad.say(Ack(origin, (1 + window) * WINDOW_ROWS))
            await until(lambda: not [key for key in rows(node) if key[0] == OUTBOX])


async def test_a_want_of_what_is_not_there_costs_too(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        want = bad.seal  # Sealed one by one: each is another frame.
        for _ in range(ALLOWED[Deed.RESENT] // CHUNK):
            frames = [want(Want(node.opened.me.origin, 1, reseal=False)) for _ in range(CHUNK)]
            await bad.stream.send_all(b"".join(map(wrap, frames)))
        await CLOCK.sleep(0.001)
        assert peer_of(node, bad) is None
        await bad.say(Want(node.opened.me.origin, 1, reseal=False))
        assert await bad.stream.is_cut()


# Gaps


async def ahead(bad: Stranger, by: int) -> bytes:
    """Return a message frame that passes over so many others of the lane, and is not the next message either."""
    for _ in range(by):
        bad.seal(OpenContent(), Lane.MESSAGE)
    return bad.seal(MessageContent(ORIGIN, 3, b"from the future"), Lane.MESSAGE)


async def test_a_frame_from_the_future_is_opened_ten_times_over_and_not_eleven(autojump_clock: MockClock) -> None:
    suite = WatchedSuite()
    async with met(suite) as (node, bad):
        frame, before = await ahead(bad, JUMP_MAX), suite.counted.steps
        most = ALLOWED[Deed.PASSED_OVER] // JUMP_MAX
        await bad.stream.send_all(wrap(frame) * most)
        await CLOCK.sleep(0.1)
        assert peer_of(node, bad) is None
        answers = 5  # Steps of its own chains, for what it says meanwhile.
        assert most * (JUMP_MAX + 1) <= suite.counted.steps - before <= most * (JUMP_MAX + 1) + answers
        await bad.stream.send_all(wrap(frame) * 500)
        assert await bad.stream.is_cut()
        assert suite.counted.steps - before <= (most + 1) * (JUMP_MAX + 1) + answers
        assert peer_of(node, bad) == f"more than {ALLOWED[Deed.PASSED_OVER]} PASSED_OVER in a minute"


async def test_a_gap_wider_than_a_jump_derives_nothing(autojump_clock: MockClock) -> None:
    suite = WatchedSuite()
    async with met(suite) as (node, bad):
        frame, before = await ahead(bad, JUMP_MAX + 1), suite.counted.steps
        await bad.stream.send_all(wrap(frame) * UNREADABLE_MAX)
        await CLOCK.sleep(0.1)
        assert peer_of(node, bad) is None
        await bad.stream.send_all(wrap(frame))
        assert await bad.stream.is_cut()
        assert suite.counted.steps - before <= 5  # Of its own chain, for what it says to that.


async def test_a_message_that_skips_numbers_is_not_taken_and_asked_for_once(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        for seq in (3, 4, SEQ_MAX):
            await bad.say(MessageContent(ORIGIN, seq, b"too soon"), lane=Lane.MESSAGE)
        wanted = Want(ORIGIN, 2, reseal=False).encode()
        assert await bad.hear() == wanted
        await bad.say(Ping())
        assert (await bad.hear())[0] == ContentKind.PONG  # No second WANT came before it.
        assert node.node.receive_nowait() is None


# The same frame, again and again


async def test_a_frame_that_was_taken_is_refused_so_often_and_then_the_link_ends(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        frame = wrap(bad.seal(MessageContent(ORIGIN, 2, b"once"), Lane.MESSAGE))
        await bad.stream.send_all(frame)
        await (await node.node.receive()).ack()
        await bad.stream.send_all(frame * ALLOWED[Deed.REFUSED])
        await CLOCK.sleep(0.01)
        assert peer_of(node, bad) is None
        await bad.stream.send_all(frame)
        assert await bad.stream.is_cut()
        assert peer_of(node, bad) == f"more than {ALLOWED[Deed.REFUSED]} REFUSED in a minute"
        assert refusals(node) == {"REPLAY": ALLOWED[Deed.REFUSED] + 1, "OVER_BUDGET": 1}
        assert node.node.receive_nowait() is None


# Coming back


async def comes_back(node: Running, bad: Stranger, number: int) -> bool:
    answer = await bad.resume(await dial(node, f"10.{number}.0.1"), Marks(ORIGIN, bytes(16), 0))
    assert isinstance(answer, bytes) or answer == Refusal(Reason.BUSY)
    return isinstance(answer, bytes)


async def test_a_peer_that_dials_without_end_is_kept_out_until_its_time(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        each_s = 60 / ALLOWED[Deed.GREETING]
        node.wire.latency_s |= {f"10.{number}.0.1": 0.0 for number in range(100)}
        came = [await comes_back(node, bad, number) for number in range(ALLOWED[Deed.GREETING])]
        assert came == [True] * (ALLOWED[Deed.GREETING] - 1) + [False]  # The first of all was before.
        await CLOCK.sleep(each_s + 0.01)
        assert await comes_back(node, bad, 50)
        assert not await comes_back(node, bad, 51)


async def test_going_over_three_times_keeps_a_peer_out_for_a_while_and_nobody_else(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        other = Stranger("other", node.desk.card())
        for breach in range(1, 4):
            while await repeat(bad, Ping(), 1, ContentKind.PONG):
                pass
            assert peer_of(node, bad) is not None
            assert await comes_back(node, bad, breach) is (breach < 3)
        assert await other.bind(await dial(node, "10.9.0.1"))
        await CLOCK.sleep(60 / ALLOWED[Deed.GREETING] * BREACH_GREETINGS)
        assert await comes_back(node, bad, 9)


# Lies about what was received


@pytest.mark.parametrize("high", [3, 2**40, SEQ_MAX])
async def test_an_acknowledgement_of_what_was_never_sent_ends_the_link_and_deletes_nothing(
    high: int, autojump_clock: MockClock
) -> None:
    async with met() as (node, bad):
        await owe(node, bad, 2)
        before = {key for key in rows(node) if key[0] == OUTBOX}
        await bad.say(Ack(node.opened.me.origin, high))
        assert await bad.stream.is_cut()
        assert f"acknowledges message {high}, which was never sent" in (peer_of(node, bad) or "")
        assert {key for key in rows(node) if key[0] == OUTBOX} == before
        assert len(before) == 2


async def test_an_acknowledgement_of_the_last_that_was_sent_is_believed(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        await owe(node, bad, 2)
        await bad.say(Ack(node.opened.me.origin, 2))
        await until(lambda: not [key for key in rows(node) if key[0] == OUTBOX])
        assert peer_of(node, bad) is None


@pytest.mark.parametrize("origin", ["ours", "another"])
async def test_marks_that_lie_bind_no_link_or_change_nothing(origin: str, autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        live = node.desk.post.peer(bad.did).link
        assert live is not None
        live.close("gone")
        await until(lambda: node.links.bound == 0)
        await owe(node, bad, 2)
        before = {key for key in rows(node) if key[0] == OUTBOX}
        acked = node.opened.me.origin if origin == "ours" else bytes(range(1, 17))
        answer = await bad.resume(await dial(node, "10.0.0.1"), Marks(ORIGIN, acked, SEQ_MAX))
        assert (answer == b"") is (origin == "ours")
        assert {key for key in rows(node) if key[0] == OUTBOX} == before
        assert await comes_back(node, bad, 2)  # The truth is welcome all the same.


async def test_a_peer_that_gives_up_four_billion_numbers_harms_itself_alone(autojump_clock: MockClock) -> None:
    async with met() as (node, bad):
        await bad.say(VoidContent(ORIGIN, 2, 2**32 - 1), lane=Lane.MESSAGE)
        assert await bad.hear() == Ack(ORIGIN, 2**32).encode()
        await bad.say(MessageContent(ORIGIN, 2**32 + 1, b"after all that"), lane=Lane.MESSAGE)
        assert (await node.node.receive()).body == b"after all that"


# Garbage on a live link


async def matured(a: Running, b: Running) -> None:
    """Let both talk until every lane has as many old chains as it keeps."""
    for _ in range(OLD_CHAINS_MAX + 2):
        await talk(a, b)
        await CLOCK.sleep(1.0)


@pytest.mark.parametrize("kind", [Kind.CONTROL, Kind.MESSAGE])
async def test_refusing_garbage_costs_one_failed_open_for_each_header_key(
    kind: Kind, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await matured(a, b)
        suite = WatchedSuite()
        await b.leave()
        async with trio.open_nursery() as nursery:
            back = Running(b.wire, b.name, b, suite=suite)
            await nursery.start(back.run)
            await a.links.connect(a.peer(back))
            await matured(a, back)
            stream, _ = a.wire.streams[-1]
            live, bodies = back.peer(a).link, suite.counted.bodies
            suite.tried.headers = suite.tried.misfits = 0
            garbage = wrap(bytes((kind,)) + bytes(range(200)))
            await stream.send_all(garbage)
            await CLOCK.sleep(0.1)
            # Where it is our turn, the peer cannot have begun another chain: that key is not tried.
            assert HEADER_KEYS - 1 <= suite.tried.misfits == suite.tried.headers <= HEADER_KEYS <= 8
            most = 1 if kind is Kind.CONTROL else UNREADABLE_MAX + 1
            if kind is Kind.MESSAGE:
                assert back.peer(a).link is live
                await stream.send_all(garbage * 500)
            await until(lambda: back.peer(a).link is not live)
            assert suite.tried.misfits <= 1.5 * HEADER_KEYS * most
            assert suite.counted.bodies == bodies
            await talk(a, back)
            back.scope.cancel()
