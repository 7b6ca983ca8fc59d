"""Proofs as files: what `proof --out` may replace, and what `verify-proof` says of the file that it was given."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from talos.cli.app import app
from tests.node.cli.commands import answer, enrol, talos
from tests.node.cli.logs import grow

INDEX: Final = 3  # Of the entry that is proved.
SIZE: Final = 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An identity whose log has 10 entries; no node runs."""
    path = tmp_path / "node"
    enrol(path)
    assert grow(path, SIZE - 1) == SIZE
    return path


def write(folder: Path, out: Path, *arguments: str) -> Result:
    return talos("audit", "proof", str(INDEX), "--out", str(out), *arguments, folder=folder)


def verify(file: Path, root: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", "verify-proof", "--proof", str(file), "--root", root, *arguments])


def head_of(folder: Path) -> dict[str, Any]:
    head: dict[str, Any] = answer(talos("audit", "root", "--json", folder=folder))
    return head


def made(folder: Path, *arguments: str) -> Path:
    """Return the file of a new proof."""
    out = folder.with_name("proof.json")
    result = write(folder, out, "--force", *arguments)
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.parametrize("flags", [[], ["--force"]])
@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "device", "pipe"])
def test_only_a_plain_file_is_ever_replaced(folder: Path, tmp_path: Path, kind: str, flags: list[str]) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine", "utf-8")
    out = tmp_path / "out"
    if kind == "device":
        if os.geteuid() != 0:
            pytest.skip("only root makes devices")
        os.mknod(out, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    elif kind == "pipe":
        os.mkfifo(out)
    else:
        out.symlink_to(mine if kind == "link to a file" else tmp_path / "none")
    before = out.lstat()
    result = write(folder, out, *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {out} is there already, and is no plain file\n" in result.stderr
    assert "--force" not in result.stderr  # It would not help.
    assert (out.lstat().st_ino, out.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert mine.read_text("utf-8") == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"node", "mine", "out"}


def test_a_plain_file_is_replaced_if_so_asked_also_below_a_linked_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    out = tmp_path / "link" / "proof.json"
    assert [write(folder, out).exit_code, write(folder, out).exit_code] == [0, 2]
    out.write_text("mine", "utf-8")
    assert write(folder, out, "--force").exit_code == 0
    assert verify(tmp_path / "real" / "proof.json", head_of(folder)["root"]).exit_code == 0


@pytest.mark.parametrize("name", ["x" * 300, "file/below"])
def test_a_name_that_no_file_can_have_is_refused_with_2(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    result = write(folder, tmp_path / name)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(("since", "came_later"), [(INDEX, True), (INDEX + 1, False), (SIZE, False)])
def test_an_entry_from_after_the_root_that_is_held_is_said_to_be(folder: Path, since: int, *, came_later: bool) -> None:
    grow(folder, 5)
    file = made(folder, "--since", str(since))
    earlier = json.loads(file.read_text("utf-8"))["earlier"]["root"]
    told = f"came later   the log of your root had {since} entries; this one came later\n"
    assert answer(verify(file, earlier, "--json"))["came_later"] is came_later
    assert (told in verify(file, earlier).stdout) is came_later
    # Who holds the newest root holds one that covers the entry.
    newest = head_of(folder)["root"]
    assert answer(verify(file, newest, "--json"))["came_later"] is False
    assert "came later" not in verify(file, newest).stdout


def test_a_tlog_proof_is_called_what_it_is(folder: Path) -> None:
    file = made(folder, "--format", "tlog-proof")
    result = verify(file, head_of(folder)["root"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"error: {file} is a C2SP tlog-proof, and not a proof.json\n" in result.stderr
    assert "talos audit proof INDEX" in result.stderr
    assert "talos audit root --vkey" in result.stderr


def test_every_error_about_a_proof_names_its_file(folder: Path) -> None:
    file, root = made(folder), head_of(folder)["root"]
    text = file.read_text("utf-8")
    for content, held in (
        (text.encode(), "00" * 32),
        (text.replace('"index": 3', '"index": 4').encode(), root),
        (b"{}", root),
        (b"\xff", root),
        (bytes(2 * 1024 * 1024), root),
    ):
        file.write_bytes(content)
        result = verify(file, held)
        assert result.exit_code == 7, result.output
        assert result.stderr.startswith(f"error: {file}"), result.stderr
    piped = CliRunner().invoke(app, ["audit", "verify-proof", "--proof", "-", "--root", root], input="{}")
    assert piped.stderr.startswith("error: stdin: ")


def test_a_root_is_taken_however_its_hex_is_written(folder: Path) -> None:
    file, root = made(folder), head_of(folder)["root"]
    for written in (root, f"0x{root}", f"0X{root}", f"0X{root.upper()}"):
        assert verify(file, written).exit_code == 0, written
    for wrong in (f"0X0x{root}", f"0x0X{root}", f"0X{root[2:]}"):
        assert verify(file, wrong).exit_code == 2, wrong


def test_the_key_of_the_log_is_printed_alone(folder: Path) -> None:
    assert talos("audit", "root", "--vkey", folder=folder).stdout == f"{head_of(folder)['vkey']}\n"
    both = talos("audit", "root", "--vkey", "--checkpoint", folder=folder)
    assert (both.exit_code, both.stdout) == (2, "")
