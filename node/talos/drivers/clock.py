"""The clocks of this machine."""

from __future__ import annotations

import sys
import time
from typing import Final

import trio

NS_PER_MS: Final = 1_000_000

if sys.platform == "darwin":
    _BOOT_CLOCK: Final = time.CLOCK_MONOTONIC  # There it runs on during sleep, and there is no CLOCK_BOOTTIME.
else:
    _BOOT_CLOCK: Final = time.CLOCK_BOOTTIME


class RealClock:
    """A `talos.host.Clock`. `monotonic` and the sleeps follow trio's clock, so only trio tasks may ask."""

    def monotonic(self) -> float:
        return trio.current_time()

    def boot(self) -> float:
        return time.clock_gettime(_BOOT_CLOCK)

    def wall_ms(self) -> int:
        return time.time_ns() // NS_PER_MS

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(max(0.0, seconds))  # A deadline that has passed means now, not a ValueError.

    def move_on_after(self, seconds: float) -> trio.CancelScope:
        return trio.move_on_after(max(0.0, seconds))
