"""The command line: `talos`, one file per verb, and `talos-node`, the node as a process."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run `talos` with this process's arguments, and exit with a code of `talos.errors`."""
    from talos.cli.app import app  # Late, so that `talos-node`, which is in here too, starts without the verbs.

    app()
