"""What a node says of its own place in the network, and who offers what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos import Node
from talos.core.report import Diagnosis
from talos.errors import StoreFull, UsageError
from talos.services.discovery.kept import Kept
from tests.node.test_discovery import PATIENCE_S, STEP_S, discovery, town
from tests.node.test_relay import hidden
from tests.processes.running import place, running, settings, until


async def of_network(node: Node) -> dict[str, Diagnosis]:
    return {point.name: point for point in await node.diagnose()}


async def test_all_is_well_where_a_node_is_found_by_others() -> None:
    async with town("hub", "ada") as (_, ada):
        await until(lambda: discovery(ada).holders > 0)
        points = await of_network(ada)
        assert {name: point.ok for name, point in points.items()} == {
            "ports": True,
            "addresses": True,
            "dht": True,
            "published": True,
        }
        assert f"127.0.0.1:{place(ada).port}" in points["addresses"].what
        assert f"we are seen at 127.0.0.1:{place(ada).port}" in points["dht"].what


async def test_a_node_that_knows_nobody_says_so_and_what_mends_it() -> None:
    async with running(settings("ada")) as ada:
        points = await of_network(ada)
        assert not points["dht"].ok
        assert "bootstrap" in str(points["dht"].fix)
        assert not points["published"].ok


async def test_a_way_in_that_is_shut_is_named_with_its_reason() -> None:
    async with running(settings("hub")) as hub:
        gone = place(hub)
    async with running(replace(settings("ada"), bootstrap=(gone,), registries=(gone,))) as ada:
        await until(lambda: gone in discovery(ada).ways_in.failures)
        points = await of_network(ada)
        assert str(gone.port) in points["dht"].what
        assert not points[f"registry 127.0.0.1:{gone.port}"].ok


async def test_relays_are_shown_with_what_becomes_of_them() -> None:
    relays = replace(settings("relay"), relay=True)
    async with running(relays) as relay, running(settings("plain")) as plain, hidden("ada", relay, plain) as ada:
        await until(lambda: "does not answer" in str(discovery(ada).homes.homes[1].reason))
        await until(lambda: discovery(ada).homes.homes[0].is_reserved)
        points = await of_network(ada)
        assert points[f"relay 127.0.0.1:{place(relay).port}"].ok
        assert not points[f"relay 127.0.0.1:{place(plain).port}"].ok


async def test_nobody_can_reach_a_node_that_only_dials_and_has_no_relay() -> None:
    async with running(replace(settings("ada"), listen=())) as ada:
        points = await of_network(ada)
        assert not points["addresses"].ok
        assert "relays" in str(points["addresses"].fix)
        assert "published" not in points


async def test_another_node_with_our_identity_is_found(tmp_path: Path) -> None:
    config = settings("ada", tmp_path)
    copytree(tmp_path / "ada", tmp_path / "copy")
    async with running(settings("hub")) as hub:
        at = (place(hub),)
        async with running(replace(config, bootstrap=at)) as ada:
            await until(lambda: discovery(ada).holders > 0)
            assert [point.ok for point in await ada.diagnose(duplicates=True)] == [True]
            async with running(replace(config, data_dir=tmp_path / "copy", bootstrap=at)) as copy:
                await until(lambda: discovery(copy).holders > 0)
                with trio.fail_after(PATIENCE_S):
                    while (point := (await ada.diagnose(duplicates=True))[0]).ok:
                        await wait_all_tasks_blocked(STEP_S)
                assert "a copy of this folder" in point.what


async def test_who_offers_a_topic_is_told_with_the_end_of_what_it_said() -> None:
    async with running(settings("hub")) as hub:
        bobs = replace(settings("bob"), bootstrap=(place(hub),), topics=("translate",))
        async with running(bobs) as bob, running(replace(settings("ada"), bootstrap=(place(hub),))) as ada:
            with trio.fail_after(PATIENCE_S):
                while not (offers := await ada.find("translate")):
                    await wait_all_tasks_blocked(STEP_S)
            assert [offer.did for offer in offers] == [bob.did]
            assert offers[0].until_ms > 0
            assert await ada.find("nothing of the kind") == ()


async def test_a_cache_that_could_not_be_written_is_trouble_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(settings("ada")) as ada:
        ours = discovery(ada)

        async def full(kept: Kept) -> None:
            raise StoreFull("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(Kept, "flush", full)
            await ours._flush()
            assert "the disk is full" in (await of_network(ada))["ports"].what
        await ours._flush()
        assert (await of_network(ada))["ports"].ok


async def test_without_discovery_there_is_nothing_to_find_or_diagnose() -> None:
    async with running(replace(settings("ada"), discovery=())) as ada:
        for ask in (ada.find("translate"), ada.diagnose()):
            with pytest.raises(UsageError, match="discovery"):
                await ask
