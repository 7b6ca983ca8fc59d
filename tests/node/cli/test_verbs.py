"""The verbs of `talos` against real nodes: what they print, what they leave done, and every exit code."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from talos.cli.app import app
from talos.core.frames import MESSAGE_SIZE_MAX
from talos.drivers.folder_lock import hold_folder
from tests.node.cli.commands import LATE_S, answer, enrol, running, talos

pytestmark = pytest.mark.slow  # Each test starts processes.


@dataclass(frozen=True)
class Pair:
    """Two running nodes; alice knows bob."""

    alice: Path
    bob: Path
    alice_did: str
    bob_did: str
    bob_address: str  # HOST:PORT.


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    alice_did, bob_did = enrol(alice), enrol(bob)
    with running(alice), running(bob):
        address = answer(talos("status", "--json", folder=bob))["listening"][0]
        assert talos("peers", "add", f"{bob_did}@{address}", folder=alice).exit_code == 0
        yield Pair(alice, bob, alice_did, bob_did, address)


def test_init_makes_a_folder_for_its_owner_only_and_shows_the_seed(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "node"
    result = talos("init", "--no-passphrase", "--listen", "127.0.0.1:7321", "--json", folder=folder)
    made = answer(result)
    assert made["did"] == f"did:talos:{made['peer_id']}"
    assert len(bytes.fromhex(made["recovery_seed"])) == 32
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()} == {0o600}
    assert answer(talos("whoami", "--json", folder=folder)) == {
        "did": made["did"],
        "peer_id": made["peer_id"],
        "addresses": [f"{made['did']}@127.0.0.1:7321"],
    }


def test_init_does_not_touch_an_identity_unless_told_to_and_then_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    old = enrol(folder)
    (folder / "talos.toml").write_text("queue_limit = 7\n", "utf-8")
    assert talos("init", "--no-passphrase", folder=folder).exit_code == 5
    assert answer(talos("whoami", "--json", folder=folder))["did"] == old

    result = talos("init", "--no-passphrase", "--new-identity", "--json", folder=folder)
    assert answer(result)["did"] != old
    assert (folder / "talos.toml").read_text("utf-8") == "queue_limit = 7\n"
    aside = folder.with_name("node.old-1")
    assert str(aside) in result.stderr
    assert answer(talos("whoami", "--json", folder=aside))["did"] == old


def test_init_without_a_passphrase_or_a_word_about_it_makes_nothing(tmp_path: Path) -> None:
    result = talos("init", folder=tmp_path / "node")
    assert result.exit_code == 8
    assert "--no-passphrase" in result.stderr
    assert not (tmp_path / "node").exists()


def test_init_keeps_the_seed_of_the_old_identity_where_it_was_told_to_keep_it(tmp_path: Path) -> None:
    folder, seed = tmp_path / "node", tmp_path / "safe" / "root"
    folder.mkdir(0o700)
    (folder / "talos.toml").write_text(f'[identity]\nroot_file = "{seed}"\n', "utf-8")
    enrol(folder)
    kept = seed.read_bytes()
    refused = talos("init", "--no-passphrase", "--new-identity", folder=folder)
    assert refused.exit_code == 2
    assert str(seed) in refused.stderr
    assert seed.read_bytes() == kept
    assert talos("whoami", folder=folder).exit_code == 0


def test_a_folder_that_cannot_have_a_socket_is_refused_before_it_exists(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    assert talos("init", "--no-passphrase", folder=folder).exit_code == 2
    assert not folder.exists()


@pytest.mark.parametrize("verb", [["status"], ["peers"], ["send", "p", "x"], ["inbox"], ["peers", "add", "h:1"]])
def test_without_a_node_the_exit_code_says_whether_there_is_an_identity(tmp_path: Path, verb: list[str]) -> None:
    missing = talos(*verb, folder=tmp_path)
    assert (missing.exit_code, missing.stdout) == (3, "")
    assert missing.stderr.endswith(f"fix: talos init --data-dir {tmp_path}\n")
    enrol(tmp_path)
    stopped = talos(*verb, folder=tmp_path)
    assert (stopped.exit_code, stopped.stdout) == (4, "")
    assert f"fix: talos-node --data-dir {tmp_path}" in stopped.stderr


def test_whoever_only_asks_does_not_take_the_folder_from_a_node_that_starts(tmp_path: Path) -> None:
    did = enrol(tmp_path)
    with hold_folder(tmp_path):  # As a node does before it listens.
        assert talos("status", folder=tmp_path).exit_code == 4
        assert talos("whoami", folder=tmp_path).stdout == f"{did}\n"


def test_what_a_group_was_told_counts_for_its_verbs_and_their_own_word_counts_first(tmp_path: Path) -> None:
    empty, enrolled = tmp_path / "empty", tmp_path / "enrolled"
    enrol(enrolled)
    add = ["add", "h:1"]
    for arguments, exit_code in (
        (["--data-dir", str(enrolled), *add], 4),
        ([*add, "--data-dir", str(enrolled)], 4),
        (["--data-dir", str(enrolled), *add, "--data-dir", str(empty)], 3),
        (["--data-dir", str(empty), *add, "--data-dir", str(enrolled)], 4),
        (["--data-dir", str(enrolled), *add, "--name", "nobody"], 3),
    ):
        result = CliRunner().invoke(app, ["peers", *arguments], env={"XDG_DATA_HOME": str(tmp_path)})
        assert result.exit_code == exit_code, arguments
    result = CliRunner().invoke(app, ["peers", "--json", *add, "--data-dir", str(empty)])
    assert json.loads(result.stdout)["error"]["exit_code"] == 3


def test_whoami_needs_an_identity_but_no_node(tmp_path: Path) -> None:
    assert talos("whoami", folder=tmp_path).exit_code == 3
    did = enrol(tmp_path)
    assert talos("whoami", folder=tmp_path).stdout == f"{did}\n"  # Port 0 is no address to give to anybody.
    with running(tmp_path):
        lines = talos("whoami", folder=tmp_path).stdout.splitlines()
        assert lines[0] == did
        assert lines[1].startswith(f"{did}@127.0.0.1:")


def test_a_message_is_sent_shown_once_and_done(pair: Pair) -> None:
    sent = talos("send", pair.bob_did, "hello", folder=pair.alice)
    assert (sent.exit_code, sent.stdout.split()[0]) == (0, "delivered")
    peeked = talos("inbox", "--peek", folder=pair.bob)
    assert f"from {pair.alice_did} at " in peeked.stdout
    assert peeked.stdout.endswith("\nhello\n")
    assert talos("inbox", folder=pair.bob).stdout == peeked.stdout
    assert talos("inbox", folder=pair.bob).stdout == ""


def test_following_prints_what_comes_and_ends_when_interrupted(pair: Pair) -> None:
    command = [sys.executable, "-c", "from talos.cli import main; main()", "inbox", "--follow", "--json"]
    with subprocess.Popen([*command, "--data-dir", str(pair.bob)], stdout=subprocess.PIPE) as follower:
        assert follower.stdout is not None
        for text in ("one", "two"):
            assert talos("send", pair.bob_did, text, folder=pair.alice).exit_code == 0
            assert b64decode(json.loads(follower.stdout.readline())["body"]) == text.encode()
        follower.send_signal(signal.SIGINT)
        assert follower.wait(LATE_S) == 130


def test_every_way_to_give_a_message_gives_its_bytes(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\x00\xff")
    for arguments, stdin in ((["ä\n"], None), (["--file", str(file)], None), (["-"], b"\xfe\n")):
        assert talos("send", pair.bob_did, *arguments, folder=pair.alice, stdin=stdin).exit_code == 0
    printed = talos("inbox", "--json", "--limit", "2", folder=pair.bob).stdout.splitlines()
    printed += talos("inbox", "--json", folder=pair.bob).stdout.splitlines()
    assert [b64decode(json.loads(line)["body"]) for line in printed] == ["ä\n".encode(), b"\x00\xff", b"\xfe\n"]


def test_a_message_cannot_command_the_terminal_it_is_shown_on(pair: Pair) -> None:
    assert talos("send", pair.bob_did, "a\x1b[2Jb\u202ec", folder=pair.alice).exit_code == 0
    assert talos("send", pair.bob_did, "-", folder=pair.alice, stdin=b"\xff").exit_code == 0
    shown = talos("inbox", folder=pair.bob).stdout
    assert "a\\x1b[2Jb\\u202ec\n" in shown
    assert "(1 bytes that are no text; --json prints them)" in shown


def test_what_cannot_be_delivered_is_queued_with_6_or_given_up_with_6(tmp_path: Path) -> None:
    bob = enrol(tmp_path / "bob")
    enrol(tmp_path / "alice")
    with running(tmp_path / "alice"):
        queued = talos("send", bob, "later", "--json", folder=tmp_path / "alice")
        assert queued.exit_code == 6
        assert json.loads(queued.stdout)["state"] == "queued"
        given_up = talos("send", bob, "never", "--on-failure", "raise", folder=tmp_path / "alice")
        assert (given_up.exit_code, given_up.stdout) == (6, "")
        assert answer(talos("status", "--json", folder=tmp_path / "alice"))["undelivered"] == 1


def test_a_send_that_makes_no_sense_is_refused_with_2(tmp_path: Path) -> None:
    enrol(tmp_path)
    with running(tmp_path, "--offline-mode"):
        for arguments in (
            ["nobody", "x"],
            ["p"],
            ["p", "x", "--file", "y"],
            ["p", "--file", "no/such/file"],
            ["p", "x", "--timeout", "-1"],
            ["p", "x", "--timeout", "nan"],
            ["p", "x", "--retry-count", "x"],
            ["p", "x", "--on-failure", "shout"],
        ):
            assert talos("send", *arguments, folder=tmp_path).exit_code == 2, arguments


@pytest.mark.parametrize("given", [["--file", "/dev/zero"], ["-"]])
def test_what_is_longer_than_any_message_is_refused_before_all_of_it_is_read(tmp_path: Path, given: list[str]) -> None:
    result = talos("send", "p", *given, folder=tmp_path, stdin=bytes(MESSAGE_SIZE_MAX + 1))
    assert (result.exit_code, result.stdout) == (2, "")
    where = "stdin" if given == ["-"] else given[1]
    assert result.stderr.startswith(f"error: {where} has more than {MESSAGE_SIZE_MAX} bytes, and no message has\nfix: ")


def test_sending_to_oneself_is_refused_with_5(pair: Pair) -> None:
    result = talos("send", pair.alice_did, "x", "--json", folder=pair.alice)
    assert result.exit_code == 5
    assert json.loads(result.stdout)["error"]["type"] == "Refused"
    assert result.stderr.startswith("error: ")


def test_a_bare_address_is_added_only_once_somebody_has_looked_at_the_did(tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    enrol(alice)
    did = enrol(bob)
    with running(alice), running(bob):
        address = answer(talos("status", "--json", folder=bob))["listening"][0]
        unseen = talos("peers", "add", "--yes", address, folder=alice)
        assert unseen.exit_code == 2
        assert "fix: talos peers add --yes DID@HOST:PORT" in unseen.stderr
        for stdin in ("n\n", ""):
            declined = talos("peers", "add", address, folder=alice, stdin=stdin)
            assert declined.exit_code == 1
            assert did in declined.stderr
        assert not any(peer["addresses"] for peer in answer(talos("peers", "--json", folder=alice))["peers"])

        confirmed = talos("peers", "add", "--json", address, folder=alice, stdin="y\n")
        assert answer(confirmed)["did"] == did
        assert talos("peers", folder=alice).stdout.startswith(f"{did}  {address}  linked")


def test_a_peer_is_added_by_its_whole_name_without_a_question(pair: Pair) -> None:
    again = talos("peers", "add", "--yes", "--json", f"{pair.bob_did}@{pair.bob_address}", folder=pair.alice)
    assert answer(again)["addresses"] == [pair.bob_address]
    assert f"{pair.bob_did}  {pair.bob_address}  linked" in talos("status", folder=pair.alice).stdout


def test_nobody_at_a_bare_address_is_unreachable_with_4(tmp_path: Path) -> None:
    enrol(tmp_path)
    with running(tmp_path):
        assert talos("peers", "add", "127.0.0.1:1", folder=tmp_path).exit_code == 4
