"""What LMDB asks of the kernel for one file, seen and answered in between: each write and each flush.

LMDB's extension module calls the C library through a table of addresses, one slot for each function (System V ABI,
"Global Offset Table"). Here the slots of the calls that write or flush are pointed at functions of this process, and
back again afterwards. So there is no library to compile and to preload, and no second process: a recording is as
repeatable as what is recorded.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from mmap import PROT_READ, PROT_WRITE
from pathlib import Path
from typing import Any, Final, Protocol

# ELF-64 (System V ABI, "Object Files"), and the relocations of its processor supplements that fill one slot.
SECTIONS_AT: Final = 0x28
SECTION: Final = struct.Struct("<IIQQQQIIQQ")
RELOCATION: Final = struct.Struct("<QQq")
RELOCATIONS: Final = 4  # The type of a section.
SYMBOL_SIZE: Final = 24
SLOT_TYPES: Final = {"x86_64": (6, 7), "aarch64": (1025, 1026)}  # GLOB_DAT, JUMP_SLOT.

CALLS: Final = ("pwrite", "writev", "fdatasync", "fsync")
_PWRITE: Final = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, use_errno=True
)
_WRITEV: Final = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, use_errno=True)
_FLUSH: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, use_errno=True)


class CannotWatch(Exception):
    """This machine's LMDB cannot be watched from within, and why."""


class Watcher(Protocol):
    """Is told of every call before it is made. What it returns is done instead of it: see `write`."""

    def write(self, offset: int, data: bytes, *, is_synced: bool) -> int | None:
        """`data` is about to be written. None: do so. n >= 0: write only so many bytes. n < 0: fail with errno -n.

        `is_synced`: the call returns only when the data is on the medium (O_DSYNC).
        """

    def wrote(self, offset: int, data: bytes, *, is_synced: bool) -> None:
        """So much of it has been written."""

    def flush(self) -> int | None:
        """All that was written is about to be flushed. None: do so. n < 0: fail with errno -n."""

    def flushed(self) -> None:
        """It was."""


class _IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


@contextmanager
def watched(path: Path, watcher: Watcher) -> Iterator[None]:
    """Let `watcher` see what LMDB, in this process, writes to the file `path`. Raises `CannotWatch`."""
    hooks = _Hooks(path, watcher)
    with ExitStack() as undo:
        for name, slot in _slots().items():
            _make_writable(slot)
            undo.callback(setattr, slot, "value", slot.value)
            slot.value = ctypes.cast(hooks.by_name[name], ctypes.c_void_p).value
        yield


class _Hooks:
    """One function for each call; those about another file go straight through.

    ctypes keeps a copy of errno for each thread: what a call in here leaves in it is what LMDB finds.
    """

    def __init__(self, path: Path, watcher: Watcher) -> None:
        status = path.stat()
        self._file = status.st_dev, status.st_ino
        self._watcher = watcher
        libc = ctypes.CDLL(None)
        self._pwrite, self._writev = _PWRITE(_address(libc.pwrite)), _WRITEV(_address(libc.writev))
        self._flush = {name: _FLUSH(_address(getattr(libc, name))) for name in ("fdatasync", "fsync")}
        # Kept, because C keeps no reference to them.
        self.by_name: dict[str, Any] = {"pwrite": _PWRITE(self._on_pwrite), "writev": _WRITEV(self._on_writev)}
        for name, real in self._flush.items():
            self.by_name[name] = _FLUSH(self._flusher(real))

    def _is_ours(self, fd: int) -> bool:
        status = os.fstat(fd)
        return (status.st_dev, status.st_ino) == self._file

    def _on_pwrite(self, fd: int, data: int, size: int, offset: int) -> int:
        if not self._is_ours(fd):
            return int(self._pwrite(fd, data, size, offset))
        return self._write(fd, offset, ctypes.string_at(data, size))

    def _on_writev(self, fd: int, vectors: int, count: int) -> int:
        if not self._is_ours(fd):
            return int(self._writev(fd, vectors, count))
        parts = (_IoVec * count).from_address(vectors)
        data = b"".join(ctypes.string_at(part.base, part.size) for part in parts)
        written = self._write(fd, os.lseek(fd, 0, os.SEEK_CUR), data)
        if written > 0:
            os.lseek(fd, written, os.SEEK_CUR)
        return written

    def _write(self, fd: int, offset: int, data: bytes) -> int:
        is_synced = bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DSYNC)
        verdict = self._watcher.write(offset, data, is_synced=is_synced)
        if verdict is not None:
            if verdict < 0:
                ctypes.set_errno(-verdict)
                return -1
            data = data[:verdict]
        written = int(self._pwrite(fd, data, len(data), offset))
        if written > 0:
            self._watcher.wrote(offset, data[:written], is_synced=is_synced)
        return written

    def _flusher(self, real: Callable[[int], int]) -> Callable[[int], int]:
        def flush(fd: int) -> int:
            if not self._is_ours(fd):
                return real(fd)
            verdict = self._watcher.flush()
            if verdict is not None:
                ctypes.set_errno(-verdict)
                return -1
            done = real(fd)
            if done == 0:
                self._watcher.flushed()
            return done

        return flush


def _make_writable(slot: ctypes.c_void_p) -> None:
    """A linker may have asked for a table that nobody changes any more. Raises `CannotWatch`."""
    start = ctypes.addressof(slot) // mmap.PAGESIZE * mmap.PAGESIZE
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE), PROT_READ | PROT_WRITE):
        raise CannotWatch("the table of LMDB's calls cannot be changed here")


def _address(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


def _slots() -> dict[str, ctypes.c_void_p]:
    """Return where LMDB's extension keeps the addresses of `CALLS`. Raises `CannotWatch`."""
    types = SLOT_TYPES.get(platform.machine())
    if sys.platform != "linux" or types is None:
        raise CannotWatch(
            f"only Linux on {' or '.join(SLOT_TYPES)} is known, not {sys.platform} on {platform.machine()}"
        )
    try:
        extension = import_module("lmdb.cpython")
    except ImportError as error:
        raise CannotWatch("LMDB is bound to Python in another way here") from error
    path = Path(extension.__file__ or "").resolve()
    base = _base(path)
    slots = {
        name: ctypes.c_void_p.from_address(base + offset)
        for name, offset in _relocations(path.read_bytes(), types)
        if name in CALLS
    }
    if slots.keys() != set(CALLS):
        raise CannotWatch(f"LMDB calls {sorted(set(CALLS) - slots.keys())} in another way here")
    return slots


def _base(path: Path) -> int:
    """Return where this process has a library loaded."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, offset, _, _, *name = line.split(maxsplit=5)
        if name and Path(name[0]) == path and int(offset, 16) == 0:
            return int(span.split("-")[0], 16)
    raise CannotWatch(f"{path} is not loaded")


def _relocations(elf: bytes, types: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    """Yield name and offset of each slot that the loader fills with an address."""
    start, (size, count) = struct.unpack_from("<Q", elf, SECTIONS_AT)[0], struct.unpack_from("<HH", elf, 0x3A)
    sections = [SECTION.unpack_from(elf, start + at * size) for at in range(count)]
    for _, kind, _, _, offset, length, link, _, _, _ in sections:
        if kind != RELOCATIONS or not link:
            continue
        symbols = sections[link]
        names = sections[symbols[6]][4]
        for at in range(offset, offset + length, RELOCATION.size):
            slot, info, _ = RELOCATION.unpack_from(elf, at)
            if info & 0xFFFFFFFF in types:
                name = names + struct.unpack_from("<I", elf, symbols[4] + SYMBOL_SIZE * (info >> 32))[0]
                yield elf[name : elf.index(b"\0", name)].decode(), slot
