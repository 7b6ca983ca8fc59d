"""Nodes that find each other by DID: real processes' worth of sockets on loopback, nobody's address typed by hand."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos import Node
from talos.core.boxes import Boxes
from talos.core.names import parse_peer
from talos.core.report import ReceiptState
from talos.drivers.entropy import entropy
from talos.drivers.tcp import TcpNetwork
from talos.errors import NotReachable, TalosError
from talos.host import Address
from talos.runtime import open_node
from talos.services.discovery import service
from talos.services.discovery.service import Discovery
from talos.services.link import GREETING_S
from talos.services.relaying.through import Way
from talos_dht import Answer, Contact, Kind, Reply, Request
from talos_ratchet import KeyPair
from tests.processes.running import back_at, place, running, settings, until

PATIENCE_S: Final = 20.0  # Real seconds: a deadline for tests that would otherwise hang, never a wait.
STEP_S: Final = 0.02


def discovery(node: Node) -> Discovery:
    assert node.discovery is not None
    return node.discovery


async def found(node: Node, peer: Node) -> list[Way]:
    """Return where one finds the other, once it does."""
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                return await discovery(node).find(parse_peer(peer.did))
            except NotReachable:
                await wait_all_tasks_blocked(STEP_S)


@asynccontextmanager
async def town(*names: str) -> AsyncIterator[list[Node]]:
    """Run nodes that know only the first of them."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(settings(names[0])))
        nodes = [first]
        for name in names[1:]:
            config = replace(settings(name), bootstrap=(place(first),))
            nodes.append(await stack.enter_async_context(running(config)))
        yield nodes


async def test_nodes_that_know_one_other_find_each_other_by_did() -> None:
    async with town("hub", "ada", "bob", "cyd") as (_, ada, bob, _):
        assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
        receipt = await ada.send(bob.did, b"found you")
        assert receipt.state is ReceiptState.DELIVERED
        assert (await bob.receive()).body == b"found you"
        assert not ada.peers()[0].addresses  # It is kept as found, not as something that the user said.


async def test_a_way_in_may_be_given_by_its_host_name() -> None:
    async with running(settings("hub")) as hub:
        by_name = replace(place(hub), host="localhost")
        async with running(replace(settings("ada"), bootstrap=(by_name,))) as ada:
            assert await found(ada, hub) == [Address("127.0.0.1", by_name.port)]


async def test_who_published_to_few_publishes_again_when_there_are_more() -> None:
    async with town("hub", "ada", "bob", "cyd") as (hub, *_):
        await until(lambda: discovery(hub).holders > 3)  # Each of three, at more than one place.


async def test_a_peer_that_has_moved_is_found_again(tmp_path: Path) -> None:
    bobs = settings("bob", tmp_path)
    async with town("hub", "ada") as (hub, ada):
        with_hub = replace(bobs, bootstrap=(place(hub),))
        async with running(with_hub) as bob:
            await found(ada, bob)
            await ada.add_peer(place(bob))
            before = place(bob)
        async with running(with_hub) as bob:
            assert place(bob) != before
            with trio.fail_after(PATIENCE_S):
                await ada.send(bob.did, b"where are you", timeout=PATIENCE_S)
                assert (await bob.receive()).body == b"where are you"


async def test_where_somebody_else_answers_now_is_no_end_of_all_other_ways() -> None:
    async with town("hub", "ada", "bob") as (hub, ada, bob):
        await ada.add_peer(replace(place(bob), port=place(hub).port))
        peer = ada._desk.post.peer(parse_peer(bob.did))
        await found(ada, bob)
        for _ in range(2):  # The second time all ways are known, and the first of them still leads to somebody else.
            await ada._running_now().links.connect(peer)
            assert peer.link is not None
            assert peer.link.at == Address("127.0.0.1", place(bob).port)
            peer.link.close("the test")
            await until(lambda: peer.link is None)


async def test_a_node_whose_ways_in_are_gone_comes_back_by_those_it_knew(tmp_path: Path) -> None:
    adas = settings("ada", tmp_path)
    async with town("cyd", "bob") as (cyd, bob):
        async with running(settings("hub")) as hub:
            await discovery(hub)._runner.finished(lambda now: discovery(hub).dht.join([], now))
            async with running(replace(adas, bootstrap=(place(cyd),))) as ada:
                await found(bob, ada)
                await until(lambda: len(discovery(ada).dht.table) == 2)
        async with running(replace(adas, bootstrap=(place(hub),))) as ada:
            await until(lambda: len(discovery(ada).dht.table) == 2)
            assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]


async def test_a_node_whose_line_was_cut_comes_back_by_those_it_knew_without_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "JOIN_S", STEP_S)
    async with town("hub", "bob") as (hub, bob), running(replace(settings("ada"), bootstrap=(place(hub),))) as ada:
        ours = discovery(ada)
        await until(lambda: len(ours.dht.table) == 2)
        # All have said where they are: who asks us for that is known again.
        await until(lambda: all(discovery(one).homes.moved._lot for one in (hub, bob, ada)))
        await ours._flush()
        ours.settings = replace(ours.settings, ways_in=())  # The way in is gone ...
        for one in ours.dht.table.closest(bytes(20)):
            ours.dht.table.remove(one.id)  # ... and for an hour nobody has answered.
        await until(lambda: len(ours.dht.table) == 2)
        assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]


async def test_whom_a_node_knew_when_its_line_was_cut_is_kept_until_somebody_answers() -> None:
    others = [Contact.at(bytes([number]) * 32, "127.0.0.1", number) for number in range(1, 11)]
    async with running(settings("ada")) as ada:
        ours = discovery(ada)
        for one in others:
            ours.dht.table.answered(one, 0)
        await ours._flush()
        for one in others[1:]:
            ours.dht.table.remove(one.id)
        await ours._flush()
        assert {*ours._saved()} == {*others}
        ours.dht.table.answered(others[0], 1)
        await ours._flush()
        assert ours._saved() == others[:1]


async def test_who_starts_while_its_line_is_down_and_hears_a_neighbour_forgets_nobody_else(tmp_path: Path) -> None:
    far = [Contact.at(bytes([number]) * 32, f"198.51.{number}.1", number) for number in range(1, 4)]
    adas = settings("ada", tmp_path)
    async with running(adas) as ada:
        for one in far:
            discovery(ada).dht.table.answered(one, 0)
    async with running(settings("hub")) as hub, running(replace(adas, bootstrap=(place(hub),))) as ada:
        await until(lambda: len(discovery(ada).dht.table) == 1)
        await discovery(ada)._flush()
        assert {*discovery(ada)._saved()} == {*far, *discovery(ada).dht.table.closest(bytes(20))}


async def test_ways_in_that_say_nothing_keep_nobody_from_those_that_it_knew(tmp_path: Path) -> None:
    adas = settings("ada", tmp_path)
    async with town("hub", "bob") as (hub, bob):
        async with running(replace(adas, bootstrap=(place(hub),))) as ada:
            await until(lambda: len(discovery(ada).dht.table) == 2)
        with socket.create_server(("127.0.0.1", 0)) as silent:  # It takes streams, and says nothing on them.
            gone = tuple(replace(place(hub), port=silent.getsockname()[1], did=bytes([n]) * 32) for n in range(3))
            began = trio.current_time()
            async with running(replace(adas, bootstrap=gone)) as ada:
                assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
                while await found(bob, ada) != [Address("127.0.0.1", place(ada).port)]:
                    await wait_all_tasks_blocked(STEP_S)
                assert trio.current_time() - began < GREETING_S / 2


async def test_a_key_log_is_shown_only_of_whom_a_statement_is_held() -> None:
    async with town("hub", "ada", "bob") as (hub, ada, bob), running(replace(settings("eve"), discovery=())) as eve:
        await hub.add_peer(place(eve))
        await found(ada, bob)
        dialler = ada._running_now().links.dialler
        log = await dialler.ask_key_log(Address("127.0.0.1", place(hub).port), parse_peer(bob.did))
        assert log.state.did == parse_peer(bob.did)
        with pytest.raises(TalosError):
            await dialler.ask_key_log(Address("127.0.0.1", place(hub).port), parse_peer(eve.did))


async def test_who_is_nowhere_is_said_to_be_so_with_what_was_asked() -> None:
    async with town("hub", "ada") as (_, ada):
        await until(lambda: len(discovery(ada).dht.table) == 1)
        with pytest.raises(NotReachable, match=r"nobody knows where did:talos:a+ is \(dht: \d+ nodes were asked\)"):
            await discovery(ada).find(bytes(32))


async def test_a_node_that_only_dials_finds_and_tells_nobody_where_it_is() -> None:
    async with (
        town("hub", "ada") as (hub, ada),
        running(replace(settings("bob"), listen=(), bootstrap=(place(hub),))) as bob,
    ):
        assert await found(bob, ada) == [Address("127.0.0.1", place(ada).port)]
        assert discovery(bob).addresses() == []
        assert all(contact.key != bob._me.pair.public for contact in discovery(hub).dht.table.closest(bytes(20)))


async def test_one_number_is_for_streams_and_for_datagrams() -> None:
    async with running(settings("ada")) as ada:
        (port,) = discovery(ada).ports.opened
        assert str(port.address) in ada.addresses


async def test_a_node_that_cannot_have_all_its_addresses_gives_back_those_it_had() -> None:
    async with running(settings("hub")) as hub:
        with socket.create_server(("127.0.0.1", 0)) as free:
            ours = Address("127.0.0.1", free.getsockname()[1])
        taken = Address("127.0.0.1", place(hub).port)
        with open_node(replace(settings("ada"), listen=(ours, taken))) as ada:
            with pytest.raises(ExceptionGroup):
                await ada.run()
            await (await TcpNetwork().open_datagrams(ours)).aclose()


async def test_without_discovery_there_is_no_port_and_nobody_is_asked() -> None:
    async with running(replace(settings("ada"), discovery=())) as ada:
        assert ada.discovery is None
        receipt = await ada.send("a" * 52, b"hello")
        assert "no address" in str(receipt.why_queued)


async def test_datagrams_that_break_a_rule_have_no_effect_and_are_counted() -> None:
    eve = Boxes(KeyPair.of(b"\x09" * 32), lambda size: b"\x05" * size)
    async with town("hub", "ada") as (hub, ada):
        to, key = place(hub), hub._me.pair.public
        socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        with socket:
            ping = Request(Kind.PING, bytes(8), serves=False).encode()
            good = eve.seal(key, ping)
            bad = [b"", b"x", bytes(1_200), good[:-1], good + b"x", eve.seal(key, b"\xc1" * 40), eve.seal(key, b"")]
            for data in bad:
                await socket.sendto(data, (to.host, to.port))
            await socket.sendto(good, (to.host, to.port))
            with trio.fail_after(PATIENCE_S):
                reply, _ = await socket.recvfrom(2_000)  # The first that comes is to the good one.
            assert eve.open(reply)[0] == key
        assert discovery(hub).ports.traffic.refused >= 5
        assert await found(ada, hub) == [Address("127.0.0.1", to.port)]


async def test_a_saved_table_that_is_damaged_is_let_be(tmp_path: Path) -> None:
    config = settings("ada", tmp_path)
    async with running(config) as ada:
        discovery(ada)._kept["dht"][b"contacts"] = b"\xc1"
        where = place(ada)
    async with running(back_at(config, where)) as ada:
        assert not len(discovery(ada).dht.table)


@pytest.mark.parametrize("raw", [b"\x7f" + b"\xff" * 7, b"\xff" * 9])
async def test_a_saved_number_that_is_damaged_is_let_be(tmp_path: Path, raw: bytes) -> None:
    config = settings("ada", tmp_path)
    async with running(config) as ada:
        discovery(ada)._kept["dht"][b"seq"] = raw
    async with town("hub") as (hub,), running(replace(config, bootstrap=(place(hub),))) as ada:
        await until(lambda: discovery(ada).holders > 0)


async def test_a_closed_group_finds_its_own_and_is_not_heard_by_others(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    async with running(replace(settings("hub"), network_key_file=key)) as hub:
        inside = replace(settings("ada"), bootstrap=(place(hub),))
        async with running(replace(inside, network_key_file=key)) as ada, running(inside) as eve:
            assert await found(ada, hub) == [Address("127.0.0.1", place(hub).port)]
            await until(lambda: discovery(hub).ports.traffic.refused > 0)
            assert len(discovery(eve).dht.table) == 0
            assert len(discovery(hub).dht.table) == 1


async def test_an_address_that_nobody_can_have_is_no_end_of_who_listens_at_any() -> None:
    async with town("hub", "ada") as (hub, ada):
        pair = KeyPair.of(b"\x09" * 32)
        boxes, liar = Boxes(pair, entropy), trio.socket.socket(type=socket.SOCK_DGRAM)
        everywhere = replace(settings("bob"), listen=(Address("0.0.0.0", 0),), bootstrap=(place(hub),))
        with liar:
            await liar.bind(("127.0.0.1", 0))
            async with running(everywhere) as bob:
                contact = Contact.at(pair.public, *liar.getsockname())
                with trio.fail_after(PATIENCE_S):
                    join = partial(discovery(bob).dht.join, [contact])
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(discovery(bob)._runner.finished, join)
                        data, at = await liar.recvfrom(2_000)
                        sender, body = boxes.open(data)
                        nowhere = Reply(Answer.CONTACTS, Request.decode(body).txid, bytes(8), bytes(18)).encode()
                        assert nowhere is not None
                        await liar.sendto(boxes.seal(sender, nowhere), at)
                assert await bob.diagnose()
                assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
