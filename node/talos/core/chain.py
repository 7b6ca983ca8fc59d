"""Checking a whole audit log, as it lies on disk, against itself and against a checkpoint that somebody kept.

Needs no passphrase, and may run beside the node: what it reads only grows. Every leaf is hashed, every stored row of
hashes compared, every entry of the index looked up, and the root compared with the signed checkpoint. Whoever kept
an older checkpoint finds with it what the holder of the log key might have rewritten and signed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import Final

from talos.core.diary import CARD_KEY, CHECKPOINT_KEY
from talos.core.entries import Leaf, Opened
from talos.core.entry_types import EntryType, check_body, read_body
from talos.core.identity import read_did
from talos.core.keylog import KeyLog
from talos.core.log_card import LogCard
from talos.core.log_index import (
    BITS_SIZE,
    BUNDLE,
    INDEX_KEY_SIZES,
    SUBJECTS,
    TYPES,
    bundle_key,
    indexed,
    of_subject,
    of_type,
)
from talos.core.log_rows import DAMAGE_FIX, body_place, index_of, leaves, next_index, traces
from talos.core.report import ChainReport, LogHead
from talos.core.tables import BODIES, KEYLOGS, LOOKUP, META, TREE, Rows, entry_key, tree_key
from talos.core.vault import Box, Vault
from talos.errors import Damaged, MalformedMessage
from talos_audit import HASH_SIZE, ROW_HASHES, AuditError, Checkpoint, Tree, leaf_hash, open_checkpoint

ROW_SIZE: Final = ROW_HASHES * HASH_SIZE  # Bytes.
CHUNK: Final = 4_096  # Entries read at a time, so that no reader holds old pages of the store for long.

Progress = Callable[[int, int], None]  # Entries checked, of how many.
Seen = Callable[[int, Leaf, Opened], None]  # An entry's index, its leaf and its body, once they hold.


def read_card(rows: Rows) -> LogCard:
    """Return the card of the log in this store, checked against our own key log. Raises `NoIdentity` or `Damaged`."""
    did = read_did(rows)
    raw, key_log = rows.get(META, CARD_KEY), rows.get(KEYLOGS, did)
    if raw is None or key_log is None:
        raise Damaged("the store has lost the card of its audit log", fix=DAMAGE_FIX)
    card = LogCard.decode(raw)
    card.check(KeyLog.decode_and_verify(key_log))
    return card


def read_checkpoint(rows: Rows, card: LogCard) -> tuple[Checkpoint, bytes]:
    """Return the newest signed checkpoint, and its note. Raises `Damaged`: no log is without one."""
    note = rows.get(META, CHECKPOINT_KEY)
    if note is None:
        raise Damaged("the audit log has lost its checkpoint", fix=DAMAGE_FIX)
    return open_note_of(card, note, fix=DAMAGE_FIX), note


def log_head(rows: Rows) -> LogHead:
    """Return how far the log has come, as its newest checkpoint says. Raises `Damaged`."""
    card = read_card(rows)
    return head_of(card, read_checkpoint(rows, card)[1])


def head_of(card: LogCard, note: bytes) -> LogHead:
    """Return what a signed checkpoint, ours or a peer's, says. `card` must have been checked. Raises `Damaged`."""
    checkpoint = open_note_of(card, note)
    return LogHead(card.origin, checkpoint.size, checkpoint.root.hex(), note.decode(), card.verifier.encode())


def open_note_of(card: LogCard, note: bytes, *, fix: str | None = None) -> Checkpoint:
    """Return the checkpoint in a note that the log of `card` signed. Raises `Damaged`, with `fix` where it is ours."""
    try:
        return open_checkpoint(note, card.verifier)
    except AuditError as error:
        raise Damaged(f"the checkpoint of the audit log does not hold: {error}", fix=fix) from error


def check_chain(
    rows: Rows,
    vault: Vault | None = None,
    *,
    held: Sequence[Checkpoint] = (),
    progress: Progress = lambda done, of: None,
    seen: Seen = lambda index, leaf, opened: None,
) -> ChainReport:
    """Check the log. `held` are checkpoints kept elsewhere. Raises `Damaged`, naming the first thing that is wrong.

    With a vault, `seen` is told of every entry whose body was not erased, in order.
    """
    checking = steps_of_check(rows, vault, held=held, seen=seen)
    while True:
        try:
            progress(*next(checking))
        except StopIteration as end:
            report: ChainReport = end.value
            return report


def steps_of_check(
    rows: Rows,
    vault: Vault | None = None,
    *,
    held: Sequence[Checkpoint] = (),
    seen: Seen = lambda index, leaf, opened: None,
) -> Generator[tuple[int, int], None, ChainReport]:
    """Do what `check_chain` does, `CHUNK` entries at a time; yield how many are done, and of how many.

    So that whoever waits for it can change their mind.
    """
    card = read_card(rows)
    signed = read_checkpoint(rows, card)[0]
    expected = [*held, signed]
    for checkpoint in expected:
        if checkpoint.origin != card.origin:
            raise Damaged(f"the checkpoint kept is of another log: {checkpoint.origin}")
    size = next_index(rows)
    check = _Check(rows, vault, card, signed.size, seen)
    for checkpoint in sorted(expected, key=lambda one: one.size):
        if checkpoint.size > size:
            raise Damaged(
                f"the audit log was cut short: {checkpoint.size} entries were signed for, {size} are there",
                fix=DAMAGE_FIX,
            )
        yield from check.up_to(checkpoint.size, size)
        if check.tree.root() != checkpoint.root:
            raise Damaged(
                f"the first {checkpoint.size} entries are not those that were signed for: some were changed, "
                "added, removed or put in another order",
                fix=DAMAGE_FIX,
            )
    yield from check.up_to(size, size)
    check.index(signed.size)
    if size - check.bodies > check.redacted:
        raise Damaged(
            f"{size - check.bodies} bodies are gone, and {check.redacted} entries tell of one that was erased",
            fix=DAMAGE_FIX,
        )
    check.erased()
    traced = traces(rows)
    if traced > next_index(rows):  # Asked for in this order, so that a log that grows never looks cut short.
        raise Damaged(f"the audit log was cut short: it has left traces of {traced} entries", fix=DAMAGE_FIX)
    return ChainReport(
        origin=card.origin,
        size=size,
        root=check.tree.root().hex(),
        signed_size=signed.size,
        erased=size - check.bodies,
        bodies_checked=vault is not None,
    )


class _Check:
    """A log that is built once more, beside the stored one."""

    def __init__(self, rows: Rows, vault: Vault | None, card: LogCard, signed_size: int, seen: Seen) -> None:
        self._rows = rows
        self._signed_size = signed_size
        self._card = card
        self._seen = seen
        self._box = None if vault is None else vault.box(BODIES)
        self._expected: dict[bytes, int] = {}  # Rows of the index, by key.
        self._sealed: dict[int, int] = {}  # Entries whose body is gone, by bundle: we do not know their subject.
        self._named: dict[int, int] = {}  # Entries of which another one tells that they were erased, by bundle.
        self.tree = Tree()
        self.bodies = 0
        self.redacted = 0  # Entries that tell of a body that was erased.

    def up_to(self, target: int, size: int) -> Iterator[tuple[int, int]]:
        """Take entries until there are `target`; yield how many there are, and `size`."""
        while self.tree.size < target:
            yield self.tree.size, size
            start = self.tree.size
            stop = min(target, (start // CHUNK + 1) * CHUNK)
            chunk: list[tuple[Leaf, bytes]] = []  # With their hashes.
            for index, raw in islice(leaves(self._rows, start), stop - start):
                if index != self.tree.size:
                    break
                leaf, hashed = _leaf(index, raw), leaf_hash(raw)
                self.redacted += leaf.type is EntryType.REDACTED
                self._expect(of_type(leaf.type), index)
                self.tree.append(hashed)
                chunk.append((leaf, hashed))
            if self.tree.size < stop:
                raise Damaged(f"audit entry {self.tree.size} is missing", fix=DAMAGE_FIX)
            self._compare(start)
            self._check_bodies(start, chunk)
        yield self.tree.size, size

    def _compare(self, start: int) -> None:
        for level, row, expected in self.tree.changed():
            stored = self._rows.get(TREE, tree_key(level, row)) or b""
            # It may be longer where the log has grown since.
            if not stored.startswith(expected) or len(stored) > ROW_SIZE or len(stored) % HASH_SIZE:
                first = max(start, row * ROW_HASHES << level)
                raise Damaged(
                    f"entries from {first} on, or their hashes of level {level}, are not what was written",
                    fix=DAMAGE_FIX,
                )

    def _check_bodies(self, start: int, chunk: list[tuple[Leaf, bytes]]) -> None:
        present = 0
        for key, sealed in islice(self._rows.scan(BODIES, start=entry_key(start)), len(chunk)):
            at = index_of(key) - start
            if at >= len(chunk):
                break
            present |= 1 << at
            self.bodies += 1
            if self._box is not None:
                self._check_body(start + at, key, sealed, *chunk[at], self._box)
        if present == (1 << len(chunk)) - 1:
            return
        for at in range(len(chunk)):
            if not present >> at & 1:
                if start + at >= self._signed_size:
                    raise Damaged(f"audit entry {start + at} lost its body before it was signed for", fix=DAMAGE_FIX)
                _set(self._sealed, start + at)

    def _check_body(self, index: int, key: bytes, sealed: bytes, leaf: Leaf, hashed: bytes, box: Box) -> None:
        try:
            opened = Opened.decode(box.open(body_place(key, hashed), sealed))
        except Damaged as error:
            raise Damaged(f"audit entry {index} does not hold: {error.what}", fix=DAMAGE_FIX) from error
        if not opened.belongs_to(leaf):
            raise Damaged(f"the body of audit entry {index} is not the one it was written with", fix=DAMAGE_FIX)
        check_body(leaf.type, opened.body)
        if leaf.type is EntryType.REDACTED:
            _set(self._named, int(read_body(leaf.type, opened.body)["index"]))
        if opened.subject:
            self._expect(of_subject(opened.subject), index)
        self._seen(index, leaf, opened)

    def erased(self) -> None:
        """See that each body that is gone is one that an entry tells of: their number says little. Needs a vault."""
        if self._box is not None:
            for bundle, gone in self._sealed.items():
                if untold := gone & ~self._named.get(bundle, 0):
                    index = bundle * BUNDLE + (untold & -untold).bit_length() - 1
                    raise Damaged(f"the body of audit entry {index} is gone, and no entry tells of it", fix=DAMAGE_FIX)

    def _expect(self, prefix: bytes, index: int) -> None:
        bundle, bit = divmod(index, BUNDLE)
        key = bundle_key(prefix, bundle)
        self._expected[key] = self._expected.get(key, 0) | 1 << bit

    def index(self, size: int) -> None:
        """Compare the index of the first `size` entries with them: what it lacks, a query would not find.

        Subjects need a vault.
        """
        reach = indexed(self._rows)
        newest = read_checkpoint(self._rows, self._card)[0]  # Both may be newer than when we began, and are one.
        if not size <= reach <= newest.size:
            raise Damaged(f"the index of the audit log reaches to {reach}, not to {size} entries", fix=DAMAGE_FIX)
        for prefix in (TYPES,) if self._box is None else (TYPES, SUBJECTS):
            for key, value in self._rows.scan(LOOKUP, prefix):
                if len(key) != INDEX_KEY_SIZES[prefix] or len(value) != BITS_SIZE:
                    raise Damaged("a row of the audit log's index is not of the size it was written with")
                self._check_index_row(key, int.from_bytes(value, "little"), size)
        for key in list(self._expected):
            self._check_index_row(key, 0, size)

    def _check_index_row(self, key: bytes, stored: int, size: int) -> None:
        bundle = int.from_bytes(key[-8:], "big")
        mask = (1 << max(0, min(size - bundle * BUNDLE, BUNDLE))) - 1  # What is above may be written while we look.
        if key.startswith(SUBJECTS):
            mask &= ~self._sealed.get(bundle, 0)
        if (stored ^ self._expected.pop(key, 0)) & mask:
            raise _wrong_index(key)


def _set(bits: dict[int, int], index: int) -> None:
    bundle, bit = divmod(index, BUNDLE)
    bits[bundle] = bits.get(bundle, 0) | 1 << bit


def _leaf(index: int, raw: bytes) -> Leaf:
    try:
        return Leaf.decode(raw)
    except MalformedMessage as error:
        raise Damaged(f"audit entry {index} is none any more: {error.what}", fix=DAMAGE_FIX) from error


def _wrong_index(key: bytes) -> Damaged:
    first = int.from_bytes(key[-8:], "big") * BUNDLE
    return Damaged(f"the index does not tell of the audit entries from {first} on as they are", fix=DAMAGE_FIX)
