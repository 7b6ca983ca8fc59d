"""A process to be killed: commits one row to each of two tables for ever, and prints its number once it is durable."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from talos.core.step import Put
from talos.drivers.lmdb_store import LmdbStore

if __name__ == "__main__":
    store = LmdbStore(Path(sys.argv[1]), 64, ("left", "right"))
    begin = sum(1 for _ in store.scan("left"))
    for number in count(begin):
        row = number.to_bytes(8, "big")
        store.commit([Put("left", row, row * 100), Put("right", row, row * 100)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
