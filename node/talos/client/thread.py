"""A node in a thread of its own, for a program that runs asyncio, or no loop at all.

The thread runs trio and the client in it; calls come over as `Crossing`s. It is a daemon: a program that ends without
closing its client is not kept from ending, but its node is stopped in good order first.
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Callable
from functools import partial
from threading import Event, RLock, Thread, get_ident
from types import TracebackType
from typing import Any, Final

import trio

from talos.client.crossing import Crossing
from talos.client.talos_client import Opening, TalosClient
from talos.errors import NodeStopped, TalosError, UsageError

EXIT_S: Final = 10.0  # Seconds that the program's end waits for nodes nobody closed. One takes at most 5.


class NodeThread:
    """What the program holds. Whoever loses it without `leave` is warned, and the node stops."""

    def __init__(self, opening: Opening) -> None:
        self._inside = _Inside(opening)

    def start(self) -> None:
        """Start the thread. Raises `NodeStopped` where there can be none, or it cannot run trio."""
        self._inside.start()

    async def open(self) -> TalosClient:
        """To be run in the node's thread, first."""
        return await self._inside.open()

    def send(self, crossing: Crossing[Any]) -> None:
        """Have it run. It ends with `NodeStopped` where the thread does, `UsageError` in a wrong thread or process."""
        self._inside.send(crossing)

    def cancel(self, crossing: Crossing[Any]) -> None:
        """Have it over soon, however far it has come."""
        if not self._inside.soon(crossing.cancel):
            crossing.end(self._inside.stopped())

    def abandon(self, crossing: Crossing[Any]) -> None:
        """Nobody waits for it any more: cancel it, and undo what it has come to."""
        self._inside.soon(crossing.take_back if crossing.abandon() else crossing.cancel)

    def soon(self, work: Callable[[], object]) -> None:
        """Run `work`, which raises nothing, in the node's thread, if that still runs. Any thread may ask, any time."""
        self._inside.soon(work)

    def leave(self, tell: Callable[[], bool] | None = None) -> None:
        """Stop the node, and the thread: within 5 s. `tell` is called at its end, or at once if it has ended.

        In a fork nothing is stopped: the node is not there.
        """
        self._inside.leave(tell)

    def join(self) -> None:
        """Wait for the thread's end. Raises `UsageError` in the thread itself."""
        self._inside.join()

    def __del__(self) -> None:
        if self._inside.is_open and self._inside.is_here:
            self._inside.leave()
            warnings.warn(self._inside.unclosed, ResourceWarning, source=self, stacklevel=2)


class _Inside:
    """What the thread itself holds: never the `NodeThread`, else nobody could lose that."""

    def __init__(self, opening: Opening) -> None:
        self.thread = Thread(target=self._main, name="talos node", daemon=True)
        self.is_open = False  # Started, and nobody has asked it to leave.
        self._opening = opening
        self._client: TalosClient | None = None
        self._process = os.getpid()
        self._token: trio.lowlevel.TrioToken | None = None  # None until trio runs.
        self._nursery: trio.Nursery | None = None  # None before, and once no more calls are taken.
        self._leaving = trio.Event()
        self._is_up = Event()  # It runs trio, or has failed to.
        self._lock = RLock()  # Over what is waiting for the thread, and whether it has ended.
        self.ended = Event()
        self._failure: BaseException | None = None
        self._pending: set[Crossing[Any]] = set()
        self._goodbyes: list[Callable[[], bool]] = []

    @property
    def is_here(self) -> bool:
        """False in a fork: threads stay behind."""
        return self._process == os.getpid()

    @property
    def unclosed(self) -> str:
        return f"{self._client or 'a TalosClient'} was never closed"

    def stopped(self) -> NodeStopped:
        what = "the client is closed" if self._failure is None else "the node's thread could not run, or not go on"
        stopped = NodeStopped(what, fix="Create a new client")
        stopped.__cause__ = self._failure
        return stopped

    # From any thread

    def start(self) -> None:
        _running.add(self)
        self.is_open = True
        try:
            self.thread.start()
        except RuntimeError as error:  # The system has no thread left, or the program is about to end.
            self.end(error)
        self._is_up.wait()  # About a millisecond: trio opens its epoll.
        if self._token is None:
            raise self.stopped()

    def send(self, crossing: Crossing[Any]) -> None:
        refusal = self._refusal()
        if refusal is None:
            with self._lock:
                if not self.ended.is_set():
                    self._pending.add(crossing)
            if self.soon(partial(self._begin, crossing)):
                return
            refusal = self.stopped()
        crossing.end(refusal)

    def _refusal(self) -> TalosError | None:
        if not self.is_here:
            return UsageError(
                f"the node runs in process {self._process}, and this is a fork of it",
                fix="Create the client after the fork, or start processes by spawn",
            )
        if self.thread.ident == get_ident():
            return _own_thread()
        return None

    def join(self) -> None:
        if self.thread.ident == get_ident():
            raise _own_thread()
        if self.thread.ident is not None and self.is_here:
            self.ended.wait()  # First, because a `Thread.join` that is interrupted takes the thread for ended.
            self.thread.join()

    def soon(self, work: Callable[[], object]) -> bool:
        """Return False if it cannot be any more. Safe in signal handlers and finalizers: it takes no lock of ours."""
        if not self.is_here or self._token is None or self.ended.is_set():
            return False
        try:
            self._token.run_sync_soon(work)
        except trio.RunFinishedError:
            return False
        return True

    def leave(self, tell: Callable[[], bool] | None = None) -> None:
        # No lock without a `tell`: the garbage collector may be who asks, in the middle of anything.
        self.is_open = False  # Before `soon`, which does nothing before there is a token; see `_live`.
        self.soon(self._leaving.set)
        if tell is None:
            return
        if self.is_here:
            with self._lock:
                if not self.ended.is_set():
                    self._goodbyes.append(tell)
                    return
        tell()

    # In the node's thread

    def _main(self) -> None:
        with _Ending(self):
            trio.run(self._live)

    async def _live(self) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._token = trio.lowlevel.current_trio_token()
            self._is_up.set()
            if self.is_open:  # Else it was lost before there was a token.
                await self._leaving.wait()
            self._nursery = None
            if self._client is not None:
                await self._client.aclose()  # Which ends the calls that wait.
            nursery.cancel_scope.cancel()

    async def open(self) -> TalosClient:
        self._client = await self._opening
        return self._client

    def _begin(self, crossing: Crossing[Any]) -> None:
        if self._nursery is None:
            self._pending.discard(crossing)
            crossing.end(self.stopped())
        else:
            crossing.begin(self._nursery, self._pending.discard)

    def end(self, failure: BaseException | None) -> None:
        """The thread is about to end: nobody may wait for it any more."""
        with self._lock:
            self.ended.set()
            self._failure = failure
            pending, goodbyes = list(self._pending), list(self._goodbyes)
        self.is_open = False
        _running.discard(self)
        self._is_up.set()
        for crossing in pending:
            crossing.end(self.stopped())
        for tell in goodbyes:
            tell()


def _own_thread() -> UsageError:
    return UsageError(
        "this is the node's own thread, which would wait for itself",
        fix="Leave it to a thread of your own: a finalizer may run in any",
    )


class _Ending:
    """Sees what ended the thread, and lets it pass: `threading.excepthook` prints it, for it is a bug of ours."""

    def __init__(self, inside: _Inside) -> None:
        self._inside = inside

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside.end(error)


_running: Final[set[_Inside]] = set()


def _stop_all() -> None:
    """The program ends: stop the nodes that nobody has closed, and wait for those that are about to stop."""
    running = [inside for inside in list(_running) if inside.is_here]
    unclosed = [inside.unclosed for inside in running if inside.is_open]
    for inside in running:
        inside.leave()
    for inside in running:
        inside.ended.wait(EXIT_S)
    for warning in unclosed:
        warnings.warn(warning, ResourceWarning, stacklevel=2)


atexit.register(_stop_all)  # On import, so that it comes after the program's own handlers, which may close.
