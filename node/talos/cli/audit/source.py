"""Where an answer about the log comes from if not from the running node: the store itself, and files that were kept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from talos.cli.place import Place
from talos.errors import Damaged, MalformedMessage, UsageError
from talos.host import ReadableStore
from talos.runtime import data_folder
from talos_audit import AuditError

STDIN: Final = Path("-")


@contextmanager
def read_store(place: Place) -> Iterator[ReadableStore]:
    """The store of the node in `place`, beside the node or without; what entries say stays sealed.

    Raises as `DataFolder.read` does.
    """
    with data_folder(place.config()).read() as store:
        yield store


def read_file(path: Path, *, size_max: int) -> bytes:
    """Return the bytes of a file, or of stdin where it is "-". Raises `UsageError`, or `Damaged` for too many."""
    try:
        if path == STDIN:
            raw = sys.stdin.buffer.read(size_max + 1)
        else:
            with path.open("rb") as stream:
                raw = stream.read(size_max + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", fix="Give a file that you may read") from error
    if len(raw) > size_max:
        raise Damaged(f"{path} has more than {size_max} bytes: it is not what it is taken for")
    return raw


@contextmanager
def naming(file: str) -> Iterator[None]:
    """Put the name of a file before the words of a `Damaged` of the body."""
    try:
        yield
    except Damaged as error:
        kind = MalformedMessage if isinstance(error, MalformedMessage) else Damaged
        raise kind(f"{file}: {error.what}", fix=error.fix) from error


@contextmanager
def damage(what: str, fix: str | None = None) -> Iterator[None]:
    """Turn an `AuditError` of the body into `Damaged`, with `what` before its words."""
    try:
        yield
    except AuditError as error:
        raise Damaged(f"{what}: {error}", fix=fix) from error
