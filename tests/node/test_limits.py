"""The page of limits says what the code says, and leaves nothing out."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from talos.core.allowance import ALLOWED
from talos.core.budgets import RATES

PAGE: Final = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text()
ROW: Final = re.compile(r"^\| `([\w.]+)\.([A-Z_]+)` \| ([\d,]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
MODULES: Final = (
    "talos.core.allowance",
    "talos.core.beacon",
    "talos.core.budgets",
    "talos.core.content",
    "talos.core.frames",
    "talos.core.greeting",
    "talos.core.inbox",
    "talos.core.intake",
    "talos.core.marks",
    "talos.core.neighbours",
    "talos.core.newcomers",
    "talos.core.outbox",
    "talos.core.prekeys",
    "talos.core.refusals",
    "talos.core.reservations",
    "talos.core.sessions",
    "talos.core.boxes",
    "talos.services.dial",
    "talos.services.directory",
    "talos.services.discovery.announce",
    "talos.services.discovery.checking",
    "talos.services.discovery.fetching",
    "talos.services.discovery.finder",
    "talos.services.discovery.kept",
    "talos.services.discovery.key_logs",
    "talos.services.discovery.lan",
    "talos.services.discovery.ports",
    "talos.services.discovery.service",
    "talos.services.discovery.showing",
    "talos.services.discovery.ways_in",
    "talos.services.discovery.ways_out",
    "talos.services.link",
    "talos.services.links",
    "talos.services.places",
    "talos.services.question",
    "talos.services.redial",
    "talos.services.relaying.homes",
    "talos.services.relaying.relay",
    "talos.services.requests",
    "talos.services.resets",
    "talos_dht.asked_back",
    "talos_dht.calls",
    "talos_dht.contact",
    "talos_dht.dht",
    "talos_dht.lookup",
    "talos_dht.meter",
    "talos_dht.pending",
    "talos_dht.round_trips",
    "talos_dht.shelf",
    "talos_dht.table",
    "talos_dht.unchecked",
    "talos_dht.vantage",
    "talos_ratchet.late",
    "talos_ratchet.receive",
    "talos_ratchet.session_set",
)
IS_LIMIT: Final = re.compile(
    r"_(MAX|HIGH|LOW|LEAST|PER_HOST|PER_NET|PLACES|S|ROWS|BYTES|GREETINGS|MESSAGES|TOGETHER|MS)$"
)
NO_LIMITS: Final = {  # What is named like one, and why it is none.
    "MINUTE_MS": "a minute",
    "DAY_MS": "a day",
    "PERIOD_MS": "a minute",
    "QUESTIONABLE_MS": "when we ask whether it is there",
    "REFRESH_MS": "when a bucket is looked up",
    "LOOK_MS": "how often we look",
    "OFFER_PERIOD_MS": "a column of the first table",
    "SEQ_MAX": "the range of a number",
    "REQUEST_ID_MAX": "the range of a number",
    "PORT_MAX": "the range of a number",
    "BULK_HEADER_MAX": "part of the size of a bulk frame",
    "ADDRESS_SIZE_MAX": "what 8 addresses take",
    "DAYS_AHEAD_MAX": "which of our own clock's days to believe",
    "ROTATE_MS": "when prekeys are made anew",
    "KEEP_MS": "when prekeys are forgotten",
    "FLUSH_POLL_S": "how often we look",
    "ROOM_POLL_S": "how often we look",
    "STAGGER_S": "when we dial the next address",
    "STEADY_S": "how we dial",
    "BACKOFF_LEAST_S": "how we dial",
    "AGAIN_S": "how often we publish",
    "LOOK_S": "how often we look",
    "FLUSH_S": "how often we write",
    "JOIN_S": "how often we try",
    "OTHERS_S": "how often we try",
    "CLOSE_S": "how we stop",
    "BINDS_MAX": "how we start",
    "AGAIN_LEAST_S": "how we go to a relay",
    "AGAIN_MOST_S": "how we go to a relay",
    "SILENT_S": "when we ask in another way",
    "LIFE_LEAST_MS": "how we go to a relay",
    "ASK_S": "how long we ask a relay",
}


def listed() -> dict[tuple[str, str], int]:
    return {(module, name): int(value.replace(",", "")) for module, name, value, *_ in ROW.findall(PAGE)}


def test_every_row_names_a_constant_and_its_value() -> None:
    assert len(listed()) > 60
    actual = {(module, name): getattr(import_module(module), name) for module, name in listed()}
    assert actual == listed()


def test_every_row_of_a_constant_is_read() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(rows) == len(ROW.findall(PAGE)) == len(listed())


@pytest.mark.parametrize("module", MODULES)
def test_every_limit_of_a_module_is_on_the_page(module: str) -> None:
    values = vars(import_module(module)).items()
    source = Path(str(import_module(module).__file__)).read_text()
    here = {
        name
        for name, value in values
        if isinstance(value, int | float)
        and IS_LIMIT.search(name)
        and re.search(rf"^{name}: Final", source, re.MULTILINE)
    }
    assert here - NO_LIMITS.keys() == {name for where, name in listed() if where == module}


def test_every_rate_is_on_the_page() -> None:
    rows = re.findall(
        r"^\| ([A-Z_]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| .+ \|$", PAGE, re.MULTILINE
    )
    told = {work: tuple(int(number.replace(",", "")) for number in numbers) for work, *numbers in rows}
    assert told == {
        work.name: (rate.host, rate.net, rate.strangers, rate.familiar, rate.period_ms // 1000)
        for work, rate in RATES.items()
    }


def test_every_allowance_is_on_the_page() -> None:
    rows = re.findall(r"^\| ([A-Z_]+) \| ([\d,]+) \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert {deed: int(number.replace(",", "")) for deed, number in rows} == {
        deed.name: number for deed, number in ALLOWED.items()
    }


def test_the_most_that_the_tables_of_budgets_hold_is_on_the_page() -> None:
    numbers = sum(2 * rate.places for rate in RATES.values())
    assert f"At most {round(numbers, -3):,} numbers" in PAGE
