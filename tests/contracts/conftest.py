"""The stores that the contract is tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from talos.core.tables import ENTRIES
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.memory_store import MemoryStore
from talos.host import Store

TABLES: Final = ("left", "right", ENTRIES)  # The last is one of the tables that a store may write in a way of its own.
OpenStore = Callable[[Path], Store]

STORES: Final[dict[str, OpenStore]] = {
    "memory": lambda _folder: MemoryStore(TABLES),
    "lmdb": lambda folder: LmdbStore(folder / "store", 16, TABLES),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
