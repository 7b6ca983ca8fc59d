"""Folders that we may not look into: whoever names one is told so, with 2, and not of a bug of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from talos_audit import VerifierKey
from tests.node.cli.commands import LATE_S

pytestmark = pytest.mark.slow  # Each test starts a process.

VKEY: Final = VerifierKey("log", bytes(32)).encode()
NOBODY: Final = 65_534  # The user id that owns nothing: root may look everywhere.
AS_NOBODY: Final = f"""
import os
import talos.cli.app
import talos.cli.simulate.run
import talos.cli.simulate.words
from talos.cli import main
from talos_simulations.sweep import scenarios

scenarios()
if os.geteuid() == 0:
    os.setresuid(*3 * ({NOBODY},))
main()
"""


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "verify-chain", "--vkey", VKEY, "--tlog", "IN"],
        ["init", "--no-passphrase", "--data-dir", "IN"],
        ["simulate", "calm", "--seeds", "0", "--page", "IN"],
        ["simulate", "calm", "--seeds", "0", "--trace", "IN"],
        ["simulate", "IN.py"],
    ],
    ids=" ".join,
)
def test_a_place_behind_a_locked_door_is_refused_with_2(locked: Path, arguments: list[str]) -> None:
    command = [one.replace("IN", str(locked / "in")) for one in arguments]
    result = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, *command], capture_output=True, text=True, timeout=LATE_S, check=False
    )
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert str(locked) in result.stderr
    assert "\nfix: " in result.stderr
