"""Whole programs with a node in them: how they are interrupted, how they end, and what a fork of one may do."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow  # Each test starts a process.

LATE_S: Final = 20.0  # Nothing here takes that long.

UNCLOSED_PLAIN: Final = """
from talos import BlockingClient
client = BlockingClient.create("ada", lan=False, data_dir=FOLDER, no_passphrase=True)
print(client.status().store_ok)
"""

UNCLOSED_ASYNCIO: Final = """
import asyncio
from talos import AsyncioClient
async def main():
    return await AsyncioClient.create("ada", lan=False, data_dir=FOLDER, no_passphrase=True)
client = asyncio.run(main())
print(client.did.startswith("did:talos:"))
"""

UNCLOSED_TWO: Final = """
from talos import BlockingClient
ada = BlockingClient.create("ada", lan=False, data_dir=FOLDER, no_passphrase=True)
bob = BlockingClient.create("bob", lan=False)
print(ada.status().store_ok)
"""

CLOSED_AT_EXIT: Final = """
import atexit
from talos import BlockingClient
client = BlockingClient.create("ada", lan=False, data_dir=FOLDER, no_passphrase=True)
atexit.register(client.close)
print(client.status().store_ok)
"""

DAEMON_WAITS: Final = """
from contextlib import suppress
from threading import Thread
from talos import BlockingClient, NodeStopped
client = BlockingClient.create("ada", lan=False, data_dir=FOLDER, no_passphrase=True)
def wait():
    with suppress(NodeStopped):
        client.receive()
Thread(target=wait, daemon=True).start()
print(client.status().store_ok)
"""

INTERRUPTED_PLAIN: Final = """
from talos import BlockingClient
try:
    with BlockingClient.create("ada", lan=False) as client:
        print("waiting", flush=True)
        client.receive()
except KeyboardInterrupt:
    print("interrupted")
"""

INTERRUPTED_ASYNCIO: Final = """
import asyncio
from talos import AsyncioClient
async def main():
    async with AsyncioClient.create("ada", lan=False) as client:
        print("waiting", flush=True)
        await client.receive()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted")
"""

FORKED: Final = """
import os, sys, warnings
from talos import BlockingClient
from talos.errors import UsageError
warnings.filterwarnings("ignore", category=DeprecationWarning)  # Of a fork with threads, since Python 3.12.
with BlockingClient.create("ada", lan=False, data_dir=FOLDER, no_passphrase=True) as client:
    child = os.fork()
    if child == 0:
        try:
            client.status()
        except UsageError as error:
            print("ada:", error, flush=True)
        client.close()
        with BlockingClient.create("bob", lan=False) as bob:
            print("bob:", bob.status().store_ok)
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    print("child:", status)
    print(client.status().store_ok)
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "always", "-c", f"FOLDER = {str(folder)!r}\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=LATE_S, check=False)


@pytest.mark.parametrize("program", [UNCLOSED_PLAIN, UNCLOSED_ASYNCIO, UNCLOSED_TWO, DAEMON_WAITS])
def test_a_program_that_ends_without_closing_is_told_and_its_node_ends_in_good_order(
    program: str, tmp_path: Path
) -> None:
    done = run(program, tmp_path / "a")
    assert (done.returncode, done.stdout) == (0, "True\n")
    assert done.stderr.count("ResourceWarning: TalosClient(did:talos:") == program.count(".create(")
    assert "Traceback" not in done.stderr
    again = run(CLOSED_AT_EXIT, tmp_path / "a")
    assert (again.returncode, again.stdout) == (0, "True\n")


def test_a_program_that_closes_in_its_own_exit_handler_is_not_told(tmp_path: Path) -> None:
    done = run(CLOSED_AT_EXIT, tmp_path / "a")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize("program", [INTERRUPTED_PLAIN, INTERRUPTED_ASYNCIO])
def test_an_interrupted_program_closes_its_node_and_ends(program: str) -> None:
    command = [sys.executable, "-W", "always", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LATE_S)
    assert (process.returncode, out, err) == (0, "interrupted\n", "")


def test_a_fork_is_told_that_the_node_is_not_in_it_and_the_node_goes_on(tmp_path: Path) -> None:
    done = run(FORKED, tmp_path / "a")
    assert "Traceback" not in done.stderr
    ada, *rest = done.stdout.splitlines()
    assert ada.startswith("ada: the node runs in process ")
    assert rest == ["bob: True", "child: 0", "True"]
    assert done.returncode == 0
