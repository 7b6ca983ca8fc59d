"""What crosses the control socket of the audit log: entries and heads, written and read back as in `values`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from talos.control.fields import TEXT_LENGTH_MAX, Fields
from talos.control.values import COUNT_MAX, Written
from talos.core.entry_types import BODY_SIZE_MAX, EntryType
from talos.core.report import AuditEntry, LogHead
from talos.errors import MalformedMessage

ENTRIES_MAX: Final = 48  # In one answer: the largest body is 32 KiB in hex, so they fit a control line of 2 MiB.
DETAILS_MAX: Final = 32  # Fields of one body.
DETAIL_LENGTH_MAX: Final = 2 * BODY_SIZE_MAX  # Characters: bytes are in hex.
NOTE_LENGTH_MAX: Final = 128 * 1024  # Characters of a checkpoint: the most that a signed note may have in bytes.
HASH_DIGITS: Final = 64
ID_DIGITS: Final = 32


def write_entries(value: list[AuditEntry]) -> Written:
    return {"entries": [write_entry(entry) for entry in value]}


def read_entries(fields: Fields) -> list[AuditEntry]:
    return [read_entry(entry) for entry in fields.each("entries")]


def write_entry(value: AuditEntry) -> Written:
    return asdict(value)


def read_entry(fields: Fields) -> AuditEntry:
    type = fields.text("type")
    if type not in EntryType.__members__:
        raise MalformedMessage(f"{fields.what}: type is {type[:80]!r}, which is none")
    return AuditEntry(
        index=fields.integer("index", least=0, most=COUNT_MAX),
        type=type,
        time_ms=fields.integer("time_ms", least=0, most=COUNT_MAX),
        id=_digits(fields, "id", ID_DIGITS),
        lease_epoch=fields.integer("lease_epoch", least=0, most=COUNT_MAX),
        peer=fields.optional_text("peer"),
        details=None if fields.values.get("details") is None else _read_details(fields.nested("details")),
    )


def _read_details(fields: Fields) -> dict[str, str | int]:
    if len(fields.values) > DETAILS_MAX:
        raise MalformedMessage(f"{fields.what}: {len(fields.values)} fields, more than {DETAILS_MAX}")
    for name in fields.values:
        if len(name) > TEXT_LENGTH_MAX:
            raise MalformedMessage(f"{fields.what}: a name of {len(name)} characters")
    return {
        name: fields.text(name, most=DETAIL_LENGTH_MAX)
        if isinstance(value, str)
        else fields.integer(name, least=0, most=COUNT_MAX)
        for name, value in fields.values.items()
    }


def write_head(value: LogHead) -> Written:
    return asdict(value)


def read_head(fields: Fields) -> LogHead:
    return LogHead(
        origin=fields.text("origin"),
        size=fields.integer("size", least=0, most=COUNT_MAX),
        root=_digits(fields, "root", HASH_DIGITS),
        checkpoint=fields.text("checkpoint", most=NOTE_LENGTH_MAX),
        vkey=fields.text("vkey"),
    )


def _digits(fields: Fields, name: str, count: int) -> str:
    text = fields.text(name)
    if len(text) != count or set(text) - set("0123456789abcdef"):
        raise MalformedMessage(f"{fields.what}: {name} is not {count} hex digits")
    return text
