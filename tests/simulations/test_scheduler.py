"""trio still has the two private parts that make a run repeat; and with them it does."""

from __future__ import annotations

import random

import pytest
import trio
from trio._core import _run as internals

from talos.errors import TalosError
from talos_simulations.scheduler import SHUFFLER, SWITCH, require_internals, run


def order_of(seed: int, tasks: int = 20) -> list[int]:
    order = list[int]()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(tasks):

                async def work(number: int = number) -> None:
                    await trio.lowlevel.checkpoint()
                    order.append(number)

                nursery.start_soon(work)

    run(seed, main)
    return order


def test_equal_seeds_run_tasks_in_one_order_and_others_in_another() -> None:
    assert order_of(1) == order_of(1)
    assert order_of(1) != order_of(2)
    assert sorted(order_of(1)) == list(range(20))


def test_waiting_costs_no_time_and_lasts_as_long_as_it_should() -> None:
    async def main() -> float:
        with trio.move_on_after(86_400):
            await trio.sleep_forever()
        return trio.current_time()

    assert run(1, main) == 86_400


def test_trio_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = getattr(internals, SHUFFLER), getattr(internals, SWITCH)
    order_of(1)

    async def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        run(1, fail)
    assert (getattr(internals, SHUFFLER), getattr(internals, SWITCH)) == before


@pytest.mark.parametrize("part", [SHUFFLER, SWITCH])
def test_a_trio_without_its_private_parts_is_refused_loudly(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    require_internals()
    monkeypatch.delattr(internals, part)
    with pytest.raises(TalosError, match=part):
        order_of(1)


def test_the_shuffler_is_a_generator_that_trio_shuffles_with(monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled = 0

    class Counting(random.Random):
        def shuffle(self, x: object) -> None:
            nonlocal shuffled
            shuffled += 1

    monkeypatch.setattr("talos_simulations.scheduler.stream", lambda *_: Counting(1))
    order_of(1)
    assert shuffled > 0, "trio draws the order of tasks in another way now, and no run would repeat"
