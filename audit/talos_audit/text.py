"""Numbers and bytes in text, each with one spelling only: what two people sign or compare must be the same bytes."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Final

DIGITS_MAX: Final = 19  # Of a size or an index below 2**63. Longer ones are refused before they are counted.


def decimal(text: str) -> int:
    """Return the number of up to 19 ASCII digits without leading zeroes. Raises `ValueError`."""
    if not (text.isascii() and text.isdecimal()) or len(text) > DIGITS_MAX or (text[0] == "0" and text != "0"):
        raise ValueError("no decimal number in its shortest form, or a too large one")
    return int(text)


def base64(raw: bytes) -> str:
    """Return standard base64 with padding (RFC 4648, section 4)."""
    return b64encode(raw).decode("ascii")


def unbase64(text: str) -> bytes:
    """Return the bytes of what `base64` wrote; nothing else is accepted. Raises `ValueError`."""
    raw = b64decode(text, validate=True)  # Raises a `ValueError` of its own.
    if base64(raw) != text:  # Else unused bits could be changed unseen.
        raise ValueError("not the one base64 form of its bytes")
    return raw
