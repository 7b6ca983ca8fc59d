"""A client of relays, and what a relay cannot make it do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import MockClock

from talos.core import codec
from talos.core.names import PeerAddress
from talos.core.reservations import LIFE_MS, TOKEN_SIZE
from talos.errors import Refused
from talos.services.peer import Peer
from talos.services.relaying.homes import AGAIN_MOST_S, CALLED_MAX, Homes
from talos.services.relaying.relay import VERSION
from talos.services.requests import RequestType
from tests.node.services.wire import CLOCK, Running, running, until

HOUR_S = 3_600.0


class Promises:
    """What a relay answers that keeps nothing; `stays_s` later it ends the link."""

    def __init__(self, relay: Running, stays_s: float) -> None:
        self.reserved = 0
        self._relay = relay
        self._stays_s = stays_s
        relay.requests.handlers[RequestType.RESERVE] = self._reserve

    async def _reserve(self, peer: Peer, body: bytes) -> bytes:
        self.reserved += 1
        self._relay.links.spawn("leaving", lambda: self._leave(peer))
        return codec.pack(VERSION, LIFE_MS)

    async def _leave(self, peer: Peer) -> None:
        await CLOCK.sleep(self._stays_s)
        if peer.link is not None:
            peer.link.close("the test")


@asynccontextmanager
async def at_home(stays_s: float) -> AsyncIterator[tuple[Running, Running, Homes, Promises]]:
    """Run a relay, and a client of it."""
    async with running("relay", "client") as (relay, client):
        promises = Promises(relay, stays_s)
        at = PeerAddress(relay.did, relay.address.host, relay.address.port)
        homes = Homes(client.desk, client.links, client.requests, [at])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(homes.run)
            await until(lambda: homes.homes[0].is_reserved)
            yield relay, client, homes, promises
            nursery.cancel_scope.cancel()


async def test_a_relay_that_ends_each_link_at_once_is_tried_more_and_more_seldom(autojump_clock: MockClock) -> None:
    async with at_home(stays_s=0.5) as (_, _, _, promises):
        await trio.sleep(HOUR_S)
        assert 60 <= promises.reserved <= HOUR_S / AGAIN_MOST_S + 10


async def test_where_a_link_that_has_lasted_ends_there_is_another_at_once(autojump_clock: MockClock) -> None:
    async with at_home(stays_s=2 * AGAIN_MOST_S) as (_, _, homes, promises):
        moves = 0

        async def count() -> None:
            nonlocal moves
            while True:
                await homes.moved.wait()
                moves += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            await trio.sleep(HOUR_S)
            assert promises.reserved >= HOUR_S / (2 * AGAIN_MOST_S) - 2
            assert not moves, "the way to us is the same"
            nursery.cancel_scope.cancel()


async def test_a_relay_has_a_client_come_to_so_many_calls_at_once(autojump_clock: MockClock) -> None:
    async with at_home(stays_s=HOUR_S) as (relay, client, _, _):
        relay.wire.black_holes.add(relay.address)
        relay.wire.dials.clear()
        refused = 0
        for number in range(2 * CALLED_MAX):
            try:
                token = number.to_bytes(TOKEN_SIZE, "big")
                await relay.requests.ask(relay.peer(client), RequestType.CALLED, token, timeout_s=10)
            except Refused:
                refused += 1
        assert len(relay.wire.dials) == CALLED_MAX
        assert refused == CALLED_MAX
        await trio.sleep(60)
        await relay.requests.ask(relay.peer(client), RequestType.CALLED, bytes(TOKEN_SIZE), timeout_s=10)
