"""One call on its way from a thread of the program to the node's thread, and what comes back of it.

Exactly one of three things becomes of the value: the caller takes it; nobody takes it, and it is undone; there is none.
So a message that a cancelled `receive` had just been given is there for the next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from threading import RLock
from typing import Generic, TypeVar

import trio

from talos.errors import NodeStopped

T = TypeVar("T")


class Crossing(Generic[T]):
    """`tell` is called once, when it is over; it returns False where nobody is left to be told.

    `undo` is called in the node's thread, with a value that nobody takes.
    """

    __slots__ = (
        "_error",
        "_has_begun",
        "_is_abandoned",
        "_is_over",
        "_lock",
        "_scope",
        "_tell",
        "_undo",
        "_values",
        "_work",
        "was_cancelled",
    )

    def __init__(
        self, work: Callable[[], Awaitable[T]], tell: Callable[[], bool], undo: Callable[[T], None] | None = None
    ) -> None:
        self._work: Callable[[], Awaitable[T]] | None = work
        self._tell = tell
        self._undo = undo
        self._scope = trio.CancelScope()
        # Over here and given up there, in one moment: one side must see the other. Reentrant, because a garbage
        # collector that finds a forgotten coroutine gives up its call in whatever thread it runs.
        self._lock = RLock()
        self._has_begun = False
        self._is_over = False
        self._is_abandoned = False
        self._values: list[T] = []  # One, or none.
        self._error: Exception | None = None
        self.was_cancelled = False  # And has neither value nor error for that.

    # In the node's thread

    def begin(self, nursery: trio.Nursery, ended: Callable[[Crossing[T]], None]) -> None:
        """Run in `nursery`; `ended` is called when it is over."""
        if self._is_over:  # It was cancelled before.
            ended(self)
        else:
            self._has_begun = True
            nursery.start_soon(self._run, ended)

    def cancel(self) -> None:
        """It will be over, whether it has begun or not."""
        self._scope.cancel()
        if not self._has_begun:
            self.was_cancelled = True
            self.end()

    async def _run(self, ended: Callable[[Crossing[T]], None]) -> None:
        try:
            with self._scope:
                if self._work is not None:
                    self._values.append(await self._work())
            self.was_cancelled = self._scope.cancelled_caught
        except Exception as error:  # Whatever it is, it is the caller's.
            self._error = error
        self._work = None  # It holds the client, which the caller may be about to lose.
        self.end()
        ended(self)  # Not so if the thread itself comes to its end: then that ends the call too, and knows why.

    def take_back(self) -> None:
        """Undo what nobody takes. The second time nothing happens."""
        while self._values:
            value = self._values.pop()
            if self._undo is not None:
                self._undo(value)

    # In any

    def end(self, error: Exception | None = None) -> None:
        """It is over: by itself, or because of `error`. The second time nothing happens."""
        with self._lock:
            if self._is_over:
                return
            self._error = error or self._error
            self._is_over = True
            is_abandoned = self._is_abandoned
        if is_abandoned or not self._tell():
            self.take_back()

    # In the caller's

    def abandon(self) -> bool:
        """Nobody will take the value. Return whether it is over, so that `take_back` is for the caller to send for."""
        with self._lock:
            self._is_abandoned = True
            return self._is_over

    def take(self) -> T:
        """Return the value, to the only one who takes it, or raise what `work` raised. To be called when it is over."""
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # Its traceback leads here: a ring that would keep all of it alive.
        if not self._values:
            raise NodeStopped("the node has stopped", fix="Create a new client")
        return self._values.pop()
