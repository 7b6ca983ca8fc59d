"""The pages of docs/protocol and the code name the same kinds, words, labels, sizes and limits, both ways."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import Enum, IntEnum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

from talos.control import values
from talos.control.verbs import VERBS
from talos.core import (
    channel,
    content,
    content_read,
    entry_types,
    frames,
    greeting,
    keylog_event,
    keylog_kinds,
    names,
    report,
)
from talos.core.keylog_state import FATES, NEXT
from talos.core.refusals import _TYPES as REFUSAL_TYPES
from talos.services.requests import RequestType
from talos_dht import contact, messages, provider, record, statement
from talos_ratchet import BUNDLE_SIZE, OFFER_SIZE, SUITE_1, Lane, opening
from talos_ratchet.frame import HEADER
from tests.protocol.layout import pages

PAGES: Final = pages()
DHT: Final = (contact, provider, record, statement)
RATCHET: Final = Path(import_module("talos_ratchet").__file__ or "").parent


def table(page: str, head: str) -> list[list[str]]:
    """Return the cells of the one table of a page whose first line begins with `head`."""
    lines = PAGES[page].splitlines()
    [start] = [at for at, line in enumerate(lines) if line.startswith(head)]
    rows = list[list[str]]()
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


NUMBERED: Final[Mapping[tuple[str, str], type[IntEnum]]] = {
    ("link.md", "| kind | name | most"): frames.Kind,
    ("link.md", "| word | name"): greeting.Word,
    ("link.md", "| reason | name"): greeting.Reason,
    ("content.md", "| kind | name"): content.ContentKind,
    ("content.md", "| type | name"): RequestType,
    ("content.md", "| status | name"): content.Status,
    ("keylog.md", "| kind | name"): keylog_kinds.Kind,
    ("keylog.md", "| role | name"): keylog_kinds.Role,
    ("ratchet.md", "| lane | name"): Lane,
    ("audit.md", "| type | name"): entry_types.EntryType,
    ("dht.md", "| kind | name"): messages.Kind,
    ("dht.md", "| answer | name"): messages.Answer,
    ("dht.md", "| reason | name"): messages.Reason,
}


@pytest.mark.parametrize(("page", "head"), list(NUMBERED))
def test_a_table_of_numbers_is_the_enum(page: str, head: str) -> None:
    shown = [(int(row[0], 0), row[1]) for row in table(page, head)]
    assert shown == [(int(member), member.name) for member in NUMBERED[page, head]]


def test_the_words_in_bodies_of_audit_entries_are_the_enums() -> None:
    words = [re.findall(r"(\d+) ([A-Z_]+)", said) for _, said in table("audit.md", "| field | words")]
    enums = (entry_types.MessageEvent, entry_types.SessionEvent, entry_types.Side, entry_types.Refusal)
    assert words == [[(str(int(member)), member.name) for member in enum] for enum in enums]
    said = re.search(r"SIGNATURE is in entries of type (\d+), REPLAY of (\d+), the others of (\d+)", PAGES["audit.md"])
    assert said is not None
    types = [*map(int, REFUSAL_TYPES.values()), int(entry_types.EntryType.REFUSED)]
    assert [int(number) for number in said.groups()] == types


def test_every_field_of_an_audit_body_has_its_type_on_the_page() -> None:
    listed = {
        re.sub(r" \(.*", "", name) for names, _ in table("audit.md", "| fields | type") for name in names.split(", ")
    }
    assert listed == {field.name for body in entry_types.BODIES.values() for field in body}


def test_the_most_that_each_kind_of_frame_may_have_is_on_the_page() -> None:
    shown = {int(row[0], 0): int(row[2].replace(",", "")) for row in table("link.md", "| kind | name | most")}
    assert shown == {int(kind): most for kind, most in frames.SIZE_MAX.items()}


def test_every_event_of_a_key_log_has_as_many_fields_as_the_page_says() -> None:
    shown = {int(row[0]): row[2].count(",") + 1 for row in table("keylog.md", "| kind | name")}
    assert shown == {int(kind): count for kind, (count, _) in keylog_event._READERS.items()}


def count(listed: str) -> int:
    """Return how many fields are listed; the comma of 1,024 parts none."""
    return 0 if listed == "none" else re.sub(r"(\d),(\d)", r"\1\2", listed).count(",") + 1


def test_every_greeting_has_as_many_fields_as_the_page_says() -> None:
    shown = {int(row[0]): count(row[2]) for row in table("link.md", "| word | name")}
    assert shown == {int(word): number for word, number in greeting._FIELDS.items()}


def test_every_content_that_is_an_array_has_as_many_fields_as_the_page_says() -> None:
    rows = table("content.md", "| kind | name")
    arrays = {row[1]: count(row[3]) for row in rows if row[3].startswith("array")}
    assert arrays == {kind.name: number for kind, number in content_read._FIELDS.items()}


@pytest.mark.parametrize(
    ("head", "code"), [("| phase | moves", NEXT), ("| standing | moves", FATES)], ids=["phases", "standings"]
)
def test_the_moves_of_identities_and_instances_are_the_tables_of_the_code(
    head: str, code: Mapping[tuple[Enum, Enum], Enum]
) -> None:
    shown = {
        (row[0], move): after
        for row in table("keylog.md", head)
        for move, after in re.findall(r"([A-Z_]+): ([A-Z]+)", row[1])
    }
    assert shown == {(state.name, move.name): after.name for (state, move), after in code.items()}
    assert [row[0] for row in table("keylog.md", head)] == [state.name for state in type(next(iter(code.values())))]


LAYOUTS: Final = {
    ("bundle.md", 0): BUNDLE_SIZE,
    ("bundle.md", 1): OFFER_SIZE,
    ("ratchet.md", 1): HEADER.size,
}


@pytest.mark.parametrize(("page", "number"), list(LAYOUTS))
def test_the_fields_of_a_fixed_layout_follow_each_other_to_its_end(page: str, number: int) -> None:
    tables = re.findall(r"^\| at \| size \|.*\n(?:\|.*\n)+", PAGES[page], re.MULTILINE)
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", tables[number], re.MULTILINE)
    at = 0
    for shown, size in rows:
        assert int(shown) == at
        at += int(size)
    assert at == LAYOUTS[page, number]


def test_the_fixed_part_of_an_opening_follows_the_party() -> None:
    rows = [(row[0].split(" + ")[0], row[1]) for row in table("handshake.md", "| at | size")]
    fixed = [(int(at), int(size)) for at, size in rows if size.isdecimal()]
    assert sum(size for at, size in fixed if at < opening._HEAD.size) == opening._HEAD.size
    behind = [(at, size) for at, size in fixed if at >= opening._HEAD.size]
    assert [at for at, _ in behind] == [
        opening._HEAD.size + sum(size for _, size in behind[:n]) for n in range(len(behind))
    ]
    assert sum(size for _, size in behind) == opening._KEYS.size


def test_the_verbs_of_the_control_socket_are_those_that_the_node_knows() -> None:
    assert [row[0] for row in table("control.md", "| verb | arguments")] == list(VERBS)


VALUES: Final[Mapping[str, type]] = {
    "status": values.Status,
    "peer": report.PeerStatus,
    "message_id": report.MessageId,
    "ping": report.Ping,
    "receipt": report.Receipt,
    "handed": values.Handed,
    "entry": report.AuditEntry,
    "head": report.LogHead,
}


def test_the_values_of_the_control_socket_have_the_fields_on_the_page() -> None:
    shown = {
        name: re.sub(r" \([^)]*\)", "", said).split(", ") for name, said in table("control.md", "| value | fields")
    }
    # What a message is called has a name of its own there.
    known = {name: [field.name for field in fields(value)] for name, value in VALUES.items()}
    assert shown == {
        name: ["message_id" if field == "id" and name in ("receipt", "handed") else field for field in listed]
        for name, listed in known.items()
    }


def test_every_label_is_in_the_table_and_no_other() -> None:
    shown = [row[0].strip("`") for row in table("README.md", "| label | use")]
    known = [value for name, value in vars(names).items() if name.startswith("LABEL_")]
    known += [greeting.LABEL_NO_SESSION, channel.LABEL_HELLO]
    known += [value for module in DHT for name, value in vars(module).items() if name.startswith("LABEL_")]
    used = {name for path in RATCHET.glob("*.py") for name in re.findall(r'info\(b"([a-z-]+)"', path.read_text())}
    labels = {label.removeprefix(SUITE_1.label).decode() for label in known} | used
    assert SUITE_1.label == b"talos/v1/"
    assert sorted(shown) == sorted(labels)


# Every constant of these is part of a format, or of what a reader does; but those named below.
FORMATS: Final = (
    *("talos.core." + name for name in (
        "beacon", "codec", "names", "frames", "greeting", "channel", "content", "party", "marks", "entries",
        "entry_types", "keylog", "keylog_event", "keylog_kinds", "keylog_keys", "keylog_rules", "keylog_rank2",
        "log_card", "log_index", "multikey", "proof_file",
    )),
    *("talos_ratchet." + name for name in (
        "bundle", "checked", "frame", "keys", "late", "opening", "receive", "rows", "session", "session_set", "suite",
    )),
    *("talos_audit." + name for name in ("hashes", "note", "tiles", "tlog_proof", "tree")),
    *("talos.control." + name for name in ("protocol", "fields", "values", "audit_values")),
    *("talos_dht." + name for name in ("contact", "messages", "provider", "record", "statement")),
)  # fmt: skip
# Of these some are.
OTHERS: Final = (
    *("talos.core." + name for name in ("inbox", "intake", "outbox", "prekeys", "refusals")),
    *("talos.services." + name for name in ("link", "links", "places", "post", "requests")),
    "talos.control.server",
    "talos.services.discovery.lan",
)
OURS_ALONE: Final = frozenset(
    {
        "contact.HOSTS_MAX",  # A limit: docs/limits.md.
        "contact.PLACES_MAX",  # A limit: docs/limits.md.
        "contact.READ_MAX",  # A limit: docs/limits.md.
        "entries.DICE_SIZE",  # How entropy is drawn.
        "entries.NO_EPOCH",
        "entries.SUBJECT_AT",
        "keylog_event.HEADER_FIELDS",
        "keys.FIELD_PRIME",  # In words on the page.
        "tree.ROW_SIZE",
        *(f"rows.{flag}" for flag in ("TURN_DUE", "HAS_OURS", "HAS_THEIRS", "CAN_SEND", "CAN_RECEIVE")),  # Never leave.
        *(f"session.{flag}" for flag in ("INITIATED", "CONFIRMED", "LANES_OPEN", "SUPERSEDED", "VERSION")),
    }
)


def constants(module: ModuleType) -> Iterator[tuple[str, float]]:
    """Yield the numbers that a module itself defines in capitals, without those that begin with an underscore."""
    source = Path(module.__file__ or "").read_text()
    for name in re.findall(r"^([A-Z][A-Z0-9_]*)(?:: [^=]+)? = ", source, re.MULTILINE):
        value = getattr(module, name)
        if type(value) in (int, float):
            yield f"{module.__name__.rpartition('.')[2]}.{name}", value


def of(modules: tuple[str, ...]) -> dict[str, float]:
    return {name: value for module in modules for name, value in constants(import_module(module))}


def shown_limits() -> list[tuple[str, int]]:
    rows = [
        found
        for page in PAGES.values()
        for found in re.findall(r"^\| `([a-z0-9_]+\.[A-Z0-9_]+)` \| ([\d,]+) \|", page, re.MULTILINE)
    ]
    return [(name, int(value.replace(",", ""))) for name, value in rows]


def test_every_constant_on_a_page_has_the_value_that_the_code_has() -> None:
    known = of((*FORMATS, *OTHERS))
    for name, value in shown_limits():
        assert known.get(name) == value, name


def test_every_constant_of_a_format_is_on_one_page_once() -> None:
    shown = [name for name, _ in shown_limits()]
    assert len(shown) == len(set(shown))
    assert of(FORMATS).keys() - set(shown) == OURS_ALONE


def test_a_constant_in_the_text_is_one_of_a_table() -> None:
    shown = {name for name, _ in shown_limits()} | {"keys.LOW_ORDER"}
    for page in PAGES.values():
        assert set(re.findall(r"`([a-z0-9_]+\.[A-Z][A-Z0-9_]+)`", page)) <= shown


def test_every_link_into_a_page_leads_to_a_heading_of_it() -> None:
    headings = {
        (name, re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-"))
        for name, page in PAGES.items()
        for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    }
    for page in PAGES.values():
        assert set(re.findall(r"\]\(([a-z]+\.md|README\.md)#([a-z0-9-]+)\)", page)) <= headings
