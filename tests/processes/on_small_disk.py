"""A node on a disk of its own that is small: it fills up, has room again, is taken away. Run by test_full_store.py.

The argument is an empty folder. It must run where it may mount (unshare --mount).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
import trio

from talos.config import Config
from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.report import ReceiptState
from talos.core.room import LOW_BELOW
from talos.drivers.lmdb_store import BALLAST_FILE
from talos.errors import StoreFull, TalosError
from talos.runtime import Node, create_identity, data_folder, open_node
from tests.processes.running import finish, place, running, settings

CANNOT_MOUNT: Final = 77  # The exit code that says so.
SIZE_MIB: Final = 40
UNREAD: Final = 150  # Messages: to be done with them takes more pages than there are free ones in the file.
CHUNK: Final = 64 * 1024  # Bytes.


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "none", str(folder)]
        if subprocess.run(command, check=False).returncode:
            sys.exit(CANNOT_MOUNT)

    def fill(self) -> None:
        with suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(CHUNK))

    def empty(self) -> None:
        self._filler.unlink()

    def allow(self, what: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{what}", str(self.folder)], check=True)


@asynccontextmanager
async def two_nodes(disk: Disk) -> AsyncIterator[tuple[Node, Node]]:
    """Run one whose folder is on the disk, and one in memory; both have sent something, and the first not read it."""
    async with running(settings("ada", disk.folder)) as ada, running(settings("bob")) as bob:
        await ada.add_peer(place(bob))
        await ada.send(bob.did, b"hello")
        for _ in range(UNREAD):
            await bob.send(ada.did, b"to be read")
        yield ada, bob


async def fill_up(node: Node, peer: Node) -> None:
    """Send until that is refused."""
    with pytest.raises(StoreFull, match=r"the disk below the store is nearly full.*\. Free space on it"):  # noqa: PT012
        while True:  # How many fit is left to the disk.
            await node.send(peer.did, b"one more", timeout=1, retry_count=0)


async def full_for_a_while(disk: Disk) -> None:
    ballast = disk.folder / "ada" / "store" / "state" / BALLAST_FILE
    async with two_nodes(disk) as (ada, bob):
        assert ballast.exists()
        disk.fill()
        await fill_up(ada, bob)
        assert "disk" in str(ada.status().reason)
        assert ballast.exists(), "new messages were refused before the reserve was touched"
        waits = await bob.send(ada.did, b"waits", timeout=0.2, retry_count=0)
        assert waits.state is ReceiptState.QUEUED
        assert await finish(ada, UNREAD) == [b"to be read"] * UNREAD
        assert not ballast.exists(), "it took the reserve"
        assert ada._desk.host.store.room().left < LOW_BELOW, "what it took is no room"
        assert ada.status().inbox == 0
        (told,) = await ada.audit.query(Query(type=EntryType.AUDIT_FULL))
        assert told.details == {"size_max_mib": 0}

        disk.empty()
        receipt = await ada.send(bob.did, b"there is room")
        assert receipt.state is ReceiptState.DELIVERED
        assert await finish(ada, 1) == [b"waits"]
        assert ballast.exists()
        assert ada.status().reason is None
        await ada.audit.verify_chain()


async def full_to_the_last_byte(disk: Disk) -> None:
    """Others take the reserve as well, once it has been given back to the disk."""
    async with two_nodes(disk) as (ada, bob):
        disk.fill()
        await fill_up(ada, bob)
        with pytest.raises(StoreFull, match=r"nothing was written\. Free space"):  # noqa: PT012  As above.
            for _ in range(UNREAD):
                disk.fill()
                await finish(ada, 1)
        assert not ada.status().store_ok
        assert ada.status().inbox > 0

        disk.empty()
        assert (await ada.send(bob.did, b"there is room")).state is ReceiptState.DELIVERED
        assert ada.status().store_ok
        await ada.audit.verify_chain()


async def taken_away(disk: Disk) -> None:
    config = settings("ada", disk.folder)
    async with running(config) as ada:
        did = ada.did
    disk.allow("ro")
    for attempt in (lambda: open_node(config, None).__enter__(), lambda: create_identity(fresh(disk), None)):
        try:
            attempt()
        except TalosError as error:
            sys.stdout.write(f"{error}\n")
        else:
            raise AssertionError("a disk that cannot be written was written")
    disk.allow("rw")
    async with running(config) as ada:
        assert ada.did == did


async def full_at_the_start(disk: Disk) -> None:
    """A copy without lock files is started, and read: LMDB would map new ones that the disk has no blocks for."""
    config = settings("ada", disk.folder)
    async with running(config) as ada:
        did = ada.did
    disk.fill()
    for lock in disk.folder.rglob("lock.mdb"):
        lock.unlink()
    disk.fill()
    folder = data_folder(config)
    for attempt in (lambda: open_node(config, None).__enter__(), lambda: folder.read().__enter__()):
        with pytest.raises(StoreFull, match=r"the disk below .* is full; nothing was written\. Free space on it"):
            attempt()
    disk.empty()
    async with running(config) as ada:
        assert ada.did == did


def fresh(disk: Disk) -> Config:
    return Config(name="new", data_dir=disk.folder / "new")


if __name__ == "__main__":
    for trial in (full_for_a_while, full_to_the_last_byte, taken_away, full_at_the_start):
        (own := Path(sys.argv[1]) / trial.__name__).mkdir()
        trio.run(trial, Disk(own))
