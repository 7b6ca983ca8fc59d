"""What a node writes for itself or its application fails as openly as what a peer makes it write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

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
