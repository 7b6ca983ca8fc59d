"""What stands inside a ratchet frame: one kind byte, then the fields. Only the peer can have written it.

MESSAGE and VOID, the hot ones, are fixed binary: origin 16 | seq u64 | body, or | count u32.
All others are a canonical msgpack array behind the kind byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from talos.core import codec
from talos.core.frames import CONTROL_SIZE_MAX

ORIGIN_SIZE: Final = 16  # Bytes.
SEQ_MAX: Final = 2**63 - 1
REQUEST_ID_MAX: Final = 2**32 - 1
REQUEST_BODY_MAX: Final = CONTROL_SIZE_MAX - 64  # Bytes; the fields around it take fewer than 64.
LANE_KEYS_SIZE: Final = 64  # Bytes: an X25519 key for the message lane and one for the bulk lane.
ANSWERS_SIZE: Final = 32  # Bytes of a SHA-256.

MESSAGE_HEAD: Final = struct.Struct(">16sQ")
VOID_HEAD: Final = struct.Struct(">16sQI")


class ContentKind(IntEnum):
    MESSAGE = 0x01
    VOID = 0x02
    OPEN = 0x03  # Nothing but a first frame on the message or bulk lane, so that the other side may send there.
    WELCOME = 0x10
    MARKS = 0x11
    PROOF = 0x12
    ACK = 0x13
    WANT = 0x14
    BUSY = 0x15
    PING = 0x16
    PONG = 0x17
    GOAWAY = 0x18
    REQUEST = 0x20
    REPLY = 0x21
    CANCEL = 0x22
    PIECE = 0x23


class Status(IntEnum):
    """How a request ended."""

    OK = 0  # The reply's body follows in the reply itself.
    PIECES = 1  # The body follows on the bulk lane.
    BUSY = 2
    UNKNOWN = 3  # No such request type here.
    FAILED = 4


def pack(kind: ContentKind, *fields: bytes | int) -> bytes:
    return bytes((kind,)) + codec.pack(*fields)


@dataclass(frozen=True, slots=True)
class MessageContent:
    origin: bytes
    seq: int
    body: bytes

    def encode(self) -> bytes:
        return b"\x01" + MESSAGE_HEAD.pack(self.origin, self.seq) + self.body


@dataclass(frozen=True, slots=True)
class VoidContent:
    """Messages seq .. seq + count - 1 will never come; the order goes on behind them."""

    origin: bytes
    seq: int
    count: int

    def encode(self) -> bytes:
        return b"\x02" + VOID_HEAD.pack(self.origin, self.seq, self.count)


@dataclass(frozen=True, slots=True)
class OpenContent:
    def encode(self) -> bytes:
        return b"\x03"


@dataclass(frozen=True, slots=True)
class Marks:
    """Who I am as a sender, and how far I have your messages: all of `acked_origin` up to `high`."""

    origin: bytes
    acked_origin: bytes  # 16 zero bytes where I have none.
    high: int
    answers: bytes = b""  # SHA-256 of the resuming frame or the opening that this answers; empty in these themselves.

    def encode(self) -> bytes:
        return pack(ContentKind.MARKS, *self.fields)

    @property
    def fields(self) -> tuple[bytes, bytes, int, bytes]:
        return self.origin, self.acked_origin, self.high, self.answers


@dataclass(frozen=True, slots=True)
class Welcome:
    """The responder's first control frame: its ratchet keys for the other lanes, and its marks."""

    lane_keys: bytes
    marks: Marks

    def encode(self) -> bytes:
        return pack(ContentKind.WELCOME, self.lane_keys, *self.marks.fields)


@dataclass(frozen=True, slots=True)
class Proof:
    """The dialler's third word. Whoever plays a recording cannot say it: it names an answer that was just given."""

    answers: bytes  # SHA-256 of the responder's frame.

    def encode(self) -> bytes:
        return pack(ContentKind.PROOF, self.answers)


@dataclass(frozen=True, slots=True)
class Ack:
    """Everything of `origin` up to `high` is on my disk."""

    origin: bytes
    high: int

    def encode(self) -> bytes:
        return pack(ContentKind.ACK, self.origin, self.high)


@dataclass(frozen=True, slots=True)
class Want:
    """Send again from `seq` on; `reseal` if I cannot open the frames you have sent."""

    origin: bytes
    seq: int
    reseal: bool

    def encode(self) -> bytes:
        return pack(ContentKind.WANT, self.origin, self.seq, int(self.reseal))


@dataclass(frozen=True, slots=True)
class Busy:
    """My inbox for you is full: hold `seq` and all after it until I WANT them."""

    origin: bytes
    seq: int

    def encode(self) -> bytes:
        return pack(ContentKind.BUSY, self.origin, self.seq)


@dataclass(frozen=True, slots=True)
class Ping:
    def encode(self) -> bytes:
        return bytes((ContentKind.PING,))


@dataclass(frozen=True, slots=True)
class Pong:
    def encode(self) -> bytes:
        return bytes((ContentKind.PONG,))


@dataclass(frozen=True, slots=True)
class GoAway:
    """I send nothing more on this link; what you have sent, I still read."""

    def encode(self) -> bytes:
        return bytes((ContentKind.GOAWAY,))


@dataclass(frozen=True, slots=True)
class Request:
    id: int
    type: int
    body: bytes

    def encode(self) -> bytes:
        return pack(ContentKind.REQUEST, self.id, self.type, self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    id: int
    status: Status
    body: bytes

    def encode(self) -> bytes:
        return pack(ContentKind.REPLY, self.id, self.status, self.body)


@dataclass(frozen=True, slots=True)
class Cancel:
    id: int

    def encode(self) -> bytes:
        return pack(ContentKind.CANCEL, self.id)


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a reply's body, on the bulk lane, in order."""

    id: int
    last: bool
    data: bytes

    def encode(self) -> bytes:
        return pack(ContentKind.PIECE, self.id, int(self.last), self.data)


ControlContent = Welcome | Marks | Proof | Ack | Want | Busy | Ping | Pong | GoAway | Request | Reply | Cancel
Content = MessageContent | VoidContent | Piece | OpenContent | ControlContent
