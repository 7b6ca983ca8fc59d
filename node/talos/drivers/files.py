"""Small files that are there whole or not at all, readable by their owner alone."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from talos.errors import StoreFailed, StoreFull, UsageError

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_there(path: Path, *, fix: str) -> bool:
    """Say whether there is such a file or folder. Raises `UsageError` for a place that we may not look into."""
    try:
        return path.exists()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", fix=fix) from error


def make_folder(path: Path) -> None:
    """Make `path` and the folders above it, mode 0700; one that exists keeps its mode. Raises `StoreFailed`."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise StoreFailed(f"cannot make the folder {path}: {error.strerror}") from error


def sync_folder(path: Path) -> None:
    """Flush the names in a folder, so that a file renamed into it is still there after a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def atomic_write(path: Path, content: bytes, mode: int = FILE_MODE) -> None:
    """Put `content` at `path`, durably, in one move: whoever reads sees the old file or the new one.

    One writer at a time: the new file is made beside it under a fixed name, which a crash may leave behind and
    the next write takes over. Raises `StoreFull` or `StoreFailed`; then the old file stands, or, if it was the
    folder that could not be flushed, either of the two.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        _write_new(new, content, mode)
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        discard(new)
        if error.errno in DISK_FULL:
            raise StoreFull(f"the disk below {path} is full; nothing was written", fix="Free space on it") from error
        raise StoreFailed(f"cannot write {path}: {error.strerror}") from error


def discard(path: Path) -> None:
    """Take away a file of ours while an error is on its way. Where that fails too it stays: the error says more."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(file, "wb") as stream:
        os.fchmod(file, mode)  # The umask has no say in it.
        stream.write(content)
        stream.flush()
        os.fsync(file)
