"""What people and programs write when they ask an audit log: types, peers, moments and roots, as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.names import parse_peer
from talos.errors import UsageError
from talos_audit import HASH_SIZE

INDEX_MAX: Final = 2**63 - 1  # The last entry that any log can have.

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


def make_query(
    type: str | None = None,
    peer: str | None = None,
    *,
    from_ms: int | None = None,
    to_ms: int | None = None,
    last: int | None = None,
    before: int | None = None,
) -> Query:
    """Raises `UsageError` for a type or peer that is none, and for fewer than no entries."""
    if last is not None and last < 0:
        raise UsageError(f"the last {last} entries cannot be had", fix="Ask for 1 or more")
    return Query(
        type=None if type is None else parse_type(type),
        peer=None if peer is None else parse_peer(peer),
        from_ms=from_ms,
        to_ms=to_ms,
        last=last,
        before=before,
    )


def parse_type(name: str) -> EntryType:
    """Return the type of this name, in whatever case. Raises `UsageError`, listing the names."""
    try:
        return EntryType[name.upper()]
    except KeyError:
        raise UsageError(
            f"there is no entry type {name[:80]!r}", fix=f"Types are: {', '.join(EntryType.__members__)}"
        ) from None


def at_ms(moment: datetime) -> int:
    """Return the first whole millisecond since 1970 that is not before `moment`; 0 for what was earlier.

    Raises `UsageError` where it has no time zone, for nobody could say which moment that is.
    """
    if moment.utcoffset() is None:
        raise UsageError(f"{moment.isoformat()} has no time zone", fix="Give one, such as tzinfo=datetime.UTC")
    return max(0, -((_EPOCH - moment) // _MS))


def parse_root(text: str) -> bytes:
    """Return the 32 bytes of a root in hex, with or without 0x before it. Raises `UsageError`."""
    digits = text.removeprefix("0x")
    try:
        root = bytes.fromhex(digits)
    except ValueError:
        root = b""
    if len(root) != HASH_SIZE or len(digits) != 2 * HASH_SIZE:  # fromhex would pass over spaces.
        raise UsageError(
            f"{text[:80]!r} is no root", fix="Write 0x and 64 hex digits, as `talos audit root` prints them"
        )
    return root


def check_index(index: int) -> int:
    """Return `index`. Raises `UsageError` for what no log can have."""
    if not 0 <= index <= INDEX_MAX:
        raise UsageError(f"there is no audit entry {index}", fix="The first is 0")
    return index
