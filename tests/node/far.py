"""Reaching into a node's thread, for the tests of those who hold a node there."""

from __future__ import annotations

from threading import Event
from typing import Final

import trio
import trio.testing

from talos.client.thread import NodeThread

PATIENCE_S: Final = 20.0  # Real seconds: a deadline for tests that would otherwise hang, never a wait.


def passed_through(thread: NodeThread) -> None:
    """Return when a node has done all that it could do by now."""
    is_quiet = Event()

    async def wait() -> None:
        await trio.testing.wait_all_tasks_blocked()
        is_quiet.set()

    thread.soon(lambda: trio.lowlevel.spawn_system_task(wait))
    assert is_quiet.wait(PATIENCE_S)
