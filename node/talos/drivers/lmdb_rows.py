"""An LMDB environment as it is read: checked before it is opened, opened once per process, one view for many reads.

LMDB guards its files with locks of the process, and closing a file anywhere in a process drops them all. So a file
that is open here must not be opened a second time here, not even to read; other processes may.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Final
from weakref import finalize

import lmdb
from lmdb import verify as structure

from talos.core.tables import Rows
from talos.drivers.files import DISK_FULL, FILE_MODE
from talos.drivers.rows import KEY_SIZE_MAX, SnapshotEnded, check_key, check_table, reverse_bound
from talos.errors import Damaged, StoreFailed, StoreFull

DATA_FILE: Final = "data.mdb"
LOCK_FILE: Final = "lock.mdb"
LOCK_SIZE: Final = 8_192  # Bytes: LMDB's own, with its 126 readers.
CHECK_DISK: Final = "Check the disk, then restart the node"
# A walk over all pages in Python, about 100 MB/s. LMDB itself would die of SIGBUS or SIGABRT on a cut or zeroed file.
_problems: Callable[[str], list[str]] = structure.verify

Tables = Mapping[str, lmdb._Database]
FileId = tuple[int, int]  # Device and inode: the same by whatever path a file is reached.

_open_files: Final[set[FileId]] = set()
_open_files_lock: Final = RLock()  # Re-entrant, because a forgotten store lets go of its file in any thread.


def check_structure(path: Path) -> None:
    """Walk over the store in the folder `path`. No process may write it meanwhile.

    Raises `Damaged` if the file is not what LMDB wrote, `StoreFailed` if it cannot be read.
    """
    try:
        problems = _problems(str(path))
    except structure.VerifyError as error:
        problems = [str(error)]
    except OSError as error:
        raise _out_of_reach(path, error) from error
    if problems:
        raise Damaged(f"the store at {path} is damaged in {len(problems)} places, first: {problems[0]}")


def hold_lock_file(path: Path) -> None:
    """Have all of the lock file of the store in the folder `path` on the disk, before LMDB opens it.

    LMDB makes it as one hole, and maps it: on a full disk the process would die of SIGBUS at the first byte. The file
    must not be open in this process. Raises `StoreFull`; whatever else is wrong LMDB says better.
    """
    file = path / LOCK_FILE
    with suppress(OSError):
        if file.stat().st_size >= LOCK_SIZE:
            return  # Others may be at it.
    try:
        opened = os.open(file, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            os.posix_fallocate(opened, 0, LOCK_SIZE)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StoreFull(f"the disk below {path} is full; nothing was written", fix="Free space on it") from error


def _out_of_reach(path: Path, error: OSError) -> StoreFailed:
    fix = f"Run as the owner of {path}" if isinstance(error, PermissionError) else None
    return StoreFailed(f"cannot read the store at {path}: {error.strerror}", fix=fix)


def is_open_here(path: Path) -> bool:
    """Say whether this process has the store in the folder `path` open. Raises `StoreFailed` if there is none."""
    file = _file_id(path)
    with _open_files_lock:
        return file in _open_files


def _file_id(path: Path) -> FileId:
    try:
        status = (path / DATA_FILE).stat()
    except OSError as error:
        raise _out_of_reach(path, error) from error
    return status.st_dev, status.st_ino


def _claim(path: Path) -> FileId:
    file = _file_id(path)
    with _open_files_lock:
        if file in _open_files:
            raise StoreFailed(f"the store at {path} is already open in this process")
        _open_files.add(file)
    return file


def _release(file: FileId) -> None:
    with _open_files_lock:
        _open_files.discard(file)


class LmdbRows:
    """The reading half of a store on disk: a `talos.host.ReadableStore`.

    One instance per file and process; a second one is refused with `StoreFailed`. `open_env` opens what is there.
    """

    def __init__(self, path: Path, open_env: Callable[[], tuple[lmdb.Environment, Tables]]) -> None:
        self._path = path
        self._failure: str | None = None  # Why the store takes no writes, if it is written and does not.
        self._release = finalize(self, _release, _claim(path))  # Also if nobody closes it.
        with ExitStack() as undo:
            undo.callback(self._release)
            self._env, self._tables = open_env()
            undo.pop_all()

    def get(self, table: str, key: bytes) -> bytes | None:
        check_key(table, key, self._tables)
        try:
            with self._env.begin() as txn:
                return txn.get(key, db=self._tables[table])
        except lmdb.Error as error:
            raise unreadable(self._path, error, self._failure) from error

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """As in `talos.host.Store`. Drop the iterator soon: while it stands, the file cannot reuse old pages."""
        check_table(table, self._tables)
        return self._scan(table, prefix, start, reverse)

    def _scan(self, table: str, prefix: bytes, start: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        with self.snapshot() as rows:
            yield from rows.scan(table, prefix, start=start, reverse=reverse)

    @contextmanager
    def snapshot(self) -> Iterator[Rows]:
        """As in `talos.host.Store`: one read transaction. Keep it short: no page freed meanwhile can be reused."""
        try:
            txn = self._env.begin()
        except lmdb.Error as error:
            raise unreadable(self._path, error, self._failure) from error
        rows = _Snapshot(self._path, txn, self._tables)
        try:
            yield rows
        finally:
            rows.end()

    def close(self) -> None:
        self._env.close()
        self._release()


class _Snapshot:
    """`Rows` of one read transaction."""

    __slots__ = ("_is_over", "_path", "_tables", "_txn")

    def __init__(self, path: Path, txn: lmdb.Transaction[bytes], tables: Tables) -> None:
        self._path = path
        self._txn = txn
        self._tables = tables
        self._is_over = False

    def get(self, table: str, key: bytes) -> bytes | None:
        known = self._tables.get(table)
        if known is None or not 1 <= len(key) <= KEY_SIZE_MAX:
            check_key(table, key, self._tables)  # Only for what it raises: this is asked hundreds of times in a query.
        try:
            return self._txn.get(key, db=known)
        except lmdb.Error as error:
            raise self._failure(error) from error

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        check_table(table, self._tables)
        return self._scan(self._tables[table], prefix, start, reverse)

    def _scan(self, table: lmdb._Database, prefix: bytes, start: bytes, reverse: bool) -> Iterator[tuple[bytes, bytes]]:
        try:
            with self._txn.cursor(table) as cursor:
                if reverse:
                    found, step = _go_before(cursor, reverse_bound(prefix, start)), cursor.prev
                else:
                    found, step = cursor.set_range(max(prefix, start)), cursor.next
                while found and cursor.key().startswith(prefix):
                    yield cursor.item()
                    found = step()
        except lmdb.Error as error:
            raise self._failure(error) from error

    def end(self) -> None:
        # What is read through a transaction or cursor that has ended is refused by LMDB's binding itself.
        self._is_over = True
        self._txn.abort()

    def _failure(self, error: lmdb.Error) -> StoreFailed:
        return SnapshotEnded() if self._is_over else unreadable(self._path, error)


def _go_before(cursor: lmdb.Cursor[bytes], bound: bytes | None) -> bool:
    """Go to the last row whose key is less than `bound`; say whether there is one."""
    if bound is not None and cursor.set_range(bound):
        return cursor.prev()
    return cursor.last()


def unreadable(path: Path, error: lmdb.Error, since: str | None = None) -> StoreFailed:
    fix = None
    if isinstance(error, lmdb.MapResizedError):  # Another process opened it with a larger size_max_mib.
        fix = "Open it again"
    elif isinstance(error, lmdb.PanicError):  # The page that makes a commit count may be written by half.
        fix = CHECK_DISK
    reason = error if since is None else f"{since}; then {error}"
    return StoreFailed(f"the store at {path} cannot be read: {reason}", fix=fix)
