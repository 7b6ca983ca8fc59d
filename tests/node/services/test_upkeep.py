"""What a node does by the hour, where a part of what it needs for that is damaged."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from talos.core.step import Put
from talos.core.tables import KEYLOGS
from talos.services.upkeep import ROUND_S
from tests.node.services.wire import CLOCK, Running, Wire


async def test_a_peer_whose_key_log_is_damaged_ends_no_node_and_no_round(autojump_clock: MockClock) -> None:
    wire = Wire()
    a, b, c = (Running(wire, name) for name in "abc")
    async with trio.open_nursery() as nursery:
        for one in (a, b, c):
            await nursery.start(one.run)
        for other in (b, c):
            await a.knows(other)
            await a.node.send(other.node.did, b"good morning")
        await a.leave()
        a.store.commit([Put(KEYLOGS, b.did, b"rotten")])
        a = Running(wire, "a", again=a)
        await nursery.start(a.run)
        assert a.node.status().peers
        a.peer(c).reason = None
        await CLOCK.sleep(2 * ROUND_S + 1)
        assert a.node.status().store_ok
        assert "key log" in str(a.peer(b).reason)
        nursery.cancel_scope.cancel()
