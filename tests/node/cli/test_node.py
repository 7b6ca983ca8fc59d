"""`talos-node` as its keeper sees it: one per folder, ready when it says so, gone when it is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from talos.cli.settings_file import default_text
from talos.config import Config, parse
from talos.host import Address
from tests.node.cli.commands import LATE_S, NODE, answer, end, enrol, kill, running, start, talos

pytestmark = pytest.mark.slow  # Each test starts processes.

STOP_S: Final = 5.0  # Within which a node must be gone.


def refused(folder: Path, *flags: str, stdin: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[str]:
    """Run a node that does not get to run."""
    command = [*NODE, "--data-dir", str(folder), *flags]
    return subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=LATE_S, check=False)


def test_a_node_whose_keys_lie_open_runs_only_where_that_is_asked_for_by_name(tmp_path: Path) -> None:
    enrol(tmp_path)
    command = [*NODE[:-1], "--data-dir", str(tmp_path)]
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LATE_S, check=False
    )
    assert (result.returncode, NODE[-1]) == (8, "--no-passphrase")
    assert "fix: Say --no-passphrase" in result.stderr


def test_a_passphrase_does_not_make_up_for_keys_that_lie_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(tmp_path)
    monkeypatch.setenv("TALOS_PASSPHRASE", "correct horse")
    command = [*NODE[:-1], "--data-dir", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LATE_S, check=False)
    assert (result.returncode, NODE[-1]) == (8, "--no-passphrase")
    assert "lie open" in result.stderr
    assert "fix: Say --no-passphrase" in result.stderr
    with running(tmp_path):  # Which says --no-passphrase.
        assert talos("status", folder=tmp_path).exit_code == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_good_order_and_in_time(tmp_path: Path, sent: signal.Signals) -> None:
    enrol(tmp_path)
    process = start(tmp_path)
    began = time.monotonic()
    process.send_signal(sent)
    assert process.wait(LATE_S) == 0
    assert time.monotonic() - began < STOP_S
    assert not (tmp_path / "control.sock").exists()
    end(process)


def test_a_client_that_hangs_on_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    enrol(tmp_path)
    process = start(tmp_path)
    follower = subprocess.Popen(
        [*NODE[:1], "-c", "from talos.cli import main; main()", "inbox", "--follow", "--data-dir", str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
    )
    answer(talos("status", "--json", folder=tmp_path))
    assert end(process) == 0
    _, errors = follower.communicate(timeout=LATE_S)
    assert follower.returncode == 4
    assert errors.startswith("error: ")


def test_a_second_node_in_one_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    enrol(tmp_path)
    with running(tmp_path) as first:
        second = refused(tmp_path)
        assert second.returncode == 8
        assert f"process {first.pid} has a node running" in second.stderr
        assert answer(talos("status", "--json", folder=tmp_path))["store_ok"]


def test_after_a_kill_it_starts_again_in_what_the_dead_one_left(tmp_path: Path) -> None:
    did = enrol(tmp_path)
    kill(start(tmp_path))
    assert (tmp_path / "control.sock").exists()
    assert talos("status", folder=tmp_path).exit_code == 4
    with running(tmp_path):
        assert answer(talos("status", "--json", folder=tmp_path))["did"] == did


def test_the_ready_line_says_who_and_where(tmp_path: Path) -> None:
    did = enrol(tmp_path)
    process = subprocess.Popen([*NODE, "--json", "--data-dir", str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert (ready["ready"], ready["did"], ready["pid"]) == (True, did, process.pid)
    assert ready["listening"][0].startswith("127.0.0.1:")
    assert end(process) == 0


def test_without_an_identity_it_says_how_to_make_one(tmp_path: Path) -> None:
    result = refused(tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert "talos init" in result.stderr


@pytest.mark.parametrize(
    "flags", [["--listen", "here"], ["--peers", "peer.example:1"], ["--queue-limit", "0"], ["--retry-interval-s", "0"]]
)
def test_a_flag_that_makes_no_sense_is_named(tmp_path: Path, flags: list[str]) -> None:
    enrol(tmp_path)
    result = refused(tmp_path, *flags)
    assert result.returncode == 2
    assert flags[0] in result.stderr


def test_an_address_that_is_taken_is_an_error_with_its_name(tmp_path: Path) -> None:
    enrol(tmp_path / "first")
    enrol(tmp_path / "second")
    with running(tmp_path / "first"):
        address = answer(talos("status", "--json", folder=tmp_path / "first"))["listening"][0]
        result = refused(tmp_path / "second", "--listen", address)
    assert result.returncode == 2
    assert address in result.stderr


def test_a_sealed_node_wants_the_passphrase_it_was_sealed_with(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n", "utf-8")
    folder = tmp_path / "node"
    assert talos("init", "--passphrase-file", str(secret), folder=folder).exit_code == 0

    assert refused(folder).returncode == 8
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong horse\n", "utf-8")
    assert refused(folder, "--passphrase-file", str(wrong)).returncode == 8
    with running(folder, "--passphrase-file", str(secret)):
        assert talos("status", folder=folder).exit_code == 0


def test_settings_come_from_the_folder_and_flags_win(tmp_path: Path) -> None:
    enrol(tmp_path)
    (tmp_path / "talos.toml").write_text("listen = []\nqueue_limit = 7\n", "utf-8")
    with running(tmp_path, "--queue-limit", "8"):
        status = answer(talos("status", "--json", folder=tmp_path))
    assert (status["listening"], status["queue_limit"]) == ([], 8)


def test_an_offline_node_listens_nowhere(tmp_path: Path) -> None:
    enrol(tmp_path)
    with running(tmp_path, "--offline-mode"):
        assert answer(talos("status", "--json", folder=tmp_path))["listening"] == []


def test_the_settings_file_of_init_is_read_back_as_what_was_asked_for(tmp_path: Path) -> None:
    listen = (Address("::", 7000), Address("node.example", 1))
    assert parse(default_text(name="a.b", listen=listen), tmp_path, {}, {}) == Config(
        name="a.b", listen=listen, data_dir=tmp_path
    )


def test_every_commented_setting_of_init_is_the_default(tmp_path: Path) -> None:
    text = default_text(name="talos", listen=Config().listen)
    shown = text.replace("# queue", "queue").replace("# retry", "retry").replace("# offline", "offline")
    shown = shown.replace("# replay", "replay").replace("# size", "size")
    assert shown.count("\n#") == text.count("\n#") - 5
    assert parse(shown, tmp_path, {}, {}) == Config(data_dir=tmp_path)


def test_the_process_environment_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(tmp_path)
    monkeypatch.setenv("TALOS_QUEUE_LIMIT", "many")
    assert os.environ["TALOS_QUEUE_LIMIT"] == "many"
    result = refused(tmp_path)
    assert result.returncode == 2
    assert "TALOS_QUEUE_LIMIT" in result.stderr
