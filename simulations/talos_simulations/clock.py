"""The clocks of one machine: they drift, step, and stand still with it. A process sees them through `ProcessClock`.

A sleep or deadline is a moment on the monotonic clock. Whatever changes how that clock runs moves those that are
already set too, as the kernel does when time is slewed: its timers are kept in the time of the clock they were set on.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final
from weakref import ReferenceType, WeakKeyDictionary, ref

import trio

from talos_simulations.power import Power

TICK_S: Final = 1e-6  # The shortest wait: less is lost when it is added to the time of a long run.
EPOCH_MS: Final = 1_780_000_000_000  # Wall time at the start of every run: 2026-05-28.


class Clocks:
    """monotonic, boot and wall of one machine, as functions of the world's time."""

    def __init__(self) -> None:
        self.rate = 1.0  # Seconds of ours per second of the world's.
        self._since = 0.0  # World time of the last change.
        self._boot = 1_000.0
        self._asleep = 0.0  # Seconds of `_boot` that the monotonic clock does not count.
        self._suspended_at: float | None = None  # In seconds of `_boot`.
        self._suspensions = 0  # They may overlap.
        self.offset_s = 0.0  # Of the wall clock.
        self.users: WeakKeyDictionary[ProcessClock, None] = WeakKeyDictionary()

    @property
    def is_suspended(self) -> bool:
        return self._suspended_at is not None

    def boot(self, now: float) -> float:
        return self._boot + (now - self._since) * self.rate

    def monotonic(self, now: float) -> float:
        if self._suspended_at is None:
            return self._boot + (now - self._since) * self.rate - self._asleep  # As `boot`, but this is asked often.
        return self._suspended_at - self._asleep

    def wall_ms(self, now: float) -> int:
        # The boot clock of the first boot counts from 1,000 s.
        return EPOCH_MS + round((self.boot(now) + self.offset_s) * 1_000)

    def drift(self, now: float, rate: float) -> None:
        self._boot, self._since, self.rate = self.boot(now), now, rate
        self._tell(now)

    def suspend(self, now: float) -> None:
        self._suspensions += 1
        if self._suspended_at is None:
            self._suspended_at = self.boot(now)
            self._tell(now)

    def resume(self, now: float) -> None:
        """End one suspension; the machine sleeps until all of them have ended."""
        self._suspensions = max(0, self._suspensions - 1)
        if self._suspended_at is not None and not self._suspensions:
            self._asleep += self.boot(now) - self._suspended_at
            self._suspended_at = None
            self._tell(now)

    def _tell(self, now: float) -> None:
        for user in list(self.users):
            user.retime(now)

    def reboot(self, now: float) -> None:
        """The machine starts: what counts from the start does, and the wall clock goes on as a battery keeps it."""
        self._suspensions, self._suspended_at = 0, None
        self.offset_s += self.boot(now) - 1_000.0
        self._boot, self._since, self._asleep = 1_000.0, now, 0.0


class ProcessClock:
    """A `talos.host.Clock`: what one process sees of its machine's clocks."""

    def __init__(self, clocks: Clocks, power: Power, now: Callable[[], float] = trio.current_time) -> None:
        self._clocks = clocks
        self._power = power
        self._now = now  # World time.
        # The moment of each, on the monotonic clock; gone when the scope is. A hot path, so no WeakKeyDictionary.
        self._deadlines: dict[ReferenceType[trio.CancelScope], float] = {}
        clocks.users[self] = None

    def monotonic(self) -> float:
        return self._clocks.monotonic(self._now())

    def boot(self) -> float:
        return self._clocks.boot(self._now())

    def wall_ms(self) -> int:
        return self._clocks.wall_ms(self._now())

    async def sleep(self, seconds: float) -> None:
        if self._power.is_gone:
            await trio.lowlevel.checkpoint()
            return
        until = self.monotonic() + seconds
        left = seconds
        while True:
            with self.move_on_after(left):
                await trio.sleep_forever()
            await self._power.awake()
            left = until - self.monotonic()
            if left <= 0 or self._power.is_gone:
                return  # Otherwise the sum was rounded down.

    def move_on_after(self, seconds: float) -> trio.CancelScope:
        if self._power.is_gone:
            return trio.move_on_after(0)  # Who cleans up after a crash finds nothing to wait for.
        now = self._now()
        until = self._clocks.monotonic(now) + seconds
        scope = trio.CancelScope(deadline=self._due(until, now))
        self._deadlines[ref(scope, self._deadlines.pop)] = until
        return scope

    def retime(self, now: float) -> None:
        """The machine's clocks run in another way from now on, or it stands still until another time."""
        for reference, until in list(self._deadlines.items()):
            scope = reference()
            if scope is not None:
                scope.deadline = self._due(until, now)

    def _due(self, until: float, now: float) -> float:
        """Return the world time at which the monotonic clock shows `until`, and the process can notice."""
        clocks = self._clocks
        if clocks.is_suspended:
            return inf  # Until somebody resumes it, and so tells us.
        left = (until - clocks.monotonic(now)) / clocks.rate
        # Time that is too short to be added to the world's would not pass, and who waits for it would spin.
        return max(now + max(left, TICK_S) if left > 0 else now, self._power.stands_until)
