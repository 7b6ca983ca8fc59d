"""An audit entry: what a step asks for, the leaf that is public, and the body that stays sealed.

Leaf = canonical array [version, type u16, time ms UTC, entry id 16, lease_epoch u63, subject commitment 32,
body commitment 32]: at most 120 bytes. It tells nobody whom or what it is about.
Body row = subject salt 32 | body salt 32 | subject, its length (0 or 32) first | content salt, its length (0 or 32)
first | body; sealed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from talos.core import codec
from talos.core.entry_types import BODY_SIZE_MAX, NUMBER_MAX, EntryType
from talos.core.names import LABEL_BODY, LABEL_SUBJECT
from talos.errors import Damaged, MalformedMessage

LEAF_VERSION: Final = 1
LEAF_SIZE_MAX: Final = 120  # Bytes; C2SP tlog-tiles allows 65,535.
ENTRY_ID_SIZE: Final = 16  # Bytes, random: tells apart two entries that are equal in all else.
SALT_SIZE: Final = 32  # Bytes: what it hides must not be guessed even in an unbounded future.
NO_EPOCH: Final = 0  # Not replicated.

SUBJECT_AT: Final = 2 * SALT_SIZE + 1  # Where the subject begins in a body row.
DICE_SIZE: Final = ENTRY_ID_SIZE + 2 * SALT_SIZE  # Bytes that one entry needs.

_LENGTHS: Final = {length: bytes((length,)) for length in (0, 32)}  # Of a subject, a DID hash; of a content salt.
_SUBJECT: Final = codec.signed(LABEL_SUBJECT, b"")
_BODY: Final = codec.signed(LABEL_BODY, b"")
_TYPES: Final = {int(type): type for type in EntryType}


@dataclass(frozen=True, slots=True)
class Entry:
    """What a step wants in the log. The log gives it an index, an id and its salts.

    Raises `MalformedMessage` where nobody could read it again: in whoever made it, not in the log's writer.
    """

    type: EntryType
    time_ms: int  # UTC, by our clock.
    subject: bytes  # DID hash of whom it is about; empty where nobody is known.
    body: bytes = field(repr=False)  # As `entry_types.write_body` makes it.
    lease_epoch: int = NO_EPOCH
    content_salt: bytes = field(default=b"", repr=False)  # 32 bytes where the body commits to a message's content.

    def __post_init__(self) -> None:
        is_timely = 0 <= self.time_ms <= NUMBER_MAX and 0 <= self.lease_epoch <= NUMBER_MAX
        is_sized = len(self.subject) in _LENGTHS and len(self.content_salt) in _LENGTHS
        if not is_timely or not is_sized or len(self.body) > BODY_SIZE_MAX:
            raise MalformedMessage(
                f"{self.type.name}: no entry can have time {self.time_ms} ms, epoch {self.lease_epoch}, "
                f"a subject of {len(self.subject)} bytes and a body of {len(self.body)}"
            )


@dataclass(frozen=True, slots=True)
class Leaf:
    """The public part of an entry."""

    type: EntryType
    time_ms: int
    id: bytes
    lease_epoch: int
    subject_commitment: bytes
    body_commitment: bytes

    def encode(self) -> bytes:
        return codec.pack(
            LEAF_VERSION,
            int(self.type),
            self.time_ms,
            self.id,
            self.lease_epoch,
            self.subject_commitment,
            self.body_commitment,
        )

    @classmethod
    def decode(cls, raw: bytes) -> Leaf:
        """Raises `MalformedMessage`."""
        version, type, time_ms, id, lease_epoch, subject, body = codec.array(
            raw, length=7, size_max=LEAF_SIZE_MAX, field="leaf"
        )
        codec.integer(version, least=LEAF_VERSION, most=LEAF_VERSION, field="leaf.version")
        number = codec.integer(type, least=0, most=0xFFFF, field="leaf.type")
        if number not in _TYPES:
            raise MalformedMessage(f"leaf.type: there is no type {number}")
        return cls(
            _TYPES[number],
            codec.integer(time_ms, least=0, most=NUMBER_MAX, field="leaf.time_ms"),
            codec.octets(id, length=ENTRY_ID_SIZE, field="leaf.id"),
            codec.integer(lease_epoch, least=0, most=NUMBER_MAX, field="leaf.lease_epoch"),
            codec.octets(subject, length=32, field="leaf.subject"),
            codec.octets(body, length=32, field="leaf.body"),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """What a leaf commits to. Who is shown it can check it against the leaf, and so against the log."""

    subject_salt: bytes = field(repr=False)
    body_salt: bytes = field(repr=False)
    subject: bytes
    body: bytes = field(repr=False)
    content_salt: bytes = field(default=b"", repr=False)  # No part of what the leaf commits to; in no proof.

    def encode(self) -> bytes:
        subject, salt = self.subject, self.content_salt
        return b"".join(
            (self.subject_salt, self.body_salt, _LENGTHS[len(subject)], subject, _LENGTHS[len(salt)], salt, self.body)
        )

    @classmethod
    def decode(cls, raw: bytes) -> Opened:
        """Raises `Damaged`."""
        subject, salt, body = split_row(raw)
        return cls(raw[:SALT_SIZE], raw[SALT_SIZE : SUBJECT_AT - 1], subject, body, salt)

    def commitments(self) -> tuple[bytes, bytes]:
        """Return what a leaf says of this: subject commitment and body commitment."""
        return (
            sha256(_SUBJECT + self.subject_salt + self.subject).digest(),
            sha256(_BODY + self.body_salt + self.body).digest(),
        )

    def belongs_to(self, leaf: Leaf) -> bool:
        return self.commitments() == (leaf.subject_commitment, leaf.body_commitment)


def split_row(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Return subject, content salt and body of a body row. Raises `Damaged`."""
    salt_at = SUBJECT_AT + raw[SUBJECT_AT - 1] + 1 if len(raw) >= SUBJECT_AT else 0
    body_at = salt_at + raw[salt_at - 1] if 0 < salt_at <= len(raw) else -1
    subject, salt = raw[SUBJECT_AT : salt_at - 1], raw[salt_at:body_at]
    if not 0 < body_at <= len(raw) or len(subject) not in _LENGTHS or len(salt) not in _LENGTHS:
        raise Damaged("the body of an audit entry is cut short")
    return subject, salt, raw[body_at:]


def write_entry(entry: Entry, dice: bytes, pack: codec.Pack) -> tuple[bytes, bytes]:
    """Return the leaf of a new entry, and its body row, to be sealed. `dice` are DICE_SIZE fresh bytes.

    The hot path of the log: it writes just what `Leaf.encode` and `Opened.encode` do. `pack` is a `codec.packer()`.
    """
    subject_salt, body_salt = dice[ENTRY_ID_SIZE:-SALT_SIZE], dice[-SALT_SIZE:]
    subject, salt, body = entry.subject, entry.content_salt, entry.body
    leaf = pack(
        (
            LEAF_VERSION,
            entry.type,
            entry.time_ms,
            dice[:ENTRY_ID_SIZE],
            entry.lease_epoch,
            sha256(_SUBJECT + subject_salt + subject).digest(),
            sha256(_BODY + body_salt + body).digest(),
        )
    )
    return leaf, b"".join((dice[ENTRY_ID_SIZE:], _LENGTHS[len(subject)], subject, _LENGTHS[len(salt)], salt, body))
