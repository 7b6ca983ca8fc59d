"""What the store on disk does beyond the contract of all stores (tests/contracts/test_store.py)."""

from __future__ import annotations

import errno
import os
import random
import resource
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import lmdb
import pytest

from talos.core.step import Put
from talos.core.tables import ENTRIES
from talos.drivers.lmdb_rows import check_structure
from talos.drivers.lmdb_store import LmdbStore
from talos.drivers.rows import SnapshotEnded
from talos.errors import Damaged, StoreFailed, StoreFull
from tests.conftest import Rounds

TABLES = ("left", "right")
PAGE_SIZE = 4096  # Bytes; what LMDB uses on every machine we know.


def rows(numbers: range, value: bytes = b"value") -> list[Put]:
    return [Put("left", number.to_bytes(8, "big"), value) for number in numbers]


def filled(path: Path) -> LmdbStore:
    store = LmdbStore(path, 1, TABLES)
    with pytest.raises(StoreFull):  # noqa: PT012  How many commits fit is what we want to find out.
        for at in range(1000):
            store.commit(rows(range(at, at + 1), b"v" * 8000))
    return store


def test_all_that_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 1, TABLES)
    store.commit([*rows(range(10)), Put("right", b"key", b"")])
    store.close()
    reopened = LmdbStore(tmp_path / "store", 1, TABLES)
    assert [Put("left", key, value) for key, value in reopened.scan("left")] == rows(range(10))
    assert reopened.get("right", b"key") == b""
    reopened.close()


def test_a_later_version_may_add_a_table(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 1, TABLES)
    store.commit(rows(range(1)))
    store.close()
    reopened = LmdbStore(tmp_path / "store", 1, (*TABLES, "newer"))
    reopened.commit([Put("newer", b"key", b"value")])
    assert (len(list(reopened.scan("left"))), reopened.get("newer", b"key")) == (1, b"value")
    reopened.close()


def test_only_its_owner_may_read_the_store(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 1, TABLES)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "store", *tmp_path.glob("store/*")]}
    assert modes == {"store": 0o700, "data.mdb": 0o600, "lock.mdb": 0o600}
    store.close()


def test_a_full_store_names_the_setting_and_keeps_what_it_had(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    before = list(store.scan("left"))
    with pytest.raises(
        StoreFull, match=r"full \(1 MiB\); nothing was written.*store\.size_max_mib above 1 in talos\.toml"
    ):
        store.commit([Put("right", b"small", b"row"), *rows(range(1000, 1001), b"v" * 100_000)])
    assert list(store.scan("left")) == before
    assert list(store.scan("right")) == []
    store.close()


def test_a_full_store_takes_writes_again_when_opened_larger(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    kept = len(list(store.scan("left")))
    store.close()
    larger = LmdbStore(tmp_path / "store", 2, TABLES)
    larger.commit(rows(range(1000, 1010), b"v" * 8000))
    assert len(list(larger.scan("left"))) == kept + 10
    larger.close()


def test_deleting_makes_room_in_a_full_store(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    for at in range(20):
        store.commit([Put("left", at.to_bytes(8, "big"), None)])
    store.commit(rows(range(1000, 1005), b"v" * 8000))
    assert store.get("left", (1004).to_bytes(8, "big")) is not None
    store.close()


def test_a_table_that_is_appended_to_takes_less_of_the_file(tmp_path: Path) -> None:
    sizes = []
    for table in ("plain", ENTRIES):
        store = LmdbStore(tmp_path / table, 16, (table,))
        for at in range(0, 2000, 100):
            store.commit([Put(table, number.to_bytes(8, "big"), bytes(512)) for number in range(at, at + 100)])
        store.close()
        sizes.append((tmp_path / table / "data.mdb").stat().st_size)
    assert sizes[1] < 0.9 * sizes[0]


def test_rows_in_any_order_leave_an_appended_table_sound(tmp_path: Path) -> None:
    dice, model = random.Random(1), dict[bytes, bytes]()
    store = LmdbStore(tmp_path / "store", 16, (ENTRIES,))
    for _ in range(60):
        keys = [dice.randrange(2000).to_bytes(2, "big") for _ in range(dice.randrange(30))]
        rows = {key: bytes([dice.randrange(256)]) * dice.randrange(700) for key in sorted(keys)}
        model |= rows
        store.commit([Put(ENTRIES, key, value) for key, value in rows.items()])
        gone = dice.sample(sorted(model), len(model) // 10)
        store.commit([Put(ENTRIES, key, None) for key in gone])
        for key in gone:
            del model[key]
    store.close()
    check_structure(tmp_path / "store")
    reopened = LmdbStore(tmp_path / "store", 16, (ENTRIES,))
    assert list(reopened.scan(ENTRIES)) == sorted(model.items())
    reopened.close()


def test_a_snapshot_that_has_ended_lets_old_pages_be_used_again(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 16, TABLES)

    def grown_by() -> int:
        before = (tmp_path / "store" / "data.mdb").stat().st_size
        for at in range(20):
            store.commit(rows(range(100), bytes([at]) * 1000))
        return (tmp_path / "store" / "data.mdb").stat().st_size - before

    grown_by()
    with store.snapshot() as snapshot:
        assert grown_by() > 1_000_000
    assert grown_by() == 0
    with pytest.raises(SnapshotEnded):
        snapshot.get("left", b"key")
    store.close()


def test_more_readers_than_lmdb_has_places_for_are_an_error_with_a_name(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 1, TABLES)
    with ExitStack() as stack, pytest.raises(StoreFailed, match="cannot be read"):  # noqa: PT012  How many is LMDB's.
        for _ in range(1000):
            stack.enter_context(store.snapshot())
    store.commit(rows(range(1)))
    assert len(list(store.scan("left"))) == 1
    store.close()


@contextmanager
def files_no_larger_than(size_max: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_error_is_no_full_disk_and_the_store_goes_on_once_it_is_over(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 16, TABLES)
    store.commit(rows(range(10)))
    with files_no_larger_than(256 * 1024):
        for _ in range(2):
            with pytest.raises(StoreFailed, match=r"cannot be written: .*; nothing was written") as failure:
                store.commit(rows(range(10, 100), b"v" * 8000))
            assert not isinstance(failure.value, StoreFull)
    store.commit(rows(range(10, 11)))
    store.close()
    reopened = LmdbStore(tmp_path / "store", 16, TABLES)
    assert len(list(reopened.scan("left"))) == 11
    reopened.close()


def test_a_full_disk_is_told_apart_from_a_broken_one(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 16, TABLES)
    full = lmdb.DiskError("mdb_txn_commit: No space left on device")
    vars(full)["code"] = errno.ENOSPC  # As LMDB sets it.
    with pytest.raises(StoreFull, match=r"disk below .* is full; nothing was written"), store._translated("written"):
        raise full
    store.commit(rows(range(1)))
    assert len(list(store.scan("left"))) == 1
    store.close()


def test_a_disk_that_fills_up_in_the_middle_of_a_write_is_full_and_not_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LmdbStore(tmp_path / "store", 16, TABLES)
    store.commit(rows(range(10)))
    asked = os.statvfs(tmp_path)
    full = os.statvfs_result((*asked[:3], 0, 0, *asked[5:]))
    with monkeypatch.context() as patch, files_no_larger_than(256 * 1024):
        patch.setattr(os, "statvfs", lambda _: full)  # The limit on files makes the short write; this explains it.
        with pytest.raises(StoreFull, match=r"disk below .* is full; nothing was written"):
            store.commit(rows(range(10, 100), b"v" * 8000))
    store.commit(rows(range(10, 20)))
    store.close()
    reopened = LmdbStore(tmp_path / "store", 16, TABLES)
    assert [Put("left", key, value) for key, value in reopened.scan("left")] == rows(range(20))
    reopened.close()


def test_a_full_disk_does_not_explain_a_store_that_takes_no_writes_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LmdbStore(tmp_path / "store", 16, TABLES)
    monkeypatch.setattr("talos.drivers.lmdb_store.ROOM_LEAST", 2**63)  # So that every disk is a full one.
    torn = lmdb.DiskError("mdb_txn_commit: Input/output error")
    vars(torn)["code"] = errno.EIO
    store.close()  # As unable to begin as it is after a failed write of the meta page, which no test can bring about.
    with pytest.raises(StoreFailed, match="cannot be written"), store._translated("written"):
        raise torn
    with pytest.raises(StoreFailed, match="takes no writes since"):
        store.commit(rows(range(1)))


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def without_a_page(data: bytes) -> bytes:
    middle = len(data) // PAGE_SIZE // 2 * PAGE_SIZE
    return data[:middle] + bytes(PAGE_SIZE) + data[middle + PAGE_SIZE :]


def garbage(data: bytes) -> bytes:
    return b"garbage!" * (len(data) // 8)


def nothing(_data: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("harm", [cut, without_a_page, garbage, nothing])
def test_a_damaged_file_is_refused_and_not_touched(tmp_path: Path, harm: Callable[[bytes], bytes]) -> None:
    store = LmdbStore(tmp_path / "store", 16, TABLES)
    store.commit(rows(range(200), b"v" * 1000))
    store.close()
    file = tmp_path / "store" / "data.mdb"
    file.write_bytes(harm(file.read_bytes()))
    harmed = file.read_bytes()
    with pytest.raises(Damaged, match="is damaged"):
        LmdbStore(tmp_path / "store", 16, TABLES)
    assert file.read_bytes() == harmed


def test_a_creation_that_was_interrupted_is_begun_again(tmp_path: Path) -> None:
    half_made = tmp_path / "store.new"
    half_made.mkdir()
    (half_made / "data.mdb").write_bytes(b"half")
    store = LmdbStore(tmp_path / "store", 1, TABLES)
    store.commit(rows(range(1)))
    assert not half_made.exists()
    store.close()


def test_one_process_cannot_open_a_store_twice(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "store", 1, TABLES)
    with pytest.raises(StoreFailed, match="already open"):
        LmdbStore(tmp_path / "store", 1, TABLES)
    store.commit(rows(range(1)))
    store.close()


def test_a_process_killed_in_the_middle_of_a_commit_loses_nothing_it_was_told_is_durable(
    tmp_path: Path, rounds: Rounds
) -> None:
    lost: list[int] = []
    for attempt in range(rounds(4, 200)):
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("commit_for_ever.py")), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
        )
        with child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(5 + attempt % 7)]
            child.kill()
            acknowledged += map(int, child.stdout.read().split(b"\n")[:-1])
        store = LmdbStore(tmp_path / "store", 64, TABLES)
        left, right = list(store.scan("left")), list(store.scan("right"))
        store.close()
        assert left == right, "a commit is on disk whole or not at all"
        lost += [number for number in acknowledged if number >= len(left)]
    assert not lost
