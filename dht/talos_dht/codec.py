"""Canonical msgpack of the DHT's requests and records; the one module here that imports `msgpack`.

Canonical means: an array of integers, booleans, bytes, UTF-8 text and arrays of these, every one in its shortest
encoding. A reader encodes what it has read and compares, so two byte strings never mean one value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias, cast

import msgpack

from talos_dht.errors import Malformed

Field: TypeAlias = "int | bool | bytes | str | Sequence[Field]"

DEPTH_MAX: Final = 5  # Arrays within arrays. The deepest of ours, a record with an address, has 4.
ITEMS_MAX: Final = 32  # Of one array. The longest of ours, a reply's, has 20.

_KINDS_AND_LIST: Final = frozenset({int, bool, bytes, str, list})
_OCTETS: Final = frozenset({bytes})
_idle: Final = list[msgpack.Packer]()  # To make one takes as long as to pack; at most one for each thread.


def pack(*fields: Field) -> bytes:
    """Return the canonical array of `fields`."""
    return _packed(fields)


def array(raw: bytes, *, length: int, size_max: int, field: str) -> list[object]:
    """Return the fields of one canonical array of `length` items in at most `size_max` bytes. Raises `Malformed`."""
    if len(raw) > size_max:
        raise Malformed(f"{field}: {len(raw)} bytes, at most {size_max} are allowed")
    try:
        value = msgpack.unpackb(
            raw, raw=False, strict_map_key=True, max_array_len=ITEMS_MAX, max_map_len=0, max_ext_len=0
        )
    except (ValueError, msgpack.UnpackException):  # Too deep is a StackError, cut off an OutOfData.
        raise Malformed(f"{field}: not one whole canonical array") from None
    if type(value) is not list or not _is_plain(value, DEPTH_MAX):
        raise Malformed(f"{field}: not an array of integers, booleans, bytes, text and arrays, {DEPTH_MAX} deep")
    if len(value) != length:
        raise Malformed(f"{field}: {len(value)} fields, not {length}")
    if _packed(value) != raw:
        raise Malformed(f"{field}: not in canonical form")
    return value


def octets(value: object, *, field: str, length: int | None = None, least: int = 0, most: int = 0) -> bytes:
    """Return `value` if it is bytes of exactly `length`, or of `least` to `most`. Raises `Malformed`."""
    if type(value) is not bytes:
        raise Malformed(f"{field}: not bytes")
    if length is not None:
        least = most = length
    if not least <= len(value) <= most:
        raise Malformed(f"{field}: {len(value)} bytes, outside {least}..{most}")
    return value


def each_octets(value: object, *, count_least: int, count_most: int, field: str, least: int, most: int) -> list[bytes]:
    """Return `value` if it is an array of so many, each bytes of `least` to `most`. Raises `Malformed`."""
    values = listing(value, least=count_least, most=count_most, field=field)
    if _OCTETS.issuperset(map(type, values)):
        sizes = {*map(len, cast("list[bytes]", values))}
        if not sizes or (least <= min(sizes) and max(sizes) <= most):
            return cast("list[bytes]", values)
    return [octets(one, field=field, least=least, most=most) for one in values]  # Which names what is wrong.


def integer(value: object, *, least: int, most: int, field: str) -> int:
    """Return `value` if it is an integer (no boolean) of `least` to `most`. Raises `Malformed`."""
    if type(value) is not int:
        raise Malformed(f"{field}: not an integer")
    if not least <= value <= most:
        raise Malformed(f"{field}: {value} is outside {least}..{most}")
    return value


def flag(value: object, *, field: str) -> bool:
    """Return `value` if it is a boolean. Raises `Malformed`."""
    if type(value) is not bool:
        raise Malformed(f"{field}: not a boolean")
    return value


def text(value: object, *, least: int, most: int, field: str) -> str:
    """Return `value` if it is text of `least` to `most` bytes in UTF-8. Raises `Malformed`."""
    if type(value) is not str:
        raise Malformed(f"{field}: not text")
    if not least <= len(value.encode()) <= most:
        raise Malformed(f"{field}: {len(value.encode())} bytes of text, outside {least}..{most}")
    return value


def listing(value: object, *, most: int, field: str, least: int = 0) -> list[object]:
    """Return `value` if it is an array of `least` to `most` items. Raises `Malformed`."""
    if type(value) is not list:
        raise Malformed(f"{field}: not an array")
    if not least <= len(value) <= most:
        raise Malformed(f"{field}: {len(value)} items, outside {least}..{most}")
    return value


def exactly(value: object, *, length: int, field: str) -> list[object]:
    """Return `value` if it is an array of `length` items. Raises `Malformed`."""
    return listing(value, least=length, most=length, field=field)


def _packed(fields: Sequence[Field]) -> bytes:
    """Take a packer for ourselves, for none is for two threads; one that fails is not used again."""
    try:
        packer = _idle.pop()
    except IndexError:
        packer = msgpack.Packer(use_bin_type=True)
    raw = packer.pack(fields)
    _idle.append(packer)
    return raw


def _is_plain(values: list[object], depth: int) -> bool:
    """Say so of all, which are `depth` deep at most: what the unpacker lets pass is deeper than Python's stack."""
    if depth == 0 or not _KINDS_AND_LIST.issuperset(map(type, values)):
        return False
    return all(_is_plain(value, depth - 1) for value in values if type(value) is list)
