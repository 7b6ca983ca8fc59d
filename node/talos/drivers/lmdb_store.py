"""The store on disk: an LMDB environment that flushes every commit before it returns.

Engine 0.9 is named explicitly (`lib_version=0`): its file format is the one other tools read. Sync and metasync
stay on and writemap off: with any of them changed, a power cut loses commits that had returned, or a full disk
kills the process.
"""

from __future__ import annotations

import errno
import os
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from operator import itemgetter
from pathlib import Path
from typing import Final

import lmdb

from talos.core.room import MIB, PLENTY, Space
from talos.core.step import Put
from talos.core.tables import APPENDED_TABLES
from talos.drivers.ballast import Ballast
from talos.drivers.files import DISK_FULL, FILE_MODE, make_folder, sync_folder
from talos.drivers.lmdb_rows import CHECK_DISK, DATA_FILE, LmdbRows, Tables, check_structure, hold_lock_file
from talos.drivers.rows import outcome
from talos.errors import StoreFailed, StoreFull

BALLAST_FILE: Final = "reserve"
MEND_DISK: Final = "Check the disk; the node goes on by itself as soon as it can be written"
IN_DOUBT: Final = "whether the last transaction was written is known at the next start"
META_PAGES: Final = 2
COUNTED_BELOW: Final = 64 * MIB  # Bytes: with more than that to spare, nobody need know exactly how much.
# A file system stops giving out blocks a little before it counts none: it keeps some for its own books.
ROOM_LEAST: Final = MIB


class _DiskFull(StoreFull):
    """It is not the store that is full: what can be taken away from the disk makes room for it."""


class LmdbStore(LmdbRows):
    """A `talos.host.Store` in the folder `path`. One instance per folder and machine: hold the folder lock.

    `size_max_mib` may grow between two openings; a smaller one than is already used stops growth, and loses nothing.
    Of these, and of the disk, `reserve` bytes are not counted as room; those of the disk lie in a file of that size.

    Opening raises `Damaged` if the file is not what LMDB wrote, `StoreFailed` if it cannot be opened.
    """

    def __init__(self, path: Path, size_max_mib: int, tables: Sequence[str], *, reserve: int = 0) -> None:
        self._path = path
        self._size_max_mib = size_max_mib
        self._reserve = reserve
        if not (path / DATA_FILE).exists():
            self._create(path, tables)
        super().__init__(path, lambda: self._checked(path, tables))
        with ExitStack() as undo:
            undo.callback(self.close)  # Whoever keeps the error keeps this too: it must not have the file open.
            self._page_size = self._env.stat()["psize"]
            self._ballast = Ballast(path / BALLAST_FILE, reserve)
            self._hold_ballast()
            undo.pop_all()

    def commit(self, writes: Sequence[Put]) -> None:
        changes = outcome(writes, self._tables)
        if self._failure is not None:
            self._come_back()
        try:
            self._put(changes)
        except _DiskFull:
            if not self._ballast.release():
                raise
            self._put(changes)
        with suppress(StoreFailed):  # All is on the disk; the next one tries again, and `room` counts what is missing.
            self._hold_ballast()

    def _come_back(self) -> None:
        """Go on after an error of the disk, if it is over. Raises `StoreFailed` if it is not, and nothing was written.

        What failed was never made to count (docs/decisions/0009-reserve.md), unless it was the page that does that;
        then LMDB itself takes nothing more until it is opened anew.
        """
        try:
            self._env.sync(True)
            self._env.begin(write=True).abort()
        except lmdb.Error as error:
            raise StoreFailed(
                f"the store at {self._path} takes no writes since: {self._failure}", fix=self._fix(error, "written")
            ) from error
        self._failure = None

    def _put(self, changes: Mapping[str, Mapping[bytes, bytes | None]]) -> None:
        with self._translated("written"), self._env.begin(write=True) as txn:
            for table, rows in changes.items():
                _write(txn, self._tables[table], rows, append=table in APPENDED_TABLES)

    def room(self) -> Space:
        info = self._env.info()
        end = (info["last_pgno"] + 1) * self._page_size  # Of what was ever used of the file.
        beyond, disk = info["map_size"] - end, _room(self._path, PLENTY)
        # Pages that commits left behind can be used again, by the second commit after, unless somebody reads them.
        holes = end - self._used() if min(beyond, disk) < COUNTED_BELOW else 0
        allowed, there = beyond + holes - self._reserve, disk + holes - self._ballast.missing
        return Space(min(allowed, there), is_disk=there < allowed)

    def _used(self) -> int:
        """Return the bytes of all pages that hold rows; all there are, where that cannot be read."""
        try:
            with self._env.begin() as txn:
                trees = [self._env.stat(), *(txn.stat(table) for table in self._tables.values())]
        except lmdb.Error:
            return (self._env.info()["last_pgno"] + 1) * self._page_size  # Whoever reads or writes next says why.
        pages = sum(one["branch_pages"] + one["leaf_pages"] + one["overflow_pages"] for one in trees)
        return (META_PAGES + pages) * self._page_size

    def _hold_ballast(self) -> None:
        if not self._ballast.is_held and _room(self._path, PLENTY) >= 2 * self._reserve:
            self._ballast.hold()

    def _create(self, path: Path, tables: Sequence[str]) -> None:
        # LMDB does not flush the first pages it writes. So the folder gets its name once they are safely on disk.
        new = path.with_name(f"{path.name}.new")
        try:
            if new.exists():
                shutil.rmtree(new)
            make_folder(new)
            env, _ = self._open(new, tables)
            with env:
                env.sync(True)
            sync_folder(new)
            new.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            raise StoreFailed(f"cannot make a store at {path}: {error.strerror}") from error

    def _checked(self, path: Path, tables: Sequence[str]) -> tuple[lmdb.Environment, Tables]:
        check_structure(path)
        return self._open(path, tables)

    def _open(self, path: Path, tables: Sequence[str]) -> tuple[lmdb.Environment, Tables]:
        with self._translated("opened"), ExitStack() as undo:
            hold_lock_file(path)
            env = lmdb.Environment(
                str(path),
                map_size=self._size_max_mib * MIB,
                max_dbs=len(tables),
                mode=FILE_MODE,
                lib_version=0,
            )
            undo.callback(env.close)  # Closed with the last who holds the error, it would drop the next one's locks.
            env.reader_check()  # Readers killed the hard way would pin old pages for ever.
            # What is read from now on may be in the kernel's cache only: a process was killed before its flush, or the
            # flush failed. Nobody shall act on that, nor overwrite what is on the disk in its place.
            env.sync(True)
            opened = env, {table: env.open_db(table.encode()) for table in tables}
            undo.pop_all()
            return opened

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        """Turn every `lmdb.Error` into a `StoreFailed`; no other module knows that LMDB is in here."""
        try:
            yield
        except lmdb.MapFullError:
            raise StoreFull(
                f"the store at {self._path} is full ({self._size_max_mib} MiB); nothing was written",
                fix=f"Set store.size_max_mib above {self._size_max_mib} in talos.toml and restart",
            ) from None
        except lmdb.Error as error:
            if getattr(error, "code", 0) in DISK_FULL or (verb == "written" and self._is_short_write(error)):
                raise _DiskFull(
                    f"the disk below {self._path} is full; nothing was written", fix="Free space on it"
                ) from error
            what = f"the store at {self._path} cannot be {verb}: {error}"
            if verb == "written":
                self._failure = str(error)
                what += f"; {IN_DOUBT if self._is_lost() else 'nothing was written'}"
            raise StoreFailed(what, fix=self._fix(error, verb)) from error

    def _fix(self, error: lmdb.Error, verb: str) -> str:
        match getattr(error, "code", 0):
            case errno.EACCES | errno.EPERM:
                return f"Run as the owner of {self._path}"
            case errno.EROFS:
                return "Mount the disk so that it can be written"
            case _:
                return CHECK_DISK if verb == "opened" or self._is_lost() else MEND_DISK

    def _is_short_write(self, error: lmdb.Error) -> bool:
        """Say whether `error` is LMDB's word for a disk that filled up in the middle of a write, and no harm was done.

        LMDB turns a short write into EIO. If it was one of a data page, the transaction was not written: new pages
        lie where no old one is in use, and the meta page, which alone makes them count, comes after all of them. If
        it was one of the meta page, LMDB itself refuses every write from then on, which is what we ask it here.
        """
        return (
            getattr(error, "code", 0) == errno.EIO
            and _room(self._path, ROOM_LEAST) < ROOM_LEAST
            and not self._is_lost()
        )

    def _is_lost(self) -> bool:
        """Say whether LMDB refuses everything until it is opened anew: the page that makes a commit count failed."""
        try:
            self._env.begin(write=True).abort()
        except lmdb.Error:
            return True
        return False


def _write(
    txn: lmdb.Transaction[bytes], table: lmdb._Database, rows: Mapping[bytes, bytes | None], *, append: bool
) -> None:
    """Write the rows of one table. With `append`, those after all that are there go in a way that fills pages.

    Whether one is after all others is asked first: LMDB would leave out an appended row that is not, and say nothing.
    """
    kept = [(key, value) for key, value in rows.items() if value is not None]
    if len(kept) < len(rows):
        for key, value in rows.items():
            if value is None:
                txn.delete(key, db=table)
    with txn.cursor(table) as cursor:
        at = len(kept)
        if append:
            kept.sort()
            at = bisect_right(kept, cursor.key(), key=itemgetter(0)) if cursor.last() else 0
        cursor.putmulti(kept[:at])
        cursor.putmulti(kept[at:], append=True)


def _room(path: Path, unknown: int) -> int:
    """Return the bytes that are free on the disk below `path`; `unknown` where it cannot be asked."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return unknown
    return disk.f_bavail * disk.f_frsize
