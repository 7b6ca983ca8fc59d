"""Whoever was told BUSY is asked to go on when there is room, and nobody else is looked at for it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.conversation import Conversation
from talos.core.step import Step
from tests.node.services.test_own_steps import message_for
from tests.node.services.wire import CLOCK, Running, running, until


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    asked = list[bytes]()
    plain = Conversation.room_again

    def counted(self: Conversation, now_ms: int) -> Step | None:
        asked.append(self.peer)
        return plain(self, now_ms)

    monkeypatch.setattr(Conversation, "room_again", counted)
    return asked


async def test_a_message_that_is_done_costs_no_look_at_every_peer(
    autojump_clock: MockClock, looked_at: list[bytes]
) -> None:
    async with running("a", "b") as (a, b):
        message = await message_for(b, a)
        await message.ack()
        assert looked_at == []


async def test_who_was_told_busy_is_asked_until_it_was_told_to_go_on(
    autojump_clock: MockClock, looked_at: list[bytes]
) -> None:
    async with running("a", "b", "c") as (a, b, c):
        b.desk.post.inbox._peer_rows_max = 4
        await c.node.send(b.node.did, b"from another")
        async with trio.open_nursery() as sends:
            for number in range(8):
                sends.start_soon(a.node.send, b.node.did, b"%d" % number)
            await until(lambda: b.node.status().inbox == 5)
            await CLOCK.sleep(1.0)
            bodies = [await done(b) for _ in range(9)]
        assert sorted(bodies) == [*(b"%d" % number for number in range(8)), b"from another"]
        assert set(looked_at) == {a.did}
        looked_at.clear()
        await a.node.send(b.node.did, b"one more")
        await done(b)
        assert looked_at == []


async def done(node: Running) -> bytes:
    with trio.fail_after(1.0):
        message = await node.node.receive()
    await message.ack()
    return message.body
