"""Stores that can be made to fail: the one on disk as the kernel lets it fail, the simulated one by its own faults."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, Protocol

import pytest
import trio

from talos.core.step import Put
from talos.core.tables import MARKS, PEERS
from talos.drivers.lmdb_store import LmdbStore
from talos.errors import StoreFull
from talos.host import Store
from talos_simulations import scheduler
from talos_simulations.disk import RESERVE, Mount
from talos_simulations.power import Power
from talos_simulations.process import Process
from talos_simulations.world import Plan, World

COMMIT_FOR_EVER: Final = Path(__file__).parents[1] / "node" / "drivers" / "commit_for_ever.py"
LMDB_RESERVE: Final = 128 * 1024  # Bytes: an eighth, as in the smallest store that the settings allow.
FILL_SIZE: Final = 8_000  # Bytes of each row that fills a store up.


class Rig(Protocol):
    """One store, and what can befall it. Commits of `crash` go to both tables, under the same keys."""

    tables: tuple[str, str]
    goes_on_by_itself: bool  # After a failed flush; else it has to be opened anew.

    def open(self) -> Store:
        """Open the store, for the first time or anew after `close`."""

    def fill(self, store: Store) -> None:
        """Take the room away, and the reserve."""

    def fill_to_reserve(self, store: Store) -> None:
        """Take the room away, no more."""

    def make_room(self, store: Store) -> None:
        """Give it back."""

    def failing_flush(self) -> AbstractContextManager[None]:
        """A large commit in the body fails on its way to the disk."""

    def crash(self, after: int) -> list[int]:
        """Commit one row after the other in a process that dies; return the numbers it was told are durable.

        The later, the greater `after` is. A row's key is its number, in 8 bytes.
        """


class LmdbRig:
    tables = ("left", "right")
    goes_on_by_itself = True

    def __init__(self, folder: Path, _seed: int) -> None:
        self._path = folder / "store"

    def open(self) -> Store:
        return LmdbStore(self._path, 1, self.tables, reserve=LMDB_RESERVE)

    def fill(self, store: Store) -> None:
        with pytest.raises(StoreFull):
            self._fill(store, while_room=False)

    def fill_to_reserve(self, store: Store) -> None:
        self._fill(store, while_room=True)

    def _fill(self, store: Store, *, while_room: bool) -> None:
        number = 0
        while not while_room or store.room().left > 0:
            store.commit([Put("left", b"fill%d" % number, bytes(FILL_SIZE))])
            number += 1

    def make_room(self, store: Store) -> None:
        for key, _ in list(store.scan("left", b"fill")):
            store.commit([Put("left", key, None)])

    @contextmanager
    def failing_flush(self) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def crash(self, after: int) -> list[int]:
        command = [sys.executable, str(COMMIT_FOR_EVER), str(self._path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            told = [int(child.stdout.readline()) for _ in range(1 + after)]
            child.kill()
            return told + [int(line) for line in child.stdout.read().split(b"\n")[:-1]]


class SimulatedRig:
    tables = (PEERS, MARKS)
    goes_on_by_itself = False

    def __init__(self, _folder: Path, seed: int) -> None:
        self._world = World(seed, Plan(nodes=2, weather=(), flush_s=0.01 * (seed % 2)))
        self._machine = self._world.machines["n0"]

    def open(self) -> Store:
        self._machine.state.mend()
        return Mount(self._machine.state, Power())

    def fill(self, store: Store) -> None:
        self._machine.state.room = -RESERVE

    def fill_to_reserve(self, store: Store) -> None:
        self._machine.state.room = 0

    def make_room(self, store: Store) -> None:
        self._machine.state.room = None

    @contextmanager
    def failing_flush(self) -> Iterator[None]:
        self._machine.state.flush_fails = True
        yield

    def crash(self, after: int) -> list[int]:
        process, told = Process(self._machine), list[int]()
        process.fuse.light(after, lambda: process.crash(power_too=after % 2 == 0))

        async def commit_for_ever() -> None:
            self._machine.steps.belongs_to(trio.lowlevel.current_task(), process.fuse)
            store, table = process.host.store, self.tables
            with process.scope:
                for number in count(sum(1 for _ in store.scan(table[0]))):
                    row = number.to_bytes(8, "big")
                    writes = [Put(table[0], row, row * 100), Put(table[1], row, row * 100)]
                    await process.host.blocking(partial(store.commit, writes))
                    if not process.power.is_gone:  # The dead are told nothing.
                        told.append(number)
                    await trio.lowlevel.checkpoint()

        scheduler.run(1, commit_for_ever, [self._world.steps])
        return told
