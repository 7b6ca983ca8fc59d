"""Public keys as W3C documents and did:key write them.

    multikey   "z" | base58(prefix 2 | key 32)       48 characters; "z" says base58, of Bitcoin's alphabet
    prefix     ed 01 Ed25519, ec 01 X25519           multicodec numbers ed and ec, each as a varint

Source: W3C Controlled Identifiers 1.0, "Multikey" and "Multibase"; the multicodec table, for X25519.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from talos.core.keylog_keys import KEY_SIZE
from talos.errors import UsageError

BASE_58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PREFIX_SIZE: Final = 2  # Bytes.
MULTIKEY_LENGTH: Final = 48  # Characters. No key takes fewer or more: with either prefix the number has 47 digits.

_SIZE: Final = PREFIX_SIZE + KEY_SIZE
_DIGITS: Final = {digit: value for value, digit in enumerate(BASE_58)}


class KeyKind(Enum):
    """What a key is for, by its prefix."""

    ED25519 = b"\xed\x01"  # Signatures.
    X25519 = b"\xec\x01"  # Key agreement.


def multikey(kind: KeyKind, key: bytes) -> str:
    """Return a public key of 32 bytes as a Multikey."""
    number, digits = int.from_bytes(kind.value + key, "big"), ""
    while number:
        number, digit = divmod(number, len(BASE_58))
        digits = BASE_58[digit] + digits
    return "z" + digits


def read_multikey(text: str) -> tuple[KeyKind, bytes]:
    """Return what `multikey` was given. Only what it could have written is accepted. Raises `UsageError`."""
    digits = text[1:] if len(text) == MULTIKEY_LENGTH and text[0] == "z" else ""
    if not digits or any(digit not in _DIGITS for digit in digits):
        raise UsageError(f"{text[:80]!r} is no key", fix=f"A key is z and {MULTIKEY_LENGTH - 1} base58 digits")
    number = 0
    for digit in digits:
        number = number * len(BASE_58) + _DIGITS[digit]
    if number < 256**_SIZE:  # 47 digits hold a little more.
        raw = number.to_bytes(_SIZE, "big")
        for kind in KeyKind:
            if raw.startswith(kind.value):  # And so does not begin with 00: there is no second way to write it.
                return kind, raw[PREFIX_SIZE:]
    raise UsageError(
        f"{text!r} is a key of another kind than Talos knows", fix="Ed25519 keys begin with z6Mk, X25519 keys with z6LS"
    )
