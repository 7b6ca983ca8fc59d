"""The stores and networks that the contracts are tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from talos.core.tables import ENTRIES
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.memory_store import MemoryStore
from talos.host import Store
from talos_simulations.dice import stream
from talos_simulations.disk import Disk, Mount
from talos_simulations.power import Power
from tests.contracts.networks import NETWORKS, Ends
from tests.contracts.small_world import pytest_collection_modifyitems as pytest_collection_modifyitems

TABLES: Final = ("left", "right", ENTRIES)  # The last is one of the tables that a store may write in a way of its own.
OpenStore = Callable[[Path], Store]

STORES: Final[dict[str, OpenStore]] = {
    "memory": lambda _folder: MemoryStore(TABLES),
    "lmdb": lambda folder: LmdbStore(folder / "store", 16, TABLES),
    "simulated": lambda _folder: Mount(Disk(TABLES, stream(1, "disk")), Power()),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()


@pytest.fixture(params=NETWORKS)
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    async with request.param() as joined:
        yield joined
