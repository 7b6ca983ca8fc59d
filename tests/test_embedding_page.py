"""What docs/embedding.md shows, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import talos

PAGE: Final = (Path(__file__).resolve().parent.parent / "docs" / "embedding.md").read_text("utf-8")
EXAMPLES: Final[dict[str, str]] = dict(re.findall(r"^## (.*?)\n\n```python\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))
PATIENCE_S: Final = 60


def test_there_is_an_example_for_every_kind_of_program() -> None:
    assert list(EXAMPLES) == ["trio", "asyncio", "Plain calls"]


@pytest.mark.slow
@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_runs_as_printed_and_closes_what_it_opens(heading: str, tmp_path: Path) -> None:
    example = EXAMPLES[heading]
    assert len([line for line in example.splitlines() if line]) <= 12
    program = tmp_path / "example.py"
    program.write_text(example, "utf-8")
    command = [sys.executable, "-X", "dev", "-W", "error", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "good morning\n", "")


def test_every_class_that_the_page_names_can_be_had() -> None:
    named = set(re.findall(r"`(\w*(?:Client|Message|Stopped))\b", PAGE))
    assert named == {
        "AsyncioClient", "AsyncioMessage", "BlockingClient", "BlockingMessage", "Message", "NodeStopped", "TalosClient"
    }  # fmt: skip
    assert [name for name in named if not hasattr(talos, name)] == []
