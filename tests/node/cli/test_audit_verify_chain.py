"""`talos audit verify-chain`: what holds is said to hold, and every change on the disk is found and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from talos.core.diary import CHECKPOINT_KEY
from talos.core.tables import BODIES, ENTRIES, LOOKUP, META, TREE, entry_key, tree_key
from tests.node.cli.commands import answer, enrol, running, talos
from tests.node.cli.logs import erase, flipped, folder_of, grow, leaf_of, spoil

SIZE: Final = 40
ROW: Final = 16  # Entries whose hashes share a row: an error may say which of them are in doubt.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An identity whose log has 40 entries; no node runs."""
    path = tmp_path / "node"
    enrol(path)
    assert grow(path, SIZE - 1) == SIZE
    return path


def keep(folder: Path, name: str) -> str:
    """Keep the checkpoint of now in a file beside the folder, as a cautious user does."""
    file = folder.with_name(name)
    file.write_text(talos("audit", "root", "--checkpoint", folder=folder).stdout, "utf-8")
    return str(file)


def damage(folder: Path, *arguments: str) -> str:
    """Return what a check says that finds damage."""
    result = talos("audit", "verify-chain", "--json", *arguments, folder=folder)
    assert result.exit_code == 7, result.output
    described: dict[str, Any] = json.loads(result.stdout)["error"]
    assert described["exit_code"] == 7
    what: str = described["what"]
    assert f"error: {what}\n" in result.stderr
    return what


def test_a_log_that_holds_is_told_in_numbers(folder: Path) -> None:
    head = answer(talos("audit", "root", "--json", folder=folder))
    report = answer(talos("audit", "verify-chain", "--json", folder=folder))
    assert report == {
        "origin": head["origin"],
        "size": SIZE,
        "root": head["root"],
        "signed_size": SIZE,
        "erased": 0,
        "bodies_checked": False,
    }
    told = talos("audit", "verify-chain", folder=folder)
    assert (told.exit_code, told.stderr) == (0, "")
    assert [line.split() for line in told.stdout.splitlines()] == [
        ["log", head["origin"]],
        ["entries", str(SIZE)],
        ["root", f"0x{head['root']}"],
        ["signed", str(SIZE)],
        ["erased", "0"],
        ["the", "log", "holds"],
        ["bodies", "not", "checked:", "they", "are", "sealed"],
    ]


def test_entries_that_nobody_signed_yet_and_erased_bodies_are_counted(folder: Path) -> None:
    erase(folder, 5)
    grow(folder, 1, signed=False)
    report = answer(talos("audit", "verify-chain", "--json", folder=folder))
    assert (report["size"], report["signed_size"], report["erased"]) == (SIZE + 2, SIZE + 1, 1)


def test_a_body_that_is_gone_and_was_not_erased_is_damage(folder: Path) -> None:
    spoil(folder, BODIES, entry_key(5), lambda _: None)
    assert "1 bodies are gone" in damage(folder)


@pytest.mark.slow  # Starts a node.
def test_it_runs_beside_the_node_and_does_not_disturb_it(tmp_path: Path) -> None:
    enrol(tmp_path)
    with running(tmp_path, "--offline-mode") as node:
        for _ in range(3):
            talos("send", f"did:talos:{'a' * 51}q", "x", folder=tmp_path)
            report = answer(talos("audit", "verify-chain", "--json", folder=tmp_path))
            assert report["size"] == len(answer(talos("audit", "query", "--json", folder=tmp_path))["entries"])
        assert node.poll() is None
        assert answer(talos("status", "--json", folder=tmp_path))["store_ok"]


@pytest.mark.parametrize("index", [0, 17, SIZE - 1])
def test_a_byte_that_changed_in_the_file_is_found_and_its_place_is_named(folder: Path, index: int) -> None:
    file = folder / "store" / "state" / "data.mdb"
    leaf, raw = leaf_of(folder, index), file.read_bytes()
    assert raw.count(leaf) >= 1
    file.write_bytes(raw.replace(leaf, flipped(leaf)))
    assert f"entries from {index // ROW * ROW} on" in damage(folder)
    shown = talos("audit", "show", str(index), folder=folder)
    assert (shown.exit_code, shown.stdout) == (7, "")
    assert f"audit entry {index}" in shown.stderr
    assert talos("audit", "proof", str(index), folder=folder).exit_code == 7
    assert talos("audit", "query", "--last", str(SIZE), folder=folder).exit_code == 7


@pytest.mark.parametrize(
    ("table", "key", "named"),
    [
        (TREE, tree_key(0, 1), "entries from 16 on"),
        (TREE, tree_key(4, 0), "their hashes of level 4"),
        (META, CHECKPOINT_KEY, "checkpoint"),
    ],
)
def test_a_changed_hash_or_checkpoint_is_found(folder: Path, table: str, key: bytes, named: str) -> None:
    spoil(folder, table, key, lambda value: flipped(value, len(value) // 2))
    assert named in damage(folder)


def test_an_entry_that_was_taken_out_or_off_the_end_is_found(folder: Path) -> None:
    spoil(folder, ENTRIES, entry_key(SIZE - 1), lambda _: None)
    assert f"{SIZE} entries were signed for, {SIZE - 1} are there" in damage(folder)
    grow_back = folder.with_name("other")
    enrol(grow_back)
    grow(grow_back, SIZE - 1)
    spoil(grow_back, ENTRIES, entry_key(7), lambda _: None)
    assert "audit entry 7 is missing" in damage(grow_back)


def test_an_index_that_hides_entries_is_found(folder: Path) -> None:
    with folder_of(folder).read() as store:
        keys = [key for key, _ in store.scan(LOOKUP, b"t")]
    assert len(keys) > 1
    spoil(folder, LOOKUP, keys[-1], lambda _: None)
    assert "index" in damage(folder)


def test_a_cut_store_is_damage_and_no_crash(folder: Path) -> None:
    file = folder / "store" / "state" / "data.mdb"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "damaged" in damage(folder)


def test_checkpoints_that_were_kept_are_gone_on_from(folder: Path) -> None:
    kept = [keep(folder, "first")]
    grow(folder, 30)
    kept.append(keep(folder, "second"))
    grow(folder, 1)
    flags = [argument for file in kept for argument in ("--checkpoint", file)]
    assert talos("audit", "verify-chain", *flags, folder=folder).exit_code == 0


def test_a_kept_checkpoint_finds_a_log_that_was_put_back_from_before(folder: Path) -> None:
    store = folder / "store" / "state" / "data.mdb"
    before = store.read_bytes()
    grow(folder, 3)
    kept = keep(folder, "kept")
    store.write_bytes(before)
    assert talos("audit", "verify-chain", folder=folder).exit_code == 0  # It holds; only it is not all there was.
    assert f"{SIZE + 3} entries were signed for, {SIZE} are there" in damage(folder, "--checkpoint", kept)


def test_a_kept_checkpoint_finds_a_log_that_its_own_keys_wrote_anew(folder: Path) -> None:
    store = folder / "store" / "state" / "data.mdb"
    before = store.read_bytes()
    grow(folder, 3)
    kept = keep(folder, "kept")
    store.write_bytes(before)
    grow(folder, 4)  # The same log, the same key, other entries.
    assert talos("audit", "verify-chain", folder=folder).exit_code == 0
    assert f"the first {SIZE + 3} entries are not those that were signed for" in damage(folder, "--checkpoint", kept)


def test_a_checkpoint_that_this_log_never_signed_is_none(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    enrol(other)
    foreign = keep(other, "foreign")
    forged = tmp_path / "forged"
    note = Path(keep(folder, "kept")).read_text("utf-8")
    forged.write_text(note.replace(f"\n{SIZE}\n", f"\n{SIZE - 1}\n"), "utf-8")
    empty = tmp_path / "empty"
    empty.touch()
    huge = tmp_path / "huge"
    huge.write_bytes(bytes(1024 * 1024))
    for file in (foreign, str(forged), str(empty)):
        assert f"the checkpoint in {file} is none of this log" in damage(folder, "--checkpoint", file)
    assert "more than" in damage(folder, "--checkpoint", str(huge))
    missing = talos("audit", "verify-chain", "--checkpoint", str(tmp_path / "none"), folder=folder)
    assert missing.exit_code == 2


@pytest.mark.parametrize("leaf", [b"", b"\x97", bytes(200)])
def test_an_entry_that_is_none_any_more_is_named(folder: Path, leaf: bytes) -> None:
    spoil(folder, ENTRIES, entry_key(20), lambda _: leaf)
    what = damage(folder)
    assert "entry 20" in what or "entries from 16 on" in what
    assert "audit entry 20" in talos("audit", "show", "20", folder=folder).stderr
