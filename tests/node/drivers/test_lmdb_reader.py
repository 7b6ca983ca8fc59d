"""The store of a node, read from another process, or while no node runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from talos.core.step import Put
from talos.drivers import lmdb_rows
from talos.drivers.folder_lock import hold_folder
from talos.drivers.lmdb_reader import LmdbReader, read_beside_node
from talos.drivers.lmdb_store import LmdbStore
from talos.errors import Damaged, Locked, StoreFailed, UsageError
from tests.node.drivers.test_lmdb_store import cut, garbage, nothing, without_a_page

TABLES: Final = ("left", "right")
SIZE_MIB: Final = 64


def commit(path: Path, *writes: Put, size_max_mib: int = SIZE_MIB) -> None:
    store = LmdbStore(path, size_max_mib, TABLES)
    store.commit(writes)
    store.close()


@contextmanager
def read(folder: Path) -> Iterator[LmdbReader]:
    with read_beside_node(folder, folder / "store", TABLES) as rows:
        yield rows


def test_a_store_is_read_while_nobody_has_it_open(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"), Put("left", b"b", b"2"))
    with read(tmp_path) as rows:
        assert rows.get("left", b"a") == b"1"
        assert list(rows.scan("left", reverse=True)) == [(b"b", b"2"), (b"a", b"1")]
        with rows.snapshot() as snapshot:
            assert (snapshot.get("left", b"b"), list(snapshot.scan("right"))) == (b"2", [])


def test_what_was_read_can_be_written_again_once_it_is_closed(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    for number in range(3):
        with read(tmp_path) as rows:
            assert len(list(rows.scan("right"))) == number
        commit(tmp_path / "store", Put("right", b"%d" % number, b""))


def test_reading_changes_no_byte_of_the_store(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    (tmp_path / "store" / "data.mdb").chmod(0o400)
    before = (tmp_path / "store" / "data.mdb").read_bytes()
    with read(tmp_path) as rows:
        assert rows.get("left", b"a") == b"1"
    assert (tmp_path / "store" / "data.mdb").read_bytes() == before


def test_a_reader_follows_a_process_that_commits(tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("commit_for_ever.py"))
    child = subprocess.Popen([sys.executable, script, str(tmp_path / "store")], stdout=subprocess.PIPE)
    torn = behind = 0
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        reader = LmdbReader(tmp_path / "store", TABLES)
        for _ in range(50):
            durable = int(child.stdout.readline())
            with reader.snapshot() as rows:
                left = list(rows.scan("left"))
                torn += left != list(rows.scan("right"))
                behind += len(left) <= durable
        reader.close()
        child.kill()
    assert (torn, behind) == (0, 0)


@pytest.mark.parametrize("harm", [cut, without_a_page, garbage, nothing])
def test_a_damaged_file_is_told_before_it_kills_the_process(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    commit(tmp_path / "store", *(Put("left", at.to_bytes(8, "big"), b"v" * 1000) for at in range(200)))
    file = tmp_path / "store" / "data.mdb"
    file.write_bytes(harm(file.read_bytes()))
    harmed = file.read_bytes()
    with pytest.raises(Damaged, match="is damaged"), read(tmp_path):
        pass
    assert file.read_bytes() == harmed


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every walk over a store: whether its folder was held."""
    seen: list[bool] = []
    real = lmdb_rows._problems

    def walk(path: str) -> list[str]:
        try:
            with hold_folder(Path(path).parent):
                seen.append(False)
        except Locked:
            seen.append(True)
        return real(path)

    monkeypatch.setattr(lmdb_rows, "_problems", walk)
    return seen


def test_a_node_can_start_during_the_walk_and_during_the_reading(tmp_path: Path, walks: list[bool]) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    walks.clear()
    with read(tmp_path) as rows, hold_folder(tmp_path):
        assert (rows.get("left", b"a"), walks) == (b"1", [False])


def test_what_looks_damaged_because_a_node_has_started_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    with ExitStack() as node:

        def walk(path: str) -> list[str]:
            node.enter_context(hold_folder(tmp_path))
            return ["a page that the node took up again"]

        monkeypatch.setattr(lmdb_rows, "_problems", walk)
        with read(tmp_path) as rows:
            assert rows.get("left", b"a") == b"1"
    monkeypatch.setattr(lmdb_rows, "_problems", lambda path: ["a page that is damaged"])
    with pytest.raises(Damaged), read(tmp_path):
        pass


def test_there_is_no_walk_beside_a_running_node(tmp_path: Path, walks: list[bool]) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    walks.clear()
    with hold_folder(tmp_path), read(tmp_path) as rows:
        assert (rows.get("left", b"a"), walks) == (b"1", [])


def test_a_table_that_is_not_there_is_damage_and_what_it_was_opened_with_is_let_go(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    caught: list[Damaged] = []  # Whose tracebacks would keep a forgotten environment open.
    for _ in range(2):
        with pytest.raises(Damaged, match=r"no table 'newer'.*start talos-node once") as error:
            LmdbReader(tmp_path / "store", (*TABLES, "newer"))
        caught.append(error.value)
    commit(tmp_path / "store", Put("left", b"b", b"2"))


def test_nothing_is_made_where_no_store_is(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for path in (tmp_path / "store", tmp_path / "absent"):
        with pytest.raises(StoreFailed, match="cannot read the store"):
            LmdbReader(path, TABLES)
    assert [path.name for path in tmp_path.rglob("*")] == ["store"]


def test_a_lock_file_that_is_gone_is_made_again_for_its_owner_alone(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    (tmp_path / "store" / "lock.mdb").unlink()
    with read(tmp_path) as rows:
        assert rows.get("left", b"a") == b"1"
    assert (tmp_path / "store" / "lock.mdb").stat().st_mode & 0o777 == 0o600


def test_a_lock_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    (tmp_path / "store" / "lock.mdb").unlink()
    (tmp_path / "store" / "lock.mdb").mkdir()
    with pytest.raises(StoreFailed, match="cannot be opened"), read(tmp_path):
        pass


def test_a_process_that_has_the_store_open_reads_it_no_second_time(tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "store")
    store = LmdbStore(tmp_path / "store", SIZE_MIB, TABLES)
    for path in (tmp_path / "store", tmp_path / "alias"):
        with pytest.raises(UsageError, match="this process has the store"), read_beside_node(tmp_path, path, TABLES):
            pass
        with pytest.raises(StoreFailed, match="already open in this process"):
            LmdbReader(path, TABLES)
    store.commit([Put("left", b"a", b"1")])
    store.close()
    with read(tmp_path) as rows:
        with pytest.raises(UsageError), read(tmp_path):
            pass
        with pytest.raises(StoreFailed, match="already open in this process"):
            LmdbStore(tmp_path / "store", SIZE_MIB, TABLES)
        assert rows.get("left", b"a") == b"1"


def test_a_reader_that_nobody_closed_is_in_nobodys_way(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"))
    assert LmdbReader(tmp_path / "store", TABLES).get("left", b"a") == b"1"
    commit(tmp_path / "store", Put("left", b"b", b"2"))


GROW: Final = """
import sys
from pathlib import Path
from talos.core.step import Put
from talos.drivers.lmdb_store import LmdbStore
LmdbStore(Path(sys.argv[1]), 16, ("left", "right")).commit([Put("left", b"b", bytes(4_000_000))])
"""


def test_a_store_that_was_given_more_room_meanwhile_is_to_be_opened_again(tmp_path: Path) -> None:
    commit(tmp_path / "store", Put("left", b"a", b"1"), size_max_mib=1)
    with read(tmp_path) as rows:
        subprocess.run([sys.executable, "-c", GROW, str(tmp_path / "store")], check=True)
        with pytest.raises(StoreFailed, match="Open it again"):
            rows.get("left", b"a")
    with read(tmp_path) as rows:
        assert rows.get("left", b"b") == bytes(4_000_000)
