"""When a node says where it is, how often it looks whether it must, and that it says each number once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio
from trio.testing import MockClock

from talos.core.tables import DHT
from talos.services.discovery.announce import AGAIN_S, LOOK_S, Announcer
from talos.services.discovery.kept import Kept
from talos.services.signal import Signal
from talos_dht import REPUBLISH_MS, Address, Held, Record
from tests.node.services.wire import running

HERE = Address("10.0.0.1", 1)
HOUR_S = REPUBLISH_MS / 1000


@dataclass
class Around:
    """What is around an announcer, and what it did."""

    addresses: list[Address] = field(default_factory=list)
    may: bool = True
    holders: int = 0
    looks: int = 0
    told: list[Held] = field(default_factory=list)
    news: Signal = field(default_factory=Signal)

    def look(self) -> list[Address]:
        self.looks += 1
        return self.addresses

    async def tell(self, what: Held) -> int:
        self.told.append(what)
        return self.holders

    @property
    def numbers(self) -> list[int]:
        return [one.seq for one in self.told if isinstance(one, Record)]


@asynccontextmanager
async def announcing(around: Around) -> AsyncIterator[None]:
    async with running("a") as (a,):
        announcer = Announcer(
            a.desk,
            Kept(a.opened.host, DHT),
            addresses=around.look,
            topics=("weather",),
            tell=around.tell,
            neighbours=lambda: 0,
            may=lambda: around.may,
            news=around.news,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(announcer.run)
            yield
            nursery.cancel_scope.cancel()


async def test_who_has_nothing_to_say_or_nobody_to_tell_looks_once_a_minute(autojump_clock: MockClock) -> None:
    for around in (Around(), Around([HERE], may=False)):
        async with announcing(around):
            await trio.sleep(HOUR_S)
        assert not around.told
        assert around.looks <= HOUR_S / LOOK_S + 1


async def test_what_there_is_to_say_is_said_as_soon_as_there_is_news_of_it(autojump_clock: MockClock) -> None:
    around = Around(holders=1)
    async with announcing(around):
        await trio.sleep(LOOK_S / 2)
        around.addresses = [HERE]
        around.news.send()
        await trio.sleep(AGAIN_S / 2)
        assert len(around.numbers) == 1


async def test_where_nobody_holds_it_it_is_said_again_and_more_and_more_seldom(autojump_clock: MockClock) -> None:
    around = Around([HERE])
    async with announcing(around):
        await trio.sleep(HOUR_S / 2)
        few = len(around.numbers)
        assert 6 <= few <= HOUR_S / 2 / LOOK_S + 7
        around.holders = 1
        await trio.sleep(LOOK_S + AGAIN_S)
        assert len(around.told) == few + 2, "the record, and what it offers"
        assert around.numbers == sorted(set(around.numbers))
        await trio.sleep(HOUR_S / 2)
        assert len(around.numbers) == few + 1


async def test_what_is_held_is_said_again_every_hour_and_as_soon_as_it_changes(
    autojump_clock: MockClock,
) -> None:
    around = Around([HERE], holders=1)
    async with announcing(around):
        await trio.sleep(HOUR_S + LOOK_S)
        assert len(around.numbers) == 2
        around.addresses = [HERE, Address("10.0.0.2", 1)]
        await trio.sleep(LOOK_S + AGAIN_S)
        assert len(around.numbers) == 3
        await trio.sleep(HOUR_S / 2)
        assert len(around.numbers) == 3


async def test_where_something_else_is_to_be_said_each_time_it_is_said_more_and_more_seldom(
    autojump_clock: MockClock,
) -> None:
    """As where those who answer us take turns in saying where they have seen us."""
    around = Around(holders=1)

    async def tell(what: Held) -> int:
        around.told.append(what)
        around.addresses = [Address("10.0.0.1", len(around.told))]
        assert len(around.told) < 1_000
        return 1

    around.tell = tell  # type: ignore[method-assign]  # Others change what is to be said, while it is said.
    around.addresses = [HERE]
    async with announcing(around):
        await trio.sleep(10 * AGAIN_S)
        few = len(around.numbers)
        assert few >= 3
        await trio.sleep(HOUR_S)
        assert len(around.numbers) <= few + HOUR_S / LOOK_S + 3
