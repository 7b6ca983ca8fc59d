"""What stands inside ratchet frames: what is sent is what is read, and nothing else can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core import codec
from talos.core.content import (
    ANSWERS_SIZE,
    LANE_KEYS_SIZE,
    ORIGIN_SIZE,
    REQUEST_BODY_MAX,
    REQUEST_ID_MAX,
    SEQ_MAX,
    Ack,
    Busy,
    Cancel,
    Content,
    ContentKind,
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
from talos.core.content_read import decode_bulk, decode_control, decode_message
from talos.core.frames import BULK_HEADER_MAX, BULK_PIECE_MAX, CONTROL_SIZE_MAX, MESSAGE_SIZE_MAX
from talos.errors import MalformedMessage

Decode = Callable[[bytes], Content]

origins = st.binary(min_size=ORIGIN_SIZE, max_size=ORIGIN_SIZE)
seqs = st.integers(1, SEQ_MAX)
highs = st.integers(0, SEQ_MAX)
ids = st.integers(0, REQUEST_ID_MAX)
bodies = st.binary(max_size=80)
names = st.binary(min_size=ANSWERS_SIZE, max_size=ANSWERS_SIZE)
marks = st.builds(Marks, origins, origins, highs, st.one_of(st.just(b""), names))
voids = st.builds(VoidContent, origins, st.integers(1, SEQ_MAX - 2**32), st.integers(1, 2**32 - 1))

messages = st.one_of(st.builds(MessageContent, origins, seqs, bodies), voids, st.just(OpenContent()))
bulks = st.one_of(st.builds(Piece, ids, st.booleans(), bodies), st.just(OpenContent()))
controls = st.one_of(
    st.builds(Welcome, st.binary(min_size=LANE_KEYS_SIZE, max_size=LANE_KEYS_SIZE), marks),
    marks,
    st.builds(Ack, origins, highs),
    st.builds(Want, origins, seqs, st.booleans()),
    st.builds(Busy, origins, seqs),
    st.sampled_from([Ping(), Pong(), GoAway()]),
    st.builds(Proof, names),
    st.builds(Request, ids, st.integers(0, 255), bodies),
    st.builds(Reply, ids, st.sampled_from(Status), bodies),
    st.builds(Cancel, ids),
)
lanes = st.one_of(
    st.tuples(st.just(decode_message), messages),
    st.tuples(st.just(decode_bulk), bulks),
    st.tuples(st.just(decode_control), controls),
)

ORIGIN = bytes(range(ORIGIN_SIZE))


@given(lanes)
def test_what_is_encoded_is_decoded_again(lane: tuple[Decode, Content]) -> None:
    decode, content = lane
    assert decode(content.encode()) == content


@given(lanes, st.data())
def test_a_changed_or_cut_content_is_another_one_or_malformed(
    lane: tuple[Decode, Content], data: st.DataObject
) -> None:
    decode, content = lane
    raw = content.encode()
    at, byte = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 255))
    for changed in (raw[:at], raw[:at] + bytes((byte,)) + raw[at + 1 :], raw + bytes((byte,))):
        try:
            again = decode(changed)
        except MalformedMessage:
            continue
        assert again.encode() == changed  # One content, one encoding: so a changed one is another one.


@pytest.mark.parametrize("decode", [decode_message, decode_bulk, decode_control])
@given(raw=st.binary(max_size=60), kind=st.sampled_from([*ContentKind, 0, 0xFF]))
def test_no_bytes_raise_anything_but_malformed_message(decode: Decode, raw: bytes, kind: int) -> None:
    for plaintext in (raw, bytes((kind,)) + raw):
        try:
            content = decode(plaintext)
        except MalformedMessage:
            continue
        assert content.encode() == plaintext


LARGEST_BODY = bytes(MESSAGE_SIZE_MAX)
LARGEST_REQUEST = bytes(REQUEST_BODY_MAX)
LARGEST_PIECE = bytes(BULK_PIECE_MAX)


@pytest.mark.parametrize(
    ("decode", "content"),
    [
        (decode_message, MessageContent(ORIGIN, SEQ_MAX, LARGEST_BODY)),
        (decode_message, VoidContent(ORIGIN, SEQ_MAX - 1, 1)),
        (decode_control, Request(REQUEST_ID_MAX, 255, LARGEST_REQUEST)),
        (decode_control, Reply(REQUEST_ID_MAX, Status.FAILED, LARGEST_REQUEST)),
        (decode_control, Want(ORIGIN, SEQ_MAX, reseal=True)),
        (decode_bulk, Piece(REQUEST_ID_MAX, last=True, data=LARGEST_PIECE)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_largest_of_each_kind_passes(decode: Decode, content: Content) -> None:
    assert decode(content.encode()) == content


def test_the_largest_control_content_fits_a_control_frame() -> None:
    assert len(Request(REQUEST_ID_MAX, 255, LARGEST_REQUEST).encode()) <= CONTROL_SIZE_MAX
    assert len(Piece(REQUEST_ID_MAX, last=True, data=LARGEST_PIECE).encode()) <= BULK_PIECE_MAX + BULK_HEADER_MAX


@pytest.mark.parametrize(
    ("decode", "content"),
    [
        (decode_message, MessageContent(ORIGIN, 1, LARGEST_BODY + b"\x00")),
        (decode_message, MessageContent(ORIGIN, 0, b"")),
        (decode_message, MessageContent(ORIGIN, SEQ_MAX + 1, b"")),
        (decode_message, VoidContent(ORIGIN, 0, 1)),
        (decode_message, VoidContent(ORIGIN, 1, 0)),
        (decode_message, VoidContent(ORIGIN, SEQ_MAX, 1)),
        (decode_control, Ack(ORIGIN, SEQ_MAX + 1)),
        (decode_control, Ack(ORIGIN[1:], 1)),
        (decode_control, Want(ORIGIN, 0, reseal=False)),
        (decode_control, Busy(ORIGIN, 0)),
        (decode_control, Request(REQUEST_ID_MAX + 1, 0, b"")),
        (decode_control, Request(0, 256, b"")),
        (decode_control, Request(0, 0, LARGEST_REQUEST + b"\x00")),
        (decode_control, Cancel(-1)),
        (decode_control, Welcome(bytes(LANE_KEYS_SIZE - 1), Marks(ORIGIN, ORIGIN, 0))),
        (decode_control, Marks(ORIGIN, ORIGIN, 0, bytes(ANSWERS_SIZE - 1))),
        (decode_control, Marks(ORIGIN, ORIGIN, 0, bytes(ANSWERS_SIZE + 1))),
        (decode_control, Proof(bytes(ANSWERS_SIZE - 1))),
        (decode_bulk, Piece(0, last=False, data=LARGEST_PIECE + b"\x00")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_beyond_a_limit_is_malformed(decode: Decode, content: Content) -> None:
    with pytest.raises(MalformedMessage):
        decode(content.encode())


@pytest.mark.parametrize("flag", [2, -1, True, b"\x01"])
def test_a_flag_is_0_or_1_and_nothing_else(flag: codec.Field) -> None:
    with pytest.raises(MalformedMessage, match="reseal"):
        decode_control(bytes((ContentKind.WANT,)) + codec.pack(ORIGIN, 1, flag))


@pytest.mark.parametrize("status", [max(Status) + 1, -1])
def test_a_status_that_does_not_exist_is_malformed(status: int) -> None:
    with pytest.raises(MalformedMessage, match="status"):
        decode_control(bytes((ContentKind.REPLY,)) + codec.pack(0, status, b""))


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(ContentKind)))
def test_a_kind_that_does_not_exist_is_malformed_on_every_lane(kind: int) -> None:
    for decode in (decode_message, decode_bulk, decode_control):
        with pytest.raises(MalformedMessage):
            decode(bytes((kind,)))


@given(controls)
def test_control_content_is_refused_on_the_bulk_lane(content: Content) -> None:
    with pytest.raises(MalformedMessage, match="bulk lane"):
        decode_bulk(content.encode())


def test_a_piece_is_refused_on_the_control_lane() -> None:
    with pytest.raises(MalformedMessage, match="control lane"):
        decode_control(Piece(0, last=True, data=b"").encode())


@given(controls)
def test_control_content_is_refused_on_the_message_lane(content: Content) -> None:
    with pytest.raises(MalformedMessage, match="message lane"):
        decode_message(content.encode())


@given(messages)
def test_messages_are_refused_on_the_control_lane(content: Content) -> None:
    with pytest.raises(MalformedMessage, match="is not allowed here"):
        decode_control(content.encode())
