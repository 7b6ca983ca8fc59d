"""One key-log event: the bytes that were signed, kept verbatim, and what they say.

body = [1, kind, seq, previous, time_ms, ...fields of the kind]; an event is [body, [[signer, signature], ...]].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from talos.core import codec, names
from talos.core.keylog_kinds import HASH_SIZE, MEMBERS_MAX, TIME_MS_MAX, Kind, Signature
from talos.core.keylog_rank1 import (
    Controllers,
    Governor,
    Inception,
    Rank1,
    Revocation,
    Rotation,
    Thaw,
    Voters,
    Witnesses,
)
from talos.core.keylog_rank2 import Instance, InstanceRetired, Rank2, Suspended
from talos.errors import MalformedMessage

BODY_VERSION: Final = 1
BODY_SIZE_MAX: Final = 2 * 1024  # Bytes: the largest, an inception with every list full, is 1.1 KiB.
EVENT_SIZE_MAX: Final = 3 * 1024  # Bytes: a body, and the signatures of nine controllers.
SEQ_MAX: Final = 2**32 - 1  # Never reached: the size of a log ends it long before.
HEADER_FIELDS: Final = 5

Content: TypeAlias = Rank1 | Rank2

# Per kind: how many fields follow the header, and what reads them.
_READERS: Final[Mapping[Kind, tuple[int, Callable[[list[object]], Content]]]] = {
    Kind.INCEPTION: (8, Inception.read),
    Kind.ROTATION: (5, Rotation.read),
    Kind.CONTROLLERS: (4, Controllers.read),
    Kind.WITNESSES: (4, Witnesses.read),
    Kind.VOTERS: (3, Voters.read),
    Kind.GOVERNOR: (3, Governor.read),
    Kind.THAW: (4, Thaw.read),
    Kind.REVOCATION: (2, Revocation.read),
    Kind.INSTANCE: (4, Instance.read),
    Kind.INSTANCE_RETIRED: (1, InstanceRetired.read),
    Kind.SUSPENDED: (5, Suspended.read),
}


@dataclass(frozen=True, slots=True)
class Event:
    """Well-formed, and nothing more: whether it is true is for the log it stands in."""

    body: bytes  # What was signed, verbatim.
    signatures: tuple[Signature, ...]
    seq: int  # 0 for the inception, then without gaps.
    previous: bytes  # Digest of the event before; empty for the inception.
    time_ms: int  # ms UTC by the writer's clock; never less than in the event before.
    content: Content
    digest: bytes  # SHA-256(LABEL_EVENT_DIGEST, 00, body): signatures have no part in it.

    @property
    def is_rank_1(self) -> bool:
        return self.content.kind.is_rank_1

    def fields(self) -> tuple[codec.Field, codec.Field]:
        return self.body, [(one.signer, one.signature) for one in self.signatures]

    def encode(self) -> bytes:
        return codec.pack(*self.fields())

    @classmethod
    def decode(cls, raw: bytes) -> Event:
        """Raises `MalformedMessage`, naming the first field that is wrong."""
        return cls.of(codec.array(raw, length=2, size_max=EVENT_SIZE_MAX, field="event"))

    @classmethod
    def of(cls, value: object) -> Event:
        """Read an event that is part of a larger array. Raises `MalformedMessage`."""
        body, signatures = codec.listing(value, least=2, most=2, field="event")
        listed = codec.listing(signatures, least=1, most=MEMBERS_MAX, field="signatures")
        checked = codec.octets(body, most=BODY_SIZE_MAX, field="body")
        return read_body(checked, tuple(Signature.read(one) for one in listed))


def body_of(content: Content, *, seq: int, previous: bytes, time_ms: int) -> bytes:
    """Return what the signatures of an event cover, behind LABEL_EVENT | 00."""
    return codec.pack(BODY_VERSION, int(content.kind), seq, previous, time_ms, *content.fields())


def read_body(body: bytes, signatures: tuple[Signature, ...]) -> Event:
    """Return the event with this body. Raises `MalformedMessage`."""
    most = HEADER_FIELDS + max(count for count, _ in _READERS.values())
    values = codec.array(body, length=range(HEADER_FIELDS, most + 1), size_max=BODY_SIZE_MAX, field="body")
    version, kind, seq, previous, time_ms, *fields = values
    codec.integer(version, least=BODY_VERSION, most=BODY_VERSION, field="version")
    number = codec.integer(kind, least=0, most=max(Kind), field="kind")
    if number not in Kind.__members__.values():
        raise MalformedMessage(f"kind: {number} is not assigned")
    count, read = _READERS[Kind(number)]
    if len(fields) != count:
        raise MalformedMessage(f"body: {len(fields)} fields after the header, not {count}")
    position = codec.integer(seq, least=0, most=SEQ_MAX, field="seq")
    return Event(
        body=body,
        signatures=signatures,
        seq=position,
        previous=codec.octets(previous, length=HASH_SIZE if position else 0, field="previous"),
        time_ms=codec.integer(time_ms, least=0, most=TIME_MS_MAX, field="time_ms"),
        content=read(fields),
        digest=names.digest(names.LABEL_EVENT_DIGEST, body),
    )
