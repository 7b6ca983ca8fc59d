"""Frames on a link: cut right however the stream is cut, and refused before a byte is held for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.frames import (
    BULK_PIECE_MAX,
    CONTROL_SIZE_MAX,
    MESSAGE_FRAME_MAX,
    MESSAGE_SIZE_MAX,
    SIZE_MAX,
    FrameReader,
    Kind,
    wrap,
)
from talos.errors import MalformedMessage

ALL = frozenset(Kind)

frames = st.builds(lambda kind, body: bytes((kind,)) + body, st.sampled_from(Kind), st.binary(max_size=60))


def read_all(stream: list[bytes], allowed: frozenset[Kind] = ALL) -> list[bytes]:
    reader, got = FrameReader(allowed), list[bytes]()
    for data in stream:
        reader.feed(data)
        while (frame := reader.next()) is not None:
            got.append(frame)
    assert not reader.inside_a_frame
    return got


@given(sent=st.lists(frames, max_size=8), data=st.data())
def test_frames_are_the_same_however_the_stream_is_cut(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(wrap, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read_all(pieces) == sent


def test_frames_that_come_byte_by_byte_are_the_same() -> None:
    sent = [bytes((kind,)) + b"body" for kind in Kind]
    assert read_all([bytes((byte,)) for byte in b"".join(map(wrap, sent))]) == sent


@pytest.mark.parametrize("kind", Kind)
def test_a_frame_of_the_largest_size_passes_and_one_byte_more_is_refused_by_both_ends(kind: Kind) -> None:
    largest = bytes((kind,)) + bytes(SIZE_MAX[kind] - 1)
    assert read_all([wrap(largest)]) == [largest]
    with pytest.raises(ValueError, match="over the limit"):
        wrap(largest + b"\x00")
    reader = FrameReader(ALL)
    reader.feed((len(largest) + 1).to_bytes(4, "big") + bytes((kind,)))
    with pytest.raises(MalformedMessage, match="over the limit"):
        reader.next()


@pytest.mark.parametrize("length", [0, 2**31, 2**32 - 1])
def test_an_impossible_length_is_refused_on_its_first_five_bytes(length: int) -> None:
    reader = FrameReader(ALL)
    reader.feed(length.to_bytes(4, "big") + bytes((Kind.CONTROL,)))
    with pytest.raises(MalformedMessage, match="length"):
        reader.next()


@pytest.mark.parametrize("kind", sorted(set(range(256)) - set(Kind)))
def test_a_kind_that_does_not_exist_is_refused(kind: int) -> None:
    reader = FrameReader(ALL)
    reader.feed(b"\x00\x00\x00\x01" + bytes((kind,)))
    with pytest.raises(MalformedMessage, match="not allowed now"):
        reader.next()


@pytest.mark.parametrize("kind", Kind)
def test_only_what_is_allowed_now_passes_and_that_may_change_between_frames(kind: Kind) -> None:
    reader = FrameReader(ALL - {kind})
    reader.feed(wrap(bytes((kind,)) + b"body"))
    with pytest.raises(MalformedMessage, match="not allowed now"):
        reader.next()
    reader.allowed = frozenset({kind})
    assert reader.next() == bytes((kind,)) + b"body"


@given(st.binary(max_size=64))
def test_no_bytes_raise_anything_but_malformed_message(data: bytes) -> None:
    reader = FrameReader(ALL)
    reader.feed(data)
    try:
        while (frame := reader.next()) is not None:
            assert frame[0] in set(Kind)
    except MalformedMessage:
        return
    assert reader.inside_a_frame == (len(data) > sum(4 + len(frame) for frame in _whole(data)))


def test_the_limits_are_those_of_the_protocol() -> None:
    assert {Kind(kind).name: size for kind, size in SIZE_MAX.items()} == {
        "FETCH": 65,
        "CARD": 16 * 1024 + 1,
        "HELLO": 4 * 1024,
        "SEALED": 16 * 1024 + 1,
        "KEY_LOG": 8 * 1024 + 1,
        "DATAGRAM": 1_201,
        "CONTROL": CONTROL_SIZE_MAX + 96,
        "MESSAGE": MESSAGE_FRAME_MAX,
        "BULK": BULK_PIECE_MAX + 112,
    }
    assert (CONTROL_SIZE_MAX, MESSAGE_FRAME_MAX, BULK_PIECE_MAX) == (4 * 1024, 2**20, 64 * 1024)
    assert MESSAGE_SIZE_MAX == 2**20 - 4 * 1024


def _whole(data: bytes) -> list[bytes]:
    """Return the whole frames at the beginning of `data`, cut by other means than the reader's."""
    whole = []
    while len(data) >= 5 and len(data) >= 4 + (length := int.from_bytes(data[:4], "big")):
        whole.append(data[4 : 4 + length])
        data = data[4 + length :]
    return whole
