"""How a peer was reached and how long it took, as a node tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos.core.names import did_of
from talos.core.report import Ping
from talos.errors import NotReachable, Refused, UsageError
from tests.node.test_discovery import found, town
from tests.processes.running import place, running, settings, until


def is_short(trip: Ping) -> bool:
    return 0 < trip.round_trip_s < 10


async def test_the_first_round_trip_makes_the_link_and_the_next_does_not() -> None:
    async with town("hub", "ada", "bob") as (_, ada, bob):
        await found(ada, bob)
        first, second = await ada.ping(bob.did), await ada.ping(bob.peer_id)
        where = f"127.0.0.1:{place(bob).port}"
        assert (first.did, first.found, first.address) == (bob.did, "dht", where)
        assert first.link_s is not None
        assert 0 < first.link_s < 10
        assert (second.found, second.address, second.link_s) == ("dht", where, None)
        assert is_short(first)
        assert is_short(second)
        [peer] = [peer for peer in ada.peers() if peer.did == bob.did]
        assert (peer.addresses, peer.found, peer.found_by) == ((), (where,), "dht")


async def test_an_address_that_was_given_is_static_whoever_else_knows_it() -> None:
    async with town("hub", "ada", "bob") as (_, ada, bob):
        await found(ada, bob)
        await ada.add_peer(place(bob))
        trip = await ada.ping(bob.did)
        assert (trip.found, trip.link_s) == ("static", None)
        [peer] = [peer for peer in ada.peers() if peer.did == bob.did]
        assert (len(peer.addresses), peer.found) == (1, ())


async def test_an_address_is_told_as_it_was_given_not_as_it_was_looked_up() -> None:
    async with running(replace(settings("ada"), discovery=())) as ada, running(settings("bob")) as bob:
        by_name = replace(place(bob), host="localhost")
        await ada.add_peer(by_name)
        trip = await ada.ping(bob.did)
        assert (trip.found, trip.address) == ("static", f"localhost:{by_name.port}")


async def test_who_has_dialled_us_is_pinged_on_its_own_link() -> None:
    async with running(replace(settings("ada"), discovery=())) as ada, running(settings("bob")) as bob:
        await ada.add_peer(place(bob))
        await until(lambda: any(peer.linked for peer in bob.peers()))
        trip = await bob.ping(ada.did)
        assert (trip.found, trip.link_s) == ("incoming", None)
        assert trip.address.startswith("127.0.0.1:")
        assert trip.address not in ada.addresses
        assert [(peer.found, peer.found_by) for peer in bob.peers()] == [((), None)]


async def test_who_cannot_be_reached_is_said_to_be_so() -> None:
    async with running(replace(settings("ada"), discovery=())) as ada:
        async with running(settings("bob")) as bob:
            await ada.add_peer(place(bob))
        await until(lambda: not any(peer.linked for peer in ada.peers()))
        for gone in (bob.did, did_of(bytes(32))):
            with pytest.raises(NotReachable):
                await ada.ping(gone)
        with pytest.raises(Refused):
            await ada.ping(ada.did)
        with pytest.raises(UsageError):
            await ada.ping("bob")


async def test_an_offline_node_pings_nobody() -> None:
    async with running(replace(settings("ada"), offline_mode=True)) as ada:
        with pytest.raises(NotReachable, match="offline"):
            await ada.ping(did_of(bytes(32)))
