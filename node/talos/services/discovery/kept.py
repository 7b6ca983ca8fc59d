"""Rows of the cache store, held in memory and written behind: what is lost in a crash can be fetched again."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Final

import trio

from talos.core.step import Put
from talos.host import Host

FLUSH_S: Final = 5.0  # Between two writes: what came later than the last is gone after a crash.


class Kept(MutableMapping[bytes, bytes]):
    """One table. A dict to whoever uses it; `flush` writes what has changed since."""

    def __init__(self, host: Host, table: str) -> None:
        self._host = host
        self._table = table
        self._rows = dict(host.cache.scan(table))
        self._changed: dict[bytes, None] = {}  # In order.
        self._flushing = trio.Lock()

    async def flush(self) -> None:
        """Return once all that has changed is written, by whomever: one writes at a time, so nothing older comes last.

        Raises `StoreFull` or `StoreFailed`; then what has changed is still to be written.
        """
        async with self._flushing:
            changed, self._changed = self._changed, {}
            if not changed:
                return
            puts = [Put(self._table, key, self._rows.get(key)) for key in changed]
            is_written = False
            try:
                await self._host.blocking(lambda: self._host.cache.commit(puts))
                is_written = True
            finally:
                if not is_written:
                    self._changed = changed | self._changed

    def __getitem__(self, key: bytes) -> bytes:
        return self._rows[key]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._rows[key] = value
        self._changed[key] = None

    def __delitem__(self, key: bytes) -> None:
        del self._rows[key]
        self._changed[key] = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)
