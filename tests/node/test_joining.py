"""Ways in that were down, or are others by now: a node finds them without being started again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from talos.services.discovery import service
from talos_dht import Contact
from tests.node.living import Lives
from tests.node.test_discovery import STEP_S, discovery
from tests.processes.running import back_at, place, running, settings, until


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JOIN_S", "OTHERS_S"):
        monkeypatch.setattr(service, name, STEP_S)


async def test_a_way_in_that_was_down_is_found_though_a_neighbour_answers(tmp_path: Path) -> None:
    hubs = settings("hub", tmp_path)
    async with running(hubs) as hub:
        where, key = place(hub), hub._me.pair.public
    async with running(settings("bob")) as bob, running(replace(settings("ada"), bootstrap=(where,))) as ada:
        table = discovery(ada).dht.table
        await discovery(ada)._join([Contact.at(bob._me.pair.public, "127.0.0.1", place(bob).port)])
        assert len(table) == 1
        async with running(back_at(hubs, where)):
            await until(lambda: key in {one.key for one in table.closest(bytes(20))})


async def test_a_way_in_whose_key_has_changed_still_lets_in() -> None:
    async with trio.open_nursery() as nursery:
        lives = Lives(nursery)
        hub = await lives.begin(settings("hub"))
        where = replace(place(hub), did=b"")  # Whoever is there.
        async with running(replace(settings("ada"), bootstrap=(where,))) as ada:
            table = discovery(ada).dht.table
            await until(lambda: len(table) == 1)
            await lives.end(hub)
            table.remove(table.closest(bytes(20))[0].id)  # For long it has not answered.
            async with running(back_at(settings("another"), where)) as another:
                await until(lambda: [one.key for one in table.closest(bytes(20))] == [another._me.pair.public])
