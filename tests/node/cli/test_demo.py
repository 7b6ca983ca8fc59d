"""The demo's own bookkeeping, and the demo itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.cli.demo.cargo import PIECE_SIZE, Item, Piece, load_cargo
from talos.cli.demo.logbook import Book, Shown
from talos.cli.demo.table import Outcome, Row, outcome_json, outcome_text
from talos.core.report import ChainReport
from talos.errors import MalformedMessage

DEADLINE_S = 60.0
PROCESSES = Path("/proc")
DEMO = [sys.executable, "-c", "from talos.cli import main; main()", "demo"]
GOOD = Row("alice", "bob", 3, 100, 5, 6, 5, 5, 0, 3)
BOOK = Book("alice", ChainReport("talos/audit/a/b/1", 9, "00", 9, 0, bodies_checked=False), 0, 0)
SHOWN = Shown("carol", "bob", "alice", 3, "00", "cargo.py")


@pytest.mark.parametrize("size", [0, 1, PIECE_SIZE - 1, PIECE_SIZE, PIECE_SIZE + 1, 3 * PIECE_SIZE])
def test_the_pieces_of_a_file_are_the_file(size: int) -> None:
    item = Item(7, "a/b ä", bytes(size))
    pieces = [Piece.decode(piece.encode()) for piece in item.pieces()]
    assert b"".join(piece.body for piece in pieces) == item.content
    assert [piece.index for piece in pieces] == list(range(pieces[0].count))
    assert {(piece.transfer, piece.name, piece.count) for piece in pieces} == {(7, "a/b ä", len(pieces))}


@given(st.binary(max_size=40))
def test_no_bytes_at_all_do_more_than_be_malformed(raw: bytes) -> None:
    try:
        piece = Piece.decode(raw)
    except MalformedMessage:
        return
    assert piece.index < piece.count


def test_the_cargo_is_many_files_and_one_large_one() -> None:
    cargo = load_cargo()
    names = [item.name for item in cargo]
    assert len(names) > 10
    assert any(name.endswith("cargo.py") for name in names)
    assert not any(part.startswith(".") for name in names[:-1] for part in name.split("/"))
    assert [item.transfer for item in cargo] == list(range(len(cargo)))
    assert len(cargo[-1].content) > PIECE_SIZE


@pytest.mark.parametrize(
    "wrong",
    [
        {"delivered": 4, "delivered_once": 4},
        {"delivered_once": 4},
        {"doubled_after_ack": 1},
        {"verified_files": 2},
    ],
)
def test_anything_missing_surplus_doubled_or_altered_spoils_the_verdict(wrong: dict[str, Any]) -> None:
    bad = replace(GOOD, **wrong)
    assert GOOD.is_good
    assert not bad.is_good
    outcome = Outcome([GOOD, bad], [], None)
    assert outcome_json(outcome, 1.0, "bob")["ok"] is False
    assert outcome_text(outcome).splitlines()[-1].endswith("WRONG")


def test_all_well_and_shown_is_a_good_outcome() -> None:
    outcome = Outcome([GOOD], [BOOK], SHOWN)
    assert outcome_json(outcome, 1.0, "bob")["ok"] is True
    assert "WRONG" not in outcome_text(outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome([GOOD], [BOOK, replace(BOOK, missing=1)], SHOWN),
        Outcome([GOOD], [replace(BOOK, surplus=1)], SHOWN),
        Outcome([GOOD], [BOOK], None),
    ],
)
def test_an_entry_too_few_or_too_many_or_nothing_shown_spoils_the_verdict(outcome: Outcome) -> None:
    assert outcome_json(outcome, 1.0, "bob")["ok"] is False


@pytest.mark.slow
def test_three_nodes_exchange_everything_though_one_is_killed_half_way() -> None:
    command = [sys.executable, "-c", "from talos.cli import main; main()", "demo", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert shown["ok"]
    assert shown["killed"] == "bob"
    assert len(shown["pairs"]) == 6
    for pair in shown["pairs"]:
        assert pair["delivered_once"] == pair["pieces"] <= pair["pieces_sent"]
        assert pair["verified_files"] == pair["files"] > 10
        assert pair["doubled_after_ack"] == 0
    for log in shown["logs"]:
        assert (log["missing"], log["surplus"]) == (0, 0)
        assert log["report"]["size"] >= log["report"]["signed_size"] > 2 * shown["pairs"][0]["pieces"]
    assert (shown["shown"]["witness"], shown["shown"]["owner"]) == ("carol", "bob")


@pytest.mark.slow
@pytest.mark.skipif(not PROCESSES.exists(), reason="needs /proc")
def test_told_to_end_it_leaves_neither_nodes_nor_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    tmp_path = tmp_path_factory.mktemp("d")  # Short, for a socket's path may not be long.
    with subprocess.Popen(DEMO, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}) as demo:
        assert demo.stderr is not None
        while "pieces arrived" not in demo.stderr.readline():
            assert demo.poll() is None
        assert len(mentioned(tmp_path)) == 3
        demo.terminate()
        assert demo.wait(DEADLINE_S) == 130
    assert (mentioned(tmp_path), list(tmp_path.iterdir())) == ([], [])


@pytest.mark.slow
def test_nodes_that_do_not_start_say_why(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    ended = subprocess.run(
        DEMO, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(folder)}, timeout=DEADLINE_S, check=False
    )
    assert ended.returncode == 4
    assert "sockets take at most" in ended.stderr
    assert "TMPDIR" in ended.stderr


def mentioned(folder: Path) -> list[str]:
    """Return the command lines in which this folder is."""
    lines = list[str]()
    for process in PROCESSES.glob("[0-9]*/cmdline"):
        with suppress(OSError):  # It has ended meanwhile.
            lines.append(process.read_text("utf-8"))
    return [line for line in lines if str(folder) in line]
