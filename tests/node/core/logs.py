"""Audit logs for tests: as a node writes them, and as somebody leaves them who may not.

Everything follows from names, so a failure repeats. `forge` rewrites a whole store so that it agrees with itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from nacl.signing import SigningKey

from talos.core.diary import CHECKPOINT_KEY, LOG_KEY, Diary
from talos.core.dice import Entropy
from talos.core.entries import Entry, Leaf, Opened
from talos.core.entry_types import EntryType, write_body
from talos.core.identity import Enrolled, enrol
from talos.core.keylog import KeyLog
from talos.core.keylog_keys import signer
from talos.core.log_index import INDEXED_KEY
from talos.core.log_rows import body_place, leaves
from talos.core.step import Put
from talos.core.tables import (
    BODIES,
    ENTRIES,
    KEYLOGS,
    LOOKUP,
    META,
    SECRETS,
    STATE_TABLES,
    TREE,
    Rows,
    entry_key,
    tree_key,
)
from talos.core.vault import NONCE_SIZE, Vault
from talos.drivers.memory_store import MemoryStore
from talos_audit import Checkpoint, Tree, leaf_hash, open_checkpoint, sign_checkpoint
from tests.node.core.end import NOW_MS, dice
from tests.node.core.identities import derived

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent.parent / "vectors" / "audit" / "entries.json").read_text()
)
LOG_TABLES = (ENTRIES, BODIES, TREE, LOOKUP)
LONG = 20_000  # Entries of `long_log`: more than four reads of `check_chain`.
BOB = derived("did", "bob")
CLEO = derived("did", "cleo")


def note(number: int, subject: bytes = b"", time_ms: int = NOW_MS) -> Entry:
    """Return a small entry that says a number."""
    return Entry(EntryType.PREKEY_ROTATE, time_ms, subject, write_body(EntryType.PREKEY_ROTATE, number))


def lease(epoch: int, subject: bytes = b"", time_ms: int = NOW_MS) -> Entry:
    """Return a small entry of another type."""
    body = write_body(EntryType.LEASE_LOST, epoch, "the term ended")
    return Entry(EntryType.LEASE_LOST, time_ms, subject, body, lease_epoch=epoch)


class Log:
    """The store of a new identity, its audit log open. Entry 0 says that the identity came to be, and is signed."""

    def __init__(self, name: str = "alice", store: MemoryStore | None = None) -> None:
        self.entropy: Entropy = dice(f"log of {name}")
        self.vault = Vault({1: self.entropy(32)}, 1)
        self.seed = self.entropy(32)
        self.made: Enrolled = enrol(name, self.seed, self.vault, self.entropy, NOW_MS)
        self.store = MemoryStore(STATE_TABLES) if store is None else store
        self.store.commit(self.made.step.writes)
        self.diary = Diary.open(self.store, self.vault, self.entropy, is_new=True)
        self.sign()  # As a data folder does: no log has a second entry before its first checkpoint.

    def opened(self) -> Diary:
        """Open the log anew, as a start does."""
        return Diary.open(self.store, self.vault, self.entropy)

    def write(self, *entries: Entry) -> None:
        """Append in one transaction."""
        rows = self.diary.append(entries)
        self.store.commit([*rows, *self.diary.changed()])

    def sign(self) -> Checkpoint:
        """Sign what is on disk, and commit the checkpoint and the index with it."""
        writes = self.diary.sign()
        if writes:
            self.store.commit(writes)
            self.diary.signed(writes)
        return self.checkpoint()

    def checkpoint(self) -> Checkpoint:
        assert self.diary.checkpoint is not None
        return open_checkpoint(self.diary.checkpoint, self.diary.card.verifier)

    def key_log(self) -> KeyLog:
        raw = self.store.get(KEYLOGS, self.made.did)
        assert raw is not None
        return KeyLog.decode_and_verify(raw)

    def seal(self, index: int, raw: bytes, opened: Opened) -> Put:
        """Return a body row that opens beside the leaf `raw`, as who has the passphrase can make one."""
        key, nonce = entry_key(index), self.entropy(NONCE_SIZE)
        return Put(BODIES, key, self.vault.box(BODIES).seal(body_place(key, leaf_hash(raw)), opened.encode(), nonce))

    def log_key(self) -> SigningKey:
        """Return the private key of the log: what `talos_audit` must not have to trust."""
        sealed = self.store.get(SECRETS, LOG_KEY)
        assert sealed is not None
        return SigningKey(self.vault.open(SECRETS, LOG_KEY, sealed))


def short_log(count: int = 40) -> Log:
    """Return a signed log of `count` entries of two types, about two peers and about nobody."""
    log = Log()
    for number in range(1, count):
        subject = (BOB, CLEO, b"")[number % 3]
        log.write((lease if number % 4 == 0 else note)(number, subject, NOW_MS + number))
    log.sign()
    return log


def erase(log: Log, *indexes: int) -> None:
    """Erase bodies, and write down that they were."""
    log.write(
        *(
            Entry(EntryType.REDACTED, NOW_MS, b"", write_body(EntryType.REDACTED, index, "asked to"))
            for index in indexes
        )
    )
    log.sign()
    for index in indexes:
        put(log, BODIES, entry_key(index), None)


@cache
def long_log() -> Log:
    """Return a signed log of `LONG` entries that nobody may change."""
    log = Log("long")
    for start in range(1, LONG, 500):
        log.write(*(note(number, BOB) for number in range(start, min(start + 500, LONG))))
    log.sign()
    return log


# What is on disk


def leaf(log: Log, index: int) -> bytes:
    return row(log, ENTRIES, entry_key(index))


def row(log: Log, table: str, key: bytes) -> bytes:
    value = log.store.get(table, key)
    assert value is not None
    return value


def put(log: Log, table: str, key: bytes, value: bytes | None) -> None:
    """Change one row behind the log's back."""
    log.store.commit([Put(table, key, value)])


def flipped(raw: bytes, bit: int = 0) -> bytes:
    """Return a copy that differs in one bit, counted from the first byte's lowest."""
    copy = bytearray(raw)
    copy[bit // 8] ^= 1 << bit % 8
    return bytes(copy)


def every_flip(raw: bytes) -> Iterator[bytes]:
    return (flipped(raw, bit) for bit in range(8 * len(raw)))


# Those who may not


@dataclass(frozen=True)
class Told:
    """One entry, as who holds the storage key can read it."""

    leaf: Leaf
    opened: Opened
    sealed: bytes | None = None  # Its body row as it is; None: sealed anew.

    def saying(self, **changes: bytes) -> Told:
        """Return it with another subject, body or salt, and with commitments that fit."""
        opened = replace(self.opened, **changes)
        subject, body = opened.commitments()
        leaf = replace(self.leaf, subject_commitment=subject, body_commitment=body)
        return Told(leaf, opened)


def told(log: Log) -> list[Told]:
    found, box = [], log.vault.box(BODIES)
    for index, raw in leaves(log.store, 0):
        key = entry_key(index)
        sealed = row(log, BODIES, key)
        opened = Opened.decode(box.open(body_place(key, leaf_hash(raw)), sealed))
        found.append(Told(Leaf.decode(raw), opened, sealed))
    return found


def forge(log: Log, entries: Iterable[Told], *, resign: bool, unsigned: bool = False) -> None:
    """Make `entries` the whole log, with hashes and index to fit, as if it had never been another.

    `resign`: by one who has the passphrase, hence log key and storage key. Otherwise bodies stay as they are sealed,
    and so does the checkpoint, unless it is taken away (`unsigned`).
    """
    writes = [Put(table, key, None) for table in LOG_TABLES for key, _ in log.store.scan(table)]
    tree, index = Tree(), dict[bytes, int]()
    for at, one in enumerate(entries):
        raw = one.leaf.encode()
        writes.append(Put(ENTRIES, entry_key(at), raw))
        is_resealed = resign or one.sealed is None
        writes.append(log.seal(at, raw, one.opened) if is_resealed else Put(BODIES, entry_key(at), one.sealed))
        for place in places(at, one.leaf.type, one.opened.subject):
            index[place] = index.get(place, 0) | 1 << at % 256
        tree.append(leaf_hash(raw))
    writes += [Put(TREE, tree_key(level, at), value) for level, at, value in tree.changed()]
    writes += [Put(LOOKUP, place, bits.to_bytes(32, "little")) for place, bits in index.items()]
    writes.append(Put(META, INDEXED_KEY, entry_key(tree.size)))
    if resign:
        checkpoint = Checkpoint(log.diary.card.origin, tree.size, tree.root())
        signed = sign_checkpoint(checkpoint, log.diary.card.key, signer(log.log_key()))
        writes.append(Put(META, CHECKPOINT_KEY, signed))
    elif unsigned:
        writes.append(Put(META, CHECKPOINT_KEY, None))
    log.store.commit(writes)


def places(index: int, type: int, subject: bytes) -> list[bytes]:
    """Return the keys of the index that tell of an entry; which bit, its number modulo 256 says."""
    bundle = (index // 256).to_bytes(8, "big")
    by_type = b"t" + type.to_bytes(2, "big") + bundle
    return [by_type, b"p" + subject[:16] + bundle] if subject else [by_type]


def mark(log: Log, place: bytes, index: int) -> None:
    """Turn round what the index says of an entry at one place."""
    bits = int.from_bytes(log.store.get(LOOKUP, place) or bytes(32), "little") ^ 1 << index % 256
    put(log, LOOKUP, place, bits.to_bytes(32, "little"))


# Who looks on


class Recording(MemoryStore):
    """Writes down, in order, what was committed and read; fails the next commit if told to."""

    def __init__(self) -> None:
        super().__init__(STATE_TABLES)
        self.events: list[tuple[str, frozenset[str]]] = []  # What, and of which tables.
        self.fails: Exception | None = None

    def commit(self, writes: Iterable[Put]) -> None:
        if self.fails is not None:
            failure, self.fails = self.fails, None
            raise failure
        listed = list(writes)
        super().commit(listed)
        self.events.append(("commit", frozenset(one.table for one in listed)))

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        self.events.append(("read", frozenset({table})))
        return super().scan(table, prefix, start=start, reverse=reverse)


class Counting:
    """`Rows` that count what is read of them: rows by `get`, and rows that scans gave."""

    def __init__(self, rows: Rows, on_scanned: Callable[[], None] = lambda: None) -> None:
        self._rows = rows
        self._on_scanned = on_scanned
        self.gets = 0
        self.scanned = 0
        self.places: set[tuple[str, bytes]] = set()

    def get(self, table: str, key: bytes) -> bytes | None:
        self.gets += 1
        self.places.add((table, key))
        return self._rows.get(table, key)

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._rows.scan(table, prefix, start=start, reverse=reverse):
            self.scanned += 1
            self.places.add((table, key))
            self._on_scanned()
            yield key, value
