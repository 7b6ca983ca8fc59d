"""What a node says of itself when something is wrong with a part of it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.step import Put
from talos.core.tables import OUTBOX, SESSIONS
from tests.node.services.wire import Running, Wire


@pytest.mark.parametrize("rotten", ["a session", "an outbox row of no phase", "an outbox row cut short"])
async def test_a_peer_whose_rows_are_damaged_is_named_and_hides_no_other(
    autojump_clock: MockClock, rotten: str
) -> None:
    wire = Wire()
    a, b, c = (Running(wire, name) for name in "abc")
    async with trio.open_nursery() as nursery:
        for one in (a, b, c):
            await nursery.start(one.run)
        for other in (b, c):
            await a.knows(other)
            await a.node.send(other.node.did, b"good morning")
        await a.leave()
        store = a.opened.host.store
        key, value = next(store.scan(SESSIONS, b.did))
        row = {
            "a session": Put(SESSIONS, key, bytes([value[0] ^ 1]) + value[1:]),
            "an outbox row of no phase": Put(OUTBOX, b.did + bytes(8), bytes([99, 0, 0, 0, 0, 1])),
            "an outbox row cut short": Put(OUTBOX, b.did + bytes(8), b"\x01"),
        }[rotten]
        a = Running(wire, "a", again=a)
        await nursery.start(a.run)
        store.commit([row])
        by_did = {peer.did: peer for peer in a.node.status().peers}
        assert by_did[c.node.did].session
        assert by_did[c.node.did].reason is None
        damaged = by_did[b.node.did]
        assert (damaged.linked, damaged.session, damaged.undelivered) == (False, False, 0)
        assert damaged.addresses == (str(b.address),)
        assert damaged.reason
        nursery.cancel_scope.cancel()
