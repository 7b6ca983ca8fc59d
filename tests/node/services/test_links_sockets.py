"""Strangers over real sockets: what the memory streams of the other tests stand for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from talos.config import Config
from talos.core.frames import Kind, wrap
from talos.core.greeting import Card, Fetch
from talos.core.names import PeerAddress, parse_peer
from talos.runtime import Node, open_node
from talos.services.places import STRANGERS_PER_HOST

PATIENCE_S = 20.0  # Real seconds: a deadline for tests that would otherwise hang, never a wait.
HOST = "127.0.0.1"


def port_of(node: Node) -> int:
    return int(node.addresses[0].rpartition(":")[2])


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Node, Node]]:
    """Run two nodes in memory, each on a port of its own; in the end nothing of them has crashed."""
    with (
        trio.fail_after(PATIENCE_S),
        open_node(Config(name="a", lan=False)) as a,
        open_node(Config(name="b", lan=False)) as b,
    ):
        async with trio.open_nursery() as nursery:
            for node in (a, b):
                await nursery.start(node.run)
            yield a, b
            assert [node.status().reason for node in (a, b)] == [None, None]
            nursery.cancel_scope.cancel()


async def meet(a: Node, b: Node) -> None:
    await a.add_peer(PeerAddress(parse_peer(b.did), HOST, port_of(b)))
    await a.send(b.did, b"well met")  # At once, or as soon as there is a place for it again.
    message = await b.receive()
    assert message.body == b"well met"
    await message.ack()


async def is_cut(stream: trio.SocketStream) -> bool:
    """Wait for the other end to close, politely or not."""
    try:
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass
    return True


async def test_garbage_is_cut_off_and_honest_peers_still_meet() -> None:
    async with listening() as (a, b):
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, wrap(bytes((Kind.HELLO,)) + bytes(500))):
            stream = await trio.open_tcp_stream(HOST, port_of(b))
            await stream.send_all(said)
            assert await is_cut(stream)
            await stream.aclose()
        await meet(a, b)


async def test_one_host_holds_eight_places_and_frees_them_by_leaving() -> None:
    async with listening() as (a, b):
        held = [await trio.open_tcp_stream(HOST, port_of(b)) for _ in range(STRANGERS_PER_HOST)]
        one_more = await trio.open_tcp_stream(HOST, port_of(b))
        assert await is_cut(one_more)
        for stream in [*held, one_more]:
            await stream.aclose()
        await meet(a, b)


async def test_whoever_asks_is_shown_the_card() -> None:
    async with listening() as (a, _):
        stream = await trio.open_tcp_stream(HOST, port_of(a))
        await stream.send_all(wrap(bytes((Kind.FETCH,)) + Fetch(b"").encode()))
        got = b""
        while len(got) < 4 or len(got) < 4 + int.from_bytes(got[:4], "big"):
            got += await stream.receive_some()
        assert got[4] == Kind.CARD
        assert Card.decode(got[5:]).key_log
        await stream.aclose()
