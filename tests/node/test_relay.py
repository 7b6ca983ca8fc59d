"""A node that can only dial is reached through a relay, with the very same frames."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import trio
from trio.testing import wait_all_tasks_blocked

from talos import Node
from talos.core.names import parse_peer
from talos.core.report import ReceiptState
from talos.host import Address
from talos.services.relaying.relay import Relay
from talos.services.relaying.through import Relayed
from tests.node.living import Lives
from tests.node.test_discovery import PATIENCE_S, STEP_S, discovery, found
from tests.processes.running import back_at, place, running, settings, until


def relay_of(node: Node) -> Relay:
    relay = node._running_now().links.relay
    assert isinstance(relay, Relay)
    return relay


@asynccontextmanager
async def hidden(name: str, *relays: Node) -> AsyncIterator[Node]:
    """Run a node that listens nowhere."""
    places = tuple(map(place, relays))
    async with running(replace(settings(name), listen=(), bootstrap=places, relays=places)) as node:
        yield node


@asynccontextmanager
async def near(name: str, other: Node) -> AsyncIterator[Node]:
    async with running(replace(settings(name), bootstrap=(place(other),))) as node:
        yield node


def relayed(relay: Node, client: Node) -> Relayed:
    """Return the way to a client of this relay."""
    return Relayed(Address("127.0.0.1", place(relay).port), relay._me.pair.public, parse_peer(client.did))


async def test_a_node_that_only_dials_is_found_and_reached_through_its_relay() -> None:
    relays = replace(settings("relay"), relay=True)
    async with running(relays) as relay, hidden("bob", relay) as bob, near("ada", relay) as ada:
        assert await found(ada, bob) == [relayed(relay, bob)]
        receipt = await ada.send(bob.did, b"hello", timeout=PATIENCE_S)
        assert receipt.state is ReceiptState.DELIVERED
        assert (await bob.receive()).body == b"hello"
        await bob.send(ada.did, b"hello yourself", timeout=PATIENCE_S)
        assert (await ada.receive()).body == b"hello yourself"
        assert relay_of(relay).passed > 0
        assert relay.status().inbox == 0


async def test_two_that_only_dial_reach_each_other() -> None:
    relays = replace(settings("relay"), relay=True)
    async with running(relays) as relay, hidden("ada", relay) as ada, hidden("bob", relay) as bob:
        await found(ada, bob)  # The relay knows bob as a peer, and shows his key log, because it holds his record.
        body = bytes(100_000)
        await ada.send(bob.did, body, timeout=PATIENCE_S)
        assert (await bob.receive()).body == body


async def test_when_a_relay_is_gone_the_second_takes_over_and_nothing_is_lost() -> None:
    async with running(replace(settings("second"), relay=True)) as second, trio.open_nursery() as nursery:
        lives = Lives(nursery)
        first = await lives.begin(replace(settings("first"), relay=True))
        async with hidden("bob", first, second) as bob, near("ada", second) as ada:
            await until(lambda: len(discovery(bob).addresses()) == 2)
            with trio.fail_after(PATIENCE_S):
                while len(await found(ada, bob)) < 2:
                    await wait_all_tasks_blocked(STEP_S)
            await ada.send(bob.did, b"0", timeout=PATIENCE_S)
            assert relay_of(first).passed > 0
            for number in range(1, 30):
                if number == 10:
                    await lives.end(first)
                await ada.send(bob.did, b"%d" % number, timeout=PATIENCE_S)
            assert [(await bob.receive()).body for _ in range(30)] == [b"%d" % number for number in range(30)]
            assert relay_of(second).passed > 0


async def test_a_relay_that_comes_up_later_is_one_more_way_and_others_hear_of_it_at_once(tmp_path: Path) -> None:
    seconds = replace(settings("second", tmp_path), relay=True)
    async with running(seconds) as second:
        where = place(second)
    async with running(replace(settings("first"), relay=True)) as first:
        places = place(first), where
        bobs = replace(settings("bob"), listen=(), bootstrap=places[:1], relays=places)
        async with running(bobs) as bob, near("ada", first) as ada:
            assert len(await found(ada, bob)) == 1
            await until(lambda: bool(discovery(bob).homes.moved._lot))  # It has said all, and waits for news.
            async with running(back_at(seconds, where)):
                with trio.fail_after(PATIENCE_S):
                    while len(await found(ada, bob)) < 2:
                        await wait_all_tasks_blocked(STEP_S)


async def test_a_node_that_is_no_relay_says_so_and_is_no_address() -> None:
    async with running(settings("plain")) as plain, hidden("bob", plain) as bob:
        homes = discovery(bob).homes.homes
        await until(lambda: "does not answer" in str(homes[0].reason))
        assert discovery(bob).addresses() == []


async def test_who_has_moved_to_another_relay_is_found_again_though_the_first_is_still_there(tmp_path: Path) -> None:
    bobs = settings("bob", tmp_path)
    async with AsyncExitStack() as stack:
        old, new = [
            await stack.enter_async_context(running(replace(settings(name), relay=True))) for name in ("old", "new")
        ]
        ada = await stack.enter_async_context(near("ada", new))
        async with running(replace(bobs, listen=(), bootstrap=(place(new),), relays=(place(old),))) as bob:
            assert await found(ada, bob) == [relayed(old, bob)]
        async with running(replace(bobs, listen=(), bootstrap=(place(new),), relays=(place(new),))) as bob:
            await until(lambda: discovery(bob).holders > 0)
            assert discovery(ada).cached(parse_peer(bob.did)) == [relayed(old, bob)]
            await ada._running_now().links.connect(ada._desk.post.peer(parse_peer(bob.did)))
            assert discovery(ada).cached(parse_peer(bob.did)) == [relayed(new, bob)]
