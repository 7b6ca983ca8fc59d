"""Saying on stderr how far a sweep has come: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import click

from talos_simulations.executor import real_s

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

EVERY_S: Final = 10.0


class Meter:
    """Call it with how many are done, and a word about them; within its context."""

    def __init__(self, what: str, of: int) -> None:
        self._what = what
        self._of = of
        self._done = 0
        self._next = real_s() + EVERY_S
        self._bar: ProgressBar[int] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            bar = click.progressbar(length=self._of, label=self._what, file=sys.stderr, show_pos=True)
            self._bar = self._stack.enter_context(bar)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def __call__(self, done: int, note: str) -> None:
        newly, self._done = done - self._done, done
        if self._bar is not None:
            self._bar.label = f"{self._what}, {note}"
            self._bar.update(newly)
        elif (now := real_s()) >= self._next:
            self._next = now + EVERY_S
            click.echo(f"{done} of {self._of} {self._what}, {note}", err=True)
