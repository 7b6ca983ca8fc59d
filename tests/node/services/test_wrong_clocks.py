"""Peers whose clock is wrong by years: what still works, and that nobody else's time is touched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from talos.core.diary_read import Query
from talos.core.report import ReceiptState
from talos.errors import TalosError
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, WatchedClock, Wire

YEAR_MS = 366 * 24 * 3_600_000


class WrongClock(WatchedClock):
    """The wall clock is wrong by `off_ms`."""

    def __init__(self, off_ms: int) -> None:
        super().__init__()
        self.off_ms = off_ms

    def wall_ms(self) -> int:
        return super().wall_ms() + self.off_ms


@asynccontextmanager
async def pair(off_ms: int) -> AsyncIterator[tuple[Running, Running, WrongClock]]:
    """Run `a`, whose clock is right, and `b`, whose is not; each knows where the other is."""
    wire, clock = Wire(), WrongClock(off_ms)
    a, b = Running(wire, "a"), Running(wire, "b", clock=clock)
    async with trio.open_nursery() as nursery:
        for one, other in ((a, b), (b, a)):
            await nursery.start(one.run)
            await one.knows(other)
        yield a, b, clock
        assert [one.links.last_crash for one in (a, b)] == [None, None]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("dialler", ["a", "b"])
@pytest.mark.parametrize("years", [-1.5, -0.5, 0.5, 0.9])
async def test_a_clock_that_is_wrong_by_a_year_cuts_nobody_off(
    years: float, dialler: str, autojump_clock: MockClock
) -> None:
    async with pair(int(years * YEAR_MS)) as (a, b, _):
        one, other = (a, b) if dialler == "a" else (b, a)
        await one.links.connect(one.peer(other))
        await talk(a, b)


@pytest.mark.parametrize("years", [-30.0, 30.0])
async def test_a_clock_that_is_wrong_by_decades_is_refused_and_nothing_is_lost(
    years: float, autojump_clock: MockClock
) -> None:
    async with pair(int(years * YEAR_MS)) as (a, b, clock):
        for one, other in ((a, b), (b, a)):
            with pytest.raises(TalosError):
                await one.links.connect(one.peer(other))
            assert one.peer(other).reason
        receipt = await a.node.send(b.node.did, b"for when you are well", timeout=5.0, retry_count=0)
        assert receipt.state is ReceiptState.QUEUED
        clock.off_ms = 0
        if years > 0:  # What it was certified with before 2000 has ended; that it makes anew at its next start.
            assert (await b.node.receive()).body == b"for when you are well"


async def test_a_peer_whose_clock_jumps_while_it_is_linked_stays_linked(autojump_clock: MockClock) -> None:
    async with pair(0) as (a, b, clock):
        await a.links.connect(a.peer(b))
        for jump_ms in (YEAR_MS // 2, -YEAR_MS, 0):
            clock.off_ms = jump_ms
            await talk(a, b)
            await CLOCK.sleep(200.0)
            assert a.peer(b).link is not None


async def test_what_a_peer_says_about_time_moves_no_time_of_ours(autojump_clock: MockClock) -> None:
    async with pair(YEAR_MS // 2) as (a, b, _):
        await a.links.connect(a.peer(b))
        await b.node.send(a.node.did, b"from next year")
        message = await a.node.receive()
        assert abs(message.received_ms - CLOCK.wall_ms()) < 60_000
        entries = await a.node.audit.query(Query())
        assert all(abs(entry.time_ms - CLOCK.wall_ms()) < 600_000 for entry in entries)
