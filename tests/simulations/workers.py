"""What the tests of executors have workers do; in a module of its own, because other processes import it."""

from __future__ import annotations

import os
import signal
import sys

from talos.errors import UsageError
from talos_simulations.executor import Chunk

FATAL = 3  # The seed at which something goes wrong.


def squares(chunk: Chunk) -> list[int]:
    return [seed * seed for seed in chunk.seeds]


def is_killed(chunk: Chunk) -> list[int]:
    if FATAL in chunk.seeds:
        os.kill(os.getpid(), signal.SIGKILL)
    return squares(chunk)


def exits(chunk: Chunk) -> list[int]:
    if FATAL in chunk.seeds:
        sys.exit(0)
    return squares(chunk)


def complains(chunk: Chunk) -> list[int]:
    if FATAL in chunk.seeds:
        raise UsageError("three is no seed", fix="Take another")
    return squares(chunk)
