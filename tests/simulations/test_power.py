"""A process takes a turn of the scheduler only where others could; it can die at each all the same."""

from __future__ import annotations

import trio

from talos_simulations.power import UNBROKEN_MAX, Power
from talos_simulations.scheduler import run
from talos_simulations.steps import Fuse, Steps
from talos_simulations.trace import Trace

PAUSES = 2 * UNBROKEN_MAX


def steps_of_pauses(power: Power, others: int) -> int:
    """Return how many steps it takes to pause, beside so many tasks that could always run."""
    trace = Trace()
    steps = Steps(trace)

    async def spin() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    async def main() -> int:
        await trio.sleep_until(1)  # trio itself has started.
        steps.belongs_to(trio.lowlevel.current_task(), power.fuse)
        async with trio.open_nursery() as nursery:
            for _ in range(others):
                nursery.start_soon(spin)
            before = trace.steps
            for _ in range(PAUSES):
                await power.pause()
            taken = trace.steps - before
            nursery.cancel_scope.cancel()
        return taken

    return run(1, main, [steps], steps.batch)


def test_who_is_alone_takes_few_steps_but_takes_some() -> None:
    assert 0 < steps_of_pauses(Power(), others=0) <= PAUSES // UNBROKEN_MAX


def test_who_is_not_alone_lets_the_others_run() -> None:
    assert steps_of_pauses(Power(), others=1) >= 2 * PAUSES - 1


def test_a_process_dies_at_any_pause_whether_or_not_it_is_alone() -> None:
    for others in (0, 2):
        for steps in range(PAUSES):
            died = list[int]()
            power = Power(Fuse())

            def blow(power: Power = power, died: list[int] = died) -> None:
                died.append(1)
                power.is_gone = True

            power.fuse.light(steps, blow)
            steps_of_pauses(power, others)
            assert died == [1], f"{steps} steps beside {others}"
