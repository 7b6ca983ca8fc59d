"""Finding the node: none that runs, one that may run and cannot be asked, and one that hangs are told apart."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from talos.control import client
from talos.drivers.control_socket import control_path
from tests.node.cli.commands import LATE_S, answer, enrol, running, talos

SOON_S: Final = 0.2
ASKING: Final = [["status"], ["peers"], ["inbox"], ["audit", "query"], ["audit", "root"], ["audit", "proof", "0"]]
NOBODY: Final = 65_534  # The user id that owns nothing.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    enrol(tmp_path)
    return tmp_path


@pytest.fixture
def silent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose node takes connections and never answers, as one that was stopped with SIGSTOP."""
    monkeypatch.setattr(client, "ANSWER_S", SOON_S)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(control_path(folder)))
        listening.listen()
        yield folder


@pytest.mark.parametrize("verb", ASKING)
def test_a_node_that_hangs_is_waited_for_only_so_long(silent: Path, verb: list[str]) -> None:
    result = talos(*verb, folder=silent)
    assert (result.exit_code, result.stdout) == (4, "")
    assert f"error: the node in {silent} takes connections and does not answer\n" in result.stderr


def test_whoami_needs_no_answer_of_a_node_that_hangs(silent: Path) -> None:
    result = talos("whoami", folder=silent)
    assert (result.exit_code, result.stdout.startswith("did:talos:")) == (0, True)


@pytest.mark.slow  # Starts a node.
def test_a_node_that_answers_is_asked_for_longer_than_that(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_S", SOON_S)
    with running(folder, "--offline-mode"):
        waited = talos("send", f"did:talos:{'a' * 51}q", "x", "--timeout", str(3 * SOON_S), "--json", folder=folder)
    assert waited.exit_code == 6, waited.output


@pytest.mark.parametrize("verb", ASKING)
def test_a_socket_that_cannot_be_reached_is_not_taken_for_no_node(folder: Path, verb: list[str]) -> None:
    control_path(folder).symlink_to(control_path(folder))
    result = talos(*verb, folder=folder)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == f"error: cannot reach the node in {folder}: {os.strerror(errno.ELOOP)}\n"


@pytest.mark.slow  # Starts processes.
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
@pytest.mark.parametrize("verb", ["status", "audit root"])
def test_a_socket_of_another_user_is_said_to_be_one(folder: Path, verb: str) -> None:
    command = [
        sys.executable,
        "-c",
        f"import os; from talos.cli.app import app; os.setresuid(*3 * ({NOBODY},)); app()",
        *verb.split(),
        "--data-dir",
        str(folder),
    ]
    with running(folder, "--offline-mode"):
        result = subprocess.run(command, capture_output=True, text=True, timeout=LATE_S)
    assert (result.returncode, result.stdout) == (4, "")
    denied = f"error: cannot reach the node in {folder}: Permission denied\nfix: Ask as the user whose node it is\n"
    assert result.stderr == denied


def test_what_a_dead_node_left_is_no_node_and_the_store_is_read(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(control_path(folder)))
    assert answer(talos("audit", "root", "--json", folder=folder))["size"] == 1
    assert talos("status", folder=folder).exit_code == 4


@pytest.mark.slow  # Starts a node.
def test_an_argument_that_makes_no_sense_to_the_node_is_refused_with_2(folder: Path) -> None:
    huge = "x" * 5_000
    with running(folder, "--offline-mode"):
        for arguments, named in (
            (["send", huge, "hello"], "send: peer is not a text of up to 4096 characters"),
            (["peers", "add", f"{huge}:1"], "look: address is not a text"),
            (["audit", "root", "--peer", huge], "audit_root: peer is not a text"),
            (["audit", "query", "--type", "GOSSIP"], "there is no entry type 'GOSSIP'"),
            (["audit", "show", str(2**63 - 1)], "there is no audit entry 9223372036854775807"),
            (["audit", "proof", "1000"], "audit entry 1000 is in no signed checkpoint"),
        ):
            result = talos(*arguments, folder=folder)
            assert (result.exit_code, result.stdout) == (2, ""), result.output
            assert result.stderr.startswith(f"error: {named}"), result.stderr
