"""`talos resolve` and `talos ping` against real nodes: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from talos.cli.app import app
from talos.core.names import did_of
from tests.node.cli.commands import answer, end, enrol, running, start, talos

KEY = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def test_a_single_key_needs_no_node_and_no_folder(tmp_path: Path) -> None:
    shown = talos("resolve", KEY, folder=tmp_path / "nowhere")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0] == f"did  {KEY}"
    assert "z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p  keyAgreement" in shown.stdout
    resolved = answer(talos("resolve", KEY, "--json", folder=tmp_path / "nowhere"))
    assert resolved["didDocument"]["id"] == KEY


@pytest.mark.parametrize("did", ["did:key:z6Mk", KEY[:-1], KEY + "1", "did:key:"])
def test_a_key_that_is_none_is_a_wrong_argument(did: str) -> None:
    result = CliRunner().invoke(app, ["resolve", did])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "fix: " in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", [["resolve", did_of(bytes(32))], ["ping", did_of(bytes(32))]])
def test_without_a_node_the_exit_code_says_whether_there_is_an_identity(tmp_path: Path, verb: list[str]) -> None:
    assert talos(*verb, folder=tmp_path).exit_code == 3
    enrol(tmp_path)
    assert talos(*verb, folder=tmp_path).exit_code == 4


@pytest.mark.slow
def test_a_peer_is_resolved_and_pinged_until_it_is_gone(tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    enrol(alice)
    did = enrol(bob)
    other = start(bob)
    with running(alice):
        address = answer(talos("status", "--json", folder=bob))["listening"][0]
        assert talos("peers", "add", f"{did}@{address}", folder=alice).exit_code == 0

        lines = talos("ping", did, "--count", "2", folder=alice).stdout.splitlines()
        assert [line.split("  ")[0] for line in lines[:2]] == ["1", "2"]
        assert f"  {address} (static)" in lines[0]
        assert lines[2].startswith("median ")
        told = [json.loads(line) for line in talos("ping", did, "--json", folder=alice).stdout.splitlines()]
        assert [(one["found"], one["address"]) for one in told[:3]] == [("static", address)] * 3
        trips = sorted(one["round_trip_s"] for one in told[:3])
        assert told[3:] == [{"did": did, "count": 3, "median_s": trips[1]}]
        assert talos("ping", did, "--count", "0", folder=alice).exit_code == 2

        resolved = answer(talos("resolve", did, "--json", folder=alice))
        assert resolved["didDocument"]["id"] == did
        assert resolved["didDocumentMetadata"]["deactivated"] is False
        text = talos("resolve", did, folder=bob).stdout
        assert "phase    active" in text
        assert f"dial     talos://{address}" in text

        end(other)
        gone = talos("ping", did, folder=alice)
        assert (gone.exit_code, gone.stdout) == (4, "")
        assert answer(talos("resolve", did, "--json", folder=alice))["didDocument"]["id"] == did
        nobody = talos("resolve", did_of(bytes(32)), "--json", folder=alice)
        assert nobody.exit_code == 4
        assert json.loads(nobody.stdout)["error"]["type"] == "NotReachable"
        assert talos("ping", "nobody", folder=alice).exit_code == 2
        assert talos("resolve", "nobody", folder=alice).exit_code == 2
