"""trio, made to repeat itself: the order in which tasks run is drawn from a seed, and time jumps to what comes next.

trio shuffles tasks that could run at once. It has a switch that sorts them first and a generator that shuffles them,
both private; with the switch on and the generator seeded, a run is a function of its seed. The generator is ours, so it
sees every batch of tasks before it runs; with trio's queue, private too, it knows who could run then. What asks the
kernel for events is replaced: no simulated host has any there.
`require_internals` fails loudly if a new trio has moved any of them (tests/simulations/test_scheduler.py).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import trio
from trio._core import _run as internals

from talos.errors import TalosError
from talos_simulations.dice import stream

T = TypeVar("T")

SWITCH: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"
SHUFFLER: Final = "_r"
CONTEXT: Final = "GLOBAL_RUN_CONTEXT"
PARTS: Final = {"io_manager", "runq"}  # Of its runner.

UNASKED_MAX: Final = 100  # Turns of trio's loop without a look at the world outside, which is a call of the system.

Tasks: TypeAlias = list[trio.lowlevel.Task]


class Due(Protocol):
    """What happens at certain times, and needs no task for it."""

    @property
    def due(self) -> float:
        """When the next thing happens; infinity if nothing will."""

    def call_due(self, now: float) -> None: ...


class VirtualTime(trio.abc.Clock):
    """Seconds from 0. While nothing can run it jumps to the next deadline, so that waiting costs nothing."""

    def __init__(self) -> None:
        self._now = 0.0
        self.agenda: Due | None = None  # Comes before the tasks that wait for the same moment.

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        # trio asks only when no task can run.
        agenda = self.agenda
        if agenda is not None and agenda.due <= deadline and agenda.due < inf:
            self._now = max(self._now, agenda.due)
            agenda.call_due(self._now)
            return 0
        if deadline == inf:
            return inf  # Somebody waits for the world outside: there is none, and the run would hang.
        self._now = max(self._now, deadline)
        return 0


class Turns(random.Random):
    """What trio shuffles with: draws the order of each batch of tasks, and shows it to `watch` before it runs."""

    def __init__(self, dice: random.Random, watch: Callable[[Tasks], object]) -> None:
        super().__init__(dice.getrandbits(64))
        self._watch = watch
        self.batch: Tasks = []  # What is left of it: trio takes the last one first.

    def shuffle(self, x: Any) -> None:  # `random.Random` calls it so.
        if len(x) > 1:  # Half of them are not.
            super().shuffle(x)
        self.batch = x
        self._watch(x)


class WorldOutside:
    """trio's own way to hear of it, asked now and then: nothing in a simulation comes from there but Ctrl-C."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._skipped = 0

    def get_events(self, timeout: float) -> Any:
        """Return what has happened within `timeout` seconds; None if nobody looked."""
        if timeout <= 0 and self._skipped < UNASKED_MAX:
            self._skipped += 1
            return None
        self._skipped = 0
        return self._manager.get_events(timeout)

    def process_events(self, events: Any) -> None:
        if events is not None:
            self._manager.process_events(events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


def others_can_run() -> bool:
    """Say whether any other task could run before time passes. Ask in a task; outside of `run` it is always so."""
    private: Any = internals
    turns = private._r
    return not isinstance(turns, Turns) or bool(turns.batch or private.GLOBAL_RUN_CONTEXT.runner.runq)


def is_drawn(one_in: int) -> bool:
    """Draw, once in so many times, from what the order of tasks is drawn from; outside of `run` it always is."""
    private: Any = internals
    turns = private._r
    return not isinstance(turns, Turns) or turns.random() * one_in < 1


def require_internals() -> None:
    """Raises `TalosError` unless trio still has the private parts that a repeatable run needs."""
    has_all = hasattr(internals, SWITCH) and hasattr(internals, CONTEXT) and set(internals.Runner.__slots__) >= PARTS
    if not (isinstance(getattr(internals, SHUFFLER, None), random.Random) and has_all):
        raise TalosError(
            f"trio {trio.__version__} has no {SWITCH}, {SHUFFLER} or {CONTEXT} any more, so no run would repeat",
            fix="Install the newest trio that scripts/check has passed with",
        )


def run(
    seed: int,
    main: Callable[[], Awaitable[T]],
    instruments: Sequence[trio.abc.Instrument] = (),
    watch: Callable[[Tasks], object] = len,
) -> T:
    """Run `main` in virtual time, scheduled by the seed; `watch` sees each batch of tasks. Not inside another run."""

    async def begin() -> T:
        runner: Any = internals.GLOBAL_RUN_CONTEXT.runner
        runner.io_manager = WorldOutside(runner.io_manager)
        return await main()

    with _seeded(Turns(stream(seed, "scheduler"), watch)):
        return trio.run(begin, clock=VirtualTime(), instruments=instruments)


@contextmanager
def _seeded(turns: Turns) -> Iterator[None]:
    require_internals()
    private: Any = internals
    shuffler, switch = private._r, private._ALLOW_DETERMINISTIC_SCHEDULING
    private._r, private._ALLOW_DETERMINISTIC_SCHEDULING = turns, True
    try:
        yield
    finally:
        private._r, private._ALLOW_DETERMINISTIC_SCHEDULING = shuffler, switch
