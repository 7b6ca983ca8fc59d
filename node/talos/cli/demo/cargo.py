"""What the demo's nodes send each other: files of this checkout and 8 MiB of machine code, cut into pieces.

Piece: transfer u32 | index u32 | count u32 | name length u16 | name | up to 512 KiB of the file
"""

from __future__ import annotations

import struct
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from talos.errors import MalformedMessage, UsageError

PIECE_SIZE: Final = 512 * 1024  # Bytes: half of what one message may hold.
FILES_SIZE_MAX: Final = 2 * 1024 * 1024  # Bytes of small files: enough to be many, few enough to be quick.
LIBRARY_SIZE: Final = 8 * 1024 * 1024  # Bytes, or what the largest library has: a file of many pieces.
_HEAD: Final = struct.Struct(">IIIH")


@dataclass(frozen=True, slots=True)
class Item:
    """One file to send; `transfer` is its number in the list."""

    transfer: int
    name: str
    content: bytes = field(repr=False)

    @property
    def digest(self) -> bytes:
        return sha256(self.content).digest()

    def pieces(self) -> Iterator[Piece]:
        """Yield the file in order; an empty file is one empty piece."""
        count = max(1, -(-len(self.content) // PIECE_SIZE))
        for index in range(count):
            body = self.content[index * PIECE_SIZE : (index + 1) * PIECE_SIZE]
            yield Piece(self.transfer, index, count, self.name, body)


@dataclass(frozen=True, slots=True)
class Piece:
    transfer: int
    index: int
    count: int
    name: str
    body: bytes = field(repr=False)

    @property
    def key(self) -> tuple[int, int]:
        return self.transfer, self.index

    def encode(self) -> bytes:
        name = self.name.encode("utf-8", "surrogateescape")
        return _HEAD.pack(self.transfer, self.index, self.count, len(name)) + name + self.body

    @classmethod
    def decode(cls, raw: bytes) -> Piece:
        """Raises `MalformedMessage`."""
        if len(raw) < _HEAD.size:
            raise MalformedMessage(f"a piece of {len(raw)} bytes has no head")
        transfer, index, count, name_size = _HEAD.unpack_from(raw)
        name, body = raw[_HEAD.size : _HEAD.size + name_size], raw[_HEAD.size + name_size :]
        if len(name) != name_size or index >= count or len(body) > PIECE_SIZE:
            raise MalformedMessage("a piece whose head does not fit it")
        return cls(transfer, index, count, name.decode("utf-8", "surrogateescape"), body)


def load_cargo() -> tuple[Item, ...]:
    """Read what is to be sent. Raises `UsageError` where there is nothing to read."""
    root = _checkout()
    found = [(path.relative_to(root).as_posix(), path.read_bytes()) for path in _small_files(root)]
    library = _largest_library()
    with library.open("rb") as stream:
        found.append((library.name, stream.read(LIBRARY_SIZE)))
    return tuple(Item(transfer, name, content) for transfer, (name, content) in enumerate(found))


def _checkout() -> Path:
    """Return the checkout that this file is in, or else the installed package."""
    package = Path(__file__).resolve().parents[2]
    root = package.parents[1]
    return root if (root / "pyproject.toml").is_file() else package


def _small_files(root: Path) -> Iterator[Path]:
    left = FILES_SIZE_MAX
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts) or path.is_symlink():
            continue
        if path.is_file() and path.stat().st_size <= left:
            left -= path.stat().st_size
            yield path


def _largest_library() -> Path:
    folder = Path(sysconfig.get_path("platlib"))
    libraries = [path for path in folder.rglob("*.so*") if path.is_file()]
    if not libraries:
        raise UsageError(f"there is no shared library below {folder}", fix="Run the demo where Talos is installed")
    return max(libraries, key=lambda path: path.stat().st_size)
