"""One client of the control socket, and what it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import trio

from talos.control.fields import Fields
from talos.host import Clock
from talos.runtime import Node
from talos.services.messages import Message


@dataclass(slots=True)
class Visit:
    """What one connection holds: messages handed out and not acknowledged, and whether it is still there."""

    node: Node
    clock: Clock
    tickets: dict[int, Message] = field(default_factory=dict)  # In the order handed out.
    next_ticket: int = 1
    waits: set[trio.CancelScope] = field(default_factory=set)  # One per `receive` that waits.
    has_left: bool = False

    def leave(self) -> None:
        """The client sends no more: nobody would acknowledge what a `receive` still brought."""
        self.has_left = True
        for wait in self.waits:
            wait.cancel()

    def release_all(self) -> None:
        """Hand everything that is not acknowledged to the next who asks, in the order it came."""
        while self.tickets:
            _, message = self.tickets.popitem()  # The newest first: each goes before those that wait.
            message.release()


Verb = Callable[[Visit, Fields], Awaitable[Mapping[str, object]]]
