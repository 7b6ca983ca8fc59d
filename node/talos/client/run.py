"""The node's own task behind a client: a trio system task, and what both sides of it know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import TypeVar

import trio

from talos.config import Config
from talos.drivers.real_host import Workers
from talos.errors import NodeStopped, TalosError, UsageError, sole_cause
from talos.runtime import Node, create_identity, data_folder, open_node
from talos.services.signal import Signal

T = TypeVar("T")


class Run:
    """One node, from its opening to its end."""

    def __init__(self, config: Config, password: str | None) -> None:
        self._config = config
        self._password = password
        self._scope = trio.CancelScope()
        self._ready = trio.Event()  # The node runs, or never will.
        self._has_stopped = False
        self._ended = trio.Event()  # All is closed.
        self._node: Node | None = None
        self._failure: Exception | None = None
        self._calls: dict[trio.CancelScope, None] = {}
        self._call_ended = Signal()
        self._was_started = False
        self.recovery_seed: bytes | None = None

    @property
    def is_over(self) -> bool:
        return self._ended.is_set() or not self._was_started

    async def start(self) -> Node:
        """Return the node once it listens. Raises what kept it from that."""
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            raise UsageError(
                "TalosClient needs trio, and this is no trio program",
                fix="Under asyncio use AsyncioClient, without a loop BlockingClient, both from talos",
            ) from None
        if self._was_started:
            raise UsageError("this client has been opened before", fix="Call TalosClient.create again")
        self._was_started = True
        trio.lowlevel.spawn_system_task(self._main, name=f"talos node {self._config.name}")
        is_ready = False
        try:
            await self._ready.wait()
            is_ready = True
        finally:
            if not is_ready:
                await self.stop()
        if self._node is None:
            raise self._failure or NodeStopped("the node stopped before it was ready")
        return self._node

    async def stop(self) -> None:
        if not self._was_started:
            return
        if self._node is not None:
            self._node.stop()
        else:
            self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._ended.wait()

    def check(self) -> None:
        """Raises `NodeStopped`, with what crashed the node as its cause."""
        if self._has_stopped:
            raise self._stopped("the node has stopped")

    def _stopped(self, what: str) -> NodeStopped:
        """Return the error for who has called a node that has ended: what happened, why, and what to do."""
        why = f"{what}: {self._failure}" if isinstance(self._failure, TalosError) else what
        stopped = NodeStopped(why, fix="Create a new client")
        stopped.__cause__ = self._failure
        return stopped

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a call of the node; if the node ends meanwhile, so does the call, with `NodeStopped`."""
        self.check()
        what = "the node has stopped"
        with trio.CancelScope() as scope:
            self._calls[scope] = None
            try:
                return await work()
            except NodeStopped as error:
                what = error.what
            finally:
                del self._calls[scope]
                self._call_ended.send()
        await self._ended.wait()  # Who is ended by a part of the node hears why all of it ended.
        raise self._stopped(what)

    async def _main(self) -> None:
        try:
            with self._scope:
                async with AsyncExitStack() as stack:
                    node = await Workers()(lambda: stack.enter_context(self._open()))
                    stack.push_async_exit(self._end_calls)
                    await node.run(task_status=_Readiness(self, node))
        except Exception as error:
            self._failure = sole_cause(error)
        finally:
            self._has_stopped = True
            self._ready.set()
            self._ended.set()

    async def _end_calls(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the calls of a node that has stopped. Its store must not be closed while a thread still reads it."""
        if isinstance(error, Exception):
            self._failure = sole_cause(error)
        self._has_stopped = True
        for scope in list(self._calls):
            scope.cancel()
        with trio.CancelScope(shield=True):
            while self._calls:
                await self._call_ended.wait()

    def _open(self) -> AbstractContextManager[Node]:
        """Blocks. Makes the identity if the folder has none."""
        config = self._config
        if config.data_dir is not None and not data_folder(config).has_identity():
            self.recovery_seed = create_identity(config, self._password).recovery_seed
        return open_node(config, self._password)

    def listens(self, node: Node) -> None:
        self._node = node
        self._ready.set()


class _Readiness:
    """A `trio.TaskStatus`, for a task that no nursery started."""

    def __init__(self, run: Run, node: Node) -> None:
        self._run = run
        self._node = node

    def started(self, value: None = None) -> None:
        self._run.listens(self._node)
