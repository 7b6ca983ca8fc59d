"""One node per data folder: two would run the same ratchets and write the same log.

The kernel drops the lock when the process ends, however it ends, so a crash leaves nothing to clean up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from talos.drivers.files import DISK_FULL, FILE_MODE
from talos.errors import Locked, StoreFull, TalosError, UsageError

LOCK_FILE: Final = "lock"
PID_SIZE_MAX: Final = 20  # Bytes; a 64-bit number in decimal.


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold `folder`, which exists, while the body runs. The file `lock` in it then names this process.

    Raises `Locked` if another process, or another caller in this one, holds it; `UsageError` if the file is no
    file of ours; `StoreFull` if the disk has no room for the number.
    """
    try:
        # The file stays when the lock goes: whoever unlinks it may unlink the one a third process has just locked.
        file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE_MODE)
    except OSError as error:
        raise _unusable(folder, error) from error
    holder = os.getpid()
    try:
        _take(file, folder)
        yield
    finally:
        if os.getpid() == holder:  # A fork that unwinds has taken nothing.
            fcntl.flock(file, fcntl.LOCK_UN)  # Or a fork that goes on would hold it as long as it runs.
        os.close(file)


def _take(file: int, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(file, 0)
        os.write(file, b"%d\n" % os.getpid())
    except BlockingIOError:
        raise _locked(folder, os.read(file, PID_SIZE_MAX)) from None
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> TalosError:
    if error.errno in DISK_FULL:
        return StoreFull(f"the disk below {folder} is full; nothing was written", fix="Free space on it")
    return UsageError(
        f"cannot lock {folder / LOCK_FILE}: {error.strerror}",
        fix=f"Run as the owner of {folder}, or move what is in the way elsewhere",
    )


def _locked(folder: Path, pid: bytes) -> Locked:
    # A holder that has just locked the file may not have written its number yet.
    holder = f"process {pid.strip().decode('ascii', 'replace')}" if pid.strip() else "another process"
    return Locked(
        f"{holder} has a node running in {folder}",
        fix="Stop it first, or set TALOS_DATA_DIR to another folder",
    )
