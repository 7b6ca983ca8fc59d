"""A node that is killed while it says where it is uses no number twice, and is found where it lives now."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos import Node
from talos.config import Config
from talos.core.names import PeerAddress
from talos.core.tables import HELD
from talos.errors import NotReachable
from talos.runtime import create_identity
from talos.services.discovery.kept import Kept
from talos_dht import Now, Record
from talos_dht.row import read_row
from tests.conftest import Report, Rounds
from tests.node.test_discovery import STEP_S, discovery
from tests.processes import publisher
from tests.processes.running import PATIENCE_S, place, running, settings

SEED: Final = 5
LIFE_MAX_S: Final = 0.15  # From when it listens. It has said where it is within half of that, on an idle machine.

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([publisher.__name__])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Every record that anybody in this process took to hold, in the order in which they came."""
    records = list[Record]()
    really = Kept.__setitem__

    def keep(self: Kept, name: bytes, row: bytes) -> None:
        if self._table == HELD:
            held = read_row(name, row, Now(0, 0)).held
            assert isinstance(held, Record)
            records.append(held)
        really(self, name, row)

    monkeypatch.setattr(Kept, "__setitem__", keep)
    return records


@contextmanager
def life(name: str, folder: Path, way_in: PeerAddress, number: int) -> Iterator[Connection]:
    """A life of the node, which ends by a kill; yield what it says where it listens."""
    ours, theirs = _context.Pipe()
    process = _context.Process(target=publisher.live, args=(publisher.Spec(name, folder, way_in, number), theirs))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.kill()
        process.join()
        ours.close()


def reading(holder: Node) -> AbstractAsyncContextManager[Node]:
    return running(replace(settings("reader"), bootstrap=(place(holder),)))


async def address_of(pipe: Connection) -> str:
    """Return where the process listens, once it does."""
    with trio.fail_after(PATIENCE_S):
        await trio.lowlevel.wait_readable(pipe.fileno())
    address: str = pipe.recv()
    return address


async def test_who_is_killed_while_it_publishes_uses_no_number_twice_and_is_found_where_it_is(
    tmp_path: Path, told: list[Record], rounds: Rounds, report: Report
) -> None:
    dice, count = random.Random(SEED), rounds(3, 100)
    did = create_identity(Config(name="eve", data_dir=tmp_path / "eve"), None).did
    async with running(settings("holder")) as holder, reading(holder) as reader:
        for number in range(count):
            with life("eve", tmp_path / "eve", place(holder), number) as pipe:
                await address_of(pipe)
                with trio.move_on_after(dice.uniform(0, LIFE_MAX_S)):
                    await trio.lowlevel.wait_readable(pipe.fileno())  # It says no more, unless it ends by itself.
                    raise AssertionError("it ended by itself")
        with life("eve", tmp_path / "eve", place(holder), count) as pipe:
            await is_found_at(reader, did, await address_of(pipe))
    eves = [record for record in told if record.did == did]
    by_number = {record.seq: record for record in eves}
    report(f"{count} kills of a node that publishes: {len(by_number)} numbers used")
    assert len(by_number) > count / 4, "who is killed before it says anything proves nothing"
    assert all(record == by_number[record.seq] for record in eves)
    assert [record.seq for record in eves] == sorted(record.seq for record in eves), "nobody goes back"


async def is_found_at(reader: Node, did: bytes, address: str) -> None:
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                ways = await discovery(reader).find(did)
            except NotReachable:
                ways = []
            if [str(way) for way in ways] == [address]:
                return
            await wait_all_tasks_blocked(STEP_S)
