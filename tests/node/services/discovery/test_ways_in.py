"""Asking who is at the addresses of ways in: all at once, and one question for all who want to know."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.names import PeerAddress
from talos.host import Address
from talos.services.discovery.ways_in import LOOKS_MAX, REST, WaysIn
from talos.services.link import GREETING_S
from tests.node.services.wire import LATENCY_S, running


async def test_those_that_say_nothing_cost_their_ten_seconds_together_and_once(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        gone = [PeerAddress(bytes([number]) * 32, f"gone{number}", 1) for number in range(2 * LOOKS_MAX)]
        a.wire.black_holes |= {Address(way.host, way.port) for way in gone}
        a.wire.dials.clear()
        ways, began = WaysIn(a.links.dialler, a.desk.host.clock), trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ways.contacts, gone)
        assert trio.current_time() - began == pytest.approx(2 * GREETING_S, abs=0.1)
        assert len(a.wire.dials) == len(gone)
        assert ways.failures.keys() == set(gone)


async def test_who_lets_us_wait_in_vain_keeps_the_next_question_waiting_only_after_a_rest(
    autojump_clock: MockClock,
) -> None:
    async with running("a") as (a,):
        gone = PeerAddress(bytes(32), "gone", 1)
        a.wire.black_holes.add(Address(gone.host, gone.port))
        ways = WaysIn(a.links.dialler, a.desk.host.clock)
        await ways.contacts([gone])
        a.wire.dials.clear()
        began = trio.current_time()
        assert await ways.contacts([gone]) == []
        assert trio.current_time() == began
        assert not a.wire.dials
        assert gone in ways.failures, "whoever wonders why nobody was found is still told"
        await trio.sleep(REST * GREETING_S)
        await ways.contacts([gone])
        assert len(a.wire.dials) == 1


async def test_where_nobody_listens_is_asked_again_soon(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        refused = PeerAddress(bytes(32), "nobody", 1)
        ways = WaysIn(a.links.dialler, a.desk.host.clock)
        for tries in (1, 2):
            await ways.contacts([refused])
            assert len(a.wire.dials) == tries
            await trio.sleep(REST * LATENCY_S)


async def test_who_waits_for_a_question_that_is_broken_off_asks_it(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        ways = WaysIn(a.links.dialler, a.desk.host.clock)
        refused = PeerAddress(bytes(32), "nobody", 1)

        async def hasty() -> None:
            with trio.move_on_after(LATENCY_S / 2):
                await ways.contacts([refused])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hasty)
            await wait_all_tasks_blocked()
            await ways.contacts([refused])
            assert refused in ways.failures
