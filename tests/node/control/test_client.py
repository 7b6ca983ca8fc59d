"""The client against nodes that are not as they should be: each end of the socket trusts the other to be nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.control.client import ControlClient
from talos.control.protocol import LineSplitter
from talos.control.values import Peers
from talos.drivers.control_socket import listen_control
from talos.errors import (
    Damaged,
    DeliveryFailed,
    Locked,
    MalformedMessage,
    NoIdentity,
    NotReachable,
    Refused,
    StoreFull,
    TalosError,
    UsageError,
)
from talos.host import Stream

Script = Callable[[Stream], Awaitable[None]]
EMPTY_PEERS = {"peers": list[object]()}


@asynccontextmanager
async def speaking_to(folder: Path, script: Script) -> AsyncIterator[ControlClient]:
    """Yield a client whose node does what `script` says, then hangs up."""

    async def serve(stream: Stream) -> None:
        async with aclosing(stream):
            await script(stream)

    async with aclosing(await listen_control(folder)) as listener, trio.open_nursery() as nursery:
        async with ControlClient(folder) as client:
            nursery.start_soon(serve, await listener.accept())
            yield client
        nursery.cancel_scope.cancel()


async def requests(stream: Stream, count: int) -> list[Any]:
    """Return the first `count` requests that come."""
    lines, got = LineSplitter(), list[Any]()
    while len(got) < count:
        got += map(json.loads, lines.feed(await stream.receive_some(65_536)))
    return got


async def say(stream: Stream, answer: object) -> None:
    await stream.send_all(json.dumps(answer).encode() + b"\n")


def failing(**error: object) -> Script:
    async def script(stream: Stream) -> None:
        (request,) = await requests(stream, 1)
        await say(stream, {"id": request["id"], "error": error})

    return script


@pytest.mark.parametrize(
    ("name", "exit_code", "kind"),
    [
        ("Refused", 5, Refused),
        ("StoreFull", 8, StoreFull),
        ("DialError", 4, NotReachable),
        ("OfTomorrow", 2, UsageError),
        ("OfTomorrow", 3, NoIdentity),
        ("OfTomorrow", 5, Refused),
        ("OfTomorrow", 7, Damaged),
        ("OfTomorrow", 8, Locked),
        ("OfTomorrow", 99, TalosError),
        ("Exception", 70, TalosError),
        ("Final", 70, TalosError),  # A name in talos.errors or its imports that is no error.
    ],
)
async def test_an_error_is_raised_as_what_it_is_or_as_what_its_exit_code_says(
    tmp_path: Path, name: str, exit_code: int, kind: type[TalosError]
) -> None:
    script = failing(type=name, what="no", fix="ask", exit_code=exit_code)
    async with speaking_to(tmp_path, script) as client:
        with pytest.raises(TalosError) as caught:
            await client.status()
    assert type(caught.value) is kind
    assert (caught.value.what, caught.value.fix) == ("no", "ask")


@pytest.mark.parametrize("may_have_arrived", [True, False])
async def test_a_failed_delivery_says_whether_it_may_have_arrived(tmp_path: Path, may_have_arrived: bool) -> None:
    script = failing(type="DeliveryFailed", what="no", fix=None, exit_code=6, may_have_arrived=may_have_arrived)
    async with speaking_to(tmp_path, script) as client:
        with pytest.raises(DeliveryFailed) as caught:
            await client.send("p", b"x")
    assert caught.value.may_have_arrived is may_have_arrived


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"[]\n",
        b"{}\n",
        b'{"id": 1}\n',
        b'{"id": 1, "ok": 5}\n',
        b'{"id": 1, "ok": {}}\n',
        b'{"id": 1, "error": "no"}\n',
        b'{"id": 1, "error": {"type": "Refused"}}\n',
        b'{"id": null, "error": {"type": "MalformedMessage", "what": "?", "fix": null, "exit_code": 7}}\n',
    ],
)
async def test_nonsense_from_the_node_is_an_error_by_name(tmp_path: Path, line: bytes) -> None:
    async def script(stream: Stream) -> None:
        await requests(stream, 1)
        await stream.send_all(line)

    async with speaking_to(tmp_path, script) as client:
        with pytest.raises(MalformedMessage):
            await client.status()


async def test_a_node_that_goes_away_ends_every_call_and_those_to_come(tmp_path: Path) -> None:
    async def script(stream: Stream) -> None:
        await requests(stream, 3)

    async with speaking_to(tmp_path, script) as client:
        failed = 0

        async def call() -> None:
            nonlocal failed
            with pytest.raises(NotReachable, match="went away"):
                await client.peers()
            failed += 1

        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(call)
        await call()
        assert failed == 4


async def test_answers_find_who_asked_whatever_their_order(tmp_path: Path) -> None:
    async def script(stream: Stream) -> None:
        for request in reversed(await requests(stream, 5)):
            await say(stream, {"id": request["id"], "ok": {"did": request["address"], "address": "a:1"}})

    async with speaking_to(tmp_path, script) as client:
        answers: dict[str, str] = {}

        async def look(address: str) -> None:
            answers[address] = (await client.look(address)).did

        async with trio.open_nursery() as nursery:
            for at in range(5):
                nursery.start_soon(look, f"host:{at}")
    assert answers == {f"host:{at}": f"host:{at}" for at in range(5)}


async def test_a_cancelled_call_leaves_the_others_their_answers(tmp_path: Path) -> None:
    go_on = trio.Event()

    async def script(stream: Stream) -> None:
        asked = await requests(stream, 3)
        await go_on.wait()
        for request in asked:
            await say(stream, {"id": request["id"], "ok": EMPTY_PEERS})

    async with speaking_to(tmp_path, script) as client:
        answered = 0
        impatient = trio.CancelScope()

        async def call(scope: trio.CancelScope) -> None:
            nonlocal answered
            with scope:
                assert await client.peers() == Peers((), 0)
                answered += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, impatient)  # The first is the one that reads for all.
            await wait_all_tasks_blocked()
            nursery.start_soon(call, trio.CancelScope())
            nursery.start_soon(call, trio.CancelScope())
            await wait_all_tasks_blocked()
            impatient.cancel()
            await wait_all_tasks_blocked()
            go_on.set()
    assert answered == 2


async def test_a_send_cut_short_closes_the_connection_for_nothing_may_follow_half_a_line(tmp_path: Path) -> None:
    async def script(stream: Stream) -> None:
        await trio.sleep_forever()

    async with speaking_to(tmp_path, script) as client:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.send, "p", bytes(1024 * 1024))  # More than a socket holds unread.
                await wait_all_tasks_blocked()
                scope.cancel()
        with pytest.raises(NotReachable):
            await client.status()


async def test_without_a_node_entering_fails(tmp_path: Path) -> None:
    with pytest.raises(NotReachable, match="no node is running"):
        async with ControlClient(tmp_path):
            pytest.fail("there is nobody to talk to")
