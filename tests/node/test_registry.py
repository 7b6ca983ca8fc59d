"""Registries: nodes that hold what is published, asked and told directly; and what is found by its topic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos import Config, Node
from talos.core.names import did_of, parse_peer
from talos.core.tables import HELD
from talos.errors import NotReachable
from talos.host import Address
from talos_dht.contact import ID_SIZE
from tests.node.living import Lives
from tests.node.test_discovery import PATIENCE_S, STEP_S, discovery, found
from tests.processes.running import back_at, place, running, settings, until

REGISTRY = ("registry",)


@asynccontextmanager
async def around(registry: Node, *configs: Config) -> AsyncIterator[list[Node]]:
    """Run nodes that use this registry."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(replace(one, registries=(place(registry),)))) for one in configs]


def only_registry(name: str) -> Config:
    return replace(settings(name), discovery=REGISTRY)


def held(node: Node) -> set[str]:
    """Return whose records a node holds."""
    return {did_of(name[ID_SIZE:]) for name in discovery(node)._kept[HELD]}


async def offering(node: Node, topic: str) -> list[bytes]:
    """Return who offers a topic, once anybody does."""
    with trio.fail_after(PATIENCE_S):
        while True:
            providers = await discovery(node).finder.browse(topic)
            if providers:
                return [provider.did for provider in providers]
            await wait_all_tasks_blocked(STEP_S)


async def test_nodes_find_each_other_by_a_registry_alone() -> None:
    nobody_asked = replace(settings("registry"), registry=True, discovery=())
    users = only_registry("ada"), only_registry("bob")
    async with running(nobody_asked) as registry, around(registry, *users) as (ada, bob):
        assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
        await ada.send(bob.did, b"hello", timeout=PATIENCE_S)
        assert (await bob.receive()).body == b"hello"
        assert [one.port for one in discovery(ada).dht.table.closest(bytes(20))] in ([], [place(registry).port])


async def test_without_the_registry_the_dht_goes_on() -> None:
    async with running(settings("hub")) as hub, trio.open_nursery() as nursery:
        lives = Lives(nursery)
        registry = await lives.begin(replace(settings("registry"), registry=True))
        both = [replace(settings(name), bootstrap=(place(hub),)) for name in ("ada", "bob", "cyd")]
        async with around(registry, *both) as (ada, bob, cyd):
            await found(ada, bob)
            await until(lambda: len(discovery(hub).dht.shelf) >= 9)
            await lives.end(registry)
            assert await found(ada, cyd) == [Address("127.0.0.1", place(cyd).port)]
            with pytest.raises(NotReachable, match=r"registry: .*; dht: "):
                await discovery(ada).find(bytes(32))


async def test_a_registry_that_comes_back_with_what_it_held_is_asked_again(tmp_path: Path) -> None:
    config = replace(settings("registry", tmp_path), registry=True)
    async with trio.open_nursery() as nursery:
        lives = Lives(nursery)
        registry = await lives.begin(config)
        async with around(registry, only_registry("ada"), only_registry("bob")) as (ada, bob):
            where = place(registry)
            await found(ada, bob)
            await until(lambda: ada.did in held(registry) and bob.did in held(registry))
            await lives.end(registry)
            with pytest.raises(NotReachable, match=f"{where.port}"):
                await discovery(ada).find(bytes(32))
            registry = await lives.begin(back_at(config, where))
            assert {ada.did, bob.did} <= held(registry)
            assert await found(ada, bob) == [Address("127.0.0.1", place(bob).port)]
        await lives.end(registry)


async def test_who_offers_a_topic_is_found_by_it_at_a_registry_and_in_the_dht() -> None:
    async with running(replace(settings("hub"), registry=True)) as hub:
        bobs = replace(only_registry("bob"), topics=("translate", "tool:mail"))
        cyds = replace(settings("cyd"), bootstrap=(place(hub),), discovery=("dht",), topics=("translate",))
        dans = replace(settings("dan"), bootstrap=(place(hub),), discovery=("dht",))
        async with around(hub, only_registry("ada"), bobs) as (ada, bob), running(cyds) as cyd, running(dans) as dan:
            assert await offering(ada, "tool:mail") == [parse_peer(bob.did)]
            assert parse_peer(cyd.did) in await offering(dan, "translate")
            assert await discovery(ada).finder.browse("translat") == []


async def test_a_registry_that_is_somebody_else_is_not_asked() -> None:
    async with running(settings("eve")) as eve, running(settings("registry")) as registry:
        false = replace(place(registry), host=place(eve).host, port=place(eve).port)
        async with running(replace(only_registry("ada"), registries=(false,))) as ada:
            with pytest.raises(NotReachable, match="registry: "):
                await discovery(ada).find(parse_peer(eve.did))
            assert discovery(ada).ports.traffic.sent == 0
