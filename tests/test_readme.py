"""What the README promises, run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from talos.core.entry_types import BODIES

ROOT: Final = Path(__file__).resolve().parent.parent
README: Final = (ROOT / "README.md").read_text()
PATIENCE_S: Final = 60


def test_the_embedding_example_runs_as_printed(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    program = tmp_path / "example.py"
    program.write_text(example[1])
    command = [sys.executable, "-W", "error", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "good morning", "")


def test_the_page_of_the_audit_log_lists_every_type_of_entry_as_it_is() -> None:
    page = (ROOT / "docs" / "protocol" / "audit.md").read_text()
    listed = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (.*) \|$", page, re.MULTILINE)
    bodies = {type: ", ".join(field.name for field in fields) for type, fields in BODIES.items()}
    assert listed == [(str(int(type)), type.name, fields) for type, fields in bodies.items()]


def test_every_file_that_a_document_links_to_is_there() -> None:
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"
