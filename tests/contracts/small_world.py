"""Simulated machines without nodes: a network, in virtual time, whose processes a test holds in its hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import pytest
import trio
from trio.testing import MockClock

from talos_simulations.agenda import Agenda
from talos_simulations.network import Card, Network
from talos_simulations.power import Power
from talos_simulations.roads import Roads
from talos_simulations.trace import Event, Trace
from talos_simulations.weather import Fault, Kind

T = TypeVar("T")

PATIENCE_S: Final = 100_000.0  # Virtual. Who waits longer waits for ever.
LATENCY_S: Final = 0.01


class SmallWorld:
    def __init__(self, seed: int = 1, latency_s: tuple[float, float] = (LATENCY_S, LATENCY_S)) -> None:
        self.agenda = Agenda()
        self.trace = Trace(keep=True)
        self.network = Network(self.agenda, Roads(seed, lambda _source, _target: latency_s), self.trace)

    def process(self, machine: str) -> Card:
        """Start a process on this machine."""
        return Card(self.network, self.network.site(machine), Power())

    def begin(self, kind: Kind, *who: str, amount: float = 0.0) -> Callable[[], None]:
        """Let a fault of the network begin; return what ends it."""
        fault = Fault(kind, self.agenda.now(), 0.0, who, amount)
        self.network.begin(fault)
        return lambda: self.network.end(fault)

    def cut_power(self, process: Card) -> None:
        process.power.is_gone = True
        process.vanish()
        process.site.is_on = False

    def switch_on(self, machine: str) -> Card:
        self.network.site(machine).is_on = True
        self.network.look_again()
        return self.process(machine)

    def events(self, *kinds: str) -> list[Event]:
        return [event for event in self.trace.events if event.kind in kinds]


@asynccontextmanager
async def small_world(
    seed: int = 1, latency_s: tuple[float, float] = (LATENCY_S, LATENCY_S)
) -> AsyncIterator[SmallWorld]:
    """Run an empty world while the body runs."""
    assert isinstance(trio.lowlevel.current_clock(), MockClock), "this test is not marked as one in virtual time"
    world = SmallWorld(seed, latency_s)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.agenda.run)
        yield world
        nursery.cancel_scope.cancel()


def run_in_virtual_time(
    main: Callable[[], Awaitable[T]], clock: trio.abc.Clock | None, instruments: Sequence[trio.abc.Instrument]
) -> T:
    """Run a test whose waiting costs nothing; fail it, and do not hang, where it waits for what never comes."""
    assert clock is None, "this test has brought a clock of its own"

    async def bounded() -> T:
        with trio.fail_after(PATIENCE_S):
            return await main()

    return trio.run(bounded, clock=MockClock(autojump_threshold=0), instruments=instruments)


# For tests, and for params of fixtures, that are to run in it.
VIRTUAL_TIME: Final = pytest.mark.trio(run=run_in_virtual_time)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a module's `pytestmark = VIRTUAL_TIME` win over what pytest-trio marks each test with. For a conftest.py."""
    for item in items:
        if any(mark.kwargs.get("run") is run_in_virtual_time for mark in item.iter_markers("trio")):
            item.add_marker(VIRTUAL_TIME, append=False)
