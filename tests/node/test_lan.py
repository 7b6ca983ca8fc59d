"""Nodes on one machine find each other with no configuration: real beacons on loopback, and nobody's address typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import trio

from talos.config import Config
from talos.core.report import ReceiptState
from talos.drivers.data_folder import in_memory
from talos.drivers.multicast import UdpMulticast
from talos.drivers.tcp import TcpNetwork
from talos.errors import NotReachable, UsageError
from talos.host import Address
from talos.runtime import Node, open_node
from talos.services import redial
from talos.services.desk import Desk
from tests.node.near import PATIENCE_S, at, did, discovery, found, heard, house, lan, on, until
from tests.processes.running import place, running, settings

SOON_S: Final = 3.0  # Far below the 30 s between beacons: what comes so soon is an answer.
NOBODY: Final = bytes(32)


async def test_whoever_starts_first_both_find_each_other_at_once_and_can_talk() -> None:
    async with house("ada", "bob") as (ada, bob):
        with trio.fail_after(SOON_S):
            assert await found(ada, bob) == [at(bob)]
            assert await found(bob, ada) == [at(ada)]
        receipt = await ada.send(bob.did, b"found you")
        assert receipt.state is ReceiptState.DELIVERED
        assert (await bob.receive()).body == b"found you"
        assert not ada.peers()[0].addresses  # It is kept as found, not as something that the user said.


async def test_what_waits_for_a_peer_goes_when_it_comes_near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redial, "BACKOFF_LEAST_S", 3_600.0)  # Nothing is dialled because it is due.
    bobs = on("bob", tmp_path)
    with open_node(bobs) as absent:
        name = absent.did
    async with running(replace(on("ada"), retry_interval_s=3_600.0)) as ada:
        for number in range(2):
            assert (await ada.send(name, b"%d" % number, timeout=0.1, retry_count=0)).state is ReceiptState.QUEUED
        async with running(bobs) as bob:
            with trio.fail_after(SOON_S):
                assert [(await bob.receive()).body for _ in range(2)] == [b"0", b"1"]


async def test_all_of_many_on_one_machine_hear_each_other() -> None:
    async with house("ada", "bob", "cyd", "dan", "eve") as nodes:
        for one in nodes:
            for other in nodes:
                if one is not other:
                    assert await found(one, other) == [at(other)]


async def test_two_nodes_form_a_dht_with_nothing_set_at_all() -> None:
    async with (
        running(Config(name="ada")) as ada,
        running(Config(name="bob")) as bob,
        running(replace(settings("cyd"), bootstrap=(place(ada),))) as cyd,
    ):
        # Who hears no beacons finds whom one of the two has only heard.
        assert at(bob) in await found(cyd, bob)


async def test_with_lan_off_nothing_is_said_or_heard() -> None:
    quiet = replace(settings("bob"), discovery=("dht",))
    async with house("ada") as (ada,), running(quiet) as bob:
        async with running(on("cyd")) as cyd:
            await found(ada, cyd)
        assert lan(bob).traffic.sent == lan(bob).traffic.received == 0
        with pytest.raises(NotReachable, match="lan: it was not heard"):
            await discovery(ada).find(did(bob))
    async with running(replace(quiet, discovery=())) as neither:
        assert neither.discovery is None


async def test_a_peer_that_comes_back_elsewhere_is_found_there(tmp_path: Path) -> None:
    bobs = on("bob", tmp_path)
    async with house("ada") as (ada,):
        async with running(bobs) as bob:
            await found(ada, bob)
            before = at(bob)
            await ada.send(bob.did, b"here")
            await (await bob.receive()).ack()
        async with running(bobs) as bob:
            assert at(bob) != before
            with trio.fail_after(PATIENCE_S):
                await ada.send(bob.did, b"and now", timeout=PATIENCE_S)
                assert (await bob.receive()).body == b"and now"


async def test_who_only_dials_hears_and_says_nothing() -> None:
    async with house("ada") as (ada,), running(replace(on("bob"), listen=())) as bob:
        async with running(on("cyd")) as cyd:  # Makes ada answer, so that bob need not wait for half a minute.
            assert at(cyd) in await found(bob, cyd)
            assert await found(bob, ada)
        assert lan(bob).traffic.sent == 0
        assert not heard(ada, bob)


async def test_a_node_that_was_asked_for_in_vain_says_that_it_was_not_heard() -> None:
    async with house("ada") as (ada,):
        with pytest.raises(NotReachable, match=r"nobody knows where did:talos:a+ is \(lan: it was not heard\)"):
            await discovery(ada).find(NOBODY)


async def test_a_node_on_its_own_network_alone_says_who_is_near_and_asks_for_nothing_else() -> None:
    async with house("ada", "bob") as (ada, bob):
        await until(lambda: heard(ada, bob))
        points = {one.name: one for one in await ada.diagnose()}
        assert points.keys() == {"addresses", "lan"}
        assert points["lan"].ok
        assert not points["lan"].what.startswith("0 nodes are near")


async def test_no_stream_is_opened_for_a_beacon_before_somebody_asks() -> None:
    async with house("ada", "bob") as (ada, bob):
        await until(lambda: heard(ada, bob))
        assert discovery(ada)._logs.known(did(bob)) is None
        await found(ada, bob)
        assert discovery(ada)._logs.known(did(bob)) is not None


async def test_where_the_record_says_one_cannot_be_reached_the_source_of_the_beacon_is_tried() -> None:
    wrong = Address("127.0.0.1", 1)
    async with house("ada") as (ada,), running(replace(on("bob"), advertise=(wrong,))) as bob:
        assert await found(ada, bob) == [wrong, at(bob)]
        receipt = await ada.send(bob.did, b"all the same")
        assert receipt.state is ReceiptState.DELIVERED
        trip = await ada.ping(bob.did)
        assert (trip.found, trip.address) == ("lan", str(at(bob)))


class Deaf(TcpNetwork):
    """A network on which no group can be joined, until it can."""

    why: str | None = "cannot join: planted"

    async def open_multicast(self, group: Address, host: str) -> UdpMulticast:
        if self.why is not None:
            raise UsageError(self.why)
        return await super().open_multicast(group, host)


async def test_where_no_group_can_be_joined_the_node_runs_says_why_and_tries_again() -> None:
    network = Deaf()
    with in_memory("ada") as opened:
        ada = Node(on("ada"), replace(opened, host=replace(opened.host, network=network)))
        async with trio.open_nursery() as nursery:
            await nursery.start(ada.run)
            await until(lambda: lan(ada).trouble)
            [point] = [one for one in await ada.diagnose() if one.name == "lan"]
            assert not point.ok
            assert point.what.startswith("cannot join: planted; 0 nodes are near")
            with pytest.raises(NotReachable, match="lan: it was not heard; cannot join: planted"):
                await discovery(ada).find(NOBODY)
            network.why = None
            lan(ada).say_soon()
            async with house("bob") as (bob,):
                assert await found(ada, bob) == [at(bob)]
                assert await found(bob, ada) == [at(ada)]
            assert lan(ada).trouble is None
            ada.stop()


async def test_who_has_gone_is_near_until_its_record_ends_and_no_way_in_after(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house("ada") as (ada,):
        async with running(replace(on("bob"), discovery=("dht",))) as bob:
            await until(lambda: heard(ada, bob))
            ends_ms = heard(ada, bob)[0].record.expires_ms
        assert lan(ada).heard == len(lan(ada).ways_in()) == 1
        monkeypatch.setattr(Desk, "now_ms", lambda desk: ends_ms)
        assert lan(ada).ways_in() == []
        assert lan(ada).heard == 0
