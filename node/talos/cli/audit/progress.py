"""Saying how far a long piece of work has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import click

from talos.drivers.clock import RealClock

FIRST_S: Final = 1.0  # What is over sooner says nothing.
EVERY_S: Final = 0.5


class Progress:
    """Call it with entries done, and of how many: it writes a line to stderr now and then."""

    def __init__(self, verb: str, monotonic: Callable[[], float] | None = None) -> None:
        self._verb = verb
        self._monotonic = monotonic or RealClock().monotonic
        self._next = self._monotonic() + FIRST_S

    def __call__(self, done: int, of: int) -> None:
        now = self._monotonic()
        if now >= self._next:
            self._next = now + EVERY_S
            click.echo(f"{self._verb} {done} of {of} entries", err=True)
