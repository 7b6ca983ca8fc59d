"""`talos-node` under a service manager, as systemd is one: told when it is ready, alive and stopping."""

from __future__ import annotations

import os
import socket
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from talos.cli.passphrase import CREDENTIAL
from talos.errors import Damaged, Locked, NoIdentity, PassphraseNeeded, StoreFull, UsageError
from tests.node.cli.commands import LATE_S, NODE, answer, end, enrol, running, talos

pytestmark = pytest.mark.slow  # Each test starts processes.

STOP_S = 5.0  # Within which a node is gone.


@contextmanager
def listening(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd would listen on, and have its services know."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(LATE_S)
        heard.bind("\0" + address[1:] if address.startswith("@") else address)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield heard


def test_it_says_ready_when_it_listens_and_stopping_when_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    did = enrol(tmp_path)
    with listening(str(tmp_path / "notify"), monkeypatch) as heard, running(tmp_path) as process:
        ready, _, status = heard.recv(4096).decode().partition("\nSTATUS=listening on ")
        address, _, who = status.partition(" as ")
        assert (ready, who) == ("READY=1", did)
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), LATE_S).close()
        assert answer(talos("status", "--json", folder=tmp_path))["did"] == did
        assert end(process) == 0
        assert heard.recv(4096) == b"STOPPING=1\nSTATUS=draining"


def test_its_loop_tells_the_watchdog_that_it_still_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(tmp_path)
    monkeypatch.setenv("WATCHDOG_USEC", "100000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with listening(f"@talos-test-{os.getpid()}", monkeypatch) as heard, running(tmp_path, "--offline-mode"):
        assert heard.recv(4096).startswith(b"READY=1\nSTATUS=listening on nowhere as did:talos:")
        assert [heard.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3


def test_without_anybody_at_the_socket_it_says_so_and_runs_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with subprocess.Popen(
        [*NODE, "--data-dir", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "cannot be told READY=1: No such file or directory" in process.stderr.readline()
        assert talos("status", folder=tmp_path).exit_code == 0
        process.terminate()
        assert process.wait(LATE_S) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(("name", "value"), [("NOTIFY_SOCKET", "vsock:2:1"), ("WATCHDOG_USEC", "often")])
def test_what_no_service_manager_says_stops_it_and_is_named(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol(tmp_path)
    monkeypatch.setenv(name, value)
    command = [*NODE, "--data-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LATE_S, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {name} is '{value}'" in done.stderr


def test_a_credential_of_the_service_opens_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, credentials = tmp_path / "node", tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "talos-passphrase").write_text("correct horse\n", "utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert talos("init", folder=folder).exit_code == 0
    with running(folder):
        assert answer(talos("status", "--json", folder=folder))["store_ok"]
    (credentials / "talos-passphrase").write_text("wrong horse\n", "utf-8")
    command = [*NODE, "--data-dir", str(folder)]
    assert subprocess.run(command, capture_output=True, timeout=LATE_S, check=False).returncode == 8


def test_the_unit_in_the_manual_agrees_with_the_node() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "operating.md").read_text("utf-8")
    unit = textwrap.dedent(manual[manual.index("    [Unit]\n") : manual.index("Make its identity once")])
    lines = [line for line in unit.splitlines() if "=" in line]
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("SystemCallFilter="))
    assert settings["Type"] == "notify"
    assert settings["Environment"] == "TALOS_DATA_DIR=/var/lib/" + settings["StateDirectory"]
    assert settings["LoadCredential"].startswith(f"{CREDENTIAL}:")
    hopeless = {UsageError, NoIdentity, Damaged, Locked, PassphraseNeeded, StoreFull}
    assert {int(code) for code in settings["RestartPreventExitStatus"].split()} == {kind.exit_code for kind in hopeless}
    assert float(settings["TimeoutStopSec"]) > STOP_S
    assert {"AF_UNIX", "AF_INET", "AF_INET6"} == set(settings["RestrictAddressFamilies"].split())
