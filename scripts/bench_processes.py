"""Processes that a benchmark tells what to do: each call is one line of work there, and its answer is waited for.

What is measured runs in them and nowhere else, so that neither side pays for the other, nor for who measures.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Any, Final

import trio

PATIENCE_S: Final = 120.0  # For one answer: a deadline, never a wait.
END: Final = "end"

_context = multiprocessing.get_context("spawn")


class Worker:
    """A process that runs `serve(pipe, *args)`: it sends a greeting, then an answer to each thing that it is asked."""

    def __init__(self, serve: Callable[..., None], *args: object) -> None:
        self._pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=serve, args=(theirs, *args))
        self._process.start()
        theirs.close()

    def ask(self, *question: object) -> None:
        self._pipe.send(question)

    def answer(self) -> Any:  # Whatever `serve` sends.
        if not self._pipe.poll(PATIENCE_S):
            raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
        return self._pipe.recv()

    def end(self) -> None:
        self._pipe.close()
        self._process.join(PATIENCE_S)
        self._process.kill()
        self._process.join()


@contextmanager
def workers(*each: tuple[Callable[..., None], tuple[object, ...]]) -> Iterator[tuple[Worker, ...]]:
    """Run these until the body ends."""
    started = []
    try:
        for serve, args in each:
            started.append(Worker(serve, *args))
        yield tuple(started)
    finally:
        for worker in started:
            worker.end()


async def next_question(pipe: Connection) -> tuple[Any, ...] | None:
    """In a worker: return what it is asked next, None if it is to end. Its other tasks go on meanwhile."""
    await trio.lowlevel.wait_readable(pipe.fileno())
    try:
        question: tuple[Any, ...] = pipe.recv()
    except EOFError:
        return None
    return question


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process holds now, and what it has used."""

    cpu_s: float
    peak_mib: float  # Resident, pages of files among them.
    own_mib: float  # Resident now, pages of files not counted.
    descriptors: int


def usage() -> Usage:
    """Ask the kernel. On Linux."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    # getrusage would count as peak what the process was before it became this one.
    peak_kib, own_kib = (int(told[name].split()[0]) for name in ("VmHWM", "RssAnon"))
    return Usage(process_time(), peak_kib / 1024, own_kib / 1024, sum(1 for _ in Path("/proc/self/fd").iterdir()))
