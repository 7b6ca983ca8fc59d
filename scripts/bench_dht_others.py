"""Runs libp2p's kad-dht in a virtual environment of its own, made on first use: 150 MB that nobody else needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

PEER: Final = "libp2p==0.8.1"  # Its modules move from release to release; this is the one that was read.
FOLDER: Final = Path(".venv/libp2p")
INSTALL_S: Final = 600.0
RUN_S: Final = 300.0


class NotThere(Exception):
    """It cannot be measured here, and why."""


def libp2p_town(nodes: int, values: int) -> dict[str, Any]:
    """Return what `bench_dht_libp2p` prints. Raises `NotThere`."""
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / "talos-stamp"  # Written last, so that a half-made one is made again.
    if not stamp.is_file() or stamp.read_text() != PEER:
        sys.stderr.write(f"making {FOLDER} (once) ...\n")
        _run(INSTALL_S, sys.executable, "-m", "venv", "--clear", str(FOLDER))
        _run(INSTALL_S, str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PEER)
        stamp.write_text(PEER)
    told: dict[str, Any] = json.loads(_run(RUN_S, str(python), "scripts/bench_dht_libp2p.py", str(nodes), str(values)))
    return told


def _run(most_s: float, *command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=most_s, check=True)
    except subprocess.CalledProcessError as error:
        raise NotThere((error.stderr.strip().splitlines() or ["no reason given"])[-1]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotThere(str(error)) from error
    return done.stdout
