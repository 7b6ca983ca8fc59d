"""trio still has the private parts that make a run repeat; and with them it does."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import trio
from trio._core import _run as internals

from talos.errors import TalosError
from talos_simulations.scheduler import CONTEXT, SHUFFLER, SWITCH, Tasks, others_can_run, require_internals, run


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


@pytest.mark.parametrize("part", [SHUFFLER, SWITCH, CONTEXT])
def test_a_trio_without_its_private_parts_is_refused_loudly(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    require_internals()
    monkeypatch.delattr(internals, part)
    with pytest.raises(TalosError, match=part):
        order_of(1)


class Seen(trio.abc.Instrument):
    """What ran, as an instrument for each step sees it."""

    def __init__(self) -> None:
        self.tasks: Tasks = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.tasks.append(task)


def test_every_batch_is_shown_in_the_order_in_which_it_then_runs() -> None:
    shown, seen = Tasks(), Seen()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for seconds in range(20):
                nursery.start_soon(trio.sleep, seconds // 3)

    run(1, main, [seen], lambda batch: shown.extend(reversed(batch)))
    assert shown == seen.tasks, "trio draws the order of tasks in another way now, and no run would repeat"
    assert len(shown) > 40


def test_a_task_can_tell_whether_it_is_the_only_one_that_could_run() -> None:
    async def main() -> list[bool]:
        await trio.sleep_until(1)  # trio itself has started.
        alone = others_can_run()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_until, 3)
            spawned = others_can_run()
            await trio.sleep_until(2)
            return [alone, spawned, others_can_run()]

    assert run(1, main) == [False, True, False]


def test_of_two_that_wake_at_once_the_first_has_another_behind_it() -> None:
    behind = list[bool]()

    async def wake() -> None:
        await trio.sleep_until(1)
        behind.append(others_can_run())

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wake)
            nursery.start_soon(wake)

    run(1, main)
    assert behind == [True, False]


def test_a_run_that_never_waits_can_be_interrupted() -> None:
    async def main() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(1, main)
    timer.join()


def test_a_run_that_waits_for_nobody_in_it_can_be_interrupted() -> None:
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(1, trio.sleep_forever)
    timer.join()


def test_outside_of_a_run_others_can_always_run() -> None:
    assert others_can_run()
