"""A log as files that anybody may copy and check: the layout of C2SP tlog-tiles, and `vkey`, the key that verifies it.

    vkey            first, so that an export that was killed can be gone on with
    tile/...        then; files of an earlier export that are right are left alone
    checkpoint      last, once all the rest has been read back and leads to its root

So a folder without a checkpoint is no export yet, and one with an older checkpoint is still the older export. Nothing
else is flushed to the disk before: what a power cut takes is found missing when somebody verifies.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from talos.cli.audit.progress import Progress
from talos.cli.audit.source import damage, read_file
from talos.core.chain import log_head
from talos.core.log_rows import DAMAGE_FIX, leaves
from talos.core.report import LogHead
from talos.core.tables import TREE, tree_key
from talos.drivers.files import DISK_FULL, atomic_write, is_there
from talos.errors import Damaged, StoreFailed, StoreFull, UsageError
from talos.host import ReadableStore
from talos_audit import (
    CHECKPOINT,
    LEAF_SIZE_MAX,
    NOTE_SIZE_MAX,
    TILE_WIDTH,
    Checkpoint,
    Resource,
    Tree,
    VerifierKey,
    bundle_bytes,
    open_checkpoint,
    parse_path,
    path_of,
    resources,
    tile_bytes,
    verify_tiles,
)

VKEY: Final = "vkey"
PUBLIC_MODE: Final = 0o644  # Made to be given away: a leaf tells nobody whom or what it is about.
VKEY_SIZE_MAX: Final = 1_024  # Bytes.
RESOURCE_SIZE_MAX: Final = TILE_WIDTH * (LEAF_SIZE_MAX + 2)  # Bytes of the largest bundle.


def export_folder(store: ReadableStore, folder: Path, progress: Progress, checking: Progress) -> LogHead:
    """Write the newest checkpoint of the log in `store`, and all that belongs to it, to `folder`.

    Raises `UsageError` for a folder that is neither empty nor an earlier export of this log, `StoreFailed`, and
    `Damaged` where log and files contradict each other; then an earlier export in the folder still stands.
    """
    with store.snapshot() as rows:
        head = log_head(rows)
    key = VerifierKey.parse(head.vkey)
    earlier = _earlier(folder, key)
    with damage("the audit log cannot be exported, for it is damaged", fix=DAMAGE_FIX):
        if earlier is not None:
            _check_grown(store, earlier, head)
        _make_folder(folder)
        atomic_write(folder / VKEY, f"{head.vkey}\n".encode(), PUBLIC_MODE)
        for resource in resources(head.size):
            _put(folder / path_of(resource), _content(store, resource))
            if resource.level is None:
                progress(min((resource.index + 1) * TILE_WIDTH, head.size), head.size)
        note = head.checkpoint.encode()
        _verify(folder, note, key, earlier, checking)
    atomic_write(folder / CHECKPOINT, note, PUBLIC_MODE)
    return head


def check_folder(folder: Path, key: VerifierKey, held: Checkpoint | None, progress: Progress) -> Checkpoint:
    """Return the checkpoint of an export of which all is right. Raises `Damaged`, naming the first file that is not,
    and `UsageError` for a folder or file that cannot be read.
    """
    note = _read(folder / CHECKPOINT, NOTE_SIZE_MAX)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", fix="Give the folder of an export")
    with damage(f"the export in {folder} does not hold"):
        return _verify(folder, note, key, held, progress)


def _verify(
    folder: Path, note: bytes | None, key: VerifierKey, held: Checkpoint | None, progress: Progress
) -> Checkpoint:
    size = 0 if note is None else open_checkpoint(note, key).size
    done = 0

    def read(path: str) -> bytes | None:
        nonlocal done
        if path == CHECKPOINT:
            return note
        if parse_path(path).level is None:
            progress(done, size)
            done += TILE_WIDTH
        return _read(folder / path, RESOURCE_SIZE_MAX)

    return verify_tiles(read, key, held)


def _earlier(folder: Path, key: VerifierKey) -> Checkpoint | None:
    """Return the checkpoint of the export that is in `folder`; None if it is empty, or was never finished."""
    try:
        # What is left of a first file that was killed is nothing.
        is_empty = not folder.exists() or all(path.name == f".{VKEY}.new" for path in folder.iterdir())
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}", fix="Give a folder of your own") from error
    if is_empty:
        return None
    if (_read(folder / VKEY, VKEY_SIZE_MAX) or b"").decode(errors="replace").strip() != key.encode():
        raise UsageError(
            f"{folder} is neither empty nor an earlier export of this log", fix="Choose a folder that is not there yet"
        )
    note = _read(folder / CHECKPOINT, NOTE_SIZE_MAX)
    if note is None:
        return None
    with damage(f"{folder / CHECKPOINT} is no checkpoint of this log", fix="Export to another folder"):
        return open_checkpoint(note, key)


def _check_grown(store: ReadableStore, earlier: Checkpoint, head: LogHead) -> None:
    """Raises `Damaged` unless the log goes on from what was exported: else the older export would be spoilt."""
    if earlier.size > head.size:
        raise Damaged(
            f"the audit log was cut short: {earlier.size} entries were exported, {head.size} are there", fix=DAMAGE_FIX
        )
    if Tree.load(earlier.size, lambda level, row: store.get(TREE, tree_key(level, row))).root() != earlier.root:
        raise Damaged(f"the first {earlier.size} entries are not those that were exported", fix=DAMAGE_FIX)


def _content(store: ReadableStore, resource: Resource) -> bytes:
    with store.snapshot() as rows:
        if resource.level is not None:
            return tile_bytes(
                resource.level,
                resource.index,
                resource.width,
                lambda level, row: rows.get(TREE, tree_key(level, row)),
            )
        start = resource.index * TILE_WIDTH
        return bundle_bytes([leaf for _, leaf in islice(leaves(rows, start), resource.width)])


def _put(path: Path, content: bytes) -> None:
    """Write a file, unless it is there. Raises `Damaged` where another content is."""
    there = _read(path, RESOURCE_SIZE_MAX)
    if there == content:
        return
    if there is not None and not content.startswith(there):  # Half a file is what a kill leaves.
        raise Damaged(
            f"{path} is not what the audit log has there: one of them was changed",
            fix="`talos audit verify-chain` says whether it is the log; if not, export to another folder",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StoreFull(f"the disk below {path} is full", fix="Free space on it, then export again") from error
        raise StoreFailed(f"cannot write {path}: {error.strerror}") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {folder}: {error.strerror}", fix="Give a folder of your own") from error


def _read(path: Path, size_max: int) -> bytes | None:
    """Return the bytes of a file; None if there is none. Raises as `read_file` does."""
    return read_file(path, size_max=size_max) if is_there(path, fix="Give a folder that you may read") else None
