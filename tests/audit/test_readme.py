"""What the package's page promises, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

PAGE: Final = (Path(__file__).parent.parent.parent / "audit" / "README.md").read_text(encoding="utf-8")
PATIENCE_S: Final = 60


def test_the_example_runs_as_printed(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    program = tmp_path / "example.py"
    program.write_text(example[1], encoding="utf-8")
    command = [sys.executable, "-W", "error", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3 leaves, one of them b'two'\n", "")
