"""`talos init` at its worst: killed at any moment, refused, or in a folder where something is wrong already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from talos.config import load
from talos.drivers.data_folder import DataFolder
from talos.host import Address
from tests.node.cli.commands import LATE_S, answer, enrol, talos

pytestmark = pytest.mark.slow  # Each test starts processes.

KILLED: Final = -9
MOMENTS_MAX: Final = 20  # `init` renames less often; beyond it something never ends.
SIZE_MIB: Final = 64


def init_killed_at(moment: int, folder: Path, *flags: str) -> bool:
    """Run `talos init`, killed at its rename number `moment`. Return False if it ended well before that one."""
    child = Path(__file__).with_name("killed_at.py")
    command = [sys.executable, str(child), str(moment), "init", "--no-passphrase", "--data-dir", str(folder), *flags]
    result = subprocess.run(command, capture_output=True, timeout=LATE_S, check=False)
    assert result.returncode in (0, KILLED), result.stderr
    return result.returncode == KILLED


def test_killed_before_it_has_shown_the_seed_it_can_be_run_again(tmp_path: Path) -> None:
    moment = 0
    while init_killed_at(moment, tmp_path / str(moment), "--listen", "127.0.0.1:7321"):
        folder = tmp_path / str(moment)
        assert not (folder / "unlock.sealed").exists()
        shown = answer(talos("init", "--no-passphrase", "--json", folder=folder))["recovery_seed"]
        assert DataFolder(folder, SIZE_MIB).keystore.recovery_seed(None).hex() == shown
        if moment > 0:  # The settings come first, so whoever was killed later need not say them again.
            assert load(folder, {}, {}).listen == (Address("127.0.0.1", 7321),)
        moment += 1
        assert moment < MOMENTS_MAX
    assert moment >= 5  # Settings, store, DID, seed, keys.


def test_killed_while_it_replaces_an_identity_it_keeps_the_settings_and_the_old_one(tmp_path: Path) -> None:
    moment, is_killed = 0, True
    while is_killed:
        folder = tmp_path / str(moment) / "node"
        old = enrol(folder)
        (folder / "talos.toml").write_text("queue_limit = 7\n", "utf-8")
        is_killed = init_killed_at(moment, folder, "--new-identity")
        if is_killed:
            talos("init", "--no-passphrase", "--new-identity", folder=folder)
        assert load(folder, {}, {}).queue_limit == 7
        dids = [answer(talos("whoami", "--json", folder=folder))["did"]]
        for aside in folder.parent.glob("node.old-*"):
            dids.append(answer(talos("whoami", "--json", folder=aside))["did"])
        assert old in dids[1:]
        assert dids[0] != old
        moment += 1
        assert moment < MOMENTS_MAX
    assert moment >= 6  # Settings, old folder, new folder, store, DID, seed, keys.


def test_what_is_refused_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    folder, seed = tmp_path / "node", tmp_path / "seed"
    folder.mkdir(0o700)
    (folder / "talos.toml").write_text(f'[identity]\nroot_file = "{seed}"\n', "utf-8")
    seed.write_bytes(b"of another identity")
    refused = talos("init", "--no-passphrase", folder=folder)
    assert (refused.exit_code, f"fix: Move {seed} elsewhere" in refused.stderr) == (2, True)
    seed.unlink()
    folder.chmod(0o755)
    refused = talos("init", "--no-passphrase", "--listen", "127.0.0.1:1", folder=folder)
    assert (refused.exit_code, f"fix: Run `chmod 700 {folder}`" in refused.stderr) == (2, True)
    assert [path.name for path in folder.iterdir()] == ["talos.toml"]
    assert "root_file" in (folder / "talos.toml").read_text("utf-8")


def test_settings_that_are_there_are_never_written_over(tmp_path: Path) -> None:
    folder, seed = tmp_path / "node", tmp_path / "seed"
    folder.mkdir(0o700)
    settings = f'listen = ["127.0.0.1:7321"]\nqueue_limit = 7\n[identity]\nroot_file = "{seed}"\n'
    file = folder / "talos.toml"
    file.write_text(settings, "utf-8")
    refused = talos("init", "--no-passphrase", "--listen", "127.0.0.1:7322", folder=folder)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.endswith(f"fix: Set listen in {file} to what you want, and say it without --listen\n")
    assert [path.name for path in folder.iterdir()] == ["talos.toml"]
    assert talos("init", "--no-passphrase", "--listen", "127.0.0.1:7321", folder=folder).exit_code == 0
    again = talos("init", "--no-passphrase", "--new-identity", "--listen", "127.0.0.1:1", folder=folder)
    assert (again.exit_code, [path.name for path in tmp_path.glob("node.*")]) == (2, [])
    assert file.read_text("utf-8") == settings
