"""Running `talos simulate` in this process, for the tests beside this file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from talos.cli.app import app


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


def answer(*arguments: str, exit_code: int = 0) -> Any:
    """Return the one JSON line on stdout of a command that ends with this code."""
    result = simulate(*arguments, "--json")
    assert result.exit_code == exit_code, result.output
    (line,) = result.stdout.splitlines()
    return json.loads(line)


def names() -> set[str]:
    """Return what lies in the current folder, beside the scenario and what Python keeps of it, if it may."""
    return {path.name for path in Path().iterdir()} - {"mine.py", "__pycache__"}
