"""`talos find` and `talos diagnose` against real nodes."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic

import pytest
from click.testing import Result

from talos.core.names import did_of
from tests.node.cli.commands import LATE_S, answer, enrol, running, talos


def at_last(*arguments: str, folder: Path) -> Result:
    """Ask again and again until the answer is yes: what was published a moment ago is on its way."""
    ends = monotonic() + LATE_S
    while (result := talos(*arguments, folder=folder)).exit_code == 1 and monotonic() < ends:
        pass
    return result


def test_what_is_to_be_diagnosed_must_be_said(tmp_path: Path) -> None:
    result = talos("diagnose", folder=tmp_path)
    assert result.exit_code == 2
    assert "--network" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", [["find", "translate"], ["diagnose", "--network"]])
def test_without_a_node_the_exit_code_says_whether_there_is_an_identity(tmp_path: Path, verb: list[str]) -> None:
    assert talos(*verb, folder=tmp_path).exit_code == 3
    enrol(tmp_path)
    assert talos(*verb, folder=tmp_path).exit_code == 4


@pytest.mark.slow
def test_who_offers_a_topic_is_found_and_all_is_well(tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    enrol(alice)
    did = enrol(bob)
    with running(alice):
        lonely = talos("diagnose", "--network", folder=alice)
        assert lonely.exit_code == 1
        assert "BAD  dht: 0 other nodes are known" in lonely.stdout
        assert "     fix: Set `bootstrap`" in lonely.stdout
        way_in = (
            f"{answer(talos('whoami', '--json', folder=alice))['did']}@"
            + (answer(talos("status", "--json", folder=alice))["listening"][0])
        )
        with running(bob, "--bootstrap", way_in, "--topics", "translate", "--topics", "tool:mail"):
            assert at_last("find", "tool:mail", folder=alice).stdout.startswith(f"{did}  until ")
            found = json.loads(at_last("find", "translate", "--json", folder=alice).stdout)
            assert [offer["did"] for offer in found["offers"]] == [did]
            nobody = talos("find", "cook", folder=alice)
            assert (nobody.exit_code, nobody.stdout) == (1, "")
            refused = talos("find", "a,b", folder=alice)
            assert refused.exit_code == 2
            assert refused.stderr.startswith("error: topic is 'a,b'\nfix: Set it to 1 to 128 characters")

            well = at_last("diagnose", "--network", "--check-duplicates", folder=bob)
            assert well.exit_code == 0, well.output
            assert {line[:3] for line in well.stdout.splitlines()} == {"ok "}
            told = answer(talos("diagnose", "--check-duplicates", "--json", folder=bob))
            assert told["ok"] is True
            assert [point["name"] for point in told["points"]] == ["duplicates"]
            assert talos("send", did, "hello", folder=alice).exit_code == 0
            assert did_of(bytes(32)) not in talos("peers", folder=alice).stdout
