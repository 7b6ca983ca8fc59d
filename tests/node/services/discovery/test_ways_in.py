"""Asking who is at the addresses of ways in: all at once, and one question for all who want to know."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.names import PeerAddress
from talos.host import Address
from talos.services.discovery.ways_in import LOOKS_MAX, WaysIn
from talos.services.link import GREETING_S
from tests.node.services.wire import running


async def test_those_that_say_nothing_cost_their_ten_seconds_together_and_once(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        gone = [PeerAddress(bytes([number]) * 32, f"gone{number}", 1) for number in range(2 * LOOKS_MAX)]
        a.wire.black_holes |= {Address(way.host, way.port) for way in gone}
        a.wire.dials.clear()
        ways, began = WaysIn(a.links.dialler), trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ways.contacts, gone)
        assert trio.current_time() - began == pytest.approx(2 * GREETING_S, abs=0.1)
        assert len(a.wire.dials) == len(gone)
        assert ways.failures.keys() == set(gone)
