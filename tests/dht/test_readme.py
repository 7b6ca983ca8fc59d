"""What the package's page promises, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

PAGE: Final = (Path(__file__).parent.parent.parent / "dht" / "README.md").read_text(encoding="utf-8")
PATIENCE_S: Final = 60


def test_the_example_runs_as_printed(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    program = tmp_path / "example.py"
    program.write_text(example[1], encoding="utf-8")
    command = [sys.executable, "-W", "error", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    said = "1 knows ['192.0.2.1']\n2 knows ['192.0.2.1', '192.0.2.2']\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")


def test_every_module_of_the_package_is_on_the_page() -> None:
    folder = Path(__file__).parent.parent.parent / "dht" / "talos_dht"
    modules = {path.name for path in folder.glob("*.py")} - {"__init__.py", "errors.py", "moment.py"}
    assert modules == set(re.findall(r"`([a-z_]+\.py)`", PAGE))
