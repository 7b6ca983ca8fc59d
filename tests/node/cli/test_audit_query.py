"""`talos audit query` and `show`: through the running node, and from the store with no node."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from talos.core.entry_types import EntryType
from talos.core.names import did_of
from tests.node.cli.commands import answer, enrol, running, talos
from tests.node.cli.logs import TIME_MS, grow

BOB = did_of(b"\x01" * 32)
SEALED_NOTE = "start talos-node to have it opened"


def query(*arguments: str, folder: Path) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = answer(talos("audit", "query", "--json", *arguments, folder=folder))["entries"]
    return entries


def short(did: str) -> str:
    return did.removeprefix("did:talos:")[:12] + "..."


def error(result: Result) -> dict[str, object]:
    described: dict[str, object] = json.loads(result.stdout)["error"]
    assert described["exit_code"] == result.exit_code
    assert str(described["what"]) in result.stderr
    return described


@pytest.mark.slow  # Starts a node.
def test_a_running_node_tells_what_entries_say_and_a_stopped_one_keeps_it_sealed(tmp_path: Path) -> None:
    did = enrol(tmp_path)
    with running(tmp_path, "--offline-mode"):
        sent = talos("send", BOB, "hello", "--json", folder=tmp_path)
        index = json.loads(sent.stdout)["audit_index"]
        listed = talos("audit", "query", folder=tmp_path)
        assert (listed.exit_code, listed.stderr) == (0, "")
        lines = listed.stdout.splitlines()
        assert lines[0].split()[2:5] == ["IDENTITY_CREATED", short(did), "name=talos"]
        assert lines[index].split()[2:6] == ["MESSAGE", short(BOB), "event=sent", f"sender={short(did)}"]
        assert not any(did in line or BOB in line or "=-" in line for line in lines)
        opened = query(folder=tmp_path)
        assert [entry["index"] for entry in opened] == list(range(len(opened)))
        assert query("--peer", BOB, folder=tmp_path) == query("--type", "message", folder=tmp_path) == [opened[index]]
        shown = answer(talos("audit", "show", str(index), "--json", folder=tmp_path))
        assert shown == {"entry": opened[index], "sealed": False}
        assert "event        sent\n" in talos("audit", "show", str(index), folder=tmp_path).stdout

    listed = talos("audit", "query", "--last", str(len(opened)), folder=tmp_path)
    assert listed.exit_code == 0
    assert SEALED_NOTE in listed.stderr
    assert listed.stdout.splitlines()[index].split()[2:] == ["MESSAGE", "sealed"]
    closed = query("--last", str(len(opened)), folder=tmp_path)
    assert closed == [entry | {"peer": None, "details": None} for entry in opened]
    # Whom entries are about is in the index, so this can be asked; only what they say cannot be read.
    assert query("--peer", BOB, folder=tmp_path) == [closed[index]]
    shown = talos("audit", "show", str(index), "--json", folder=tmp_path)
    assert answer(shown) == {"entry": closed[index], "sealed": True}
    assert SEALED_NOTE in shown.stderr
    assert "details      sealed\n" in talos("audit", "show", str(index), folder=tmp_path).stdout


@pytest.mark.slow  # Seals keys with Argon2id.
def test_no_passphrase_is_needed_to_see_that_something_was_written(tmp_path: Path) -> None:
    folder, secret = tmp_path / "node", tmp_path / "secret"
    secret.write_text("correct horse\n", "utf-8")
    secret.chmod(0o600)
    made = talos("init", "--passphrase-file", str(secret), folder=folder)
    assert made.exit_code == 0, made.stderr
    assert [entry["type"] for entry in query(folder=folder)] == ["IDENTITY_CREATED"]
    assert talos("audit", "verify-chain", folder=folder).exit_code == 0


@pytest.fixture
def in_auckland(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the local time of this process half a day from UTC."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_auckland")
def test_without_a_node_times_types_and_the_last_so_many_choose_entries(tmp_path: Path) -> None:
    enrol(tmp_path)
    size = grow(tmp_path, 60)
    assert [entry["index"] for entry in query(folder=tmp_path)] == list(range(size - 20, size))
    assert [entry["index"] for entry in query("--last", "3", folder=tmp_path)] == list(range(size - 3, size))
    assert len(query("--last", "1000", folder=tmp_path)) == size
    assert len(query("--type", "prekey_rotate", "--last", "1000", folder=tmp_path)) == 60
    assert query("--type", "ANCHOR", folder=tmp_path) == []
    tenth = TIME_MS + 10_000
    for moment in ("2025-06-15T15:06:50Z", "2025-06-15T15:06:50", "2025-06-15T17:06:50+02:00"):
        before = query("--to", moment, "--type", "PREKEY_ROTATE", folder=tmp_path)
        assert [entry["time_ms"] for entry in before] == [TIME_MS + 1_000 * at for at in range(10)]
        after = query("--from", moment, "--to", "2025-06-15T15:06:52Z", folder=tmp_path)
        assert [entry["time_ms"] for entry in after] == [tenth, tenth + 1_000]
    assert query("--to", "2025-06-15", folder=tmp_path) == []
    empty = talos("audit", "query", "--to", "2025-06-15", folder=tmp_path)
    assert (empty.exit_code, empty.stdout) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "what", "fix"),
    [
        (["query", "--type", "GOSSIP"], "there is no entry type 'GOSSIP'", ", ".join(EntryType.__members__)),
        (["query", "--peer", "nobody"], "names no peer", "talos whoami"),
        (["query", "--from", "yesterday"], "--from: 'yesterday' is no moment", "2026-01-31T12:00:00Z"),
        (["query", "--to", "25:00"], "--to: '25:00' is no moment", "2026-01-31T12:00:00Z"),
        (["show", "1"], "there is no audit entry 1", "There are 1"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_2(
    tmp_path: Path, arguments: list[str], what: str, fix: str
) -> None:
    enrol(tmp_path)
    described = error(talos("audit", *arguments, "--json", folder=tmp_path))
    assert (described["type"], described["exit_code"]) == ("UsageError", 2)
    assert what in str(described["what"])
    assert fix in str(described["fix"])


@pytest.mark.slow  # Starts a node.
def test_a_running_node_refuses_the_same_questions_with_the_same_words(tmp_path: Path) -> None:
    enrol(tmp_path)
    with running(tmp_path, "--offline-mode"):
        for arguments, what in (
            (["query", "--type", "GOSSIP"], "there is no entry type"),
            (["query", "--peer", "nobody"], "names no peer"),
            (["show", "1000"], "there is no audit entry 1000"),
        ):
            described = error(talos("audit", *arguments, "--json", folder=tmp_path))
            assert (described["exit_code"], what in str(described["what"])) == (2, True)


@pytest.mark.parametrize(
    "arguments", [["query", "--last", "0"], ["query", "--last", "x"], ["show", "x"], ["show"], ["show", str(2**63)]]
)
def test_what_is_no_number_is_refused_with_2(tmp_path: Path, arguments: list[str]) -> None:
    assert talos("audit", *arguments, folder=tmp_path).exit_code == 2


@pytest.mark.parametrize(
    "verb", [["query"], ["show", "0"], ["root"], ["proof", "0"], ["verify-chain"], ["export", "--tlog", "out"]]
)
def test_without_an_identity_every_verb_that_needs_one_says_so_with_3(tmp_path: Path, verb: list[str]) -> None:
    result = talos("audit", *verb, "--json", folder=tmp_path)
    assert error(result)["type"] == "NoIdentity"
    assert result.exit_code == 3


def test_the_group_takes_the_place_for_all_its_verbs(tmp_path: Path) -> None:
    enrol(tmp_path)
    assert answer(talos("audit", "root", "--json", folder=tmp_path))["size"] == 1
    assert talos("audit", "root", "--data-dir", str(tmp_path / "none"), folder=tmp_path).exit_code == 3
