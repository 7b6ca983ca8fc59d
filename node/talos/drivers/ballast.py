"""A file that is in nobody's way until the disk is full: then it is taken away, and its room is the reserve."""

from __future__ import annotations

import os
from pathlib import Path

from talos.drivers.files import DISK_FULL, FILE_MODE, discard
from talos.errors import StoreFailed


class Ballast:
    """`size` bytes at `path`, taken from the disk and never written; 0: none is wanted."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self.is_held = self._is_whole()

    @property
    def missing(self) -> int:
        """Bytes of the disk's free room that are not free, because they belong in here."""
        return 0 if self.is_held else self._size

    def hold(self) -> None:
        """Take the room, if the disk has it. Raises `StoreFailed` for all but a full disk."""
        if self.is_held:
            return
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, FILE_MODE)
            try:
                os.posix_fallocate(file, 0, self._size)
            finally:
                os.close(file)
        except OSError as error:
            discard(self._path)
            if error.errno not in DISK_FULL:
                raise StoreFailed(f"cannot keep a reserve at {self._path}: {error.strerror}") from error
        else:
            self.is_held = True

    def release(self) -> bool:
        """Give the room back to the disk. Returns whether there was any."""
        if not self.is_held or not self._size:
            return False
        discard(self._path)
        self.is_held = False
        return True

    def _is_whole(self) -> bool:
        try:
            return not self._size or self._path.stat().st_size >= self._size
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreFailed(f"cannot look for the reserve at {self._path}: {error.strerror}") from error
