"""What befalls the clocks of a simulated machine, and what its processes notice of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import trio

from talos_simulations.clock import EPOCH_MS, Clocks, ProcessClock
from talos_simulations.power import Power
from tests.contracts.small_world import VIRTUAL_TIME

pytestmark = VIRTUAL_TIME

HAIR_S = 1e-5


@dataclass
class Machine:
    """One with a process, and with what a fault does to both."""

    clocks: Clocks = field(default_factory=Clocks)
    power: Power = field(default_factory=Power)

    def __post_init__(self) -> None:
        self.clock = ProcessClock(self.clocks, self.power)

    def stand_still(self, until: float) -> None:
        self.power.stands_until = until
        self.power.wake()
        self.clock.retime(trio.current_time())


@pytest.fixture
def machine() -> Machine:
    return Machine()


async def slept(machine: Machine, seconds: float) -> float:
    """Sleep by the machine's clock; return when it was over, in the world's."""
    await machine.clock.sleep(seconds)
    return trio.current_time()


async def bounded(machine: Machine, seconds: float) -> float:
    """Wait for a deadline; return when it came, in the world's time."""
    with machine.clock.move_on_after(seconds):
        await trio.sleep_forever()
    return trio.current_time()


WAITS = pytest.mark.parametrize("wait", [slept, bounded])


class Waiting:
    """Something that waits by the machine's clock while the test does other things."""

    def __init__(self) -> None:
        self.over_at: float | None = None

    async def run(self, machine: Machine, wait: object, seconds: float) -> None:
        assert callable(wait)
        self.over_at = await wait(machine, seconds)


@WAITS
@pytest.mark.parametrize(("rate", "over_at"), [(2.0, 5.0), (0.5, 20.0), (1.02, 10 / 1.02)])
async def test_a_wait_that_begins_under_drift_is_of_the_machines_seconds(
    machine: Machine, wait: object, rate: float, over_at: float
) -> None:
    machine.clocks.drift(0.0, rate)
    waiting = Waiting()
    await waiting.run(machine, wait, 10.0)
    assert waiting.over_at == pytest.approx(over_at, abs=HAIR_S)


@WAITS
@pytest.mark.parametrize(("rate", "over_at"), [(2.0, 7.0), (0.5, 16.0), (4.0, 5.5)])
async def test_drift_moves_the_waits_that_had_begun_before_it(
    machine: Machine, wait: object, rate: float, over_at: float
) -> None:
    waiting = Waiting()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.run, machine, wait, 10.0)
        await trio.sleep(4.0)
        machine.clocks.drift(trio.current_time(), rate)
    assert waiting.over_at == pytest.approx(over_at, abs=HAIR_S)
    assert machine.clock.monotonic() - 1_000 == pytest.approx(10.0, abs=HAIR_S)


@WAITS
async def test_drift_that_ends_moves_them_back(machine: Machine, wait: object) -> None:
    waiting = Waiting()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.run, machine, wait, 10.0)
        await trio.sleep(1.0)
        machine.clocks.drift(trio.current_time(), 2.0)
        await trio.sleep(2.0)
        machine.clocks.drift(trio.current_time(), 1.0)
    assert waiting.over_at == pytest.approx(8.0, abs=HAIR_S)


async def test_drift_makes_no_clock_jump(machine: Machine) -> None:
    clock = machine.clock
    await trio.sleep(3.0)
    before = clock.monotonic(), clock.boot(), clock.wall_ms()
    machine.clocks.drift(trio.current_time(), 1.5)
    assert (clock.monotonic(), clock.boot(), clock.wall_ms()) == before
    await trio.sleep(2.0)
    assert clock.monotonic() - before[0] == clock.boot() - before[1] == pytest.approx(3.0)
    assert clock.wall_ms() - before[2] == 3_000


@pytest.mark.parametrize("by_s", [-7_200.0, -0.001, 7_200.0])
async def test_a_step_is_of_the_wall_clock_alone(machine: Machine, by_s: float) -> None:
    clock, waiting = machine.clock, Waiting()
    monotonic, boot, wall_ms = clock.monotonic(), clock.boot(), clock.wall_ms()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.run, machine, slept, 10.0)
        await trio.sleep(4.0)
        machine.clocks.offset_s += by_s
        assert clock.wall_ms() - wall_ms == round(4_000 + by_s * 1_000)
    assert waiting.over_at == pytest.approx(10.0, abs=HAIR_S)
    assert clock.monotonic() - monotonic == clock.boot() - boot


async def test_while_suspended_the_monotonic_clock_stands_still_and_the_others_run_on(machine: Machine) -> None:
    clock = machine.clock
    before = clock.monotonic(), clock.boot(), clock.wall_ms()
    machine.clocks.suspend(0.0)
    await trio.sleep(5.0)
    assert (clock.monotonic(), clock.boot(), clock.wall_ms()) == (before[0], before[1] + 5.0, before[2] + 5_000)
    machine.clocks.resume(trio.current_time())
    await trio.sleep(2.0)
    assert (clock.monotonic(), clock.boot()) == (before[0] + 2.0, before[1] + 7.0)


@WAITS
async def test_to_be_suspended_puts_off_whatever_waits_by_as_long(machine: Machine, wait: object) -> None:
    waiting = Waiting()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.run, machine, wait, 10.0)
        await trio.sleep(4.0)
        machine.clocks.suspend(trio.current_time())
        await trio.sleep(100.0)
        machine.clocks.resume(trio.current_time())
        assert waiting.over_at is None
    assert waiting.over_at == pytest.approx(110.0, abs=HAIR_S)


@WAITS
async def test_suspensions_that_overlap_are_one_from_the_first_to_the_last(machine: Machine, wait: object) -> None:
    waiting = Waiting()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.run, machine, wait, 1.0)
        await trio.lowlevel.checkpoint()
        machine.clocks.suspend(0.0)
        await trio.sleep(5.0)
        machine.clocks.suspend(5.0)
        await trio.sleep(5.0)
        machine.clocks.resume(10.0)
        await trio.sleep(5.0)
        machine.clocks.resume(15.0)
    assert waiting.over_at == pytest.approx(16.0, abs=HAIR_S)
    assert machine.clock.monotonic() == pytest.approx(1_001.0, abs=HAIR_S)


@WAITS
async def test_who_is_frozen_notices_nothing_until_it_thaws_and_then_finds_its_deadlines_passed(
    machine: Machine, wait: object
) -> None:
    early, late = Waiting(), Waiting()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(early.run, machine, wait, 10.0)
        nursery.start_soon(late.run, machine, wait, 60.0)
        await trio.sleep(4.0)
        machine.stand_still(50.0)
    assert early.over_at == pytest.approx(50.0)
    assert late.over_at == pytest.approx(60.0, abs=HAIR_S)
    assert machine.clock.monotonic() == pytest.approx(1_060.0, abs=HAIR_S), "the clocks ran on"


@WAITS
async def test_a_wait_that_is_begun_in_the_middle_of_a_freeze_ends_after_it(machine: Machine, wait: object) -> None:
    machine.stand_still(50.0)
    waiting = Waiting()
    await waiting.run(machine, wait, 1.0)
    assert waiting.over_at == pytest.approx(50.0)


async def test_who_is_frozen_does_not_even_notice_that_it_is_cancelled(machine: Machine) -> None:
    machine.stand_still(50.0)
    with trio.move_on_after(1.0):
        await machine.power.work()
    assert trio.current_time() == 50.0


async def test_a_freeze_that_ends_early_lets_go_at_once(machine: Machine) -> None:
    waiting = Waiting()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.run, machine, bounded, 10.0)
        nursery.start_soon(machine.power.work)
        machine.stand_still(500.0)
        await trio.sleep(20.0)
        machine.stand_still(20.0)
    assert waiting.over_at == trio.current_time() == 20.0


async def test_nothing_waits_for_the_dead(machine: Machine) -> None:
    machine.power.lag_s = 3.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(machine.power.work)
        machine.stand_still(500.0)
        await trio.sleep(10.0)
        machine.power.is_gone = True
        machine.power.wake()
    await machine.power.work()
    await machine.clock.sleep(100.0)
    with machine.clock.move_on_after(100.0) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 10.0


async def test_a_slow_machine_takes_its_time_for_every_call(machine: Machine) -> None:
    machine.power.lag_s = 0.25
    for _ in range(4):
        await machine.power.work()
    assert trio.current_time() == 1.0


async def test_a_reboot_begins_to_count_anew_and_leaves_the_wall_clock_as_it_was(machine: Machine) -> None:
    machine.clocks.offset_s += 60.0
    machine.clocks.suspend(0.0)
    await trio.sleep(500.0)
    wall_ms = machine.clock.wall_ms()
    machine.clocks.reboot(trio.current_time())
    again = Machine(machine.clocks)
    assert again.clock.wall_ms() == wall_ms == EPOCH_MS + 1_560_000
    assert again.clock.boot() == again.clock.monotonic() == 1_000.0
    await again.clock.sleep(5.0)
    assert again.clock.monotonic() == pytest.approx(1_005.0, abs=HAIR_S)
    machine.clocks.suspend(trio.current_time())
    machine.clocks.resume(trio.current_time())
    assert not machine.clocks.is_suspended, "what was before the reboot does not count"
