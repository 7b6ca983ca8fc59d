"""Words for people: moments, and what strangers wrote."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def utc(ms: int, timespec: str = "seconds") -> str:
    """Return a moment, in milliseconds since 1970, as ISO 8601 has it; as a number where that has no year for it."""
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec=timespec)
    except OverflowError:
        return f"{ms} ms"


def printable(text: str, *, kept: str = "") -> str:
    """Return text that cannot command a terminal: of what does not print, only `kept` is left as it is."""
    return "".join(c if c.isprintable() or c in kept else c.encode("unicode_escape").decode() for c in text)
