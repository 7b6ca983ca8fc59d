"""Running `talos` in this process and `talos-node` in its own, for the tests beside this file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner, Result

from talos.cli.app import app

LATE_S: Final = 20.0  # Nothing here takes that long.
NODE: Final = [sys.executable, "-m", "talos.cli.node", "--no-lan", "--no-passphrase"]  # Nobody hears it by chance.


def talos(*arguments: str, folder: Path, stdin: str | bytes | None = None) -> Result:
    """Run `talos` with --data-dir after its verb."""
    verbs = arguments.index("add") + 1 if arguments[:2] == ("peers", "add") else 1
    given = [*arguments[:verbs], "--data-dir", str(folder), *arguments[verbs:]]
    return CliRunner().invoke(app, given, input=stdin)


def answer(result: Result) -> Any:
    """Return the one JSON line on stdout of a command that succeeded."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def enrol(folder: Path) -> str:
    """Make an identity without a passphrase; return its DID."""
    did: str = answer(talos("init", "--no-passphrase", "--json", folder=folder))["did"]
    return did


def start(folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    """Start a node, and return once it is ready."""
    process = subprocess.Popen([*NODE, "--data-dir", str(folder), *flags], stdout=subprocess.PIPE)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith((b"ready ", b'{"ready": true')), line
    return process


def end(process: subprocess.Popen[bytes]) -> int:
    """Stop a node with SIGTERM; return its exit code."""
    process.terminate()
    code = process.wait(LATE_S)
    assert process.stdout is not None
    process.stdout.close()
    return code


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(LATE_S)
    assert process.stdout is not None
    process.stdout.close()


@contextmanager
def running(folder: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start(folder, *flags)
    try:
        yield process
    finally:
        if process.poll() is None:
            end(process)
