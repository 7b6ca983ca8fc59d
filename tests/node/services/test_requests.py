"""Requests and replies: each answered once, by whom it was asked of, on the link it was asked on, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from talos.core.content import REQUEST_BODY_MAX, Marks, Reply, Request
from talos.core.content_read import decode_control
from talos.core.effects import Asked
from talos.core.frames import wrap
from talos.core.keylog import KeyLog
from talos.errors import NotReachable, Refused, UsageError
from talos.services.peer import Peer
from talos.services.requests import (
    INBOUND_MAX,
    OUTBOUND_MAX,
    REPLY_SIZE_MAX,
    WORK_S,
    PeerBusy,
    Requests,
    RequestType,
)
from tests.node.services.hostile import Stranger, alone, dial
from tests.node.services.test_links import lose
from tests.node.services.wire import CLOCK, Running, running, until

ECHO, HANG, FAIL, GIVE = range(100, 104)  # Types of request that only these tests know.


class Handlers:
    """What a node answers here, and what it has been asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.cancelled = 0
        self.may_go = trio.Event()

    def table(self) -> dict[int, Callable[[Peer, bytes], Awaitable[bytes]]]:
        return {ECHO: self.echo, HANG: self.hang, FAIL: self.fail, GIVE: self.give}

    async def echo(self, peer: Peer, body: bytes) -> bytes:
        self.asked.append(body)
        return body

    async def hang(self, peer: Peer, body: bytes) -> bytes:
        self.asked.append(body)
        try:
            await self.may_go.wait()
        except trio.Cancelled:
            self.cancelled += 1
            raise
        return body

    async def fail(self, peer: Peer, body: bytes) -> bytes:
        raise KeyError("a bug of the handler's")

    async def give(self, peer: Peer, body: bytes) -> bytes:
        return bytes(int.from_bytes(body, "big"))


@asynccontextmanager
async def asking() -> AsyncIterator[tuple[Running, Running, Handlers]]:
    """Let `a` be linked to `b`, and `b` answer by these handlers."""
    async with running("a", "b") as (a, b):
        handlers = Handlers()
        b.requests.handlers.update(handlers.table())
        await a.links.connect(a.peer(b))
        await until(lambda: b.peer(a).link is not None)
        yield a, b, handlers


async def ask(a: Running, b: Running, type: int, body: bytes = b"", timeout_s: float = 20.0) -> bytes:
    return await a.requests.ask(a.peer(b), type, body, timeout_s=timeout_s)


@pytest.mark.parametrize("size", [0, 1, REQUEST_BODY_MAX])
async def test_a_short_reply_comes_back_whole(size: int, autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        assert await ask(a, b, ECHO, bytes(size)) == bytes(size)


@pytest.mark.parametrize("size", [REQUEST_BODY_MAX + 1, 64 * 1024, 64 * 1024 + 1, REPLY_SIZE_MAX])
async def test_a_long_reply_comes_in_pieces_and_whole(size: int, autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        assert await ask(a, b, GIVE, size.to_bytes(4, "big")) == bytes(size)


async def test_a_reply_that_is_too_long_is_refused_and_not_held(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        with pytest.raises(Refused):
            await ask(a, b, GIVE, (REPLY_SIZE_MAX + 1).to_bytes(4, "big"))
        assert a.requests._pending == {}


async def test_a_body_that_does_not_fit_is_our_own_mistake(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        with pytest.raises(UsageError):
            await ask(a, b, ECHO, bytes(REQUEST_BODY_MAX + 1))


async def test_a_node_shows_its_own_key_log(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        assert KeyLog.decode_and_verify(await ask(a, b, RequestType.KEY_LOG)).state.did == b.did


async def test_a_type_that_is_not_answered_is_refused(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        with pytest.raises(Refused, match="this type"):
            await ask(a, b, 255)


async def test_a_handler_that_crashes_fails_one_request_and_no_more(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        with pytest.raises(Refused, match="failed to answer"):
            await ask(a, b, FAIL)
        assert await ask(a, b, ECHO, b"still here") == b"still here"


async def test_a_handler_that_hangs_is_given_up_by_both_sides(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, handlers):
        with pytest.raises(NotReachable, match="no reply within 5 s"):
            await ask(a, b, HANG, timeout_s=5.0)
        await until(lambda: handlers.cancelled == 1)
        with pytest.raises(Refused, match="failed to answer"):
            await ask(a, b, HANG, timeout_s=2 * WORK_S)
        assert b.requests._working == {}


async def test_a_cancelled_request_is_cancelled_over_there(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, handlers):
        with trio.move_on_after(1.0):
            await ask(a, b, HANG)
        await until(lambda: handlers.cancelled == 1)
        assert not a.requests._pending
        assert not b.requests._working


async def test_no_more_requests_than_the_peer_takes_are_asked(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, handlers), trio.open_nursery() as nursery:
        for _ in range(OUTBOUND_MAX):
            nursery.start_soon(ask, a, b, HANG)
        await until(lambda: len(handlers.asked) == OUTBOUND_MAX)
        with pytest.raises(PeerBusy):
            await ask(a, b, ECHO)
        handlers.may_go.set()


async def test_a_peer_that_asks_for_more_is_told_busy(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, handlers):
        for number in range(INBOUND_MAX + 5):
            b.requests.heard(b.peer(a), Asked(Request(number, HANG, b"")))
        await CLOCK.sleep(1.0)
        assert len(handlers.asked) == INBOUND_MAX
        handlers.may_go.set()
        await until(lambda: b.requests._working == {})
        assert await ask(a, b, ECHO, b"now there is room") == b"now there is room"


async def test_without_a_link_nothing_is_asked(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, _):
        await lose(a, b)
        with pytest.raises(NotReachable, match="no link"):
            await ask(a, b, ECHO)


async def test_a_link_that_ends_ends_its_requests_on_both_sides(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, handlers), trio.open_nursery() as nursery:
        nursery.start_soon(_ends, a, b)
        await until(lambda: handlers.asked != [])
        await lose(a, b)
        await until(lambda: handlers.cancelled == 1, seconds=1.0)
        assert b.requests._working == {}


async def _ends(a: Running, b: Running) -> None:
    with pytest.raises(NotReachable, match="the link ended"):
        await ask(a, b, HANG)


async def test_an_asker_that_counts_anew_never_gets_the_answer_to_an_older_question(
    autojump_clock: MockClock,
) -> None:
    async with asking() as (a, b, handlers), trio.open_nursery() as nursery:
        nursery.start_soon(_ends, a, b)
        await until(lambda: handlers.asked != [])
        await lose(a, b)
        a.requests._next_id = 0  # As after a restart.
        await a.links.connect(a.peer(b))
        nursery.start_soon(_gets, a, b, b"the newer question")
        await until(lambda: len(handlers.asked) == 2, seconds=1.0)
        handlers.may_go.set()


async def _gets(a: Running, b: Running, body: bytes) -> None:
    assert await ask(a, b, HANG, body) == body


async def test_a_request_that_is_heard_while_the_node_stops_is_let_be(autojump_clock: MockClock) -> None:
    async with asking() as (a, b, handlers):
        async with trio.open_nursery() as nursery:
            requests = Requests(b.desk.post, CLOCK, nursery, handlers.table())
            nursery.cancel_scope.cancel()
        requests.heard(b.peer(a), Asked(Request(1, ECHO, b"late")))
        assert handlers.asked == []


@pytest.mark.parametrize("size", [1, REQUEST_BODY_MAX + 1], ids=["at once", "in pieces"])
async def test_what_was_asked_on_a_link_is_not_answered_on_the_next_where_numbers_begin_anew(
    size: int, autojump_clock: MockClock
) -> None:
    async def late(peer: Peer, body: bytes) -> bytes:
        await CLOCK.sleep(1.0)
        return bytes(size)

    async with alone() as node:
        node.requests.handlers |= {HANG: late}
        asker = Stranger("asker", node.desk.card())
        assert await asker.bind(await dial(node))
        await asker.say(Request(0, HANG, b""))
        await until(lambda: len(node.requests._working) == 1)
        # It has died and come back, and nobody has told us: the older link is read for a while.
        assert isinstance(await asker.resume(await dial(node), Marks(bytes(range(16)), bytes(16), 0)), bytes)
        with trio.move_on_after(3.0):
            while said := await asker.hear():
                assert not isinstance(decode_control(said), Reply)
        assert not node.requests._working


async def test_what_is_asked_on_an_older_link_is_not_answered_on_the_newer(autojump_clock: MockClock) -> None:
    async with alone() as node:
        asker = Stranger("asker", node.desk.card())
        older = await dial(node)
        assert await asker.bind(older)
        await until(lambda: node.links.bound == 1)
        assert isinstance(await asker.resume(await dial(node), Marks(bytes(range(16)), bytes(16), 0)), bytes)
        await until(lambda: node.links.bound == 2)
        await older.send_all(wrap(asker.seal(Request(0, RequestType.KEY_LOG, b""))))
        with trio.move_on_after(3.0):
            while said := await asker.hear():
                assert not isinstance(decode_control(said), Reply)
