"""The verdict of the demo rests on each of its parts: one bad row spoils what is good in everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from talos.cli.demo.logbook import Book, Shown
from talos.cli.demo.table import Outcome, Row, outcome_json, outcome_text
from talos.core.report import ChainReport

GOOD = Row("alice", "bob", 3, 100, 5, 6, 5, 5, 0, 3)
BOOK = Book("alice", ChainReport("talos/audit/a/b/1", 9, "00", 9, 0, bodies_checked=False), 0, 0)
SHOWN = Shown("carol", "bob", "alice", 3, "00", "cargo.py")

BAD_ROWS: list[dict[str, Any]] = [
    {"delivered": 4, "delivered_once": 4},
    {"delivered": 6, "delivered_once": 6},
    {"delivered_once": 4},
    {"doubled_after_ack": 1},
    {"verified_files": 2},
]


@pytest.mark.parametrize("wrong", BAD_ROWS)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_bad_row_among_good_rows_books_and_a_proof_spoils_the_verdict(wrong: dict[str, Any], at: int) -> None:
    assert Outcome([GOOD] * 3, [BOOK], SHOWN).is_good
    rows = [GOOD] * 3
    rows[at] = replace(GOOD, **wrong)
    outcome = Outcome(rows, [BOOK], SHOWN)
    assert not outcome.is_good
    told = outcome_json(outcome, 1.0, "bob")
    assert told["ok"] is False
    assert isinstance(told["pairs"], list)
    assert [pair["ok"] for pair in told["pairs"]] == [number != at for number in range(3)]
    assert outcome_text(outcome).count("WRONG") == 1


@pytest.mark.parametrize("wrong", [{"missing": 1}, {"surplus": 1}])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_bad_book_among_good_ones_spoils_the_verdict(wrong: dict[str, Any], at: int) -> None:
    books = [BOOK] * 3
    books[at] = replace(BOOK, **wrong)
    outcome = Outcome([GOOD], books, SHOWN)
    assert not outcome.is_good
    assert outcome_text(outcome).count("WRONG") == 1
