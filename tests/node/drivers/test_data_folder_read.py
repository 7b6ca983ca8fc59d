"""The data folder read from outside its node: beside it, without it, and where that is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pytest

from talos.core.identity import read_did
from talos.core.step import Put
from talos.core.tables import MARKS, META, PEERS, STATE_TABLES, Rows
from talos.drivers.data_folder import DataFolder
from talos.drivers.lmdb_store import LmdbStore
from talos.errors import Damaged, NoIdentity, UsageError
from tests.node.drivers.test_lmdb_store import cut, without_a_page

SIZE_MIB: Final = 64


def made(path: Path) -> DataFolder:
    folder = DataFolder(path, SIZE_MIB)
    folder.create("ada", passphrase=None)
    return folder


class Node:
    """Another process that holds the folder, and commits when it is told to."""

    def __init__(self, told: IO[bytes], said: IO[bytes]) -> None:
        self._told = told
        self._said = said

    def commit(self) -> int:
        """Return the number that is on disk now."""
        self._told.write(b"\n")
        self._told.flush()
        return int(self._said.readline())


@contextmanager
def running(folder: DataFolder) -> Iterator[Node]:
    script = str(Path(__file__).with_name("hold_and_commit.py"))
    child = subprocess.Popen([sys.executable, script, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"opened\n"
        yield Node(child.stdin, child.stdout)
        child.kill()


def numbers(rows: Rows) -> list[int]:
    peers, marks = list(rows.scan(PEERS)), list(rows.scan(MARKS))
    assert peers == marks, "a commit is seen whole or not at all"
    return [int.from_bytes(key, "big") for key, _ in peers]


def test_a_folder_that_no_node_runs_in_is_read_and_needs_no_key(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with folder.read() as rows:
        assert read_did(rows) == folder.did()
    with folder.open(None) as opened:
        assert opened.me.did == folder.did()


def test_a_folder_is_read_beside_the_node_that_writes_it(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with running(folder) as node:
        assert node.commit() == 0
        with folder.read() as rows:
            assert (read_did(rows), numbers(rows)) == (folder.did(), [0])
            with rows.snapshot() as snapshot:
                for number in range(1, 100):
                    assert node.commit() == number
                assert numbers(snapshot) == [0]
            assert numbers(rows) == list(range(100))
        assert node.commit() == 100
    with folder.read() as rows:
        assert numbers(rows) == list(range(101))


def test_reading_does_not_keep_a_node_from_starting(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with folder.read() as rows, running(folder) as node:
        assert numbers(rows) == []
        node.commit()
        assert numbers(rows) == [0]


def test_a_process_does_not_read_the_folder_that_it_has_open_itself(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with folder.open(None) as opened:
        with pytest.raises(UsageError, match="this process has the store"), folder.read():
            pass
        opened.host.store.commit([Put(META, b"test", b"still works")])
    with folder.read() as rows:
        assert rows.get(META, b"test") == b"still works"


def test_nothing_is_made_where_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(NoIdentity), DataFolder(tmp_path, SIZE_MIB).read():
        pass
    assert list(tmp_path.iterdir()) == []
    folder = made(tmp_path)
    shutil.rmtree(tmp_path / "store" / "state")
    with pytest.raises(Damaged, match="is gone"), folder.read():
        pass
    assert not (tmp_path / "store" / "state").exists()


@pytest.mark.parametrize("harm", [cut, without_a_page])
def test_a_damaged_store_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, harm: Callable[[bytes], bytes]
) -> None:
    folder = made(tmp_path)
    with folder.open(None) as opened:
        opened.host.store.commit([Put(PEERS, at.to_bytes(8, "big"), b"v" * 1000) for at in range(200)])
    file = tmp_path / "store" / "state" / "data.mdb"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(Damaged, match="is damaged"), folder.read():
        pass


def test_a_store_without_all_tables_is_damaged_until_a_node_adds_them(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with folder.read() as rows:
        kept = [Put(table, key, value) for table in STATE_TABLES for key, value in rows.scan(table)]
    tables = [table for table in STATE_TABLES if table != PEERS]
    assert all(put.table in tables for put in kept)
    shutil.rmtree(tmp_path / "store" / "state")
    old = LmdbStore(tmp_path / "store" / "state", SIZE_MIB, tables)
    old.commit(kept)
    old.close()
    with pytest.raises(Damaged, match="no table 'peers'"), folder.read():
        pass
    with folder.open(None):
        pass
    with folder.read() as rows:
        assert read_did(rows) == folder.did()


# Run by nobody, if by root, whom no mode keeps out. Named relative, because the way to the folder may be closed too.
READ_AS_NOBODY: Final = """
import os, sys
from pathlib import Path
from talos.drivers.data_folder import DataFolder
from talos.errors import TalosError
os.chdir(sys.argv[1])
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
try:
    with DataFolder(Path("."), 64).read() as rows:
        print("read")
except TalosError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("closed", "complaint"),
    [
        (None, "read"),
        ("lock", "UsageError cannot lock lock: Permission denied. Run as the owner of ."),
        ("store", "UsageError cannot read store/state: Permission denied. Run as the owner of ."),
        ("store/state", "UsageError cannot read store/state: Permission denied. Run as the owner of ."),
        ("store/state/data.mdb", "StoreFailed cannot read the store at store/state: Permission denied. Run as the"),
        ("store/state/lock.mdb", "StoreFailed the store at store/state cannot be opened"),
    ],
)
def test_who_may_not_read_is_told_who_may(tmp_path: Path, closed: str | None, complaint: str) -> None:
    made(tmp_path)
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    if closed is not None:
        (tmp_path / closed).chmod(0)
    said = subprocess.run(
        [sys.executable, "-c", READ_AS_NOBODY, str(tmp_path)], stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    assert said.startswith(complaint)
    assert closed is None or "Run as the owner of" in said
    if closed is not None:
        (tmp_path / closed).chmod(0o700)  # So that it can be cleared away.
