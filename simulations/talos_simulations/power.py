"""Whether a process runs, stands still or is gone. Everything it asks its host for passes here."""

from __future__ import annotations

from typing import Final

import trio

from talos_simulations.scheduler import is_drawn, others_can_run
from talos_simulations.steps import Fuse

UNBROKEN_MAX: Final = 16  # Pauses without a step of the scheduler: who goes in circles is counted, and others may come.


class Power:
    """Of one process."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.fuse = fuse or Fuse()
        self.is_gone = False  # Crashed: its host is void. What it still asks for vanishes, and nothing waits.
        self.stands_until = 0.0  # World time; it stands still before that.
        self.lag_s = 0.0  # Its machine is slow: everything takes so much longer.
        self._unbroken = 0  # Pauses since the last that was a step.
        self._naps: dict[trio.CancelScope, None] = {}  # Of the tasks that wait in here.

    async def awake(self) -> None:
        """Wait while the machine stands still."""
        while trio.current_time() < self.stands_until and not self.is_gone:
            await self._nap(self.stands_until)

    async def pause(self, one_in: int = 1) -> None:
        """Let others run, and do not even notice a cancel meanwhile. A step of the scheduler only if there are any.

        `one_in`: and then so rarely, drawn. That they were not ready yet is an order of things as good as any.
        """
        self._unbroken += 1
        if (others_can_run() and (one_in == 1 or is_drawn(one_in))) or self._unbroken > UNBROKEN_MAX:
            self._unbroken = 0
            await trio.lowlevel.cancel_shielded_checkpoint()
        else:
            self.fuse.burn()  # It may die here all the same.

    async def work(self) -> None:
        """Pass the time that a call of the host takes on this machine."""
        if self.lag_s and not self.is_gone:
            await self._nap(trio.current_time() + self.lag_s)
        if self.stands_until:
            await self.awake()

    async def _nap(self, until: float) -> None:
        # Shielded: what stands still does not even notice that it is cancelled.
        with trio.CancelScope(shield=True, deadline=until) as nap:
            self._naps[nap] = None
            try:
                await trio.sleep_forever()
            finally:
                del self._naps[nap]

    def wake(self) -> None:
        """Something has changed: it is gone, or stands still no longer. Whoever waits in here looks again."""
        for nap in self._naps:
            nap.cancel()
