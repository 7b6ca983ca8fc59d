"""Watches over the room in the store: says so when it becomes low, writes it down once, and when all is well again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from talos.core.entries import Entry
from talos.core.entry_types import EntryType, write_body
from talos.core.room import Room
from talos.core.step import Step
from talos.errors import NodeStopped, StoreFailed, StoreFull
from talos.host import Host
from talos.services.commit import Committer

LOOK_S: Final = 10.0  # Between two looks at a store that is low: somebody may have made room on the disk.
OF_THE_DISK: Final = 0  # What AUDIT_FULL says instead of a limit, where it is the disk that is full.


class Keeper:
    """One per node. `went_well` is called when new messages are taken again."""

    def __init__(self, host: Host, committer: Committer, did: bytes, size_max_mib: int) -> None:
        self._host = host
        self._committer = committer
        self._did = did
        self._size_max_mib = size_max_mib
        self._is_told = False
        self.went_well: Callable[[], None] = lambda: None
        committer.measured = self._see

    @property
    def room(self) -> Room:
        return self._committer.room

    @property
    def reason(self) -> str | None:
        """Why no new message is taken; None if they are."""
        return str(self._refusal()) if self.room.is_low else None

    def require(self, size: int) -> None:
        """Raises `StoreFull` unless there is room for a new message that puts `size` bytes into rows."""
        if self.room.is_low:
            self.look()
        if not self.room.takes(size):
            self._see()
            raise self._refusal()

    def look(self) -> None:
        """Measure. Raises `StoreFailed`."""
        self.room.measured(self._host.store.room())
        self._see()

    async def run(self) -> None:
        """Look now and then while the store is low, until cancelled: nobody else might."""
        while True:
            await self._host.clock.sleep(LOOK_S)
            if self.room.is_low:
                try:
                    self.look()
                except StoreFailed:
                    continue  # The store is closed, or fails whoever asks.

    def _see(self) -> None:
        if self.room.is_low and not self._is_told:
            self._is_told = True
            try:
                self._write_down()
            except NodeStopped:
                return
        elif not self.room.is_low and self._is_told:
            self._is_told = False
            self.went_well()

    def _write_down(self) -> None:
        limit = OF_THE_DISK if self.room.space.is_disk else self._size_max_mib
        body = write_body(EntryType.AUDIT_FULL, limit)
        self._committer.submit(
            Step(entries=(Entry(EntryType.AUDIT_FULL, self._host.clock.wall_ms(), self._did, body),))
        )

    def _refusal(self) -> StoreFull:
        if self.room.space.is_disk:
            return StoreFull(
                "the disk below the store is nearly full: new messages are refused, here and from peers",
                fix="Free space on it",
            )
        return StoreFull(
            f"the store is nearly full ({self._size_max_mib} MiB): new messages are refused, here and from peers",
            fix=f"Acknowledge what is in the inbox; or set store.size_max_mib above {self._size_max_mib} in talos.toml "
            "and restart",
        )
