"""The numbers and fields of every kind of entry, said a second time: what is on a disk today must be read for ever."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core import codec
from talos.core.entry_types import (
    BODIES,
    BODY_SIZE_MAX,
    EVIDENCE_MAX,
    TEXT_MAX,
    EntryType,
    MessageEvent,
    Refusal,
    SessionEvent,
    Side,
    read_body,
    write_body,
)
from talos.core.names import did_of
from talos.errors import MalformedMessage

NUMBERS: Final = {
    "IDENTITY_CREATED": 1,
    "KEY_ROTATE": 2,
    "PREKEY_ROTATE": 3,
    "REVOCATION": 4,
    "IDENTITY_FROZEN": 5,
    "RECOVERY_STARTED": 6,
    "RECOVERY_COMPLETED": 7,
    "FORK_DETECTED": 8,
    "SESSION": 16,
    "SESSION_RESET": 17,
    "MESSAGE": 32,
    "SIGNATURE_FAILURE": 48,
    "REPLAY_DROPPED": 49,
    "REFUSED": 50,
    "CAP_GRANT": 64,
    "CAP_DELEGATE": 65,
    "CAP_RENEW": 66,
    "CAP_REVOKE": 67,
    "CAP_DENY": 68,
    "AUDIT_GAP": 80,
    "AUDIT_FULL": 81,
    "REDACTED": 82,
    "ANCHOR": 83,
    "ANCHOR_FAILURE": 84,
    "LEASE_ACQUIRED": 96,
    "LEASE_LOST": 97,
}
WORDS: Final = {
    MessageEvent: {"SENT": 1, "DELIVERED": 2, "VOID": 3, "RECEIVED": 4, "DONE": 5},
    SessionEvent: {"ESTABLISHED": 1, "LOST": 2, "ENDED": 3},
    Side: {"RESPONDER": 0, "INITIATOR": 1},
    Refusal: {"SIGNATURE": 1, "REPLAY": 2, "MALFORMED": 3, "NOT_ACCEPTED": 4, "GAVE_UP": 5, "OVER_BUDGET": 6},
}

# name:kind, where a kind is "did", "text", "number", "long" (bytes up to the limit), the name of an enum, or lengths.
_REFUSED: Final = "kind:Refusal peer:did count:number first_ms:number last_ms:number sample:32"
_CAPABILITY: Final = "capability:32 issuer:did subject:did scope:text"
_CHECKPOINT: Final = "origin:text size:number root:32"
SHAPES: Final = {
    "IDENTITY_CREATED": "did:did name:text key_hash:32 instance:32",
    "KEY_ROTATE": "old_key_hash:32 new_key_hash:32 reason:text signature:64",
    "PREKEY_ROTATE": "prekey:number",
    "REVOCATION": "did:did reason:text evidence:long revoker:did signature:64",
    "IDENTITY_FROZEN": "did:did reason:text evidence:long",
    "RECOVERY_STARTED": "did:did source:text",
    "RECOVERY_COMPLETED": "did:did source:text entries:number",
    "FORK_DETECTED": "did:did evidence:long",
    "SESSION": "event:SessionEvent peer:did session:16 role:Side",
    "SESSION_RESET": "peer:did session:16 reason:text",
    "MESSAGE": "event:MessageEvent sender:did receiver:did origin:16 seq:number count:number size:number"
    " commitment:0,32",
    "SIGNATURE_FAILURE": _REFUSED,
    "REPLAY_DROPPED": _REFUSED,
    "REFUSED": _REFUSED,
    "CAP_GRANT": f"{_CAPABILITY} expires_ms:number",
    "CAP_DELEGATE": f"{_CAPABILITY} expires_ms:number parent:32",
    "CAP_RENEW": f"{_CAPABILITY} expires_ms:number",
    "CAP_REVOKE": f"{_CAPABILITY} reason:text",
    "CAP_DENY": f"{_CAPABILITY} reason:text",
    "AUDIT_GAP": f"{_CHECKPOINT} asked:text",
    "AUDIT_FULL": "size_max_mib:number",
    "REDACTED": "index:number reason:text",
    "ANCHOR": f"{_CHECKPOINT} backend:text receipt:long",
    "ANCHOR_FAILURE": f"{_CHECKPOINT} backend:text reason:text",
    "LEASE_ACQUIRED": "lease_epoch:number certificate:32",
    "LEASE_LOST": "lease_epoch:number reason:text",
}
ENUMS: Final = {words.__name__: words for words in WORDS}
TYPES: Final = list(EntryType)
FIELDS: Final = [(type, at) for type in TYPES for at in range(len(SHAPES[type.name].split()))]


def shape(type: EntryType) -> list[tuple[str, str]]:
    """Return name and kind of each field."""
    return [(name, kind) for name, _, kind in (word.partition(":") for word in SHAPES[type.name].split())]


def lengths(kind: str) -> list[int]:
    return [0, 32] if kind == "did" else [int(length) for length in kind.split(",")]


def good(kind: str) -> list[codec.Field]:
    """Return values at the edges of what a field may be."""
    if kind in ENUMS:
        return list(WORDS[ENUMS[kind]].values())
    match kind:
        case "text":
            return ["", "why", "\u00e9" * (TEXT_MAX // 2)]
        case "number":
            return [0, 1, 2**63 - 1]
        case "long":
            return [b"", bytes(EVIDENCE_MAX)]
    return [b"\x07" * length for length in lengths(kind)]


def bad(kind: str) -> list[codec.Field]:
    """Return values just beyond what a field may be, and of other types."""
    if kind in ENUMS:
        known = list(WORDS[ENUMS[kind]].values())
        return [*(set(range(20)) - set(known)), -1, 2**63, True, None, b"", "sent", [1]]
    match kind:
        case "text":
            return ["x" * (TEXT_MAX + 1), "\u00e9" * (TEXT_MAX // 2) + "x", b"why", 1, None, ["why"]]
        case "number":
            return [-1, 2**63, 2**64 - 1, True, False, None, b"", "1", [1]]
        case "long":
            return [bytes(EVIDENCE_MAX + 1), "", 0, None, [b""]]
    return [*(bytes(length) for length in range(99) if length not in lengths(kind)), "", 0, True, None, []]


def strategy(kind: str) -> st.SearchStrategy[codec.Field]:
    if kind in ENUMS:
        return st.sampled_from(list(WORDS[ENUMS[kind]].values()))
    match kind:
        case "text":
            return st.text(max_size=TEXT_MAX // 4)
        case "number":
            return st.integers(0, 2**63 - 1)
        case "long":
            return st.binary(max_size=200)
    return st.one_of(*(st.binary(min_size=length, max_size=length) for length in lengths(kind)))


def edge(type: EntryType) -> list[codec.Field]:
    """Return the largest good body of a type, as fields."""
    return [good(kind)[-1] for _, kind in shape(type)]


def test_every_type_has_the_number_it_always_had() -> None:
    assert {type.name: type.value for type in EntryType} == NUMBERS


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_every_word_has_the_number_it_always_had(words: type[MessageEvent]) -> None:
    assert {word.name: word.value for word in words} == WORDS[words]


def test_every_type_has_a_body_of_the_fields_it_always_had() -> None:
    assert set(BODIES) == set(EntryType)
    for type in TYPES:
        assert [field.name for field in BODIES[type]] == [name for name, _ in shape(type)], type.name


@pytest.mark.parametrize("type", TYPES, ids=lambda type: type.name)
def test_a_body_is_the_canonical_array_of_its_fields_in_order(type: EntryType) -> None:
    assert write_body(type, *edge(type)) == codec.pack(*edge(type))


@pytest.mark.parametrize("type", TYPES, ids=lambda type: type.name)
def test_the_largest_body_of_every_type_can_be_read_again(type: EntryType) -> None:
    assert list(read_body(type, write_body(type, *edge(type)))) == [name for name, _ in shape(type)]


@given(st.data())
def test_what_is_written_is_shown_readable_and_in_order(data: st.DataObject) -> None:
    type = data.draw(st.sampled_from(TYPES))
    fields = [data.draw(strategy(kind)) for _, kind in shape(type)]
    read = read_body(type, write_body(type, *fields))
    assert list(read.items()) == [
        (name, shown(kind, value)) for (name, kind), value in zip(shape(type), fields, strict=True)
    ]


def shown(kind: str, value: codec.Field) -> str | int:
    if kind in ENUMS:
        assert isinstance(value, int)
        return ENUMS[kind](value).name.lower()
    if isinstance(value, bytes):
        return (did_of(value) if value else "") if kind == "did" else value.hex()
    assert isinstance(value, str | int)
    return value


@pytest.mark.parametrize(("type", "at"), FIELDS, ids=lambda value: getattr(value, "name", value))
def test_a_field_takes_its_edges_and_refuses_what_is_beyond_them(type: EntryType, at: int) -> None:
    name, kind = shape(type)[at]
    fields = edge(type)
    for value in good(kind):
        fields[at] = value
        assert read_body(type, write_body(type, *fields))[name] == shown(kind, value)
    for value in bad(kind):
        fields[at] = value
        with pytest.raises(MalformedMessage, match=rf"^{name}: "):
            write_body(type, *fields)
        with pytest.raises(MalformedMessage, match=rf"^({name}|body): "):
            read_body(type, codec.pack(*fields))


def test_every_refusal_was_of_the_kind_that_is_tried() -> None:
    for kind in {kind for type in TYPES for _, kind in shape(type)}:
        assert len(bad(kind)) >= 5, kind
        assert not [
            value for value in bad(kind) if any(value == one and type(value) is type(one) for one in good(kind))
        ]


@pytest.mark.parametrize("type", TYPES, ids=lambda type: type.name)
def test_a_body_with_a_field_too_few_or_too_many_is_refused(type: EntryType) -> None:
    for fields in (edge(type)[:-1], [*edge(type), 0], []):
        with pytest.raises(MalformedMessage):
            write_body(type, *fields)
        with pytest.raises(MalformedMessage):
            read_body(type, codec.pack(*fields))


def test_text_that_has_no_utf8_form_is_refused() -> None:
    with pytest.raises(MalformedMessage, match="reason"):
        write_body(EntryType.LEASE_LOST, 1, "half a pair: \ud800")


def test_an_enum_is_written_as_its_number() -> None:
    words = write_body(EntryType.SESSION, SessionEvent.LOST, bytes(32), bytes(16), Side.INITIATOR)
    assert words == write_body(EntryType.SESSION, 2, bytes(32), bytes(16), 1)


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(MalformedMessage, match=f"{BODY_SIZE_MAX + 1} bytes, at most {BODY_SIZE_MAX}"):
        read_body(EntryType.PREKEY_ROTATE, bytes(BODY_SIZE_MAX + 1))


@pytest.mark.parametrize("raw", [b"", b"\x91", b"\x91\xcc\x01", b"\x91\x01\x00", b"\x81\x01\x01", b"\xc1", b"\x01"])
def test_a_body_in_any_other_form_is_refused(raw: bytes) -> None:
    assert read_body(EntryType.PREKEY_ROTATE, b"\x91\x01") == {"prekey": 1}
    with pytest.raises(MalformedMessage):
        read_body(EntryType.PREKEY_ROTATE, raw)
