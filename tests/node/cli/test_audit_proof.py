"""`talos audit proof`, `verify-proof` and `root`: proofs made by one, checked by another who has no node."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from talos.cli.app import app
from talos.core.names import did_of
from talos_audit import TlogProof, VerifierKey, leaf_hash, open_checkpoint
from tests.node.cli.commands import answer, enrol, running, talos
from tests.node.cli.logs import grow, leaf_of

BOB: Final = did_of(b"\x01" * 32)
INDEX: Final = 3  # Of the entry that is proved.
PATIENCE: Final = 100  # Questions.


def verify(text: str | bytes, root: str, *arguments: str) -> Result:
    """Check a proof from stdin, where there is no data folder and no node."""
    given = ["audit", "verify-proof", "--proof", "-", "--root", root, *arguments]
    return CliRunner().invoke(app, given, input=text, env={"TALOS_DATA_DIR": "/dev/null/nowhere"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An identity whose log has 10 entries; no node runs."""
    path = tmp_path / "node"
    enrol(path)
    assert grow(path, 9) == 10
    return path


def head_of(folder: Path) -> dict[str, Any]:
    head: dict[str, Any] = answer(talos("audit", "root", "--json", folder=folder))
    return head


def proof_of(folder: Path, *arguments: str) -> str:
    result = talos("audit", "proof", str(INDEX), *arguments, folder=folder)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_root_is_one_line_and_its_checkpoint_is_signed(folder: Path) -> None:
    head = head_of(folder)
    assert talos("audit", "root", folder=folder).stdout == f"0x{head['root']} 10\n"
    note = talos("audit", "root", "--checkpoint", folder=folder).stdout
    assert note == head["checkpoint"]
    checkpoint = open_checkpoint(note.encode(), VerifierKey.parse(head["vkey"]))
    assert (checkpoint.size, checkpoint.root.hex(), checkpoint.origin) == (10, head["root"], head["origin"])


@pytest.mark.slow  # Starts nodes.
def test_a_running_node_signs_what_it_has_and_asks_a_linked_peer_for_its_root(tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    enrol(alice)
    bob_did = enrol(bob)
    with running(alice), running(bob):
        address = answer(talos("status", "--json", folder=bob))["listening"][0]
        assert talos("peers", "add", f"{bob_did}@{address}", folder=alice).exit_code == 0
        assert talos("send", bob_did, "hello", folder=alice).exit_code == 0
        for _ in range(PATIENCE):  # That it was delivered is written behind what tells so.
            if '"delivered"' in talos("audit", "query", "--json", folder=alice).stdout:
                break
        size = len(answer(talos("audit", "query", "--json", folder=alice))["entries"])
        assert talos("audit", "root", folder=alice).stdout.split()[1] == str(size)
        head = answer(talos("audit", "root", "--peer", bob_did, "--json", folder=alice))
        assert head["origin"].startswith(f"talos/audit/{bob_did.removeprefix('did:talos:')}/")
        # What Alice learned from Bob proves to her what Bob's node shows her later.
        text = talos("audit", "proof", "0", "--since", str(head["size"]), folder=bob).stdout
        proved = answer(verify(text, "0x" + head["root"], "--json"))
        assert (proved["did"], proved["entry"]["type"]) == (bob_did, "IDENTITY_CREATED")
        known = talos("peers", "--json", folder=alice).stdout
        nobody = talos("audit", "root", "--peer", BOB, folder=alice)
        assert (nobody.exit_code, nobody.stdout) == (4, "")
        assert nobody.stderr == f"error: there is no link to {BOB}\nfix: talos ping {BOB}\n"
        herself = talos("audit", "root", "--peer", answer(talos("whoami", "--json", folder=alice))["did"], folder=alice)
        assert (herself.exit_code, herself.stdout) == (5, "")
        assert talos("peers", "--json", folder=alice).stdout == known
    alone = talos("audit", "root", "--peer", bob_did, folder=alice)
    assert (alone.exit_code, alone.stdout) == (4, "")


@pytest.mark.slow  # Starts a node.
def test_a_running_node_reveals_what_the_entry_says_unless_it_is_to_stay_sealed(tmp_path: Path) -> None:
    did = enrol(tmp_path)
    with running(tmp_path, "--offline-mode"):
        index = str(json.loads(talos("send", BOB, "hello", "--json", folder=tmp_path).stdout)["audit_index"])
        revealed = talos("audit", "proof", index, folder=tmp_path)
        sealed = talos("audit", "proof", index, "--sealed", folder=tmp_path)
        root = talos("audit", "root", folder=tmp_path).stdout.split()[0]
    assert (revealed.exit_code, revealed.stderr, sealed.stderr) == (0, "", "")
    result = verify(revealed.stdout, root)
    assert result.exit_code == 0, result.stderr
    for line in (f"did          {did}", f"index        {index}", "type         MESSAGE", f"peer         {BOB}"):
        assert f"{line}\n" in result.stdout
    assert "event        sent\n" in result.stdout
    assert BOB not in sealed.stdout
    proved = answer(verify(sealed.stdout, root, "--json"))
    assert (proved["sealed"], proved["entry"]["details"], proved["entry"]["index"]) == (True, None, int(index))
    assert "details      sealed\n" in verify(sealed.stdout, root).stdout


def test_without_a_node_a_proof_is_sealed_and_says_so(folder: Path) -> None:
    result = talos("audit", "proof", str(INDEX), folder=folder)
    assert result.exit_code == 0
    assert "start talos-node to reveal it" in result.stderr
    assert talos("audit", "proof", str(INDEX), "--sealed", folder=folder).stderr == ""
    head = head_of(folder)
    proved = answer(verify(result.stdout, "0x" + head["root"], "--json"))
    assert proved["entry"]["type"] == "PREKEY_ROTATE"
    assert {key: proved[key] for key in ("did", "origin", "size", "since", "sealed")} == {
        "did": answer(talos("whoami", "--json", folder=folder))["did"],
        "origin": head["origin"],
        "size": 10,
        "since": None,
        "sealed": True,
    }


def test_a_proof_since_a_size_says_what_the_root_of_then_stands_for(folder: Path) -> None:
    then = head_of(folder)
    assert grow(folder, 5) == 15
    plain = verify(proof_of(folder), then["root"])
    assert plain.exit_code == 7
    assert "fix: Ask for a proof that goes on from yours" in plain.stderr
    text = proof_of(folder, "--since", "10")
    assert answer(verify(text, then["root"], "--json"))["since"] == 10
    assert "of the first 10 entries; the log has only grown since\n" in verify(text, then["root"]).stdout
    now = head_of(folder)
    assert answer(verify(text, now["root"], "--json"))["since"] is None


def test_a_proof_is_written_to_a_file_that_was_not_there(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "proof.json"
    written = talos("audit", "proof", str(INDEX), "--out", str(out), "--json", folder=folder)
    assert answer(written) == {"index": INDEX, "out": str(out), "format": "json", "sealed": True}
    assert out.read_text("utf-8") == proof_of(folder)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    out.write_text("mine", "utf-8")
    refused = talos("audit", "proof", str(INDEX), "--out", str(out), folder=folder)
    assert (refused.exit_code, out.read_text("utf-8")) == (2, "mine")
    assert "--force" in refused.stderr
    forced = talos("audit", "proof", str(INDEX), "--out", str(out), "--force", folder=folder)
    assert (forced.exit_code, forced.stdout) == (0, f"{out}\n")
    root = head_of(folder)["root"]
    from_file = CliRunner().invoke(app, ["audit", "verify-proof", "--proof", str(out), "--root", root])
    assert from_file.exit_code == 0, from_file.output


def test_a_file_that_cannot_be_is_refused_before_anything_is_asked(folder: Path, tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "no" / "folder.json"):
        assert talos("audit", "proof", str(INDEX), "--out", str(out), "--force", folder=folder).exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["node"]


def test_a_tlog_proof_is_checked_with_the_leaf_in_it_and_the_key_of_the_log(folder: Path) -> None:
    text = proof_of(folder, "--format", "tlog-proof")
    proof = TlogProof.parse(text.encode())
    assert proof.extra == leaf_of(folder, INDEX)
    head = head_of(folder)
    checkpoint = proof.verify(leaf_hash(proof.extra), VerifierKey.parse(head["vkey"]))
    assert (checkpoint.size, checkpoint.root.hex(), proof.index) == (10, head["root"], INDEX)
    assert json.loads(proof_of(folder, "--format", "tlog-proof", "--json")) == {"proof": text}


@pytest.mark.parametrize(
    "arguments",
    [
        ["10"],
        ["x"],
        [str(2**63)],
        ["3", "--since", "0"],
        ["3", "--since", "11"],
        ["3", "--format", "xml"],
        ["3", "--format", "tlog-proof", "--since", "5"],
    ],
)
def test_a_proof_that_cannot_be_made_is_refused_with_2(folder: Path, arguments: list[str]) -> None:
    result = talos("audit", "proof", *arguments, folder=folder)
    assert (result.exit_code, result.stdout) == (2, "")


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """Return an edit of a proof that keeps its form: as somebody would make it who knows the format."""

    def edit(text: str) -> str:
        value = json.loads(text)
        change(value)
        return json.dumps(value, indent=1) + "\n"

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        edited(lambda proof: proof["entry"].update(type="MESSAGE")),
        edited(lambda proof: proof["entry"].update(time_ms=proof["entry"]["time_ms"] + 1)),
        edited(lambda proof: proof.update(index=4)),
        edited(lambda proof: (proof.update(index=4), proof["entry"].update(index=4))),
        edited(lambda proof: proof.update(did=BOB)),
        edited(lambda proof: proof["path"].pop()),
        edited(lambda proof: proof["path"].reverse()),
        edited(lambda proof: proof.update(checkpoint=proof["checkpoint"].replace("\n10\n", "\n11\n"))),
        edited(lambda proof: proof.update(note="by hand")),
        edited(lambda proof: proof.update(checkpoint="\ud800")),
        edited(lambda proof: proof.pop("card")),
        lambda text: json.dumps(json.loads(text)),
        lambda text: text + "\n",
        lambda text: text[:-20],
        lambda text: "",
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: "x" * (2 * 1024 * 1024),
    ],
)
def test_a_proof_edited_by_hand_exits_with_7_and_a_reason(folder: Path, edit: Callable[[str], str]) -> None:
    text, root = proof_of(folder), head_of(folder)["root"]
    assert verify(text, root).exit_code == 0
    result = verify(edit(text), root, "--json")
    assert result.exit_code == 7, result.output
    described = json.loads(result.stdout)["error"]
    assert (described["exit_code"], described["type"] in ("Damaged", "MalformedMessage")) == (7, True)
    assert result.stderr.startswith("error: ")


def test_bytes_that_are_no_text_are_no_proof(folder: Path) -> None:
    result = verify(proof_of(folder).encode().replace(b"path", b"pat\xff"), head_of(folder)["root"])
    assert result.exit_code == 7
    assert "is no text" in result.stderr


@pytest.mark.parametrize("root", ["", "0x", "0x" + "0" * 63, "0x" + "g" * 64, "0x" + "00 " * 32, "root"])
def test_what_is_no_root_is_refused_with_2(folder: Path, root: str) -> None:
    result = verify(proof_of(folder), root)
    assert result.exit_code == 2
    assert "talos audit root" in result.stderr


def test_a_proof_file_that_cannot_be_read_is_refused_with_2(tmp_path: Path) -> None:
    for file in (tmp_path, tmp_path / "none"):
        result = CliRunner().invoke(app, ["audit", "verify-proof", "--proof", str(file), "--root", "00" * 32])
        assert result.exit_code == 2, result.output
    assert CliRunner().invoke(app, ["audit", "verify-proof", "--root", "00" * 32]).exit_code == 2


def test_a_proof_of_another_log_leads_to_another_root(folder: Path, tmp_path: Path) -> None:
    enrol(tmp_path / "other")
    grow(tmp_path / "other", 9)
    result = verify(proof_of(tmp_path / "other"), head_of(folder)["root"])
    assert result.exit_code == 7
    assert "leads to another root" in result.stderr
