"""What `talos audit` says while it works, and how it writes an entry for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from talos.cli.audit.progress import Progress
from talos.cli.audit.words import table, whole
from talos.cli.text import printable, utc
from talos.core.names import did_of
from talos.core.report import AuditEntry

DID: Final = did_of(b"\x01" * 32)
SHORT: Final = "aeaqcaibaeaq..."
HASH: Final = "0123456789abcdef" * 4
ENTRY: Final = AuditEntry(
    7, "REVOCATION", 1_750_000_000_042, "ab" * 16, 3, DID, {"did": DID, "reason": "lost it", "evidence": HASH, "n": 5}
)


def test_short_work_is_done_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("checked", iter([0.0, 0.3, 0.99]).__next__)
    progress(0, 100)
    progress(100, 100)
    assert capsys.readouterr().err == ""


def test_long_work_says_twice_a_second_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    ticks = [at / 10 for at in range(31)]  # Three seconds.
    progress = Progress("checked", iter(ticks).__next__)
    for done in range(30):
        progress(done, 30)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"checked {done} of 30 entries" for done in (9, 14, 19, 24, 29)]


def test_a_list_shows_an_entry_on_one_line_with_long_values_cut() -> None:
    assert table([ENTRY], closed="erased") == (
        f"7  2025-06-15T15:06:40.042Z  REVOCATION  {SHORT}  reason='lost it' evidence=01234567... n=5"
    )


def test_a_list_leaves_out_what_is_empty_or_about_the_peer_once_more_and_nothing_else() -> None:
    other = did_of(b"\x02" * 32)
    details: dict[str, str | int] = {"sender": DID, "receiver": other, "commitment": "", "size": 0, "seq": 1}
    line = table([replace(ENTRY, details=details)], closed="erased")
    assert line.split()[3:] == [SHORT, f"receiver={other[10:22]}...", "size=0", "seq=1"]
    nobody = replace(ENTRY, peer="", details={"kind": "noise", "peer": ""})
    assert table([nobody], closed="erased").split()[3:] == ["-", "kind=noise"]
    assert whole(replace(ENTRY, details=details), closed="erased")[6:9] == [
        ("sender", DID),
        ("receiver", other),
        ("commitment", "-"),
    ]


def test_a_list_is_aligned() -> None:
    other = AuditEntry(1_000, "SESSION", 0, "ab" * 16, 0, "", {})
    first, second = table([ENTRY, other], closed="erased").splitlines()
    assert first.index("REVOCATION") == second.index("SESSION")
    assert second == "1000  1970-01-01T00:00:00.000Z  SESSION     -"


@pytest.mark.parametrize("closed", ["sealed", "erased"])
def test_a_body_that_we_do_not_have_is_called_what_it_is(closed: str) -> None:
    entry = AuditEntry(7, "SESSION", 0, "ab" * 16, 0, None, None)
    assert table([entry], closed=closed) == f"7  1970-01-01T00:00:00.000Z  SESSION  {closed}"
    assert whole(entry, closed=closed)[-2:] == [("peer", closed), ("details", closed)]


def test_one_entry_is_shown_whole() -> None:
    assert whole(ENTRY, closed="erased") == [
        ("index", "7"),
        ("type", "REVOCATION"),
        ("time", "2025-06-15T15:06:40.042Z"),
        ("id", "ab" * 16),
        ("lease epoch", "3"),
        ("peer", DID),
        ("did", DID),
        ("reason", "lost it"),
        ("evidence", HASH),
        ("n", "5"),
    ]


def test_what_a_stranger_wrote_cannot_command_the_terminal() -> None:
    entry = AuditEntry(7, "REFUSED", 0, "ab" * 16, 0, "\x1b[1m", {"a\x1bb": "\x1b[2J\u202e\n"})
    for text in (table([entry], closed=""), *(f"{name}{value}" for name, value in whole(entry, closed=""))):
        assert text.isprintable()
    assert printable("a\x1bb\nc", kept="\n") == "a\\x1bb\nc"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_750_000_000_999, "2025-06-15T15:06:40+00:00"),
        (253_402_300_799_999, "9999-12-31T23:59:59+00:00"),
        (253_402_300_800_000, "253402300800000 ms"),
        (2**63 - 1, f"{2**63 - 1} ms"),
    ],
)
def test_a_moment_is_told_in_utc_and_one_beyond_the_calendar_as_a_number(ms: int, text: str) -> None:
    assert utc(ms) == text
