"""Audit logs in data folders with no node running: made longer, and spoilt as somebody might who has the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from talos.config import Config
from talos.core.diary import Diary
from talos.core.entries import Entry
from talos.core.entry_types import EntryType, write_body
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, STATE_TABLES, entry_key
from talos.drivers.data_folder import DataFolder
from talos.drivers.lmdb_store import LmdbStore
from talos.runtime import data_folder

TIME_MS: Final = 1_750_000_000_000  # Of the first entry that `grow` makes; the others follow by the second.
SECOND_MS: Final = 1_000


def folder_of(path: Path) -> DataFolder:
    return data_folder(Config(data_dir=path))


def grow(path: Path, count: int, *, signed: bool = True) -> int:
    """Write `count` entries to the log of an identity that has no passphrase, and sign them. Return its size."""
    with folder_of(path).open(None) as opened:
        store = opened.host.store
        diary = Diary.open(store, opened.vault, opened.host.entropy)
        entries = [
            Entry(EntryType.PREKEY_ROTATE, TIME_MS + at * SECOND_MS, b"", write_body(EntryType.PREKEY_ROTATE, at))
            for at in range(count)
        ]
        store.commit([*diary.append(entries), *diary.changed()])
        if signed:
            writes = diary.sign()
            store.commit(writes)
            diary.signed(writes)
        return diary.size


def erase(path: Path, index: int) -> None:
    """Erase a body, and write down that it was."""
    with folder_of(path).open(None) as opened:
        store = opened.host.store
        diary = Diary.open(store, opened.vault, opened.host.entropy)
        told = Entry(EntryType.REDACTED, TIME_MS, b"", write_body(EntryType.REDACTED, index, "asked to"))
        gone = Put(BODIES, entry_key(index), None)
        store.commit([gone, *diary.append([told]), *diary.changed()])
        store.commit(diary.sign())


def spoil(path: Path, table: str, key: bytes, change: Callable[[bytes], bytes | None]) -> None:
    """Change one row of the store, as LMDB itself would; None deletes it."""
    store = LmdbStore(path / "store" / "state", 4_096, STATE_TABLES)
    try:
        value = store.get(table, key)
        assert value is not None
        store.commit([Put(table, key, change(value))])
    finally:
        store.close()


def leaf_of(path: Path, index: int) -> bytes:
    with folder_of(path).read() as store:
        leaf = store.get(ENTRIES, entry_key(index))
    assert leaf is not None
    return leaf


def flipped(value: bytes, at: int = -1) -> bytes:
    """Return `value` with one bit of the byte `at` changed."""
    changed = bytearray(value)
    changed[at] ^= 1
    return bytes(changed)
