"""A disk that keeps what `talos.drivers.lmdb_store` promises, and nothing more.

A commit that returned is there whatever happens. One under way at a crash is there whole or not at all: the time of
the flush passes before the rows change (process.py), and whoever asked may die before it is told. A
full disk takes nothing that makes it fuller, once its reserve is used up. A failed flush stops all writes until the
store is opened anew, which the real one needs in the worst case only; the commit it was of may turn up then, or not.
The contract tests of the real store run on this one too (tests/contracts).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from talos.core.room import PLENTY, Space
from talos.core.step import Put
from talos.core.tables import Rows
from talos.drivers.memory_store import MemoryStore
from talos.drivers.rows import outcome
from talos.errors import StoreFailed, StoreFull
from talos.host import Store
from talos_simulations.power import Power

RESERVE: Final = 50_000  # Bytes. Far less than a real store's, so that a run can use it up.


class FlushFailed(StoreFailed):
    """The disk reported an error: nobody knows what is on it."""


class Disk:
    """One store of one machine; it outlives every process that opens it."""

    def __init__(self, tables: Sequence[str], dice: random.Random) -> None:
        self._tables = tables
        self._dice = dice
        self.rows: Store = MemoryStore(tables)
        self.room: int | None = None  # Bytes it still takes before its reserve; None: more than anybody needs.
        self.flush_fails = False  # The next one.
        self.flush_s = 0.0  # How long one takes.
        self._unsure: list[Put] = []  # A commit whose flush failed: what is on disk is only known at the next start.

    def write(self, writes: Sequence[Put]) -> None:
        """Raises `StoreFull`, `FlushFailed` or `BadRow`, and then readers see nothing of it."""
        if self.room is not None or self.flush_fails:
            self._write_badly(writes)
        self.rows.commit(writes)

    def _write_badly(self, writes: Sequence[Put]) -> None:
        changes = outcome(writes, self._tables)  # Raises `BadRow` before anything else can be wrong.
        growth = sum(self._growth(table, key, value) for table, rows in changes.items() for key, value in rows.items())
        if self.room is not None and growth > max(0, self.room + RESERVE):
            raise StoreFull("the simulated disk is full; nothing was written", fix="Free space on it")
        if self.flush_fails:
            self.flush_fails = False
            self._unsure = list(writes)
            raise FlushFailed("the simulated disk failed to flush")
        if self.room is not None:
            self.room -= growth

    def _growth(self, table: str, key: bytes, value: bytes | None) -> int:
        old = self.rows.get(table, key)
        return (0 if value is None else len(key) + len(value)) - (0 if old is None else len(key) + len(old))

    def space(self) -> Space:
        return Space(PLENTY if self.room is None else self.room, is_disk=True)

    def mend(self) -> None:
        """The store is opened anew: a commit of which nobody knew is there now, or is not."""
        if self._unsure and self._dice.random() < 0.5:
            self.rows.commit(self._unsure)
        self._unsure, self.flush_fails = [], False

    def copy(self) -> Disk:
        """Return another disk with the same rows: a snapshot, or a clone."""
        other = Disk(self._tables, self._dice)
        other.flush_s = self.flush_s  # It is the same hardware, or hardware like it.
        for table in self._tables:
            other.rows.commit([Put(table, key, value) for key, value in self.rows.scan(table)])
        return other

    def rot(self, place: float) -> str:
        """Turn a bit in a row; return which. `place` (0 to 1) is drawn over the tables, and then within one."""
        tables = [
            rows for table in self._tables if (rows := [(table, key) for key, value in self.rows.scan(table) if value])
        ]
        if not tables:
            return "nothing"
        at = place * len(tables)
        rows = tables[min(int(at), len(tables) - 1)]
        table, key = rows[min(int((at - int(at)) * len(rows)), len(rows) - 1)]
        value = bytearray(self.rows.get(table, key) or b"")
        bit = self._dice.randrange(len(value) * 8)
        value[bit // 8] ^= 1 << bit % 8
        self.rows.commit([Put(table, key, bytes(value))])
        return f"{table} {key.hex()}"


class Mount:
    """A `talos.host.Store`: a disk as one process sees it."""

    def __init__(self, disk: Disk, power: Power) -> None:
        self._disk = disk
        self._power = power
        self.failure: str | None = None
        self._is_closed = False
        self.commits = 0

    def get(self, table: str, key: bytes) -> bytes | None:
        self.check_open()
        return self._disk.rows.get(table, key)

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return self.checked(self._disk.rows.scan(table, prefix, start=start, reverse=reverse))

    def checked(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """Yield these rows as long as the store is open."""
        self.check_open()
        for row in rows:
            yield row
            self.check_open()

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        self.check_open()
        with self._disk.rows.snapshot() as rows:
            yield _Snapshot(self, rows)

    def commit(self, writes: Sequence[Put]) -> None:
        self.check_open()
        if self._power.is_gone:
            return  # The process is dead; it only does not know it yet.
        if self.failure is not None:
            raise StoreFailed(
                f"the simulated disk takes no writes since: {self.failure}",
                fix="Check the disk, then restart the node",
            )
        try:
            self._disk.write(writes)
        except FlushFailed as failure:
            self.failure = failure.what
            raise
        self.commits += 1

    def room(self) -> Space:
        self.check_open()
        return self._disk.space()

    def close(self) -> None:
        self._is_closed = True

    def check_open(self) -> None:
        """Raises `StoreFailed` once the store is closed."""
        if self._is_closed:
            raise StoreFailed("the store is closed; nothing was read or written")


class _Snapshot:
    """`Rows` of one state of a disk, as long as its mount is open."""

    def __init__(self, mount: Mount, rows: Rows) -> None:
        self._mount = mount
        self._rows = rows

    def get(self, table: str, key: bytes) -> bytes | None:
        self._mount.check_open()
        return self._rows.get(table, key)

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return self._mount.checked(self._rows.scan(table, prefix, start=start, reverse=reverse))
