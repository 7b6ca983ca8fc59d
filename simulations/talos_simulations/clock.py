"""The clocks of one machine: they drift, step, and stand still with it. A process sees them through `ProcessClock`."""

from __future__ import annotations

from typing import Final
from weakref import WeakSet

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
        self.offset_s = 0.0  # Of the wall clock.

    def boot(self, now: float) -> float:
        return self._boot + (now - self._since) * self.rate

    def monotonic(self, now: float) -> float:
        boot = self.boot(now) if self._suspended_at is None else self._suspended_at
        return boot - self._asleep

    def wall_ms(self, now: float) -> int:
        # The boot clock of the first boot counts from 1,000 s.
        return EPOCH_MS + round((self.boot(now) + self.offset_s) * 1_000)

    def drift(self, now: float, rate: float) -> None:
        self._boot, self._since, self.rate = self.boot(now), now, rate

    def suspend(self, now: float) -> None:
        if self._suspended_at is None:
            self._suspended_at = self.boot(now)

    def resume(self, now: float) -> None:
        if self._suspended_at is not None:
            self._asleep += self.boot(now) - self._suspended_at
            self._suspended_at = None

    def reboot(self, now: float) -> None:
        """The machine starts: what counts from the start does, and the wall clock goes on as a battery keeps it."""
        self.resume(now)
        self.offset_s += self.boot(now) - 1_000.0
        self._boot, self._since, self._asleep = 1_000.0, now, 0.0


class ProcessClock:
    """A `talos.host.Clock`: what one process sees of its machine's clocks."""

    def __init__(self, clocks: Clocks, power: Power) -> None:
        self._clocks = clocks
        self._power = power
        self._deadlines: WeakSet[trio.CancelScope] = WeakSet()

    def monotonic(self) -> float:
        return self._clocks.monotonic(trio.current_time())

    def boot(self) -> float:
        return self._clocks.boot(trio.current_time())

    def wall_ms(self) -> int:
        return self._clocks.wall_ms(trio.current_time())

    async def sleep(self, seconds: float) -> None:
        if self._power.is_gone:
            await trio.lowlevel.checkpoint()
            return
        until = self.monotonic() + seconds
        left = max(0.0, seconds)
        while True:
            await trio.sleep(left / self._clocks.rate)
            await self._power.awake()
            left = until - self.monotonic()
            if left <= 0 or self._power.is_gone:
                return
            left = max(left, TICK_S)  # The machine has stood still, or the sum was rounded down.

    def move_on_after(self, seconds: float) -> trio.CancelScope:
        if self._power.is_gone:
            seconds = 0.0  # Who cleans up after a crash finds nothing to wait for.
        # Time that is too short to be added to the world's would not pass, and who waits for it would spin.
        wait_s = max(seconds / self._clocks.rate, TICK_S) if seconds > 0 else 0.0
        scope = trio.move_on_after(wait_s)
        self._deadlines.add(scope)
        return scope

    def put_off(self, until: float, by: float) -> None:
        """The machine has stood still until now. Deadlines come `by` seconds later, and none before `until`."""
        for scope in self._deadlines:  # In no order: each is changed by itself.
            scope.deadline = max(scope.deadline + by, until)
