"""A store that forgets at exit: for `data_dir=None`, and for simulated nodes, whose crashes it outlives.

Passes the same contract as the store on disk (tests/contracts/test_store.py).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock

from talos.core.room import PLENTY, Space
from talos.core.step import Put
from talos.core.tables import Rows
from talos.drivers.rows import SnapshotEnded, check_key, check_table, outcome, reverse_bound
from talos.errors import StoreFailed


class _Table:
    __slots__ = ("keys", "readers", "values")

    def __init__(self, keys: list[bytes], values: dict[bytes, bytes]) -> None:
        self.keys = keys  # Sorted.
        self.values = values
        self.readers = 0  # Scans and snapshots under way; while there are any, the rows must not change.

    def copy(self) -> _Table:
        return _Table(self.keys.copy(), self.values.copy())

    def write(self, rows: Mapping[bytes, bytes | None]) -> None:
        keys, values = self.keys, self.values
        for key, value in rows.items():
            if value is not None:
                if key not in values:
                    insort(keys, key)
                values[key] = value
            elif values.pop(key, None) is not None:
                del keys[bisect_left(keys, key)]

    def scan(
        self, prefix: bytes, start: bytes, reverse: bool, check: Callable[[], None]
    ) -> Iterator[tuple[bytes, bytes]]:
        """Yield rows; `check` raises where no more may be read after one."""
        for at in self._places(prefix, start, reverse):
            key = self.keys[at]
            if not key.startswith(prefix):
                return
            yield key, self.values[key]
            check()

    def _places(self, prefix: bytes, start: bytes, reverse: bool) -> range:
        """Return the places in `keys` that a scan visits, until one is not of its prefix."""
        if not reverse:
            return range(bisect_left(self.keys, max(prefix, start)), len(self.keys))
        bound = reverse_bound(prefix, start)
        stop = len(self.keys) if bound is None else bisect_left(self.keys, bound)
        return range(stop - 1, -1, -1)


class _Snapshot:
    """`Rows` over tables that do not change while it stands."""

    def __init__(self, store: MemoryStore, tables: Mapping[str, _Table]) -> None:
        self._store = store
        self._tables = tables
        self.is_over = False

    def get(self, table: str, key: bytes) -> bytes | None:
        check_key(table, key, self._tables)
        self._check()
        return self._tables[table].values.get(key)

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        check_table(table, self._tables)
        return self._scan(self._tables[table], prefix, start, reverse)

    def _scan(self, table: _Table, prefix: bytes, start: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        self._check()
        yield from table.scan(prefix, start, reverse, self._check)

    def _check(self) -> None:
        if self.is_over:
            raise SnapshotEnded
        self._store.check_open()


class MemoryStore:
    """A `talos.host.Store`. Commits may run in a worker thread while the trio thread reads."""

    def __init__(self, tables: Sequence[str]) -> None:
        self._tables = {table: _Table([], {}) for table in tables}
        # Re-entrant, because a garbage-collected scan lets go of its table in whichever thread is collecting.
        self._lock = RLock()
        self._is_closed = False

    def get(self, table: str, key: bytes) -> bytes | None:
        check_key(table, key, self._tables)
        with self._lock:
            self.check_open()
            return self._tables[table].values.get(key)

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        check_table(table, self._tables)
        return self._scan(table, prefix, start, reverse)

    def _scan(self, name: str, prefix: bytes, start: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        with self._lock:
            self.check_open()
            table = self._tables[name]
            table.readers += 1
        try:
            yield from table.scan(prefix, start, reverse, self.check_open)
        finally:
            with self._lock:
                table.readers -= 1

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        with self._lock:
            self.check_open()
            held = self._tables.copy()
            for table in held.values():
                table.readers += 1
        snapshot = _Snapshot(self, held)
        try:
            yield snapshot
        finally:
            snapshot.is_over = True
            with self._lock:
                for table in held.values():
                    table.readers -= 1

    def commit(self, writes: Sequence[Put]) -> None:
        changes = outcome(writes, self._tables)
        with self._lock:
            self.check_open()
            # Past this line nothing can fail, so the writes below happen all or none.
            for name, rows in changes.items():
                if self._tables[name].readers:
                    self._tables[name] = self._tables[name].copy()
                self._tables[name].write(rows)

    def room(self) -> Space:
        self.check_open()
        return Space(PLENTY, is_disk=False)

    def close(self) -> None:
        self._is_closed = True

    def check_open(self) -> None:
        """Raises `StoreFailed` once the store is closed."""
        if self._is_closed:
            raise StoreFailed("the store is closed; nothing was read or written")
