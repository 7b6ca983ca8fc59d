"""Audit entries as people read them."""

from __future__ import annotations

import re
from typing import Final

from talos.cli.perform import columns
from talos.cli.text import printable, utc
from talos.core.names import DID_PREFIX
from talos.core.report import AuditEntry

SHORT: Final = 8  # Characters that are left of a hash in a list.
PEER_SHORT: Final = 12  # Of a peer id: 60 bits, so that no two peers of a node look alike by chance.
NO_NODE: Final = "no node is running: what entries say stays sealed; start talos-node to have it opened"

_LONG_HEX: Final = re.compile(r"[0-9a-f]{17,}")


def table(entries: list[AuditEntry], *, closed: str) -> str:
    """Return entries as one line each, without what is empty or said already.

    `closed` is the word for a body that we do not have: erased, or sealed.
    """
    return columns([_row(entry, closed) for entry in entries])


def whole(entry: AuditEntry, *, closed: str) -> list[tuple[str, str]]:
    """Return all that there is to know of an entry: names and values."""
    rows = [
        ("index", str(entry.index)),
        ("type", entry.type),
        ("time", _time(entry)),
        ("id", entry.id),
        ("lease epoch", str(entry.lease_epoch)),
        ("peer", _peer(entry, closed)),
    ]
    if entry.details is None:
        return [*rows, ("details", closed)]
    return rows + [(printable(name), _value(value)) for name, value in entry.details.items()]


def _row(entry: AuditEntry, closed: str) -> tuple[str, ...]:
    details = {name: value for name, value in (entry.details or {}).items() if value not in ("", entry.peer)}
    return (
        str(entry.index),
        _time(entry),
        entry.type,
        _cut(_peer(entry, closed)),
        " ".join(f"{printable(name)}={_short(value)}" for name, value in details.items()),
    )


def _time(entry: AuditEntry) -> str:
    return utc(entry.time_ms, "milliseconds").replace("+00:00", "Z")


def _peer(entry: AuditEntry, closed: str) -> str:
    return closed if entry.peer is None else printable(entry.peer) or "-"


def _value(value: str | int) -> str:
    return printable(value) or "-" if isinstance(value, str) else str(value)


def _short(value: str | int) -> str:
    text = _cut(_value(value))
    return f"'{text}'" if " " in text else text


def _cut(text: str) -> str:
    """Return a DID or a hash cut short; anything else as it is."""
    if text.startswith(DID_PREFIX):
        return f"{text.removeprefix(DID_PREFIX)[:PEER_SHORT]}..."
    return f"{text[:SHORT]}..." if _LONG_HEX.fullmatch(text) else text
