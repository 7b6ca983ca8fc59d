"""A store that forgets at exit: for `data_dir=None`, and for simulated nodes, whose crashes it outlives.

Passes the same contract as the store on disk (tests/contracts/test_store.py).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from threading import RLock

from talos.core.step import Put
from talos.drivers.rows import check_key, check_table, check_writes
from talos.errors import StoreFailed


class _Table:
    __slots__ = ("keys", "readers", "values")

    def __init__(self, keys: list[bytes], values: dict[bytes, bytes]) -> None:
        self.keys = keys  # Sorted.
        self.values = values
        self.readers = 0  # Scans under way; while there are any, the rows must not change.

    def copy(self) -> _Table:
        return _Table(self.keys.copy(), self.values.copy())

    def write(self, key: bytes, value: bytes | None) -> None:
        if value is not None:
            if key not in self.values:
                insort(self.keys, key)
            self.values[key] = value
        elif self.values.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]


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
            self._check_open()
            return self._tables[table].values.get(key)

    def scan(self, table: str, prefix: bytes = b"", *, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        check_table(table, self._tables)
        return self._scan(table, prefix, max(prefix, start))

    def _scan(self, table: str, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        with self._lock:
            self._check_open()
            snapshot = self._tables[table]
            snapshot.readers += 1
        try:
            for at in range(bisect_left(snapshot.keys, start), len(snapshot.keys)):
                key = snapshot.keys[at]
                if not key.startswith(prefix):
                    return
                yield key, snapshot.values[key]
        finally:
            with self._lock:
                snapshot.readers -= 1

    def commit(self, writes: Sequence[Put]) -> None:
        # Past this line nothing can fail, so the writes below happen all or none.
        check_writes(writes, self._tables)
        with self._lock:
            self._check_open()
            for name in {write.table for write in writes}:
                if self._tables[name].readers:
                    self._tables[name] = self._tables[name].copy()
            for write in writes:
                self._tables[write.table].write(write.key, write.value)

    def close(self) -> None:
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreFailed("the store is closed; nothing was read or written")
