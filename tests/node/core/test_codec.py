from __future__ import annotations

from enum import IntEnum

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core import codec
from talos.errors import MalformedMessage

SIZE_MAX = 4_096


class Colour(IntEnum):
    RED = 7


scalars = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.booleans(), st.binary(max_size=300), st.text(max_size=80), st.none()
)
arrays = st.recursive(
    st.lists(scalars, max_size=20), lambda inner: st.lists(st.one_of(scalars, inner), max_size=5), max_leaves=10
)


def any_length() -> range:
    return range(codec.ITEMS_MAX + 1)


def nested(depth: int) -> bytes:
    """`depth` arrays within each other, the outermost counted."""
    return b"\x91" * (depth - 1) + b"\x90"


@given(arrays)
def test_what_was_packed_is_what_is_read(fields: list[codec.Field]) -> None:
    assert codec.array(codec.pack(*fields), length=len(fields), size_max=2**20, nil=True) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_are_the_one_encoding_of_their_value(raw: bytes) -> None:
    try:
        fields = codec.array(raw, length=any_length(), size_max=SIZE_MAX)
    except MalformedMessage:
        return
    assert msgpack.packb(fields, use_bin_type=True) == raw


@given(arrays, st.data())
def test_one_changed_byte_never_decodes_to_the_same_value(fields: list[codec.Field], data: st.DataObject) -> None:
    raw = bytearray(codec.pack(*fields))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = codec.array(bytes(raw), length=any_length(), size_max=2**20, nil=True)
    except MalformedMessage:
        return
    assert codec.pack(*changed) != codec.pack(*fields)  # type: ignore[arg-type]  # Changed on purpose to what may not be packed.


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not one whole"),
        (b"\x91", "not one whole"),
        (b"\x90\x00", "not one whole"),
        (b"\x05", "not an array"),
        (b"\x80", "not an array"),
        (b"\x91\x80", "dict is not allowed"),
        (b"\x91\x81\x01\x02", "not one whole"),
        (b"\x91\xca\x00\x00\x00\x00", "float is not allowed"),
        (b"\x91\xcb" + bytes(8), "float is not allowed"),
        (b"\x91\xd4\x01\x00", "not one whole"),
        (b"\x91\xd6\xff" + bytes(4), "not one whole"),
        (b"\x91\xc0", "NoneType is not allowed"),
        (b"\x91\xc1", "not one whole"),
        (b"\x91\xcc\x05", "not in canonical form"),
        (b"\x91\xd0\x05", "not in canonical form"),
        (b"\x91\xd9\x01a", "not in canonical form"),
        (b"\x91\xc5\x00\x01a", "not in canonical form"),
        (b"\xdc\x00\x01\x05", "not in canonical form"),
        (b"\x91\xa1\xff", "not one whole"),
        (b"\x91\xa3\xed\xa0\x80", "not one whole"),
        (b"\x92\x01\x02", "2 fields, not 1"),
    ],
)
def test_whatever_is_not_a_canonical_array_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=f"^greeting: .*{why}"):
        codec.array(raw, length=1, size_max=SIZE_MAX, field="greeting")


def test_size_is_bounded_at_and_one_beyond() -> None:
    raw = codec.pack(bytes(10))
    assert codec.array(raw, length=1, size_max=len(raw)) == [bytes(10)]
    with pytest.raises(MalformedMessage, match="at most"):
        codec.array(raw, length=1, size_max=len(raw) - 1)


def test_nesting_is_bounded_at_and_one_beyond() -> None:
    assert codec.array(nested(codec.DEPTH_MAX), length=1, size_max=SIZE_MAX)
    with pytest.raises(MalformedMessage, match="nested deeper"):
        codec.array(nested(codec.DEPTH_MAX + 1), length=1, size_max=SIZE_MAX)
    with pytest.raises(MalformedMessage):
        codec.array(nested(100_000), length=1, size_max=2**20)


def test_items_are_bounded_at_and_one_beyond() -> None:
    full = [0] * codec.ITEMS_MAX
    assert codec.array(codec.pack(*full), length=any_length(), size_max=SIZE_MAX) == full
    with pytest.raises(MalformedMessage):
        codec.array(codec.pack(*full, 0), length=range(2_000), size_max=SIZE_MAX)


def test_a_claimed_length_takes_no_memory() -> None:
    with pytest.raises(MalformedMessage):
        codec.array(b"\xdd\xff\xff\xff\xff", length=any_length(), size_max=SIZE_MAX)


def test_a_length_may_be_a_range() -> None:
    assert codec.array(codec.pack(1, 2), length=range(2, 4), size_max=SIZE_MAX) == [1, 2]
    assert codec.array(codec.pack(1, 2, 3), length=range(2, 4), size_max=SIZE_MAX) == [1, 2, 3]
    for wrong in (codec.pack(1), codec.pack(1, 2, 3, 4)):
        with pytest.raises(MalformedMessage, match=r"not 2\.\.3"):
            codec.array(wrong, length=range(2, 4), size_max=SIZE_MAX)


@pytest.mark.parametrize("value", [1.5, {}, object(), [[1.5]], bytearray(b"x")])
def test_what_has_no_canonical_form_cannot_be_packed(value: codec.Field) -> None:
    with pytest.raises(TypeError, match="is not allowed"):
        codec.pack(value)


def test_enumerated_integers_are_packed_as_integers() -> None:
    assert codec.pack(Colour.RED, [Colour.RED]) == codec.pack(7, [7])


@pytest.mark.parametrize("value", ["ab", 2, True, None, [b"ab"], b"", b"a", b"abcd"])
def test_octets_of_the_wrong_kind_or_size_are_refused_by_name(value: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^key: "):
        codec.octets(value, least=2, most=3, field="key")
    assert codec.octets(b"ab", least=2, most=3, field="key") == b"ab"
    assert codec.octets(b"abc", least=2, most=3, field="key") == b"abc"


def test_octets_of_one_length_are_that_long() -> None:
    assert codec.octets(b"ab", length=2, field="key") == b"ab"
    for wrong in (b"a", b"abc"):
        with pytest.raises(MalformedMessage, match=r"^key: . bytes, outside 2\.\.2"):
            codec.octets(wrong, length=2, field="key")
    assert codec.octets(bytes(5_000), field="key") == bytes(5_000)


@pytest.mark.parametrize("value", [b"5", "5", 5.0, True, None, [5], 0, 11])
def test_integers_of_the_wrong_kind_or_range_are_refused_by_name(value: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^term_ms: "):
        codec.integer(value, least=1, most=10, field="term_ms")
    assert codec.integer(1, least=1, most=10, field="term_ms") == 1
    assert codec.integer(10, least=1, most=10, field="term_ms") == 10


@pytest.mark.parametrize("value", [b"ab", 5, None, ["ab"], "a", "äöü", "abcdef"])
def test_text_of_the_wrong_kind_or_size_in_utf8_is_refused_by_name(value: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^reason: "):
        codec.text(value, least=2, most=5, field="reason")
    assert codec.text("äö", least=2, most=5, field="reason") == "äö"
    assert codec.text("abcde", least=2, most=5, field="reason") == "abcde"


@pytest.mark.parametrize("value", [b"ab", (1, 2), None, 5, [], [1, 2, 3, 4]])
def test_listings_of_the_wrong_kind_or_length_are_refused_by_name(value: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^keys: "):
        codec.listing(value, least=1, most=3, field="keys")
    assert codec.listing([1, 2, 3], least=1, most=3, field="keys") == [1, 2, 3]


@pytest.mark.parametrize("value", [0, 1, None, b"\x01", "true"])
def test_only_booleans_are_flags(value: object) -> None:
    with pytest.raises(MalformedMessage, match=r"^emergency: "):
        codec.flag(value, field="emergency")
    assert codec.flag(True, field="emergency") is True


def test_a_signature_covers_label_zero_body() -> None:
    assert codec.signed(b"talos/v1/x", b"body") == b"talos/v1/x\x00body"


@pytest.mark.parametrize("raw", [b"\x91\xc7\x00\x05", b"\x91\xd4\x05\x00", b"\x91\xc7\x01\x05\x00"])
def test_an_extension_is_refused_even_if_it_is_empty(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        codec.array(raw, length=1, size_max=100)
