"""What the reservations of a relay leave in memory of clients that are gone."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from talos.errors import Refused
from talos.services.relaying.relay import Relay, _Call
from talos.services.requests import RequestType
from tests.node.services.wire import running

GONE = bytes(range(32))  # A newcomer that had a reservation, and was let go.


async def test_who_was_let_go_is_not_made_a_peer_by_its_reservation(autojump_clock: MockClock) -> None:
    async with running("relay", "client") as (at, client):
        relay = Relay(at.desk, at.requests)
        reservations, now_ms = relay.reservations, at.desk.steady_ms()
        reservations.reserve(GONE, b"host", now_ms)
        ring, _ = reservations.ring(GONE, b"caller", now_ms)
        with pytest.raises(Refused, match="does not answer"):
            await relay._come(_Call(ring))
        await client.links.connect(client.peer(at))
        await client.requests.ask(client.peer(at), RequestType.RESERVE, timeout_s=10)
        assert client.did in reservations
        assert GONE not in reservations
        assert GONE not in [peer.did for peer in at.desk.post.peers()]
