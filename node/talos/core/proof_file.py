"""`proof.json`: one audit entry, and everything that shows it is in a log, for somebody who has no node at all.

What counts is in `leaf`, `path`, `checkpoint`, `earlier`, `opened`, `card` and `key_log`; the rest is the same in
words. A file is taken only if writing what was read gives the same text again, so nothing in it can be changed.
The chain of proof: DID -> key log (self-certifying) -> instance -> card of the log -> checkpoint -> leaf -> body.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final, TypeVar

from talos.core.chain import read_card, read_checkpoint
from talos.core.diary_read import Reader, show
from talos.core.entries import Leaf, Opened
from talos.core.keylog import KeyLog
from talos.core.log_card import LogCard
from talos.core.names import did_of
from talos.core.report import AuditEntry
from talos.core.tables import KEYLOGS, TREE, Rows, tree_key
from talos.errors import Damaged, MalformedMessage, UsageError
from talos_audit import (
    HASH_SIZE,
    AuditError,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    open_checkpoint,
    verify_consistency,
    verify_inclusion,
)

FORMAT: Final = "talos-audit-proof/1"
TEXT_SIZE_MAX: Final = 256 * 1024  # Characters: a key log of 8 KiB and a body of 16 KiB in hex, several times over.
PATH_MAX: Final = 64  # Hashes of one path.

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Earlier:
    """The log only grew since it had this size and root."""

    size: int
    root: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Decoded, not checked: `check_proof` says whether to believe it."""

    index: int
    leaf: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes  # The signed note, verbatim.
    card: LogCard
    key_log: bytes  # The identity's, verbatim.
    earlier: Earlier | None = None
    opened: Opened | None = field(default=None, repr=False)  # None: what the entry says stays sealed.

    def encode(self) -> str:
        """Return the text of the file. Raises `Damaged` where leaf and body do not belong together."""
        leaf = Leaf.decode(self.leaf)
        if self.opened is not None and (not self.opened.belongs_to(leaf) or self.opened.content_salt):
            raise Damaged("the body in the proof is not the one that the entry commits to")
        value = {
            "format": FORMAT,
            "did": did_of(self.card.did),
            "origin": self.card.origin,
            "entry": asdict(show(self.index, leaf, self.opened)),
            "index": self.index,
            "leaf": self.leaf.hex(),
            "path": [one.hex() for one in self.path],
            "checkpoint": _text_of(self.checkpoint),
            "earlier": None if self.earlier is None else _write_earlier(self.earlier),
            "opened": None if self.opened is None else self.opened.encode().hex(),
            "card": self.card.encode().hex(),
            "key_log": self.key_log.hex(),
        }
        return json.dumps(value, indent=1) + "\n"

    @classmethod
    def decode(cls, text: str) -> Proof:
        """Raises `Damaged` (or `MalformedMessage`, which is one), unless this is just what `encode` wrote."""
        if len(text) > TEXT_SIZE_MAX:
            raise MalformedMessage(f"proof: {len(text)} characters, at most {TEXT_SIZE_MAX} are allowed")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise MalformedMessage("proof: not JSON") from None
        if not isinstance(value, dict):
            raise MalformedMessage("proof: not an object")
        if value.get("format") != FORMAT:
            raise MalformedMessage(f"proof: its format is not {FORMAT}")
        proof = cls(
            index=_number(value, "index"),
            leaf=_octets(value, "leaf"),
            path=_path(value),
            checkpoint=_note(value),
            card=LogCard.decode(_octets(value, "card")),
            key_log=_octets(value, "key_log"),
            earlier=_optional(value, "earlier", _read_earlier),
            opened=_optional(value, "opened", lambda _: Opened.decode(_octets(value, "opened"))),
        )
        if proof.encode() != text:
            raise Damaged("the proof is not as it was written: somebody changed it, or a program formatted it anew")
        return proof


def make_proof(rows: Rows, reader: Reader, index: int, *, since: int | None, reveal: bool) -> Proof:
    """Prove entry `index` to be in the log of the newest checkpoint; `reveal` what it says, but no content salt.

    With `since`, also that the log has only grown since it had so many entries. Raises `UsageError` or `Damaged`.
    """
    card = read_card(rows)
    checkpoint, note = read_checkpoint(rows, card)
    signed = checkpoint.size
    if not 0 <= index < signed:
        raise UsageError(f"audit entry {index} is in no signed checkpoint: the newest has {signed} entries, from 0 on")
    raw, opened = reader.raw_entry(index)
    if since is not None and not 1 <= since <= signed:
        raise UsageError(f"the log never had a checkpoint of {since} entries that it could go on from: it has {signed}")

    def read_row(level: int, row: int) -> bytes | None:
        return rows.get(TREE, tree_key(level, row))

    try:
        path = inclusion_proof(index, signed, read_row)
        # Rows of hashes that were changed make a proof that nobody would take: better known here.
        verify_inclusion(leaf_hash(raw), index, signed, path, checkpoint.root)
        earlier = None
        if since is not None:
            root, on = Tree.load(since, read_row).root(), consistency_proof(since, signed, read_row)
            verify_consistency(since, signed, root, checkpoint.root, on)
            earlier = Earlier(since, root, tuple(on))
    except AuditError as error:
        raise Damaged(f"the audit log is damaged: {error}", fix="`talos audit verify-chain` says where") from error
    return Proof(
        index=index,
        leaf=raw,
        path=tuple(path),
        checkpoint=note,
        card=card,
        key_log=rows.get(KEYLOGS, card.did) or b"",
        earlier=earlier,
        opened=replace(opened, content_salt=b"") if opened is not None and reveal else None,
    )


def check_proof(proof: Proof, root: bytes) -> AuditEntry:
    """Return the entry, if it is in the log that had this root, or in one that has only grown since.

    Raises `Damaged`.
    """
    proof.card.check(KeyLog.decode_and_verify(proof.key_log))
    try:
        checkpoint = open_checkpoint(proof.checkpoint, proof.card.verifier)
        verify_inclusion(leaf_hash(proof.leaf), proof.index, checkpoint.size, proof.path, checkpoint.root)
        roots = {checkpoint.root}
        if proof.earlier is not None:
            known = proof.earlier
            if not known.size:
                raise Damaged("the proof goes on from an empty log, as every log does")
            verify_consistency(known.size, checkpoint.size, known.root, checkpoint.root, known.path)
            roots.add(known.root)
    except AuditError as error:
        raise Damaged(f"the proof does not hold: {error}") from error
    if root not in roots:
        raise Damaged(
            "the proof is good, but leads to another root than the one you hold",
            fix="Ask for a proof that goes on from yours: talos audit proof INDEX --since SIZE",
        )
    leaf = Leaf.decode(proof.leaf)
    if proof.opened is not None and not proof.opened.belongs_to(leaf):
        raise Damaged("the body in the proof is not the one that the entry commits to")
    return show(proof.index, leaf, proof.opened)


def _text_of(note: bytes) -> str:
    try:
        return note.decode()
    except UnicodeDecodeError:
        raise Damaged("the checkpoint in the proof is no text") from None


def _note(value: Mapping[str, object]) -> bytes:
    try:
        return _text(value, "checkpoint").encode()
    except UnicodeEncodeError:
        raise MalformedMessage("proof: checkpoint is half a surrogate pair, not text") from None


def _write_earlier(earlier: Earlier) -> dict[str, object]:
    return {"size": earlier.size, "root": earlier.root.hex(), "path": [one.hex() for one in earlier.path]}


def _read_earlier(value: Mapping[str, object]) -> Earlier:
    return Earlier(_number(value, "size"), _octets(value, "root", HASH_SIZE), _path(value))


def _optional(value: Mapping[str, object], name: str, read: Callable[[dict[str, object]], T]) -> T | None:
    inner = value.get(name)
    if inner is None:
        return None
    return read(inner if isinstance(inner, dict) else {})


def _number(value: Mapping[str, object], name: str) -> int:
    number = value.get(name)
    if type(number) is not int or not 0 <= number < 2**63:
        raise MalformedMessage(f"proof: {name} is no number of entries")
    return number


def _text(value: Mapping[str, object], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise MalformedMessage(f"proof: {name} is no text")
    return text


def _octets(value: Mapping[str, object], name: str, length: int | None = None) -> bytes:
    try:
        octets = bytes.fromhex(_text(value, name))
    except ValueError:
        raise MalformedMessage(f"proof: {name} is no hex") from None
    if length is not None and len(octets) != length:
        raise MalformedMessage(f"proof: {name} has {len(octets)} bytes, not {length}")
    return octets


def _path(value: Mapping[str, object]) -> tuple[bytes, ...]:
    path = value.get("path")
    if not isinstance(path, list) or len(path) > PATH_MAX:
        raise MalformedMessage(f"proof: path is no list of at most {PATH_MAX} hashes")
    return tuple(_octets({"path": one}, "path", HASH_SIZE) for one in path)
