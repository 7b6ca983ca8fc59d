"""Stores that fill up for real: new messages are refused in time, what is there is drained, and all is well again."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import trio

from talos.config import Config
from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.report import ReceiptState
from talos.core.room import COST, LOW_BELOW, RESERVE, WELL_FROM
from talos.core.step import Put
from talos.core.tables import PARTIES, STATE_TABLES
from talos.drivers.lmdb_store import LmdbStore
from talos.errors import NodeStopped, StoreFailed, StoreFull
from talos.runtime import open_node
from tests.crashes.calls import CannotWatch, watched
from tests.node.drivers.test_lmdb_store_faults import Fault
from tests.processes.on_small_disk import CANNOT_MOUNT
from tests.processes.running import PATIENCE_S, finish, place, running, settings, until

ROOT: Final = Path(__file__).parents[2]
SIZE: Final = 1_000_000  # Bytes of a message: so many that a few fill the smallest store.
THERE: Final = 40  # Rows of that size are in it already.
SENT: Final = 60  # More than fit, of 64 MiB less the reserve and what is kept clear of it ...
LEAST: Final = 8  # ... and so many do.
PEERS: Final = 6


@pytest.mark.slow
async def test_a_store_filled_by_a_peer_makes_it_wait_and_takes_the_rest_as_soon_as_messages_are_done(
    tmp_path: Path,
) -> None:
    config = nearly_full(tmp_path)
    before = room_left(tmp_path)
    async with running(config) as ada, running(settings("bob")) as bob:
        await bob.add_peer(place(ada))
        bodies = [bytes([number]) * SIZE for number in range(SENT)]
        async with trio.open_nursery() as senders:
            for body in bodies:
                senders.start_soon(bob.send, ada.did, body)
                await trio.lowlevel.checkpoint()
            await until(lambda: not ada.status().store_ok)
            assert ada.status().inbox >= LEAST
            assert bob.status().undelivered == len(bodies) - ada.status().inbox
            assert await finish(ada, len(bodies)) == bodies
        await until(lambda: not ada.status().inbox)
        assert (ada.status().reason, bob.status().undelivered) == (None, 0)
        told = len(await ada.audit.query(Query(type=EntryType.AUDIT_FULL)))
        # It may be full again with what comes then, but only once as much has come as lies between full and well.
        assert 1 <= told <= SENT * SIZE * COST // (WELL_FROM - LOW_BELOW)
    assert room_left(tmp_path) > before - LOW_BELOW


@pytest.mark.slow
async def test_a_store_filled_with_messages_to_send_refuses_more_and_is_well_again_once_they_are_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = nearly_full(tmp_path, THERE // 2)
    before = room_left(tmp_path)
    with ExitStack() as stack:
        # All of whom come at once, so that the frames of all that waits are made at once.
        # And each takes one message at a time, so that the others are not gone before all have a frame.
        configs = [replace(settings(f"peer-{number}"), inbox_limit=1) for number in range(PEERS)]
        peers = [stack.enter_context(open_node(config)) for config in configs]
        async with running(config) as ada:
            accepted, failed = 0, list[StoreFailed]()
            monkeypatch.setattr(ada._committer, "_refuse_queue", failed.append)  # It is told of each commit that fails.
            with pytest.raises(StoreFull, match="nearly full"):  # noqa: PT012  How many fit is what we want to know.
                while accepted < SENT:
                    await ada.send(peers[accepted % PEERS].did, bytes(SIZE), timeout=1, retry_count=0)
                    accepted += 1
            assert accepted >= LEAST
            assert not ada.status().store_ok
            async with trio.open_nursery() as nursery:
                for peer in peers:
                    await nursery.start(peer.run)
                    await ada.add_peer(place(peer))
                for number, peer in enumerate(peers):
                    await finish(peer, len(range(number, accepted, PEERS)))
                await until(lambda: not ada.status().undelivered)
                assert ada.status().reason is None
                for peer in peers:
                    assert (await ada.send(peer.did, b"as ever")).state is ReceiptState.DELIVERED
                    peer.stop()
            assert failed == [], "what was taken has its room, whoever comes when"
    assert room_left(tmp_path) > before - LOW_BELOW


def nearly_full(folder: Path, rows: int = THERE) -> Config:
    """Make a node whose store has so many rows in it that nobody looks for."""
    config = settings("ada", folder)
    with closing(store_of(folder)) as store:
        store.commit([Put(PARTIES, b"nobody %d" % number, bytes(SIZE)) for number in range(rows)])
    return config


def room_left(folder: Path) -> int:
    with closing(store_of(folder)) as store:
        return store.room().left


def store_of(folder: Path) -> LmdbStore:
    return LmdbStore(folder / "ada" / "store" / "state", 64, STATE_TABLES, reserve=RESERVE)


@pytest.mark.slow
def test_a_node_on_a_disk_that_is_full_or_taken_away_keeps_its_word_and_goes_on_when_it_can(tmp_path: Path) -> None:
    """See the trials in on_small_disk.py."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare, so no disk of its own for a test")
    program = [sys.executable, "-m", "tests.processes.on_small_disk", str(tmp_path)]
    for apart in (["--user", "--map-root-user", "--mount"], ["--mount"]):
        if subprocess.run(["unshare", *apart, "true"], check=False, capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("nobody may mount a disk here")
    done = subprocess.run(
        ["unshare", *apart, *program], cwd=ROOT, capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False
    )
    if done.returncode == CANNOT_MOUNT:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["data", "flush"])
async def test_a_disk_that_fails_is_named_nothing_is_taken_and_all_goes_on_by_itself_once_that_is_over(
    tmp_path: Path, kind: str
) -> None:
    config = settings("ada", tmp_path)
    async with running(config) as ada, running(settings("bob")) as bob:
        await ada.add_peer(place(bob))
        await ada.send(bob.did, b"before")
        try:
            with watched(data_of(tmp_path), Fault(kind, -errno.EIO)):
                for body in (b"during", b"still"):
                    with pytest.raises(StoreFailed, match=r"Input/output error.*Check the disk; .* goes on by itself"):
                        await ada.send(bob.did, body)
                await bob.send(ada.did, b"to ada", timeout=0.2, retry_count=0)
                status = ada.status()
                assert not status.store_ok
                assert "Input/output error" in str(status.reason)
                await ada._desk.post._committer.drain()  # Whoever came behind what fails meanwhile would fail with it.
        except CannotWatch as error:
            pytest.skip(f"nothing can be made to fail: {error}")
        assert (await ada.send(bob.did, b"after")).state is ReceiptState.DELIVERED
        assert await finish(bob, 2) == [b"before", b"after"]
        assert await finish(ada, 1) == [b"to ada"]
        await until(lambda: ada.status().store_ok)
        assert ada.status().reason is None
        await ada.audit.verify_chain()
        ada_size = ada.audit.size
    async with running(config) as ada:
        assert ada.audit.size >= ada_size
        await ada.audit.verify_chain()


async def test_a_store_that_cannot_be_read_any_more_ends_the_node_which_says_why_and_loses_nothing(
    tmp_path: Path,
) -> None:
    config = settings("ada", tmp_path)
    with pytest.RaisesGroup(  # As nurseries wrap it; `talos-node` shows the one cause.
        pytest.RaisesExc(StoreFailed, match=r"cannot be read: .*Check the disk, then restart the node"),
        flatten_subgroups=True,
    ):
        async with running(config) as ada, running(settings("bob")) as bob:
            await ada.add_peer(place(bob))
            await ada.send(bob.did, b"before")
            size = ada.audit.size
            try:
                with watched(data_of(tmp_path), Fault("meta", -errno.EIO)), pytest.raises(NodeStopped):
                    await ada.send(bob.did, b"during")
            except CannotWatch as error:
                pytest.skip(f"nothing can be made to fail: {error}")
            await trio.sleep_forever()
    async with running(config) as ada:
        assert ada.audit.size >= size
        await ada.audit.verify_chain()


def data_of(folder: Path) -> Path:
    return folder / "ada" / "store" / "state" / "data.mdb"
