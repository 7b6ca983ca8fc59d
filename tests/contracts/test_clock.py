"""What every `talos.host.Clock` does, on a machine where nothing goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
import trio
from trio.testing import assert_checkpoints

from talos.drivers.clock import RealClock
from talos.host import Clock
from talos_simulations.clock import Clocks, ProcessClock
from talos_simulations.power import Power
from tests.contracts.small_world import VIRTUAL_TIME

pytestmark = VIRTUAL_TIME

CLOCKS: Final[dict[str, Callable[[], Clock]]] = {
    "real": RealClock,
    "simulated": lambda: ProcessClock(Clocks(), Power()),
}
HAIR_S: Final = 1e-5  # What a sum of floats, or the shortest wait, may be off.


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> Clock:
    return CLOCKS[request.param]()


@pytest.mark.parametrize("seconds", [0.001, 0.1, 5.0, 86_400.0])
async def test_a_sleep_lasts_as_long_as_it_says_and_no_less(clock: Clock, seconds: float) -> None:
    before = clock.monotonic()
    await clock.sleep(seconds)
    assert seconds - 1e-9 <= clock.monotonic() - before <= seconds + HAIR_S


@pytest.mark.parametrize("seconds", [0.0, -0.0, -1.0, -1e9])
async def test_to_sleep_for_no_time_or_less_lets_others_run_and_takes_none(clock: Clock, seconds: float) -> None:
    before = clock.monotonic()
    with assert_checkpoints():
        await clock.sleep(seconds)
    assert clock.monotonic() == before


@pytest.mark.parametrize("seconds", [0.001, 0.1, 5.0, 86_400.0])
async def test_a_deadline_ends_its_body_in_time_and_says_so(clock: Clock, seconds: float) -> None:
    before = clock.monotonic()
    with clock.move_on_after(seconds) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert clock.monotonic() - before == pytest.approx(seconds, abs=HAIR_S)


@pytest.mark.parametrize("seconds", [0.0, -1.0, -1e9])
async def test_a_deadline_that_has_passed_ends_its_body_at_the_first_wait(clock: Clock, seconds: float) -> None:
    before, is_begun = clock.monotonic(), False
    with clock.move_on_after(seconds) as scope:
        is_begun = True
        await trio.sleep_forever()
    assert is_begun
    assert scope.cancelled_caught
    assert clock.monotonic() == before


async def test_a_body_that_ends_before_its_deadline_is_left_alone(clock: Clock) -> None:
    with clock.move_on_after(5.0) as scope:
        await clock.sleep(4.0)
    await clock.sleep(4.0)
    assert not scope.cancelled_caught


async def test_the_inner_of_two_deadlines_may_be_the_later_one(clock: Clock) -> None:
    before = clock.monotonic()
    with clock.move_on_after(1.0) as outer, clock.move_on_after(2.0) as inner:
        await trio.sleep_forever()
    assert (outer.cancelled_caught, inner.cancelled_caught) == (True, False)
    assert clock.monotonic() - before == pytest.approx(1.0, abs=HAIR_S)


async def test_a_sleep_can_be_cancelled(clock: Clock) -> None:
    before = clock.monotonic()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clock.sleep, 100.0)
        await clock.sleep(1.0)
        nursery.cancel_scope.cancel()
    assert clock.monotonic() - before == pytest.approx(1.0, abs=HAIR_S)


async def test_the_three_clocks_count_in_their_units_and_never_back(clock: Clock) -> None:
    monotonic, boot, wall_ms = clock.monotonic(), clock.boot(), clock.wall_ms()
    await clock.sleep(1.0)
    assert clock.monotonic() > monotonic
    assert clock.boot() >= boot > 0
    assert isinstance(wall_ms, int)
    assert 1_700_000_000_000 < wall_ms <= clock.wall_ms() < 10_000_000_000_000
