"""Running one command: its answer on stdout, its errors on stderr, its exit code; never a traceback."""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, TextIO

import click
import trio

from talos.drivers.files import DISK_FULL
from talos.errors import StoreFull, TalosError, UsageError
from talos.services.supervise import supervise

BUG: Final = 70  # EX_SOFTWARE of sysexits.h.
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells report it.


def perform(work: Callable[[], Awaitable[None]], *, as_json: bool) -> None:
    """Run `work`; return if it does, else say why on stderr (and in JSON on stdout, if asked) and exit."""
    failures: list[Exception] = []
    is_interrupted = False
    try:
        trio.run(partial(supervise, "command", work, on_crash=lambda _, failure: failures.append(failure)))
    except* KeyboardInterrupt:
        is_interrupted = True
    if is_interrupted:
        sys.exit(INTERRUPTED)
    if failures:
        _give_up(failures[0], as_json=as_json)


def show(value: Mapping[str, object]) -> None:
    """Print an answer in JSON: one line, so that several can follow each other."""
    click.echo(json.dumps(value))


def require_stdout() -> None:
    """Raises `UsageError` where what is shown once would be shown to nobody."""
    if sys.stdout is None:  # As it is where we were started with it closed; mypy takes it for always there.
        raise UsageError("stdout is closed, and the answer is given only once", fix="Open it, if only to a file")


def columns(rows: Sequence[tuple[str, ...]], *, indent: str = "") -> str:
    """Return `rows`, all of one length, as lines of aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(indent + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _give_up(failure: Exception, *, as_json: bool) -> NoReturn:
    failure = _lone(failure)
    if isinstance(failure, click.Abort) and isinstance(failure.__context__, KeyboardInterrupt):
        sys.exit(INTERRUPTED)  # Click's word for an interrupt at a question; without one, the answer was no.
    if isinstance(failure, click.ClickException | click.exceptions.Exit | click.Abort):
        raise failure
    if isinstance(failure, OSError) and failure.errno == errno.EPIPE:
        raise failure  # Who read our output has seen enough; click ends quietly.
    if isinstance(failure, OSError) and failure.errno in DISK_FULL:  # Drivers have told of their own disk before.
        failure = StoreFull("the answer was not all written: the disk is full", fix="Free space on it, then ask again")
    if isinstance(failure, TalosError):
        name, what, fix, exit_code = type(failure).__name__, failure.what, failure.fix, failure.exit_code
    else:
        name, what, fix, exit_code = "Bug", _describe(failure), "Please report this line", BUG
    with _while_it_takes_any(sys.stdout):
        if as_json:
            show({"error": {"type": name, "what": what, "fix": fix, "exit_code": exit_code}})
    with _while_it_takes_any(sys.stderr):
        click.echo(f"error: {what}", err=True)
        if fix is not None:
            click.echo(f"fix: {fix}", err=True)
    sys.exit(exit_code)


@contextmanager
def _while_it_takes_any(stream: TextIO | None) -> Iterator[None]:
    """Pass over a failure to write to `stream`, and drop what it holds: Python would fail at it again as it ends."""
    try:
        yield
        if stream is not None:  # As it is where we were started with it closed.
            stream.flush()
    except OSError:
        if stream is not None:
            with suppress(OSError), Path(os.devnull).open("wb") as nowhere:  # A test's stream has no file to exchange.
                os.dup2(nowhere.fileno(), stream.fileno())


def _lone(failure: Exception) -> Exception:
    """Return what a nursery wrapped: the first of ours in a group, else the first."""
    while isinstance(failure, ExceptionGroup):
        ours = failure.subgroup(TalosError)
        failure = (failure if ours is None else ours).exceptions[0]
    return failure


def _describe(failure: Exception) -> str:
    frames = traceback.extract_tb(failure.__traceback__)
    where = f", at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"a bug in Talos: {type(failure).__name__}: {failure}{where}"
