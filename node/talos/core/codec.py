"""The one owner of msgpack in `talos.core`: canonical arrays of plain values, and field by field checks.

Canonical means: an array of integers, booleans, bytes, UTF-8 text and arrays of these, every one in its
shortest encoding. No maps, no floats, no extensions; nil only where a reader asks for it. Two different
byte strings therefore never decode to one value, and what is signed or hashed has one form.
Source of the encoding: the MessagePack specification (2017 revision, with str and bin apart).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgpack

from talos.errors import MalformedMessage

Field: TypeAlias = "int | bool | bytes | str | Sequence[Field] | None"

Pack: TypeAlias = Callable[[tuple[Field, ...]], bytes]

DEPTH_MAX: Final = 8  # Arrays within arrays. The deepest of ours, a forked key log, has 6.
ITEMS_MAX: Final = 1_024  # Per array. A header may claim any length, and memory is taken before items are read.

# Exactly these: an extension, which is not allowed, decodes to a kind of tuple.
_ARRAYS: Final = frozenset({list, tuple})
_PLAIN: Final = frozenset({bytes, int, str, bool})  # Of these exact types nearly every value is.
_SCALARS: Final = (bytes, int, str)  # bool is an int to Python, and has an encoding of its own.


def pack(*fields: Field) -> bytes:
    """Return the canonical array of `fields`. Raises `TypeError` for what has no canonical form."""
    flaw = _flaw(fields, DEPTH_MAX, nil=True)
    if flaw is not None:
        raise TypeError(f"cannot pack: {flaw}")
    return msgpack.packb(fields, use_bin_type=True)


def packer() -> Pack:
    """Return what packs as `pack` does, and checks nothing: for one thread, and fields that are known to be canonical.

    Where a record is written a hundred thousand times, that is half the time.
    """
    return msgpack.Packer(use_bin_type=True).pack


def quick_array(raw: bytes) -> list[object]:
    """Return the fields of an array that we wrote ourselves, and that something has vouched for bit by bit.

    Raises `MalformedMessage` where it is none.
    """
    try:
        value = msgpack.unpackb(raw, raw=False, strict_map_key=True, max_map_len=0, max_ext_len=0)
    except ValueError:
        raise MalformedMessage("a record of ours is no array") from None
    if type(value) is not list:
        raise MalformedMessage("a record of ours is no array")
    return value


def array(raw: bytes, *, length: int | range, size_max: int, field: str = "message", nil: bool = False) -> list[object]:
    """Return the fields of one canonical array of `length` items, which is at most `size_max` bytes.

    `length` may be a range, for formats whose tail is optional. Raises `MalformedMessage`.
    """
    if len(raw) > size_max:
        raise MalformedMessage(f"{field}: {len(raw)} bytes, at most {size_max} are allowed")
    try:
        value = msgpack.unpackb(
            raw, raw=False, strict_map_key=True, max_array_len=ITEMS_MAX, max_map_len=0, max_ext_len=0
        )
    except ValueError:
        raise MalformedMessage(f"{field}: not one whole canonical array") from None
    if type(value) is not list:
        raise MalformedMessage(f"{field}: not an array")
    flaw = _flaw(value, DEPTH_MAX, nil=nil)
    if flaw is not None:
        raise MalformedMessage(f"{field}: {flaw}")
    if msgpack.packb(value, use_bin_type=True) != raw:
        raise MalformedMessage(f"{field}: not in canonical form")
    if len(value) not in (length if isinstance(length, range) else (length,)):
        raise MalformedMessage(f"{field}: {len(value)} fields, not {_expected(length)}")
    return value


def octets(value: object, *, field: str, length: int | None = None, least: int = 0, most: int | None = None) -> bytes:
    """Return `value` if it is bytes of exactly `length`, or of `least` to `most`. Raises `MalformedMessage`."""
    if type(value) is not bytes:
        raise MalformedMessage(f"{field}: not bytes")
    if length is not None:
        least = most = length
    if len(value) < least or (most is not None and len(value) > most):
        raise MalformedMessage(f"{field}: {len(value)} bytes, outside {least}..{'' if most is None else most}")
    return value


def integer(value: object, *, least: int, most: int, field: str) -> int:
    """Return `value` if it is an integer (no boolean) of `least` to `most`. Raises `MalformedMessage`."""
    if type(value) is not int:
        raise MalformedMessage(f"{field}: not an integer")
    if not least <= value <= most:
        raise MalformedMessage(f"{field}: {value} is outside {least}..{most}")
    return value


def flag(value: object, *, field: str) -> bool:
    """Return `value` if it is a boolean. Raises `MalformedMessage`."""
    if type(value) is not bool:
        raise MalformedMessage(f"{field}: not a boolean")
    return value


def text(value: object, *, most: int, field: str, least: int = 0) -> str:
    """Return `value` if it is text of `least` to `most` bytes in UTF-8. Raises `MalformedMessage`."""
    if type(value) is not str:
        raise MalformedMessage(f"{field}: not text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise MalformedMessage(f"{field}: half a surrogate pair is no text") from None
    if not least <= size <= most:
        raise MalformedMessage(f"{field}: {size} bytes of text, outside {least}..{most}")
    return value


def listing(value: object, *, most: int, field: str, least: int = 0) -> list[object]:
    """Return `value` if it is an array of `least` to `most` items. Raises `MalformedMessage`."""
    if type(value) is not list:
        raise MalformedMessage(f"{field}: not an array")
    if not least <= len(value) <= most:
        raise MalformedMessage(f"{field}: {len(value)} items, outside {least}..{most}")
    return value


def signed(label: bytes, body: bytes) -> bytes:
    """Return what every signature and hash covers: label, 00, body. No label contains a zero byte."""
    return label + b"\x00" + body


def _flaw(values: Sequence[object], depth: int, *, nil: bool) -> str | None:
    if depth == 0:
        return f"arrays nested deeper than {DEPTH_MAX}"
    for value in values:
        if type(value) in _PLAIN:
            continue
        if isinstance(value, list | tuple) and type(value) in _ARRAYS:
            flaw = _flaw(value, depth - 1, nil=nil)
            if flaw is not None:
                return flaw
        elif not isinstance(value, _SCALARS) and not (value is None and nil):
            return f"{type(value).__name__} is not allowed"
    return None


def _expected(length: int | range) -> str:
    return str(length) if isinstance(length, int) else f"{length.start}..{length.stop - 1}"
