"""What is shown once is not shown to nobody: the recovery seed, and messages that are done once they are printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.node.cli.commands import LATE_S, answer, enrol, running, talos

pytestmark = pytest.mark.slow  # Each test starts processes.

FULL: Final = Path("/dev/full")  # Linux: takes no byte, as a full disk.
TALOS: Final = "from talos.cli import main; main()"


def told_nobody(folder: Path, *arguments: str, to: str) -> subprocess.CompletedProcess[str]:
    """Run a command whose stdout is what the shell makes of `to`."""
    command = [sys.executable, "-c", TALOS, *arguments, "--data-dir", str(folder)]
    shell = ["sh", "-c", f'exec "$@" {to}', "sh", *command]
    return subprocess.run(shell, stderr=subprocess.PIPE, text=True, timeout=LATE_S, check=False)


def test_no_identity_is_made_where_its_seed_could_not_be_shown(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    refused = told_nobody(folder, "init", "--no-passphrase", to=">&-")
    assert (refused.returncode, refused.stderr.startswith("error: stdout is closed")) == (2, True)
    assert not folder.exists()


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_seed_that_was_not_shown_is_told_of_with_what_mends_it(tmp_path: Path) -> None:
    made = told_nobody(tmp_path, "init", "--no-passphrase", to=f">{FULL}")
    assert made.returncode == 8
    assert made.stderr.startswith("error: the identity was made, and its recovery seed could not be shown: ")
    assert made.stderr.endswith(f"fix: talos init --new-identity --data-dir {tmp_path}\n")


def test_messages_that_could_not_be_printed_are_not_done(tmp_path: Path) -> None:
    alice, bob = tmp_path / "alice", tmp_path / "bob"
    enrol(alice)
    did = enrol(bob)
    with running(alice), running(bob):
        address = answer(talos("status", "--json", folder=bob))["listening"][0]
        assert talos("peers", "add", f"{did}@{address}", folder=alice).exit_code == 0
        assert talos("send", did, "hello", folder=alice).exit_code == 0
        refused = told_nobody(bob, "inbox", to=">&-")
        assert (refused.returncode, refused.stderr.startswith("error: stdout is closed")) == (2, True)
        assert talos("inbox", folder=bob).stdout.endswith("\nhello\n")
