"""`talos audit export`, and `verify-chain --tlog`: the log as files that anybody can check."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from talos.cli.app import app
from talos.core.tables import ENTRIES, META, TREE, entry_key, tree_key
from talos_audit import parse_bundle, path_of, resources
from tests.node.cli.commands import LATE_S, answer, enrol, running, talos
from tests.node.cli.logs import flipped, grow, leaf_of, spoil

SIZE: Final = 300  # More than one tile.
OF_THE_OWNER: Final = "Ask the owner of the log for what `talos audit root --vkey` prints"


def export(folder: Path, to: Path, *arguments: str) -> Result:
    return talos("audit", "export", "--tlog", str(to), *arguments, folder=folder)


def verify(exported: Path, vkey: str, *arguments: str) -> Result:
    """Check an export where there is no data folder and no node."""
    given = ["audit", "verify-chain", "--tlog", str(exported), "--vkey", vkey, *arguments]
    return CliRunner().invoke(app, given, env={"TALOS_DATA_DIR": "/dev/null/nowhere"})


def vkey_of(exported: Path) -> str:
    return (exported / "vkey").read_text("utf-8").strip()


def head_of(folder: Path) -> dict[str, Any]:
    head: dict[str, Any] = answer(talos("audit", "root", "--json", folder=folder))
    return head


def files_of(exported: Path) -> dict[str, bytes]:
    found = (path for path in exported.rglob("*") if path.is_file())
    return {path.relative_to(exported).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grown") / "node"
    enrol(path)
    assert grow(path, SIZE - 1) == SIZE
    return path


@pytest.fixture
def folder(grown: Path, tmp_path: Path) -> Path:
    """An identity whose log has 300 entries; no node runs."""
    return Path(shutil.copytree(grown, tmp_path / "node"))


@pytest.fixture
def exported(folder: Path, tmp_path: Path) -> Path:
    to = tmp_path / "deep" / "export"
    assert export(folder, to).exit_code == 0
    return to


def test_an_export_has_just_the_files_of_its_size_and_the_key(folder: Path, exported: Path) -> None:
    head, files = head_of(folder), files_of(exported)
    assert set(files) == {"checkpoint", "vkey", *map(path_of, resources(SIZE))}
    assert files["checkpoint"].decode() == head["checkpoint"]
    assert files["vkey"].decode() == f"{head['vkey']}\n"
    assert parse_bundle(files["tile/entries/000"])[17] == leaf_of(folder, 17)
    assert stat.S_IMODE((exported / "checkpoint").stat().st_mode) == 0o644


def test_an_export_is_told_in_numbers_and_so_is_its_check(folder: Path, exported: Path, tmp_path: Path) -> None:
    head = head_of(folder)
    told = {"origin": head["origin"], "size": SIZE, "root": head["root"]}
    again = answer(export(folder, exported, "--json"))
    assert again == told | {"vkey": head["vkey"], "folder": str(exported)}
    assert answer(verify(exported, head["vkey"], "--json")) == told
    lines = [["log", head["origin"]], ["entries", str(SIZE)], ["root", f"0x{head['root']}"]]
    told_in_words = verify(exported, head["vkey"]).stdout.splitlines()
    assert [*map(str.split, told_in_words)] == [*lines, ["the", "log", "holds"]]
    shown = export(folder, exported).stdout.splitlines()
    assert [*map(str.split, shown)] == [*lines, ["vkey", head["vkey"]], ["folder", str(exported)]]


@pytest.mark.slow  # Starts a node.
def test_it_is_exported_and_checked_beside_the_node(tmp_path: Path) -> None:
    folder, to = tmp_path / "node", tmp_path / "export"
    enrol(folder)
    with running(folder, "--offline-mode"):
        size = head_of(folder)["size"]  # Has it signed.
        assert answer(export(folder, to, "--json"))["size"] == size
        assert answer(verify(to, vkey_of(to), "--json"))["size"] == size
        talos("send", f"did:talos:{'a' * 51}q", "x", folder=folder)
        assert head_of(folder)["size"] == size + 1
        assert answer(export(folder, to, "--json"))["size"] == size + 1
        assert answer(verify(to, vkey_of(to), "--json"))["size"] == size + 1


@pytest.mark.parametrize("more", [1, 211, 212, 300])
def test_an_earlier_export_is_brought_up_to_date(folder: Path, exported: Path, tmp_path: Path, more: int) -> None:
    kept = tmp_path / "kept"
    shutil.copy(exported / "checkpoint", kept)
    before = files_of(exported)
    size = grow(folder, more)
    assert answer(export(folder, exported, "--json"))["size"] == size
    after = files_of(exported)
    assert {*map(path_of, resources(size))} <= set(after)
    assert all(after[name] == before[name] for name in before if name != "checkpoint")
    assert answer(verify(exported, vkey_of(exported), "--json", "--checkpoint", str(kept)))["size"] == size


def test_a_folder_with_anything_else_in_it_is_left_alone(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    enrol(other)
    of_another = tmp_path / "of-another"
    assert export(other, of_another).exit_code == 0
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("dear", "utf-8")
    for to in (of_another, mine):
        before = files_of(to)
        refused = export(folder, to, "--json")
        assert (refused.exit_code, json.loads(refused.stdout)["error"]["type"]) == (2, "UsageError")
        assert "neither empty nor an earlier export of this log" in refused.stderr
        assert files_of(to) == before
    in_the_way = tmp_path / "file"
    in_the_way.write_text("dear", "utf-8")
    for to in (in_the_way, in_the_way / "below"):
        assert export(folder, to).exit_code == 2
    assert in_the_way.read_text("utf-8") == "dear"
    assert talos("audit", "export", folder=folder).exit_code == 2  # Says nowhere where to.
    (tmp_path / "empty").mkdir()
    assert export(folder, tmp_path / "empty").exit_code == 0


CHANGES: Final[list[Callable[[bytes], bytes]]] = [
    lambda raw: flipped(raw, 0),
    lambda raw: flipped(raw, len(raw) // 2),
    flipped,
    lambda raw: raw[:-1],
    lambda raw: raw + b"\0",
    lambda raw: b"",
]


def test_every_file_of_an_export_counts_and_the_one_that_is_wrong_is_named(exported: Path) -> None:
    vkey = vkey_of(exported)
    for name, content in files_of(exported).items():
        if name == "vkey":
            continue  # Whose log it is, the user says.
        path = exported / name
        for change in CHANGES:
            path.write_bytes(change(content))
            result = verify(exported, vkey, "--json")
            assert result.exit_code == 7, (name, result.output)
            # A changed leaf shows in the hashes above it, which are in the tile of the same number.
            assert name.rpartition("entries/")[2] in json.loads(result.stdout)["error"]["what"] or name == "checkpoint"
        path.unlink()
        assert verify(exported, vkey).exit_code == 7
        path.write_bytes(content)
    assert verify(exported, vkey).exit_code == 0


def test_an_export_is_of_the_log_whose_key_is_given_and_of_no_other(exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    enrol(other)
    result = verify(exported, head_of(other)["vkey"])
    assert result.exit_code == 7
    assert "signed by no known key" in result.stderr


def test_checkpoints_that_were_kept_are_looked_for_in_an_export(folder: Path, exported: Path, tmp_path: Path) -> None:
    kept, later = tmp_path / "kept", tmp_path / "later"
    shutil.copy(exported / "checkpoint", kept)
    grow(folder, 5)
    later.write_text(head_of(folder)["checkpoint"], "utf-8")
    vkey = vkey_of(exported)
    assert verify(exported, vkey, "--checkpoint", str(kept)).exit_code == 0
    for flags in (["--checkpoint", str(later)], ["--checkpoint", str(kept), "--checkpoint", str(later)]):
        short = verify(exported, vkey, *flags)
        assert (short.exit_code, f"fewer than the {SIZE + 5}" in short.stderr) == (7, True)


@pytest.mark.parametrize("vkey", ["", "key", "a+b+c"])
def test_a_key_that_is_none_is_refused_with_2(exported: Path, vkey: str) -> None:
    result = verify(exported, vkey)
    assert result.exit_code == 2
    assert "--vkey: " in result.stderr
    assert OF_THE_OWNER in result.stderr


def test_an_export_without_a_key_or_a_key_without_an_export_is_refused_with_2(exported: Path, tmp_path: Path) -> None:
    for flags in (["--tlog", str(exported)], ["--vkey", vkey_of(exported)]):
        result = CliRunner().invoke(app, ["audit", "verify-chain", *flags])
        assert result.exit_code == 2
        assert "--tlog and --vkey go together" in result.stderr
        assert OF_THE_OWNER in result.stderr
    for missing in (tmp_path / "none", exported / "vkey"):
        assert verify(missing, vkey_of(exported)).exit_code == 2
    (tmp_path / "empty").mkdir()
    assert verify(tmp_path / "empty", vkey_of(exported)).exit_code == 7


@pytest.mark.parametrize(("table", "key"), [(ENTRIES, entry_key(7)), (TREE, tree_key(0, 3)), (TREE, tree_key(8, 0))])
def test_a_damaged_log_is_not_exported(folder: Path, tmp_path: Path, table: str, key: bytes) -> None:
    spoil(folder, table, key, flipped)
    to = tmp_path / "export"
    result = export(folder, to, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]["type"]) == (7, "Damaged")
    assert not (to / "checkpoint").exists()


@pytest.mark.parametrize(("table", "key"), [(ENTRIES, entry_key(7)), (TREE, tree_key(0, 3)), (META, b"checkpoint")])
def test_a_log_that_was_damaged_since_spoils_no_earlier_export(
    folder: Path, exported: Path, table: str, key: bytes
) -> None:
    vkey = vkey_of(exported)
    grow(folder, 300)
    spoil(folder, table, key, lambda value: flipped(value, len(value) // 2))
    result = export(folder, exported)
    assert result.exit_code == 7, result.output
    assert answer(verify(exported, vkey, "--json"))["size"] == SIZE


def test_a_log_that_went_back_is_found_by_what_was_exported(folder: Path, exported: Path) -> None:
    store = folder / "store" / "state" / "data.mdb"
    before = store.read_bytes()
    grow(folder, 5)
    assert export(folder, exported).exit_code == 0
    vkey, files = vkey_of(exported), files_of(exported)
    store.write_bytes(before)
    short = export(folder, exported)
    assert short.exit_code == 7
    assert f"cut short: {SIZE + 5} entries were exported, {SIZE} are there" in short.stderr
    grow(folder, 6)
    other = export(folder, exported)
    assert other.exit_code == 7
    assert f"the first {SIZE + 5} entries are not those that were exported" in other.stderr
    assert files_of(exported) == files
    assert verify(exported, vkey).exit_code == 0


def test_half_a_file_is_made_whole_and_another_content_is_not_overwritten(folder: Path, exported: Path) -> None:
    bundle = exported / "tile" / "entries" / "000"
    content = bundle.read_bytes()
    for half in (b"", content[:1_000]):
        bundle.write_bytes(half)
        assert export(folder, exported).exit_code == 0
        assert bundle.read_bytes() == content
    for other in (flipped(content), content + b"\0"):
        bundle.write_bytes(other)
        result = export(folder, exported)
        assert result.exit_code == 7
        assert str(bundle) in result.stderr
        assert bundle.read_bytes() == other
    bundle.write_bytes(content)
    (exported / "checkpoint").write_text("nonsense", "utf-8")
    result = export(folder, exported)
    assert (result.exit_code, "is no checkpoint of this log" in result.stderr) == (7, True)


def killed_exports(folder: Path, earlier: str, to: Path) -> int:
    """Export to folders below `to`, killed at every moment in turn; return how many were killed."""
    child = Path(__file__).with_name("killed_exports.py")
    command = [sys.executable, str(child), str(folder), earlier, str(to)]
    result = subprocess.run(command, stdout=subprocess.PIPE, timeout=LATE_S, check=True)
    return int(result.stdout)


@pytest.mark.slow  # Starts a process for each file.
def test_a_killed_export_never_passes_and_is_gone_on_with(folder: Path, tmp_path: Path) -> None:
    to, vkey = tmp_path / "exports", head_of(folder)["vkey"]
    killed = killed_exports(folder, "-", to)
    assert killed >= len(list(resources(SIZE))) + 4  # Each file once, vkey and checkpoint twice.
    for moment in range(killed):
        half = to / str(moment)
        result = verify(half, vkey)
        assert result.exit_code == (7 if half.exists() else 2), (moment, result.output)
        assert answer(export(folder, half, "--json"))["size"] == SIZE
        assert answer(verify(half, vkey, "--json"))["size"] == SIZE
    assert verify(to / str(killed), vkey).exit_code == 0


@pytest.mark.slow  # Starts a process for each file.
def test_an_earlier_export_stands_until_the_new_one_is_whole(folder: Path, exported: Path, tmp_path: Path) -> None:
    to, vkey = tmp_path / "exports", vkey_of(exported)
    size = grow(folder, SIZE)
    killed = killed_exports(folder, str(exported), to)
    sizes = [answer(verify(to / str(moment), vkey, "--json"))["size"] for moment in range(killed + 1)]
    assert sizes == [SIZE] * killed + [size]
