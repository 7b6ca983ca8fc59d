"""The store of a node, read from another process: beside the running node, or while none runs."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import lmdb

from talos.drivers.files import FILE_MODE
from talos.drivers.folder_lock import hold_folder
from talos.drivers.lmdb_rows import LmdbRows, Tables, check_structure, hold_lock_file, is_open_here
from talos.errors import Damaged, Locked, StoreFailed, UsageError


class LmdbReader(LmdbRows):
    """A `talos.host.ReadableStore` over the store in the folder `path`, which it neither makes nor writes.

    Other processes may have the store open, and write it; this one may not have it open (see `lmdb_rows`). Nothing
    is checked here: call `check_structure` before, or know that a node runs, which did so when it started.

    Opening raises `Damaged` where a table is missing, else `StoreFailed`.
    """

    def __init__(self, path: Path, tables: Sequence[str]) -> None:
        super().__init__(path, lambda: _open(path, tables))


@contextmanager
def read_beside_node(folder: Path, path: Path, tables: Sequence[str]) -> Iterator[LmdbReader]:
    """Read the store in `path`, whether a node runs in the data folder `folder` or not.

    Raises what `LmdbReader` and `check_structure` do, and `UsageError` if this process has the store open.
    """
    if is_open_here(path):
        raise UsageError(f"this process has the store at {path} open already", fix="Read it through its node")
    if not _is_held(folder):
        try:
            check_structure(path)
        except Damaged:
            # A node that has started since takes up pages under our feet; it has checked the file itself.
            if not _is_held(folder):
                raise
    with closing(LmdbReader(path, tables)) as reader:
        yield reader


def _is_held(folder: Path) -> bool:
    """Say whether a node runs in the data folder. The lock is let go at once: nobody must wait for a reader."""
    try:
        with hold_folder(folder):
            return False
    except Locked:
        return True


def _open(path: Path, tables: Sequence[str]) -> tuple[lmdb.Environment, Tables]:
    try:
        with ExitStack() as undo:
            hold_lock_file(path)
            env = lmdb.Environment(
                str(path),
                map_size=0,  # As large as the node has it.
                readonly=True,
                create=False,
                max_dbs=len(tables),
                mode=FILE_MODE,  # Of the lock file, should it be gone.
                lib_version=0,
            )
            undo.callback(env.close)
            env.reader_check()  # Readers killed the hard way would pin old pages for ever.
            opened = env, {table: _table(env, path, table) for table in tables}
            undo.pop_all()
            return opened
    except lmdb.Error as error:
        is_forbidden = getattr(error, "code", 0) in (errno.EACCES, errno.EPERM)
        raise StoreFailed(
            f"the store at {path} cannot be opened: {error}",
            fix=f"Run as the owner of {path}" if is_forbidden else None,
        ) from error


def _table(env: lmdb.Environment, path: Path, table: str) -> lmdb._Database:
    try:
        return env.open_db(table.encode(), create=False)
    except lmdb.NotFoundError:
        raise Damaged(
            f"the store at {path} has no table {table!r}",
            fix="If an older Talos made it, start talos-node once: it adds what is missing",
        ) from None
