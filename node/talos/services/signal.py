"""Waking whoever waits for something to happen."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio


@dataclass(slots=True)
class Signal:
    """Wakes everybody who waits for something of one kind to happen."""

    _lot: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def send(self) -> None:
        if self._lot:  # Nobody waits, as a rule.
            self._lot.unpark_all()

    async def wait(self) -> None:
        await self._lot.park()
