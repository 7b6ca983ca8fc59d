"""Where UDP does not pass, the DHT and registries are asked over streams, with the very same sealed datagrams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
import trio

from talos import Config, Node
from talos.core.boxes import Boxes
from talos.core.frames import Kind, wrap
from talos.drivers.data_folder import in_memory
from talos.drivers.entropy import entropy
from talos.drivers.tcp import TcpNetwork
from talos.host import Address, Datagrams, Listener, Multicast, Stream
from talos.services.discovery.ports import SILENT_S
from talos_dht import DATAGRAM_MAX, Request
from talos_dht import Kind as Asked
from talos_ratchet import KeyPair
from tests.node.test_discovery import PATIENCE_S, discovery, found, town
from tests.processes.running import STOP_S, place, running, settings, until


@dataclass
class Hole:
    """A port whose datagrams no firewall lets through, but for one that was never meant for a node."""

    port: Datagrams
    strays: int = 1

    @property
    def address(self) -> Address:
        return self.port.address

    async def send_to(self, data: bytes, address: Address) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_from(self) -> tuple[bytes, Address]:
        if self.strays:
            self.strays -= 1
            return b"\x13" * 200, Address("127.0.0.1", 9)
        while True:
            await self.port.receive_from()

    async def aclose(self) -> None:
        await self.port.aclose()


class Walled:
    """The real network, without UDP."""

    def __init__(self) -> None:
        self._real = TcpNetwork()

    async def listen_stream(self, address: Address) -> Listener:
        return await self._real.listen_stream(address)

    async def dial_stream(self, address: Address) -> Stream:
        return await self._real.dial_stream(address)

    async def open_datagrams(self, address: Address) -> Datagrams:
        return Hole(await self._real.open_datagrams(address))

    async def open_multicast(self, group: Address, host: str) -> Multicast:
        return await self._real.open_multicast(group, host)


@asynccontextmanager
async def walled(config: Config) -> AsyncIterator[Node]:
    with in_memory(config.name) as opened:
        node = Node(config, replace(opened, host=replace(opened.host, network=Walled())))
        async with trio.open_nursery() as nursery:
            await nursery.start(node.run)
            yield node
            node.stop()
            nursery.cancel_scope.deadline = trio.current_time() + STOP_S


async def test_a_node_without_udp_finds_others_and_is_found() -> None:
    async with town("hub", "ada") as (hub, ada), walled(replace(settings("bob"), bootstrap=(place(hub),))) as bob:
        await until(lambda: discovery(bob).ports.by_stream)
        assert await found(bob, ada) == [Address("127.0.0.1", place(ada).port)]
        assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
        points = {point.name: point for point in await bob.diagnose()}
        assert not points["udp"].ok
        assert "Let UDP through" in str(points["udp"].fix)
        key = bob._me.pair.public
        assert all(one.key != key for one in discovery(hub).dht.table.closest(bytes(20)))  # It cannot be asked.


async def test_a_registry_is_asked_over_a_stream() -> None:
    nobody_asked = replace(settings("registry"), registry=True, discovery=())
    async with running(nobody_asked) as registry:
        users = [
            replace(settings(name), discovery=("registry",), registries=(place(registry),)) for name in ("ada", "bob")
        ]
        async with running(users[0]) as ada, walled(users[1]) as bob:
            assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
            assert await found(bob, ada) == [Address("127.0.0.1", place(ada).port)]


async def test_who_asks_registries_over_streams_does_not_say_that_it_can_be_asked() -> None:
    async with (
        running(replace(settings("registry"), registry=True, discovery=())) as registry,
        walled(replace(settings("bob"), registries=(place(registry),))) as bob,
    ):
        await until(lambda: discovery(bob).holders > 0)
        assert discovery(bob).ports.by_stream
        assert not discovery(bob).dht.serves


async def test_a_node_that_hears_a_datagram_asks_over_streams_no_more() -> None:
    async with town("hub", "ada") as (_, ada):
        await until(lambda: len(discovery(ada).dht.table) == 1)
        discovery(ada).ports._by_stream[True] = True
        await discovery(ada)._join([])
        assert not discovery(ada).ports.by_stream
        assert discovery(ada).dht.serves  # So others tell of it again.


async def test_who_has_moved_to_where_udp_does_not_pass_asks_over_streams_after_a_while() -> None:
    async with town("hub", "ada") as (_, ada):
        await until(lambda: len(discovery(ada).dht.table) == 1)
        ports, asked = discovery(ada).ports, discovery(ada).dht.table.closest(bytes(20))
        assert not ports.is_silent(asked)  # One came a moment ago: it is they who are gone.
        ports._heard_ms[True] -= 1000 * (SILENT_S + 1)
        assert not ports.is_silent([])
        assert ports.is_silent(asked)


async def said(hub: Node, frame: bytes) -> bytes:
    """Return what a node answers to one frame on a fresh stream."""
    with trio.fail_after(PATIENCE_S):
        stream = await trio.open_tcp_stream("127.0.0.1", place(hub).port)
        async with stream:
            await stream.send_all(frame)
            answer = b""
            while data := await stream.receive_some():
                answer += data
            return answer


async def test_what_breaks_a_rule_has_no_answer_over_a_stream_either() -> None:
    boxes = Boxes(KeyPair.of(b"\x09" * 32), entropy)
    async with town("hub") as (hub,):
        key = hub._me.pair.public
        good = boxes.seal(key, Request(Asked.PING, bytes(8), serves=False).encode())
        frames = [bytes((Kind.DATAGRAM,)) + body for body in (b"", b"x", good[:-1], boxes.seal(key, b"\xc1" * 40))]
        for frame in frames:
            assert await said(hub, wrap(frame)) == b""
        too_long = (DATAGRAM_MAX + 2).to_bytes(4, "big") + bytes((Kind.DATAGRAM,)) + bytes(DATAGRAM_MAX + 1)
        assert await said(hub, too_long) == b""
        answer = await said(hub, wrap(bytes((Kind.DATAGRAM,)) + good))
        assert boxes.open(answer[5:])[0] == key
        assert len(answer[5:]) <= len(good)
        assert hub.last_crash is None


@pytest.mark.parametrize("lan", [False, True])
async def test_a_node_that_takes_no_part_answers_no_datagram(lan: bool) -> None:
    async with running(replace(settings("hub"), discovery=(), lan=lan)) as hub:
        ping = Request(Asked.PING, bytes(8), serves=False).encode()
        good = Boxes(KeyPair.of(b"\x09" * 32), entropy).seal(hub._me.pair.public, ping)
        assert await said(hub, wrap(bytes((Kind.DATAGRAM,)) + good)) == b""
