"""The bytes of each kind of event: what is read back, and what is refused, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from talos.core import codec
from talos.core.keylog_event import BODY_SIZE_MAX, EVENT_SIZE_MAX, Content, Event, body_of, read_body
from talos.core.keylog_kinds import (
    HASH_SIZE,
    INSTANCES_MAX,
    MEMBERS_MAX,
    REASON_SIZE_MAX,
    RIVALS_MAX,
    TIME_MS_MAX,
    Kind,
    Quorum,
    Role,
    Signature,
)
from talos.core.keylog_rank1 import (
    Controllers,
    Governor,
    Inception,
    Revocation,
    Rotation,
    Thaw,
    Voters,
    Witnesses,
)
from talos.core.keylog_rank2 import STATEMENT_SIZE_MAX, Statement
from talos.errors import MalformedMessage
from tests.node.core.identities import START_MS, Holder, certificate, cloned, derived, fields_of, ids, retired

SIGNED = (Signature(b"", bytes(64)),)
HEADER = ["version", "kind", "seq", "previous", "time_ms"]
THREE = tuple(sorted(derived("member", number) for number in range(3)))
QUORUM = Quorum(2, THREE)
REVEAL = Holder().reveal(1)

CONTENTS: dict[Kind, tuple[Content, list[str]]] = {
    Kind.INCEPTION: (
        Inception(REVEAL, QUORUM, QUORUM, THREE, derived("governor")),
        ["key", "next_commitment", "controllers", "controllers", "witnesses", "witnesses", "voters", "governor"],
    ),
    Kind.ROTATION: (
        Rotation(REVEAL, ids(1, 2), START_MS + 1),
        ["key", "next_commitment", "old_ends_ms", "surviving", "is_emergency"],
    ),
    Kind.CONTROLLERS: (Controllers(REVEAL, QUORUM), ["key", "next_commitment", "controllers", "controllers"]),
    Kind.WITNESSES: (Witnesses(REVEAL, QUORUM), ["key", "next_commitment", "witnesses", "witnesses"]),
    Kind.VOTERS: (Voters(REVEAL, THREE), ["key", "next_commitment", "voters"]),
    Kind.GOVERNOR: (Governor(REVEAL, derived("governor")), ["key", "next_commitment", "governor"]),
    Kind.THAW: (Thaw(REVEAL, ids(1), THREE), ["key", "next_commitment", "surviving", "rivals"]),
    Kind.REVOCATION: (Revocation(REVEAL.key, "stolen"), ["key", "reason"]),
    Kind.INSTANCE: (certificate(1), ["ed25519", "x25519", "role", "not_after_ms"]),
    Kind.INSTANCE_RETIRED: (retired(1), ["instance"]),
    Kind.SUSPENDED: (
        cloned(derived("did"), 1),
        ["instance", "statement", "statement.signature", "statement", "statement.signature"],
    ),
}


def body(kind: Kind) -> bytes:
    content, _ = CONTENTS[kind]
    first = kind is Kind.INCEPTION
    return body_of(content, seq=0 if first else 5, previous=b"" if first else derived("event"), time_ms=START_MS)


def wrong_for(value: codec.Field) -> Iterator[codec.Field]:
    """Yield values of other types, sizes and ranges than `value`."""
    yield [[]]
    match value:
        case bool():
            yield from (0, 1, "true")
        case bytes():
            yield from (value + b"\x00", value.hex(), 5)
            yield from (value[:-1],) if value else ()
        case int():
            yield from (-1, 2**64 - 1, True, b"\x01")
        case str():
            yield from ("x" * (REASON_SIZE_MAX + 1), "é" * (REASON_SIZE_MAX // 2 + 1), b"x")
        case list():
            yield from (list(reversed(value)), value + value[-1:]) if len(value) > 1 else ()
            yield from (5, b"", [b"short"], [number.to_bytes(HASH_SIZE, "big") for number in range(17)])


def mutated() -> Iterator[tuple[Kind, int, codec.Field]]:
    for kind in Kind:
        for at, value in enumerate(fields_of(body(kind))):
            for wrong in wrong_for(value):
                yield kind, at, wrong


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_read_as_it_was_written(kind: Kind) -> None:
    content, _ = CONTENTS[kind]
    event = read_body(body(kind), SIGNED)
    assert event.content == content
    assert (event.seq, event.time_ms) == (0 if kind is Kind.INCEPTION else 5, START_MS)
    assert Event.decode(event.encode()) == event
    assert event.is_rank_1 is (kind < Kind.INSTANCE)


@pytest.mark.parametrize(("kind", "at", "wrong"), list(mutated()))
def test_every_wrong_field_is_refused_by_name(kind: Kind, at: int, wrong: codec.Field) -> None:
    values = fields_of(body(kind))
    values[at] = wrong
    names = HEADER + CONTENTS[kind][1]
    with pytest.raises(MalformedMessage, match=f"^{names[at]}"):
        read_body(codec.pack(*values), SIGNED)


@pytest.mark.parametrize("kind", Kind)
def test_one_field_too_few_or_too_many_is_refused(kind: Kind) -> None:
    values = fields_of(body(kind))
    for wrong in (values[:-1], [*values, 0]):
        with pytest.raises(MalformedMessage, match=r"^body: "):
            read_body(codec.pack(*wrong), SIGNED)


@pytest.mark.parametrize("number", [8, 15, 19, 255])
def test_an_unassigned_kind_is_refused(number: int) -> None:
    with pytest.raises(MalformedMessage, match=r"^kind: "):
        read_body(codec.pack(1, number, 5, derived("event"), START_MS, b"", b""), SIGNED)


def test_an_inception_has_no_event_before_it_and_all_others_have() -> None:
    for seq, previous in ((0, derived("event")), (1, b"")):
        with pytest.raises(MalformedMessage, match=r"^previous: "):
            read_body(body_of(retired(1), seq=seq, previous=previous, time_ms=START_MS), SIGNED)


def test_lists_are_read_at_their_limit_and_refused_one_beyond() -> None:
    def many(count: int) -> tuple[bytes, ...]:
        return tuple(number.to_bytes(HASH_SIZE, "big") for number in range(count))

    def read(content: Content) -> Content:
        return read_body(body_of(content, seq=1, previous=derived("event"), time_ms=0), SIGNED).content

    for most, make in (
        (MEMBERS_MAX, lambda names: Voters(REVEAL, names)),
        (MEMBERS_MAX, lambda names: Controllers(REVEAL, Quorum(1, names))),
        (MEMBERS_MAX, lambda names: Witnesses(REVEAL, Quorum(1, names))),
        (INSTANCES_MAX, lambda names: Rotation(REVEAL, names)),
        (INSTANCES_MAX, lambda names: Thaw(REVEAL, names)),
        (RIVALS_MAX, lambda names: Thaw(REVEAL, (), names)),
    ):
        assert read(make(many(most))) == make(many(most))
        with pytest.raises(MalformedMessage, match=rf"{most + 1} items"):
            read(make(many(most + 1)))


@pytest.mark.parametrize("quorum", [Quorum(0, THREE), Quorum(4, THREE), Quorum(1, ())])
def test_a_quorum_can_neither_be_empty_nor_impossible(quorum: Quorum) -> None:
    with pytest.raises(MalformedMessage, match=r"^controllers\.threshold: "):
        read_body(body_of(Controllers(REVEAL, quorum), seq=1, previous=derived("event"), time_ms=0), SIGNED)


def test_a_reason_is_read_at_its_limit_and_refused_one_beyond() -> None:
    for size, is_legal in ((REASON_SIZE_MAX, True), (REASON_SIZE_MAX + 1, False)):
        raw = body_of(Revocation(b"", "r" * size), seq=1, previous=derived("event"), time_ms=0)
        if is_legal:
            assert read_body(raw, SIGNED).content == Revocation(b"", "r" * size)
        else:
            with pytest.raises(MalformedMessage, match=r"^reason: "):
                read_body(raw, SIGNED)


def test_time_is_read_at_its_limit_and_refused_one_beyond() -> None:
    latest = body_of(retired(1), seq=1, previous=derived("event"), time_ms=TIME_MS_MAX)
    assert read_body(latest, SIGNED).time_ms == TIME_MS_MAX
    with pytest.raises(MalformedMessage, match=r"^time_ms: "):
        read_body(body_of(retired(1), seq=1, previous=derived("event"), time_ms=TIME_MS_MAX + 1), SIGNED)


def test_the_largest_event_fits_its_limits() -> None:
    full = tuple(bytes([255]) * 31 + bytes([number]) for number in range(MEMBERS_MAX))
    quorum = Quorum(MEMBERS_MAX, full)
    content = Inception(REVEAL, quorum, quorum, full, derived("governor"))
    raw = body_of(content, seq=0, previous=b"", time_ms=TIME_MS_MAX)
    assert len(raw) <= BODY_SIZE_MAX
    event = read_body(raw, tuple(Signature(name, bytes(64)) for name in full))
    assert len(event.encode()) <= EVENT_SIZE_MAX


@pytest.mark.parametrize(
    "signatures",
    [
        [],
        [[b"", bytes(64)]] * (MEMBERS_MAX + 1),
        [[b"", bytes(63)]],
        [[b"", bytes(65)]],
        [[bytes(31), bytes(64)]],
        [[bytes(33), bytes(64)]],
        [[b"", bytes(64), 0]],
        [[bytes(64)]],
        [bytes(64)],
        b"",
    ],
)
def test_malformed_signatures_are_refused(signatures: codec.Field) -> None:
    with pytest.raises(MalformedMessage, match=r"^sign"):
        Event.decode(codec.pack(body(Kind.GOVERNOR), signatures))


@pytest.mark.parametrize("at", range(5))
def test_every_wrong_field_of_a_statement_is_refused_by_name(at: int) -> None:
    fields = ["version", "did", "instance", "incarnation", "boot_id"]
    statement = Statement(derived("did"), derived("instance"), 3, bytes(16))
    assert Statement.decode(statement.encode()) == statement
    assert len(statement.encode()) <= STATEMENT_SIZE_MAX
    values = fields_of(statement.encode())
    for wrong in wrong_for(values[at]):
        values[at] = wrong
        with pytest.raises(MalformedMessage, match=rf"^statement\.{fields[at]}"):
            Statement.decode(codec.pack(*values))


def test_a_digest_covers_the_body_and_not_the_signatures() -> None:
    event = read_body(body(Kind.GOVERNOR), SIGNED)
    assert replace(event, signatures=(Signature(b"", bytes([1]) * 64),)).digest == event.digest
    assert read_body(body(Kind.VOTERS), SIGNED).digest != event.digest


def test_roles_are_the_four_of_the_format() -> None:
    assert [(role.name, role.value) for role in Role] == [
        ("SOLE", 0),
        ("LEADER_FOLLOWER", 1),
        ("ACTIVE_ACTIVE", 2),
        ("READ_ONLY", 3),
    ]
