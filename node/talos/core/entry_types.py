"""Every kind of audit entry: its number in the leaf, and the fields of its body. Numbers are never used twice.

A body is a canonical array of the fields below, in this order. The leaf commits to it, and to nothing of what a
message says: `commitment` is SHA-256(label, 00, salt 32 | content), and the salt lies beside the sealed body.
Source of the names: SPEC 7; REFUSED is ours, for what was refused on other grounds than a signature or a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias

from talos.core import codec
from talos.core.content import ORIGIN_SIZE
from talos.core.keylog_keys import SIGNATURE_SIZE
from talos.core.keylog_kinds import HASH_SIZE
from talos.core.names import DID_SIZE, did_or_nobody
from talos.errors import MalformedMessage
from talos_ratchet import ID_SIZE as SESSION_ID_SIZE

BODY_SIZE_MAX: Final = 16 * 1024  # Bytes. The largest field is the evidence of a revocation.
TEXT_MAX: Final = 512  # Bytes of a reason, a name or a scope.
EVIDENCE_MAX: Final = 8 * 1024  # Bytes: a key log with a fork in it is evidence, and one key log has so many.
NUMBER_MAX: Final = 2**63 - 1


class EntryType(IntEnum):
    """The number of a type, u16. In groups of 16, so that relatives stay together."""

    IDENTITY_CREATED = 1
    KEY_ROTATE = 2
    PREKEY_ROTATE = 3
    REVOCATION = 4
    IDENTITY_FROZEN = 5
    RECOVERY_STARTED = 6
    RECOVERY_COMPLETED = 7
    FORK_DETECTED = 8
    SESSION = 16
    SESSION_RESET = 17
    MESSAGE = 32
    SIGNATURE_FAILURE = 48
    REPLAY_DROPPED = 49
    REFUSED = 50
    CAP_GRANT = 64
    CAP_DELEGATE = 65
    CAP_RENEW = 66
    CAP_REVOKE = 67
    CAP_DENY = 68
    AUDIT_GAP = 80
    AUDIT_FULL = 81
    REDACTED = 82
    ANCHOR = 83
    ANCHOR_FAILURE = 84
    LEASE_ACQUIRED = 96
    LEASE_LOST = 97


class MessageEvent(IntEnum):
    """What happened to a message (DECISIONS 11)."""

    SENT = 1  # Accepted in our outbox.
    DELIVERED = 2  # The receiver has acknowledged it: it is in its inbox.
    VOID = 3  # Given up before it was acknowledged.
    RECEIVED = 4  # In our inbox.
    DONE = 5  # Our application has acknowledged it.


class SessionEvent(IntEnum):
    ESTABLISHED = 1  # Both ends are known to hold it.
    LOST = 2  # The peer has proved that it does not have it any more.
    ENDED = 3  # The peer's key log does not bear it out any more.


class Side(IntEnum):
    RESPONDER = 0
    INITIATOR = 1


class Refusal(IntEnum):
    """Why something was refused; each is counted apart."""

    SIGNATURE = 1  # It did not authenticate.
    REPLAY = 2  # It had been taken before.
    MALFORMED = 3  # It made no sense.
    NOT_ACCEPTED = 4  # Its sender is not accepted.
    GAVE_UP = 5  # A greeting that went silent, or whose link broke.
    OVER_BUDGET = 6  # It was one too many, of whatever kind, from there or at all.


Shown: TypeAlias = "str | int"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `read` checks it (and raises `MalformedMessage`), `show` makes it readable."""

    name: str
    read: Callable[[object], codec.Field]
    show: Callable[[Any], Shown]  # Of a value that `read` has let through. A hot path: a query shows hundreds.


def _octets(name: str, *lengths: int) -> Field:
    def read(value: object) -> bytes:
        if type(value) is bytes and len(value) in lengths:
            return value
        found = len(codec.octets(value, field=name))
        raise MalformedMessage(f"{name}: {found} bytes, not {' or '.join(map(str, lengths))}")

    return Field(name, read, bytes.hex)


def _bytes(name: str, most: int) -> Field:
    return Field(name, lambda value: codec.octets(value, most=most, field=name), bytes.hex)


def _text(name: str) -> Field:
    return Field(name, lambda value: codec.text(value, most=TEXT_MAX, field=name), str)


def _number(name: str) -> Field:
    def read(value: object) -> int:
        if type(value) is int and 0 <= value <= NUMBER_MAX:
            return value
        return codec.integer(value, least=0, most=NUMBER_MAX, field=name)

    return Field(name, read, int)


def _did(name: str) -> Field:
    """A DID hash, or nothing where nobody is known."""
    octets = _octets(name, 0, DID_SIZE)
    return Field(name, octets.read, did_or_nobody)


def _word(name: str, words: type[IntEnum]) -> Field:
    known = {int(word): word.name.lower() for word in words}

    def read(value: object) -> int:
        number = codec.integer(value, least=0, most=NUMBER_MAX, field=name)
        if number not in known:
            raise MalformedMessage(f"{name}: {number} is none of {sorted(known)}")
        return number

    return Field(name, read, known.__getitem__)


_REASON: Final = _text("reason")
_SIGNATURE: Final = _octets("signature", SIGNATURE_SIZE)
_REFUSALS: Final = (
    _word("kind", Refusal),
    _did("peer"),  # Empty for strangers: nobody who was refused has proved who it is.
    _number("count"),
    _number("first_ms"),
    _number("last_ms"),
    _octets("sample", HASH_SIZE),  # Of the first frame refused; zeros where there was none.
)
_CAPABILITY: Final = (_octets("capability", HASH_SIZE), _did("issuer"), _did("subject"), _text("scope"))
_CHECKPOINT: Final = (_text("origin"), _number("size"), _octets("root", HASH_SIZE))

BODIES: Final[Mapping[EntryType, tuple[Field, ...]]] = {
    EntryType.IDENTITY_CREATED: (
        _did("did"),
        _text("name"),
        _octets("key_hash", HASH_SIZE),
        _octets("instance", HASH_SIZE),
    ),
    EntryType.KEY_ROTATE: (
        _octets("old_key_hash", HASH_SIZE),
        _octets("new_key_hash", HASH_SIZE),
        _REASON,
        _SIGNATURE,
    ),
    EntryType.PREKEY_ROTATE: (_number("prekey"),),
    EntryType.REVOCATION: (_did("did"), _REASON, _bytes("evidence", EVIDENCE_MAX), _did("revoker"), _SIGNATURE),
    EntryType.IDENTITY_FROZEN: (_did("did"), _REASON, _bytes("evidence", EVIDENCE_MAX)),
    EntryType.RECOVERY_STARTED: (_did("did"), _text("source")),
    EntryType.RECOVERY_COMPLETED: (_did("did"), _text("source"), _number("entries")),
    EntryType.FORK_DETECTED: (_did("did"), _bytes("evidence", EVIDENCE_MAX)),
    EntryType.SESSION: (
        _word("event", SessionEvent),
        _did("peer"),
        _octets("session", SESSION_ID_SIZE),
        _word("role", Side),
    ),
    EntryType.SESSION_RESET: (_did("peer"), _octets("session", SESSION_ID_SIZE), _REASON),
    EntryType.MESSAGE: (
        _word("event", MessageEvent),
        _did("sender"),
        _did("receiver"),
        _octets("origin", ORIGIN_SIZE),
        _number("seq"),
        _number("count"),  # Of messages from `seq` on: one acknowledgement may cover several.
        _number("size"),  # Bytes of the content; 0, with no commitment, where it is not at hand.
        _octets("commitment", 0, HASH_SIZE),
    ),
    EntryType.SIGNATURE_FAILURE: _REFUSALS,
    EntryType.REPLAY_DROPPED: _REFUSALS,
    EntryType.REFUSED: _REFUSALS,
    EntryType.CAP_GRANT: (*_CAPABILITY, _number("expires_ms")),
    EntryType.CAP_DELEGATE: (*_CAPABILITY, _number("expires_ms"), _octets("parent", HASH_SIZE)),
    EntryType.CAP_RENEW: (*_CAPABILITY, _number("expires_ms")),
    EntryType.CAP_REVOKE: (*_CAPABILITY, _REASON),
    EntryType.CAP_DENY: (*_CAPABILITY, _REASON),
    EntryType.AUDIT_GAP: (*_CHECKPOINT, _text("asked")),  # The highest checkpoint known of a log that went before.
    EntryType.AUDIT_FULL: (_number("size_max_mib"),),
    EntryType.REDACTED: (_number("index"), _REASON),
    EntryType.ANCHOR: (*_CHECKPOINT, _text("backend"), _bytes("receipt", EVIDENCE_MAX)),
    EntryType.ANCHOR_FAILURE: (*_CHECKPOINT, _text("backend"), _REASON),
    EntryType.LEASE_ACQUIRED: (_number("lease_epoch"), _octets("certificate", HASH_SIZE)),
    EntryType.LEASE_LOST: (_number("lease_epoch"), _REASON),
}


_SHOWN: Final = {type: tuple((field.name, field.show) for field in fields) for type, fields in BODIES.items()}


def write_body(type: EntryType, *fields: codec.Field) -> bytes:
    """Return a body. Raises `MalformedMessage` where a field does not fit its type: a bug of the caller."""
    values = [int(field) if isinstance(field, IntEnum) else field for field in fields]
    return codec.pack(*_checked(type, values))


def read_body(type: EntryType, raw: bytes) -> Mapping[str, Shown]:
    """Return the fields by name, readable: bytes in hex, DIDs and words as text. Raises `MalformedMessage`."""
    values = codec.array(raw, length=len(BODIES[type]), size_max=BODY_SIZE_MAX, field="body")
    return _show(type, _checked(type, values))


def check_body(type: EntryType, raw: bytes) -> None:
    """Return if `read_body` would. Raises `MalformedMessage`."""
    _checked(type, codec.array(raw, length=len(BODIES[type]), size_max=BODY_SIZE_MAX, field="body"))


def read_own_body(type: EntryType, raw: bytes) -> Mapping[str, Shown]:
    """As `read_body`, of one that we wrote, and whose seal has just been opened."""
    return _show(type, codec.quick_array(raw))


def _show(type: EntryType, values: Sequence[object]) -> Mapping[str, Shown]:
    return {name: show(value) for (name, show), value in zip(_SHOWN[type], values, strict=True)}


def _checked(type: EntryType, values: object) -> list[codec.Field]:
    fields = BODIES[type]
    if not isinstance(values, list | tuple) or len(values) != len(fields):
        raise MalformedMessage(f"{type.name}: not {len(fields)} fields")
    return [field.read(value) for field, value in zip(fields, values, strict=True)]
