"""Where chunks of seeds are run: in this process, in several on this machine, or on whatever cluster somebody has.

Nothing in here touches a run. Which process ran a seed, and when, changes no byte of its outcome.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

from talos.errors import TalosError, sole_cause
from talos.services.supervise import supervise

R = TypeVar("R")

# A fresh interpreter: a fork would copy locks that other threads hold. It imports the program's main module, so that
# one must do nothing where its name is not __main__.
START: Final = "spawn"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Seeds that one worker runs, one after the other."""

    seeds: range

    def __str__(self) -> str:
        first, last = self.seeds[0], self.seeds[-1]
        return f"seed {first}" if first == last else f"seeds {first}..{last}"


class Executor(Protocol):
    """Runs work on chunks, and yields the results as they finish, in any order.

    Work and results can be pickled. `chunks` is an iterator that learns from the results how large a chunk should be:
    draw from it as workers become free, not all at once. Where the work raises, or a worker is lost, raise a
    `TalosError` that names the seeds; closing the generator ends all that is under way.
    """

    def run(self, work: Callable[[Chunk], list[R]], chunks: Iterable[Chunk]) -> Generator[list[R], None, None]: ...


class WorkerLost(TalosError):
    """The process that ran some seeds has ended, and nobody asked it to."""


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Processes on this machine. One job is done in this process, and so outside of any trio run."""

    jobs: int = 1

    def run(self, work: Callable[[Chunk], list[R]], chunks: Iterable[Chunk]) -> Generator[list[R], None, None]:
        """See `Executor`. Raises `WorkerLost`, and any `TalosError` of the work."""
        supply = iter(chunks)
        if self.jobs == 1:
            for chunk in supply:
                yield _here(work, chunk)
            return
        with ExitStack() as crew:
            busy: dict[Connection[Any, Any], _Worker] = {}
            for chunk in islice(supply, self.jobs):
                worker = crew.enter_context(_Worker(work))
                worker.start()  # Not before it is known to the crew: an interrupt may come as soon as it runs.
                worker.give(chunk)
                busy[worker.connection] = worker
            while busy:
                for connection in _ready(busy):
                    worker = busy.pop(connection)
                    yield worker.take()
                    for chunk in islice(supply, 1):
                        worker.give(chunk)
                        busy[connection] = worker


def real_s() -> float:
    """Return seconds of real time from some moment on: for whoever waits for runs, never for a run."""
    return perf_counter()


def attempt(work: Callable[[], R]) -> R | Exception:
    """Return what the work returns, or what it raises; for work that cannot be within a trio run, as no run can."""
    done: list[R | Exception] = []

    async def once() -> None:
        done.append(work())

    with suppress(StopIteration):  # It waits for nothing, so one step takes it to its end, and it needs no loop.
        supervise("work", once, on_crash=lambda _, failure: done.append(sole_cause(failure))).send(None)
    return done[-1]


def _here(work: Callable[[Chunk], list[R]], chunk: Chunk) -> list[R]:
    results: list[R] = []
    ends: BaseException | None = None
    try:
        results = work(chunk)
    except* SystemExit as group:
        ends = group
    if ends is not None:
        raise WorkerLost(f"the process that ran {chunk} was told to exit") from ends
    return results


class _Worker:
    """One process, for as long as the context is open; then it is killed, as it has nothing to lose."""

    def __init__(self, work: Callable[[Chunk], list[Any]]) -> None:
        context = get_context(START)
        self.connection, self._theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(work, self._theirs), daemon=True)
        self._chunk: Chunk | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()
        self._theirs.close()
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()

    def start(self) -> None:
        with _deaf_to_interrupts():
            self._process.start()
        self._theirs.close()  # Else its end would not be seen from here.

    def give(self, chunk: Chunk) -> None:
        self._chunk = chunk
        try:
            self.connection.send(chunk)
        except OSError as error:
            raise self._lost() from error

    def take(self) -> list[Any]:
        """Return the results of the chunk that it was given. Raises what the work raised, or `WorkerLost`."""
        try:
            answer = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(answer, TalosError):
            raise answer
        results: list[Any] = answer
        return results

    def _lost(self) -> WorkerLost:
        self._process.join()
        code = self._process.exitcode or 0
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        fix = "Run fewer --jobs or --nodes, if memory was short" if code == -signal.SIGKILL else None
        return WorkerLost(f"the process that ran {self._chunk} {how}", fix=fix)


def _serve(work: Callable[[Chunk], list[Any]], connection: Connection[Any, Any]) -> None:
    """Do one chunk after the other, until whoever gives them is gone."""
    with suppress(EOFError, ConnectionError):
        while True:
            chunk = connection.recv()
            try:
                answer: object = work(chunk)
            except TalosError as error:
                answer = error
            connection.send(answer)


def _ready(busy: dict[Connection[Any, Any], _Worker]) -> Iterator[Connection[Any, Any]]:
    for connection in wait(list(busy)):
        assert isinstance(connection, Connection)
        yield connection


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C goes to a whole group of processes. A worker, started in here, leaves it to the one that started it."""
    resource_tracker.ensure_running()  # Starting it would end our deafness.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
