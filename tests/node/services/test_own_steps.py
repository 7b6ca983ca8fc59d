"""What a node writes for itself or its application fails as openly as what a peer makes it write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from talos.core.diary_read import Query
from talos.core.entry_types import EntryType, Refusal
from talos.core.refusals import STRANGER
from talos.core.step import Step
from talos.errors import NodeStopped, StoreFailed
from talos.host import Address
from talos.services.messages import Message
from tests.node.services.wire import Running, running

BROKEN = StoreFailed("the disk is broken")


async def message_for(receiver: Running, sender: Running) -> Message:
    await sender.node.send(receiver.node.did, b"to be done with")
    return await receiver.node.receive()


async def acknowledge(b: Running, message: Message) -> None:
    await message.ack()


async def add_an_address(b: Running, message: Message) -> None:
    await b.desk.directory.add_address(bytes(32), Address("elsewhere", 1))


DEEDS: list[Callable[[Running, Message], Awaitable[None]]] = [acknowledge, add_an_address]


@pytest.mark.parametrize("deed", DEEDS)
async def test_what_the_store_did_not_take_shows_until_it_has_taken_something(
    deed: Callable[[Running, Message], Awaitable[None]], autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        message = await message_for(b, a)
        b.store.refusal = BROKEN
        with pytest.raises(StoreFailed, match="broken"):
            await deed(b, message)
        assert (b.node.status().store_ok, b.node.status().reason) == (False, str(BROKEN))
        await b.desk.post.submit(b.peer(a), Step()).on_disk()
        assert not b.node.status().store_ok, "a step that writes nothing says nothing about the store"
        b.store.refusal = None
        await deed(b, message)
        assert (b.node.status().store_ok, b.node.status().reason) == (True, None)


@pytest.mark.parametrize("deed", DEEDS)
async def test_a_node_ends_at_a_step_of_its_own_if_it_cannot_read_back_what_is_on_disk(
    deed: Callable[[Running, Message], Awaitable[None]], autojump_clock: MockClock
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(StoreFailed, match="cannot be read"), flatten_subgroups=True):
        async with running("a", "b") as (a, b):
            message = await message_for(b, a)
            b.store.refusal, b.store.is_unreadable = BROKEN, True
            with pytest.raises(NodeStopped, match="not known whether"):
                await deed(b, message)
            await trio.sleep_forever()


async def test_a_message_whose_ack_reached_the_disk_though_it_failed_is_done(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        message = await message_for(b, a)
        b.store.refusal, b.store.writes_all_the_same = BROKEN, True
        with pytest.raises(StoreFailed, match="broken"):
            await message.ack()
        b.store.refusal = None
        assert b.node.status().inbox == 0
        await message.ack()
        message.release()
        assert b.node.receive_nowait() is None


async def times_done(node: Running) -> int:
    told = await node.node.audit.query(Query(type=EntryType.MESSAGE))
    return [(entry.details or {})["event"] for entry in told].count("done")


async def test_a_message_that_two_say_is_done_is_so_once_in_the_log(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        message = await message_for(b, a)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(message.ack)
            nursery.start_soon(message.ack)
        assert (b.node.status().inbox, await times_done(b)) == (0, 1)


@pytest.mark.parametrize("fails", [False, True])
async def test_who_acknowledges_what_another_is_about_to_be_done_with_hears_what_came_of_it(
    fails: bool, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        message, heard = await message_for(b, a), list[str]()
        b.store.refusal = BROKEN if fails else None

        async def acknowledge(one: Message) -> None:
            try:
                await one.ack()
            except StoreFailed as error:
                heard.append(str(error))
            else:
                heard.append("done" if not b.node.status().inbox else "too early")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(acknowledge, message)
            await trio.lowlevel.checkpoint()
            message.release()  # Its client has gone, before it could hear.
            again = b.node.receive_nowait()
            assert again is not None
            nursery.start_soon(acknowledge, again)
        assert heard == ([str(BROKEN)] * 2 if fails else ["done"] * 2)
        assert await times_done(b) == (not fails)


async def test_an_ack_that_failed_can_be_said_again(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        message = await message_for(b, a)
        b.store.refusal = BROKEN
        for _ in range(2):
            with pytest.raises(StoreFailed, match="broken"):
                await message.ack()
        b.store.refusal = None
        await message.ack()
        assert b.node.status().inbox == 0


async def test_a_message_that_could_not_be_read_just_then_is_there_for_the_next(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(table: str, key: bytes) -> bytes:
        raise StoreFailed("the store cannot be read")

    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"good morning")
        with monkeypatch.context() as patch:
            patch.setattr(b.store, "get", unreadable)
            with pytest.raises(StoreFailed, match="cannot be read"):
                await b.node.receive()
        with trio.fail_after(1.0):
            assert (await b.node.receive()).body == b"good morning"


async def test_a_node_that_ends_says_why_and_not_that_a_part_of_it_waited(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(StoreFailed, match="cannot be read"), flatten_subgroups=True):
        async with running("a", "b") as (_, b):
            b.desk.post.refusals.refuse(Refusal.GAVE_UP, STRANGER, b"", 0)  # So that it has something to write down.
            b.store.refusal, b.store.is_unreadable = BROKEN, True
            await trio.sleep_forever()
