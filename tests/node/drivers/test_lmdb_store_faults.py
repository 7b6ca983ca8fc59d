"""The store on a disk that fails at one exact call: what was durable is there, and the error says what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from talos.core.step import Put
from talos.drivers.lmdb_rows import DATA_FILE
from talos.drivers.lmdb_store import BALLAST_FILE, LmdbStore
from talos.errors import StoreFailed, StoreFull
from tests.crashes.calls import CannotWatch, watched
from tests.crashes.recording import Flush, recorded

RESERVE: Final = 256 * 1024
OLD: Final = [Put("left", b"old", bytes(3_000)), Put("right", b"changed", b"old")]
NEW: Final = [*(Put("left", b"new%d" % n, bytes(3_000)) for n in range(9)), Put("right", b"changed", b"new")]


@dataclass
class Fault:
    """Fails calls of one kind: "data", "flush" or "meta"; with an errno, or after so many bytes."""

    kind: str
    verdict: int
    only_with: Path | None = None  # Fails only while this file is there.
    seen: int = 0

    def write(self, offset: int, data: bytes, *, is_synced: bool) -> int | None:
        return self._comes("meta" if is_synced else "data")

    def wrote(self, offset: int, data: bytes, *, is_synced: bool) -> None:
        pass

    def flush(self) -> int | None:
        return self._comes("flush")

    def flushed(self) -> None:
        pass

    def _comes(self, kind: str) -> int | None:
        if kind != self.kind or (self.only_with is not None and not self.only_with.exists()):
            return None
        self.seen += 1
        return self.verdict


class Unwritten(Fault):
    """Fails flushes, and counts writes."""

    def __init__(self) -> None:
        super().__init__("flush", -errno.EIO)
        self.written = 0

    def write(self, offset: int, data: bytes, *, is_synced: bool) -> int | None:
        self.written += 1
        return None


@contextmanager
def failing(folder: Path, fault: Fault) -> Iterator[None]:
    try:
        with watched(folder / DATA_FILE, fault):
            yield
    except CannotWatch as error:
        pytest.skip(f"nothing can be made to fail: {error}")
    assert fault.seen, "nothing failed"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def opened(folder: Path, reserve: int = 0) -> LmdbStore:
    return LmdbStore(folder, 16, ("left", "right"), reserve=reserve)


def rows(store: LmdbStore) -> dict[tuple[str, bytes], bytes]:
    return {(table, key): value for table in ("left", "right") for key, value in store.scan(table)}


def test_a_full_disk_says_so_and_is_written_again_as_soon_as_there_is_room(folder: Path) -> None:
    with closing(opened(folder)) as store:
        store.commit(OLD)
        before = rows(store)
        with failing(folder, Fault("data", -errno.ENOSPC)):
            for _ in range(2):
                with pytest.raises(StoreFull, match=r"disk below .* is full; nothing was written\. Free space on it"):
                    store.commit(NEW)
                assert rows(store) == before
        store.commit(NEW)
        after = rows(store)
    with closing(opened(folder)) as store:
        assert rows(store) == after


def test_a_disk_that_is_full_gives_the_reserve_away_and_the_commit_passes(folder: Path) -> None:
    with closing(opened(folder, RESERVE)) as store:
        store.commit(OLD)
        ballast = folder / BALLAST_FILE
        assert ballast.stat().st_size == RESERVE
        left = store.room().left
        with failing(folder, Fault("data", -errno.ENOSPC, only_with=ballast)):
            store.commit(NEW)
        assert rows(store)["right", b"changed"] == b"new"
        assert ballast.exists(), "the disk has room again, so the reserve is kept for the next time"
        assert store.room().left <= left


def test_a_disk_that_stays_full_refuses_in_the_end_and_nothing_was_written(folder: Path) -> None:
    with closing(opened(folder, RESERVE)) as store:
        store.commit(OLD)
        before = rows(store)
        with (
            failing(folder, fault := Fault("data", -errno.ENOSPC)),
            pytest.raises(StoreFull, match="nothing was written"),
        ):
            store.commit(NEW)
        assert fault.seen == 2, "once with the reserve, once without"
        assert rows(store) == before
        assert not (folder / BALLAST_FILE).exists()
        store.commit(NEW)
        assert (folder / BALLAST_FILE).exists()


@pytest.mark.parametrize("kind", ["data", "flush"])
def test_an_error_before_the_commit_counts_writes_nothing_and_the_store_goes_on_once_it_is_over(
    folder: Path, kind: str
) -> None:
    with closing(opened(folder)) as store:
        store.commit(OLD)
        before = rows(store)
        with failing(folder, Fault(kind, -errno.EIO)):
            for said in ("cannot be written: ", "(cannot be|takes no) writ"):
                with pytest.raises(
                    StoreFailed, match=rf"{said}.*Input/output error.*Check the disk; .* goes on"
                ) as failure:
                    store.commit(NEW)
                assert not isinstance(failure.value, StoreFull)
                assert rows(store) == before
        store.commit(NEW)
        after = rows(store)
        assert after == before | {(put.table, put.key): put.value for put in NEW}
        with recorded(folder / DATA_FILE) as recording:
            store.commit(NEW)
        assert sum(isinstance(event, Flush) for event in recording.events) == 1, "it is well, and tries no more"
    with closing(opened(folder)) as store:
        assert rows(store) == after


def test_a_store_whose_disk_still_fails_says_since_when_and_tries_nothing(folder: Path) -> None:
    with closing(opened(folder)) as store:
        store.commit(OLD)
        with (
            failing(folder, Fault("flush", -errno.EIO)),
            pytest.raises(StoreFailed, match=r"Input/output error; nothing was written\. Check the disk"),
        ):
            store.commit(NEW)
        with failing(folder, fault := Unwritten()):
            for writes in (NEW, []):
                with pytest.raises(StoreFailed, match=r"takes no writes since: .*Input/output error\. Check the disk"):
                    store.commit(writes)
        assert not fault.written


def test_a_store_that_cannot_be_flushed_does_not_open_for_nobody_knows_what_of_it_is_on_the_disk(folder: Path) -> None:
    with closing(opened(folder)) as store:
        store.commit(OLD)
        before = rows(store)
    with (
        failing(folder, Fault("flush", -errno.EIO)),
        pytest.raises(StoreFailed, match=r"cannot be opened: .*Check the") as failure,
    ):
        opened(folder)
    assert failure.value.__traceback__ is not None
    assert _open_here(folder / DATA_FILE) == 0, "closed any later, it would take the locks of the next one with it"
    with closing(opened(folder)) as store:
        assert rows(store) == before


def test_an_error_at_the_page_that_makes_a_commit_count_leaves_it_in_doubt_and_all_else_until_it_is_opened_anew(
    folder: Path,
) -> None:
    with closing(opened(folder)) as store:
        store.commit(OLD)
        before = rows(store)
        with failing(folder, Fault("meta", -errno.EIO)), pytest.raises(StoreFailed, match="Check the disk") as failure:
            store.commit(NEW)
        assert "nothing was written" not in str(failure.value)
        assert "is known at the next start. Check the disk, then restart the node" in str(failure.value)
        for _ in range(2):  # Also where the disk is well again.
            with pytest.raises(StoreFailed, match=r"takes no writes since: .*then restart the node"):
                store.commit(NEW)
        reads = r"cannot be read: .*Input/output error; then .*Check the disk, then restart the node"
        with pytest.raises(StoreFailed, match=reads):
            store.get("left", b"old")
        with pytest.raises(StoreFailed, match=reads):
            list(store.scan("left"))
        assert store.room().left > 0
    with closing(opened(folder)) as store:
        found = rows(store)
        assert found in (before, before | {(put.table, put.key): put.value for put in NEW})
        store.commit(NEW)


def test_a_write_that_ends_half_way_is_an_error_of_the_disk_unless_that_is_full(folder: Path) -> None:
    with closing(opened(folder)) as store:
        store.commit(OLD)
        before = rows(store)
        with failing(folder, Fault("data", 100)), pytest.raises(StoreFailed) as failure:
            store.commit(NEW)
        assert not isinstance(failure.value, StoreFull), "this disk has room"
        assert rows(store) == before
    with closing(opened(folder)) as store:
        assert rows(store) == before


def test_a_store_counts_what_it_has_left_to_within_a_few_pages(folder: Path) -> None:
    with closing(opened(folder, RESERVE)) as store:
        empty = store.room().left
        assert 16 * 1024 * 1024 - RESERVE - empty < 128 * 1024
        store.commit([Put("left", b"%d" % n, bytes(8_000)) for n in range(100)])
        full = store.room().left
        assert 800_000 <= empty - full <= 100 * 3 * 4096 + 32 * 1024
        store.commit([Put("left", b"%d" % n, None) for n in range(100)])
        assert abs(empty - store.room().left) < 32 * 1024


def test_a_reserve_that_cannot_be_taken_back_makes_no_commit_fail_that_is_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened(folder, RESERVE)) as store:
        store.commit(OLD)
        fault = Fault("data", -errno.ENOSPC, only_with=folder / BALLAST_FILE)
        with failing(folder, fault), monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", _fails)
            store.commit(NEW)
            assert rows(store)["right", b"changed"] == b"new"
            store.commit(OLD)
        assert not (folder / BALLAST_FILE).exists()
        store.commit(NEW)
        assert (folder / BALLAST_FILE).exists()


def _open_here(path: Path) -> int:
    """Return how often this process has a file open."""
    return sum(link.exists() and link.resolve() == path for link in Path("/proc/self/fd").iterdir())


def _fails(file: int, offset: int, size: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_store_that_did_not_open_for_its_reserve_can_be_opened_when_it_can_be_had(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _fails)
        with pytest.raises(StoreFailed, match="cannot keep a reserve") as failure:
            opened(folder, RESERVE)
    with closing(opened(folder, RESERVE)) as store:
        store.commit(OLD)
    assert failure.value.__traceback__ is not None, "whoever holds the error holds the store that did not open"
