"""Hostile peers over real sockets: two honest nodes meet and talk all the while. Nothing here counts seconds.

The hostile ones come from another loopback address, so that they are another host and network than the honest.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import pytest
import trio

from talos.core.budgets import RATES, Work
from talos.core.content import Ack, MessageContent, OpenContent, Ping
from talos.core.frames import SIZE_MAX, Kind, wrap
from talos.core.greeting import Card, Fetch, Reason, Refusal
from talos.core.names import PeerAddress, parse_peer
from talos.runtime import Node
from talos.services.places import STRANGERS_PER_HOST
from talos_ratchet import JUMP_MAX, Lane
from tests.node.services.hostile import SocketFrames, Stranger
from tests.node.services.test_links_sockets import HOST, listening, port_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 from the start")

BAD_HOST: Final = "127.9.9.9"
ORIGIN: Final = bytes(range(16))


async def dial(node: Node, host: str = BAD_HOST) -> SocketFrames:
    return SocketFrames(await trio.open_tcp_stream(HOST, port_of(node), local_address=host))


async def card_of(node: Node) -> Card:
    frames = await dial(node, HOST)
    await frames.send_all(wrap(bytes((Kind.FETCH,)) + Fetch(b"").encode()))
    card = Card.decode((await frames.frame())[1:])
    await frames.stream.aclose()
    return card


async def talk(a: Node, b: Node) -> None:
    """A message each way, between two that may never have met."""
    await a.add_peer(PeerAddress(parse_peer(b.did), HOST, port_of(b)))
    for sender, receiver in ((a, b), (b, a)):
        await sender.send(receiver.did, b"well met")
        await (await receiver.receive()).ack()


@asynccontextmanager
async def besieged() -> AsyncIterator[tuple[Node, Node, Card]]:
    """Run `a` and `b`, and see that they get on when the body is done."""
    async with listening() as (a, b):
        card = await card_of(b)
        yield a, b, card
        await talk(a, b)


async def test_a_flood_of_hellos_is_refused_at_its_limit_and_honest_peers_meet() -> None:
    async with besieged() as (_, b, _):
        sent, before = 0, b.status().refused
        while b.status().refused < before + 2 * RATES[Work.HELLO].host:
            frames = await dial(b)
            await frames.send_all(wrap(bytes((Kind.HELLO,)) + bytes(range(1, 150))))
            assert await frames.is_cut()
            await frames.stream.aclose()
            sent += 1
        assert sent >= 2 * RATES[Work.HELLO].host - 1  # Who asked for the card has gone without a HELLO: one more.
        assert b._desk.budgets.refused > 0


async def test_handshakes_with_fresh_identities_are_refused_at_their_limit_and_honest_peers_meet() -> None:
    async with besieged() as (_, b, card):
        answers = list[object]()
        while not answers or answers[-1] != Refusal(Reason.BUSY):
            frames = await dial(b)
            answers.append(await Stranger(f"{len(answers)}", card).knock(frames))
            await frames.stream.aclose()
        assert len(answers) > RATES[Work.ACCEPT].host
        assert len(b._desk.post.newcomers) == len(answers) - 1


async def test_who_holds_every_place_of_its_host_with_one_byte_each_holds_nobody_up() -> None:
    async with listening() as (a, b):
        held = [await dial(b) for _ in range(STRANGERS_PER_HOST)]
        for frames in held:
            await frames.send_all(b"\x00")
        one_more = await dial(b)
        assert await one_more.is_cut()
        await talk(a, b)
        for frames in [*held, one_more]:
            await frames.stream.aclose()


def too_long(bad: Stranger) -> bytes:
    return b"\xff\xff\xff\xff" + bytes((Kind.CONTROL,))


def longer_than_its_kind(bad: Stranger) -> bytes:
    return (SIZE_MAX[Kind.CONTROL] + 1).to_bytes(4, "big") + bytes((Kind.CONTROL,))


def many_tiny(bad: Stranger) -> bytes:
    return wrap(bytes((Kind.CONTROL,))) * 10_000


def many_empty(bad: Stranger) -> bytes:
    return bytes(5) * 10_000


def a_greeting(bad: Stranger) -> bytes:
    return wrap(bytes((Kind.HELLO,)) + bytes(100))


def many_pings(bad: Stranger) -> bytes:
    return b"".join(wrap(bad.seal(Ping())) for _ in range(1_000))


def the_future(bad: Stranger) -> bytes:
    for _ in range(JUMP_MAX):
        bad.seal(OpenContent(), Lane.MESSAGE)
    return wrap(bad.seal(MessageContent(ORIGIN, 2, b""), Lane.MESSAGE)) * 500


def never_sent(bad: Stranger) -> bytes:
    return wrap(bad.seal(Ack(bad.their_origin, 1)))


@pytest.mark.parametrize(
    "bomb",
    [too_long, longer_than_its_kind, many_tiny, many_empty, a_greeting, many_pings, the_future, never_sent],
    ids=lambda bomb: bomb.__name__,
)
async def test_a_bomb_on_a_bound_link_ends_that_link_and_no_other(bomb: Callable[[Stranger], bytes]) -> None:
    async with besieged() as (a, b, card):
        await talk(a, b)
        bad = Stranger("bad", card)
        frames = await dial(b)
        assert await bad.bind(frames)
        before = b.status().refused
        with suppress(trio.BrokenResourceError):  # It may be cut off while it is still at it.
            await bad.stream.send_all(bomb(bad))
        assert await bad.stream.is_cut()
        await frames.stream.aclose()
        assert b.status().refused > before
        assert b.status().links == 1
