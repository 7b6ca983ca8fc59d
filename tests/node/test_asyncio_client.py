"""A node inside an asyncio program, over real sockets: `AsyncioClient`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, assert_type

import pytest
import trio

from talos import AsyncioClient, AsyncioMessage, BlockingClient, NodeStopped, Receipt, TalosError
from talos.client.asyncio_client import _cross
from talos.core.report import NodeStatus
from talos.errors import Locked, Refused, UsageError
from talos.runtime import Node
from tests.node.far import PATIENCE_S, passed_through


def under_asyncio(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**fixtures: object) -> None:
        asyncio.run(asyncio.wait_for(test(**fixtures), PATIENCE_S))

    return run


@under_asyncio
async def test_two_clients_talk_and_an_acknowledged_message_is_gone() -> None:
    async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
        await ada.add_peer(bob.addresses[0])
        receipt = assert_type(await ada.send(bob.peer_id, b"good morning"), Receipt)
        async for message in bob.messages():
            assert_type(message, AsyncioMessage)
            assert (message.sender, message.body, message.redelivered) == (ada.peer_id, b"good morning", False)
            assert message.id == receipt.id
            await message.ack()
            await message.ack()
            break
        assert receipt.state.value == "delivered"
        assert assert_type(await bob.status(), NodeStatus).inbox == 0


@under_asyncio
async def test_awaiting_and_entering_give_the_same_kind_of_client(tmp_path: Path) -> None:
    client = await AsyncioClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse")
    assert client.recovery_seed is not None
    assert (client.did, len(client.public_key)) == (f"did:talos:{client.peer_id}", 32)
    await client.aclose()
    async with AsyncioClient.create("ada", lan=False, data_dir=tmp_path / "a", password="correct horse") as again:
        assert (again.did, again.recovery_seed) == (client.did, None)


@under_asyncio
async def test_an_opening_opens_one_client() -> None:
    opening = AsyncioClient.create("ada", lan=False)
    async with opening as client:
        with pytest.raises(UsageError, match="opened before"):
            await opening
        assert (await client.status()).store_ok


@under_asyncio
async def test_after_the_end_every_call_says_so_and_closing_again_is_no_error() -> None:
    async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
        await ada.add_peer(bob.addresses[0])
        await ada.send(bob.peer_id, b"x")
        message = await bob.receive()
    await asyncio.gather(bob.aclose(), bob.aclose())
    for call in (bob.receive(), bob.status(), bob.audit.head(), message.ack(), anext(bob.messages())):
        with pytest.raises(NodeStopped, match="is closed"):
            await call
    message.release()  # Which changes nothing any more: it is on disk, or was in memory only.


@under_asyncio
async def test_an_error_comes_over_with_its_type_its_words_and_its_cause(tmp_path: Path) -> None:
    async with AsyncioClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True) as ada:
        with pytest.raises(Refused, match="itself"):
            await ada.send(ada.peer_id, b"x")
        with pytest.raises(UsageError) as caught:
            await ada.send("nobody", b"x")
        assert caught.value.fix is not None
        with pytest.raises(Locked):
            await AsyncioClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)


@under_asyncio
async def test_a_wrong_argument_is_refused_before_a_thread_is_started() -> None:
    before = threading.active_count()
    with pytest.raises(UsageError):
        AsyncioClient.create("ada", lan=False, listen=["here"])
    assert threading.active_count() == before


def test_a_crash_of_the_node_is_the_cause_in_every_call_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    crash = trio.Event()

    async def crashing(self: Node) -> None:
        await crash.wait()
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Node, "_until_stopped", crashing)

    @under_asyncio
    async def program() -> None:
        async with AsyncioClient.create("ada", lan=False) as client:
            waiting = [client.receive(), client.receive(), anext(client.messages()), anext(client.audit.stream())]
            tasks = [asyncio.ensure_future(one) for one in waiting]
            done, _ = await asyncio.wait(tasks, timeout=0)
            assert not done
            client._thread.soon(crash.set)
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(outcome, NodeStopped)
                assert isinstance(outcome.__cause__, ZeroDivisionError)
            with pytest.raises(NodeStopped) as caught:
                await client.status()
            assert isinstance(caught.value.__cause__, ZeroDivisionError)

    program()


@under_asyncio
async def test_a_receive_that_ran_out_of_time_takes_nothing_with_it() -> None:
    async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
        await ada.add_peer(bob.addresses[0])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await bob.receive()
        await ada.send(bob.peer_id, b"x")
        assert (await bob.receive()).body == b"x"


@under_asyncio
async def test_a_message_that_comes_just_before_a_cancel_is_there_for_the_next() -> None:
    async with AsyncioClient.create("bob", lan=False) as bob:
        with BlockingClient.create("ada", lan=False) as ada:
            ada.add_peer(bob.addresses[0])
            waiting = asyncio.ensure_future(bob.receive())
            await bob.status()  # Turns the loop, so that it is asked for.
            ada.send(bob.peer_id, b"x")  # The loop stands still meanwhile, and does not hear of it.
            passed_through(bob._thread)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            message = await bob.receive()
            assert (message.body, message.redelivered) == (b"x", False)


@under_asyncio
async def test_of_many_messages_amid_many_cancels_none_is_lost_and_none_is_doubled() -> None:
    count = 100
    async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
        await ada.add_peer(bob.addresses[0])

        async def send() -> None:
            for number in range(count):
                await ada.send(bob.peer_id, b"%d" % number)

        sending = asyncio.ensure_future(send())
        taken: list[int] = []
        cancels = 0
        while len(taken) < count:
            receiving = asyncio.ensure_future(bob.receive())
            await asyncio.wait([receiving], timeout=(len(taken) + cancels) % 3 * 0.0005)
            cancels += receiving.cancel()
            await asyncio.wait([receiving])
            if not receiving.cancelled():
                taken.append(int(receiving.result().body))
                await receiving.result().ack()
        await sending
        assert taken == list(range(count))
        assert cancels > 0
        assert (await bob.status()).inbox == 0


@under_asyncio
async def test_a_message_that_is_released_is_handed_to_the_next() -> None:
    async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
        await ada.add_peer(bob.addresses[0])
        await ada.send(bob.peer_id, b"x")
        message = await bob.receive()
        message.release()
        message = await bob.receive()
        waiting = asyncio.ensure_future(bob.receive())
        await bob.status()  # Turns the loop, so that it is asked for.
        passed_through(bob._thread)
        message.release()
        assert (await waiting).body == b"x"


@under_asyncio
async def test_a_coroutine_that_is_thrown_away_takes_no_message_with_it() -> None:
    async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
        await ada.add_peer(bob.addresses[0])
        forgotten = bob.receive()
        forgotten.send(None)
        forgotten.close()
        passed_through(bob._thread)
        assert bob._thread._inside._pending == set()  # It does not wait on in the node.
        await ada.send(bob.peer_id, b"x")
        assert (await bob.receive()).body == b"x"


def test_a_loop_that_is_closed_with_a_call_in_it_takes_no_message_with_it() -> None:
    with BlockingClient.create("ada", lan=False) as ada:
        loop = asyncio.new_event_loop()
        bob = loop.run_until_complete(_created("bob"))
        ada.add_peer(bob.addresses[0])
        receiving = loop.create_task(bob.receive())
        loop.run_until_complete(bob.status())
        loop.close()
        ada.send(bob.peer_id, b"x")
        passed_through(bob._thread)

        @under_asyncio
        async def another_loop() -> None:
            assert (await bob.receive()).body == b"x"
            await bob.aclose()

        another_loop()
        receiving._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's way not to complain of it.


async def _created(name: str) -> AsyncioClient:
    return await AsyncioClient.create(name, lan=False)


def test_two_loops_in_two_threads_share_a_client() -> None:
    count = 20
    taken: list[bytes] = []

    async def take(bob: AsyncioClient) -> None:
        for _ in range(count):
            message = await bob.receive()
            taken.append(message.body)
            await message.ack()

    @under_asyncio
    async def program() -> None:
        async with AsyncioClient.create("ada", lan=False) as ada, AsyncioClient.create("bob", lan=False) as bob:
            await ada.add_peer(bob.addresses[0])
            another = threading.Thread(target=under_asyncio(take), kwargs={"bob": bob})
            another.start()
            bodies = [b"%d" % number for number in range(2 * count)]
            await asyncio.gather(take(bob), *(ada.send(bob.peer_id, body) for body in bodies))
            await asyncio.to_thread(another.join)
            assert sorted(taken) == sorted(bodies)
            assert (await bob.status()).inbox == 0

    program()


@under_asyncio
async def test_a_cancel_waits_for_the_end_of_a_call_and_a_second_one_does_not() -> None:
    begun, may_end, ended = threading.Event(), trio.Event(), threading.Event()

    async def stubborn() -> None:
        begun.set()
        with trio.CancelScope(shield=True):
            await may_end.wait()
        ended.set()

    async with AsyncioClient.create("ada", lan=False) as ada:
        call = asyncio.ensure_future(_cross(ada._thread, stubborn))
        await asyncio.to_thread(begun.wait)
        call.cancel()
        await ada.status()
        assert not call.done()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not ended.is_set()
        ada._thread.soon(may_end.set)
        await asyncio.to_thread(ended.wait)


@under_asyncio
async def test_a_cancelled_create_leaves_nothing_running(tmp_path: Path) -> None:
    opening = asyncio.ensure_future(_in_folder(tmp_path / "a"))
    await asyncio.wait([opening], timeout=0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with AsyncioClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True) as client:
        assert (await client.status()).store_ok


async def _in_folder(folder: Path) -> AsyncioClient:
    return await AsyncioClient.create("ada", lan=False, data_dir=folder, no_passphrase=True)


@under_asyncio
async def test_a_client_nobody_closed_says_so_and_lets_go_of_its_folder(tmp_path: Path) -> None:
    clients = [await _in_folder(tmp_path / "a")]
    thread = clients[0]._thread._inside.thread
    with pytest.warns(ResourceWarning, match="never closed"):
        clients.clear()
    await asyncio.to_thread(thread.join, PATIENCE_S)
    async with AsyncioClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True):
        pass


@under_asyncio
async def test_a_message_keeps_the_node_that_it_came_from() -> None:
    async with AsyncioClient.create("ada", lan=False) as ada:
        bob = await AsyncioClient.create("bob", lan=False)
        await ada.add_peer(bob.addresses[0])
        await ada.send(bob.peer_id, b"x")
        message = await bob.receive()
        closing = bob.aclose
        del bob
        await message.ack()
        await closing()


async def test_under_trio_the_error_names_the_way_that_works() -> None:
    with pytest.raises(TalosError, match="TalosClient"):
        await AsyncioClient.create("ada", lan=False)
