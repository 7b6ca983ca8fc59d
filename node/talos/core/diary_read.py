"""Reading the audit log of this instance: seal or tree vouch for an entry before anybody sees it.

Every entry that is returned has been vouched for: its leaf was hashed again, and its body, which was sealed for just
this leaf in just this place, opened. Where there is no body, or no vault to open it with, the leaf is followed up to
the root of the newest checkpoint instead; without a vault everything else is as readable as it is to a thief.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from talos.core import codec
from talos.core.chain import read_card, read_checkpoint
from talos.core.entries import Leaf, Opened, split_row
from talos.core.entry_types import EntryType, Shown, read_body, read_own_body
from talos.core.log_index import indexed, listed, of_subject, of_type
from talos.core.log_rows import DAMAGE_FIX, body_place, next_index
from talos.core.names import did_of, did_or_nobody
from talos.core.report import AuditEntry
from talos.core.tables import BODIES, ENTRIES, TREE, Rows, entry_key, tree_key
from talos.core.vault import Vault
from talos.errors import Damaged, UsageError
from talos_audit import (
    HASH_SIZE,
    ROW_HASHES,
    AuditError,
    Checkpoint,
    inclusion_proof,
    leaf_hash,
    verify_inclusion,
)

SALT: Final = "salt"  # Among the details: what opens `commitment`. Who is shown a proof does not get it.


@dataclass(frozen=True, slots=True)
class Query:
    """Which entries; None: any. The newest `last` of them count."""

    type: EntryType | None = None
    peer: bytes | None = None  # DID hash of whom they are about.
    from_ms: int | None = None  # The first moment that counts, UTC.
    to_ms: int | None = None  # The first moment that does not.
    last: int | None = None
    before: int | None = None  # Only entries below this index: how the next page is asked for.


class Reader:
    """Reads one snapshot. Rows of hashes are read once each."""

    __slots__ = ("_box", "_hashes", "_newest", "_rows")

    def __init__(self, rows: Rows, vault: Vault | None) -> None:
        self._rows = rows
        self._box = None if vault is None else vault.box(BODIES)
        self._hashes: dict[int, bytes] = {}  # Rows of level 0.
        self._newest: Checkpoint | None = None

    def entry(self, index: int) -> AuditEntry:
        """Raises `UsageError` where there is no such entry, and `Damaged`."""
        size = next_index(self._rows)
        if not 0 <= index < size:
            raise UsageError(f"there is no audit entry {index}", fix=f"There are {size}, from 0 on")
        return self._entry(index)

    def raw_entry(self, index: int) -> tuple[bytes, Opened | None]:
        """Return leaf and body of an entry that is there; None for a body that was erased, or is sealed to us.

        Raises `Damaged`.
        """
        raw, row = self._read(index)
        opened = None if row is None else Opened.decode(row)
        if opened is not None and not opened.belongs_to(Leaf.decode(raw)):
            raise Damaged(f"the body of audit entry {index} is not the one it was written with", fix=DAMAGE_FIX)
        return raw, opened

    def query(self, query: Query) -> list[AuditEntry]:
        """Return the entries asked for, the oldest first. Raises `Damaged`."""
        found: list[AuditEntry] = []
        if query.last == 0:
            return found
        name = None if query.type is None else query.type.name
        peer = None if query.peer is None else did_of(query.peer)
        for index in self._candidates(query):
            entry = self._entry(index)
            is_asked_for = name in (None, entry.type) and (peer is None or entry.peer in (None, peer))
            if is_asked_for and _is_between(entry.time_ms, query):
                found.append(entry)
                if len(found) == query.last:
                    break
        return found[::-1]

    def _candidates(self, query: Query) -> Iterator[int]:
        """Yield the indexes that may be asked for, the newest first."""
        stop = next_index(self._rows)
        if query.before is not None:
            stop = min(stop, query.before)
        if query.peer is None and query.type is None:
            yield from reversed(range(stop))
            return
        start = min(stop, indexed(self._rows))
        yield from reversed(range(start, stop))
        if query.peer is not None:
            yield from listed(self._rows, of_subject(query.peer), before=start)
        elif query.type is not None:
            yield from listed(self._rows, of_type(query.type), before=start)

    def _entry(self, index: int) -> AuditEntry:
        raw, row = self._read(index)
        return show(index, Leaf.decode(raw), None) if row is None else _show_own(index, raw, row)

    def _read(self, index: int) -> tuple[bytes, bytes | None]:
        """Return a leaf, and its body row if there is one for us. Whatever is returned has been vouched for."""
        key = entry_key(index)
        raw = self._rows.get(ENTRIES, key)
        if raw is None:
            raise Damaged(f"audit entry {index} is gone", fix=DAMAGE_FIX)
        hashed = leaf_hash(raw)
        sealed = None if self._box is None else self._rows.get(BODIES, key)
        if sealed is None or self._box is None:
            self._compare(index, hashed)
            self._follow_up(index, hashed)
            return raw, None
        try:
            return raw, self._box.open(body_place(key, hashed), sealed)
        except Damaged as error:
            raise Damaged(f"audit entry {index} does not hold: {error.what}", fix=DAMAGE_FIX) from error

    def _compare(self, index: int, hashed: bytes) -> None:
        row = self._hashes.get(index // ROW_HASHES)
        start = index % ROW_HASHES * HASH_SIZE
        if row is None or len(row) <= start:
            row = self._rows.get(TREE, tree_key(0, index // ROW_HASHES)) or b""
            self._hashes[index // ROW_HASHES] = row
        if row[start : start + HASH_SIZE] != hashed:
            raise Damaged(f"audit entry {index} is not what was written", fix=DAMAGE_FIX)

    def _follow_up(self, index: int, hashed: bytes) -> None:
        """No body vouches for this leaf: see that it leads to the root that was signed."""
        if self._newest is None:
            self._newest = read_checkpoint(self._rows, read_card(self._rows))[0]
        newest = self._newest
        if index >= newest.size and self._box is not None:
            raise Damaged(f"audit entry {index} lost its body before it was signed for", fix=DAMAGE_FIX)
        if index >= newest.size:
            return  # Of the last second: without the passphrase only what is stored of the tree has it.
        try:
            path = inclusion_proof(index, newest.size, lambda level, row: self._rows.get(TREE, tree_key(level, row)))
            verify_inclusion(hashed, index, newest.size, path, newest.root)
        except AuditError as error:
            raise Damaged(f"audit entry {index} is not what was signed for", fix=DAMAGE_FIX) from error


def _show_own(index: int, raw: bytes, row: bytes) -> AuditEntry:
    """As `show`, for what the seal of the body has vouched for: it is as we wrote it."""
    try:
        _, number, time_ms, id, lease_epoch, _, _ = codec.quick_array(raw)
        type = EntryType(cast("int", number))
        subject, salt, body = split_row(row)
        details = read_own_body(type, body)
    except (ValueError, KeyError) as error:
        raise Damaged(
            f"audit entry {index} was written by a newer Talos, or by nobody: {error}", fix="Read it with the newer one"
        ) from error
    return AuditEntry(
        index,
        type.name,
        cast("int", time_ms),
        cast("bytes", id).hex(),
        cast("int", lease_epoch),
        did_or_nobody(subject),
        {**details, SALT: salt.hex()} if salt else details,
    )


def show(index: int, leaf: Leaf, opened: Opened | None) -> AuditEntry:
    """Return an entry as people and programs read it. `opened` must belong to the leaf. Raises `MalformedMessage`."""
    details: Mapping[str, Shown] | None = None
    if opened is not None:
        salt = {SALT: opened.content_salt.hex()} if opened.content_salt else {}
        details = {**read_body(leaf.type, opened.body), **salt}
    return AuditEntry(
        index=index,
        type=leaf.type.name,
        time_ms=leaf.time_ms,
        id=leaf.id.hex(),
        lease_epoch=leaf.lease_epoch,
        peer=None if opened is None else did_or_nobody(opened.subject),
        details=details,
    )


def _is_between(time_ms: int, query: Query) -> bool:
    return (query.from_ms is None or query.from_ms <= time_ms) and (query.to_ms is None or time_ms < query.to_ms)
