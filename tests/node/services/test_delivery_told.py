"""A delivery is what the peer has on its disk: whoever waits for it does not wait for ours (decision 17)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from talos.core.report import ReceiptState
from talos.core.tables import OUTBOX
from talos.errors import StoreFailed
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, T, inline, running, until


class Disk:
    """Holds back what a node writes from the next commit but one on."""

    def __init__(self, node: Running) -> None:
        self._committer = node.node._committer
        self._goes_on = trio.Event()
        self._left = 1
        self._committer._blocking = self._held

    async def _held(self, work: Callable[[], T]) -> T:
        self._left -= 1
        if self._left < 0:
            await self._goes_on.wait()
        return await inline(work)

    def go_on(self) -> None:
        self._goes_on.set()


async def test_who_sends_is_told_as_soon_as_the_peer_has_it_and_the_rest_is_written_behind(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        await a.node._committer.drain()
        before, disk = a.node.audit.size, Disk(a)
        with trio.fail_after(5):
            receipt = await a.node.send(b.node.did, b"hello")
        assert receipt.state is ReceiptState.DELIVERED
        assert receipt.audit_index == before == a.node.audit.size - 1, "that it was sent is on disk"
        assert list(a.store.scan(OUTBOX)), "that it has arrived is not"
        disk.go_on()
        await a.node._committer.drain()
        assert a.node.audit.size == before + 2
        assert not list(a.store.scan(OUTBOX))


async def test_a_delivery_that_was_told_is_true_even_if_our_disk_does_not_take_it(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        await a.node._committer.drain()
        disk = Disk(a)
        receipt = await a.node.send(b.node.did, b"hello", retry_count=0, on_failure="raise")
        assert receipt.state is ReceiptState.DELIVERED
        a.store.refusal = StoreFailed("the disk has gone")
        disk.go_on()
        await a.node._committer.drain()
        assert a.node.status().undelivered == 1, "it is there again, and goes out once more"
        a.store.refusal = None
        await until(lambda: a.node.status().undelivered == 0)
        message = await b.node.receive()
        assert (message.body, message.redelivered) == (b"hello", False)
        await CLOCK.sleep(10)
        with pytest.raises(trio.TooSlowError), trio.fail_after(10):
            await b.node.receive()
