"""Content decoded, once, at the edge: what each lane may carry, and every field's limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from talos.core import codec
from talos.core.content import (
    ANSWERS_SIZE,
    LANE_KEYS_SIZE,
    MESSAGE_HEAD,
    ORIGIN_SIZE,
    REQUEST_BODY_MAX,
    REQUEST_ID_MAX,
    SEQ_MAX,
    VOID_HEAD,
    Ack,
    Busy,
    Cancel,
    ContentKind,
    ControlContent,
    GoAway,
    Marks,
    MessageContent,
    OpenContent,
    Piece,
    Ping,
    Pong,
    Proof,
    Reply,
    Request,
    Status,
    VoidContent,
    Want,
    Welcome,
)
from talos.core.frames import BULK_PIECE_MAX, CONTROL_SIZE_MAX, MESSAGE_SIZE_MAX
from talos.errors import MalformedMessage

_EMPTY: Final[Mapping[ContentKind, ControlContent]] = {
    ContentKind.PING: Ping(),
    ContentKind.PONG: Pong(),
    ContentKind.GOAWAY: GoAway(),
}
_FIELDS: Final = {
    ContentKind.WELCOME: 5,
    ContentKind.MARKS: 4,
    ContentKind.PROOF: 1,
    ContentKind.ACK: 2,
    ContentKind.WANT: 3,
    ContentKind.BUSY: 2,
    ContentKind.REQUEST: 3,
    ContentKind.REPLY: 3,
    ContentKind.CANCEL: 1,
    ContentKind.PIECE: 3,
}


def decode_message(plaintext: bytes) -> MessageContent | VoidContent | OpenContent:
    """Decode what came on the message lane. Raises `MalformedMessage`."""
    kind = plaintext[0] if plaintext else 0
    if kind == ContentKind.MESSAGE and len(plaintext) >= 1 + MESSAGE_HEAD.size:
        origin, seq = MESSAGE_HEAD.unpack_from(plaintext, 1)
        if len(plaintext) > 1 + MESSAGE_HEAD.size + MESSAGE_SIZE_MAX:
            raise MalformedMessage(f"a message of more than {MESSAGE_SIZE_MAX} bytes")
        return MessageContent(origin, _seq(seq), plaintext[1 + MESSAGE_HEAD.size :])
    if kind == ContentKind.VOID and len(plaintext) == 1 + VOID_HEAD.size:
        origin, seq, count = VOID_HEAD.unpack_from(plaintext, 1)
        if not 1 <= count <= SEQ_MAX - seq:
            raise MalformedMessage(f"a void of {count} messages from {seq} on makes no sense")
        return VoidContent(origin, _seq(seq), count)
    if plaintext == b"\x03":
        return OpenContent()
    raise MalformedMessage(f"content kind {kind:#x} of {len(plaintext)} bytes is not allowed on the message lane")


def decode_bulk(plaintext: bytes) -> Piece | OpenContent:
    """Decode what came on the bulk lane. Raises `MalformedMessage`."""
    if plaintext == b"\x03":
        return OpenContent()
    content = _decode(plaintext, size_max=BULK_PIECE_MAX + 16)
    if not isinstance(content, Piece):
        raise MalformedMessage(f"content kind {plaintext[0]:#x} is not allowed on the bulk lane")
    return content


def decode_control(plaintext: bytes) -> ControlContent:
    """Decode what came on the control lane. Raises `MalformedMessage`."""
    content = _decode(plaintext, size_max=CONTROL_SIZE_MAX)
    if isinstance(content, Piece):
        raise MalformedMessage("a piece is not allowed on the control lane")
    return content


def _decode(plaintext: bytes, *, size_max: int) -> Piece | ControlContent:
    try:
        kind = ContentKind(plaintext[0])
    except (IndexError, ValueError):
        raise MalformedMessage("the content's kind is unknown") from None
    if kind in _EMPTY:
        if len(plaintext) != 1:
            raise MalformedMessage(f"{kind.name} has no fields")
        return _EMPTY[kind]
    if kind not in _FIELDS:
        raise MalformedMessage(f"{kind.name} is not allowed here")
    fields = codec.array(plaintext[1:], length=_FIELDS[kind], size_max=size_max)
    return _build(kind, fields)


def _build(kind: ContentKind, fields: list[object]) -> Piece | ControlContent:
    match kind:
        case ContentKind.WELCOME:
            keys = codec.octets(fields[0], length=LANE_KEYS_SIZE, field="lane_keys")
            return Welcome(keys, _marks(fields[1:]))
        case ContentKind.MARKS:
            return _marks(fields)
        case ContentKind.PROOF:
            return Proof(codec.octets(fields[0], length=ANSWERS_SIZE, field="answers"))
        case ContentKind.ACK:
            return Ack(_origin(fields[0]), _seq(fields[1], least=0))
        case ContentKind.WANT:
            return Want(_origin(fields[0]), _seq(fields[1]), _flag(fields[2], field="reseal"))
        case ContentKind.BUSY:
            return Busy(_origin(fields[0]), _seq(fields[1]))
        case ContentKind.REQUEST:
            return Request(_id(fields[0]), codec.integer(fields[1], least=0, most=255, field="type"), _body(fields[2]))
        case ContentKind.REPLY:
            status = Status(codec.integer(fields[1], least=0, most=max(Status), field="status"))
            return Reply(_id(fields[0]), status, _body(fields[2]))
        case ContentKind.CANCEL:
            return Cancel(_id(fields[0]))
        case _:
            data = codec.octets(fields[2], least=0, most=BULK_PIECE_MAX, field="data")
            return Piece(_id(fields[0]), _flag(fields[1], field="last"), data)


def _seq(value: object, *, least: int = 1) -> int:
    return codec.integer(value, least=least, most=SEQ_MAX, field="seq")


def _origin(value: object) -> bytes:
    return codec.octets(value, length=ORIGIN_SIZE, field="origin")


def _id(value: object) -> int:
    return codec.integer(value, least=0, most=REQUEST_ID_MAX, field="id")


def _marks(fields: list[object]) -> Marks:
    answers = codec.octets(fields[3], least=0, most=ANSWERS_SIZE, field="answers")
    if len(answers) not in (0, ANSWERS_SIZE):
        raise MalformedMessage(f"answers must be 0 or {ANSWERS_SIZE} bytes")
    return Marks(_origin(fields[0]), _origin(fields[1]), _seq(fields[2], least=0), answers)


def _flag(value: object, *, field: str) -> bool:
    return bool(codec.integer(value, least=0, most=1, field=field))


def _body(value: object) -> bytes:
    return codec.octets(value, least=0, most=REQUEST_BODY_MAX, field="body")
