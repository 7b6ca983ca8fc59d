"""Redialling: at once when a link is lost, ever less often while nobody is there, and never for nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from talos.services.redial import BACKOFF_LEAST_S, JITTER
from tests.node.services.test_links import lose
from tests.node.services.wire import CLOCK, Running, WatchedClock, Wire, running, until

RETRY_S = 30.0  # The default of `retry_interval_s`.


async def test_a_message_for_a_peer_that_is_away_arrives_when_it_is_back(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await b.leave()
        receipt = await a.node.send(b.node.did, b"later")
        assert receipt.state.value == "queued"
        async with trio.open_nursery() as nursery:
            await CLOCK.sleep(1_000.0)
            back = Running(b.wire, b.name, b)
            await nursery.start(back.run)
            with trio.fail_after(RETRY_S * (1 + JITTER) + 1):
                assert (await back.node.receive()).body == b"later"
            back.scope.cancel()


async def test_whoever_is_away_is_tried_ever_less_often_but_for_ever(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await b.leave()
        await a.node.send(b.node.did, b"later")
        await CLOCK.sleep(600.0)
        times = [at for at, address in a.wire.dials if address == b.address][1:]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        wanted = [min(BACKOFF_LEAST_S * 2**number, RETRY_S) for number in range(len(gaps))]
        assert all(want <= gap <= want * (1 + JITTER) + 0.1 for gap, want in zip(gaps, wanted, strict=True))
        assert len(gaps) > 15


async def test_a_lost_link_is_dialled_anew_at_once_if_something_waits(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await CLOCK.sleep(100.0)
        a.peer(b).conversation.submit(b"waits", CLOCK.wall_ms())  # Not committed: it only has to be there.
        await lose(a, b)
        with trio.fail_after(0.1):
            await until(lambda: a.peer(b).link is not None)


async def test_a_lost_link_for_which_nothing_waits_stays_lost(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await lose(a, b)
        dials = len(a.wire.dials)
        await CLOCK.sleep(3_000.0)
        assert len(a.wire.dials) == dials


async def test_a_link_that_lasted_starts_the_waiting_times_anew(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await b.leave()
        await a.node.send(b.node.did, b"later")
        await CLOCK.sleep(300.0)
        async with trio.open_nursery() as nursery:
            back = Running(b.wire, b.name, b)
            await nursery.start(back.run)
            await back.node.receive()
            await CLOCK.sleep(300.0)
            await back.leave()
        began = trio.current_time()
        await a.node.send(b.node.did, b"again")
        await CLOCK.sleep(10.0)
        assert sum(at >= began for at, _ in a.wire.dials) >= 4


@pytest.mark.parametrize("is_lost_again", [False, True])
async def test_after_a_dial_that_went_well_nobody_is_in_a_hurry(is_lost_again: bool, autojump_clock: MockClock) -> None:
    wire = Wire()
    a, b = Running(wire, "a", clock=WatchedClock(2_000)), Running(wire, "b")
    async with trio.open_nursery() as nursery:
        await nursery.start(a.run)
        await a.knows(b)
        await a.node.send(b.node.did, b"later")
        await nursery.start(b.run)
        assert (await b.node.receive()).body == b"later"
        if is_lost_again:
            await lose(a, b)
        await CLOCK.sleep(300.0)
        assert a.links.crashes == 0
        nursery.cancel_scope.cancel()
