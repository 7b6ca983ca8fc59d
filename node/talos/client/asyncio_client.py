"""A node for an asyncio program: `TalosClient` as awaitables, from any loop.

async with AsyncioClient.create("ada", data_dir=folder, password=secret) as client: ...
client = await AsyncioClient.create("ada"); ...; await client.aclose()
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, final

from talos.client.audit import ClientAudit, stream_of
from talos.client.crossing import Crossing
from talos.client.near import Near, NearClient, NearMessage, show_return
from talos.client.talos_client import Opening, TalosClient
from talos.client.thread import NodeThread
from talos.core.report import AuditEntry, NodeStatus
from talos.errors import UsageError
from talos.services.messages import Message

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def awaitable(
    method: Callable[Concatenate[S, P], Awaitable[T]],
) -> Callable[Concatenate[Near[S], P], Coroutine[Any, Any, T]]:
    """Return a method to be awaited under asyncio: same parameters, same value, same errors."""

    @wraps(method)
    async def call(self: Near[S], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await _cross(self._thread, lambda: method(self._far, *args, **kwargs))

    return call


def opening(create: Callable[P, Opening]) -> Callable[P, AsyncioOpening]:
    @wraps(create)
    def call(*args: P.args, **kwargs: P.kwargs) -> AsyncioOpening:
        return AsyncioOpening(create(*args, **kwargs))

    show_return(call, "AsyncioOpening")
    return call


@final
class AsyncioMessage(NearMessage):
    __slots__ = ()

    ack = awaitable(Message.ack)


@final
class AsyncioAudit(Near[ClientAudit]):
    """The audit log of the node: `ClientAudit` under asyncio."""

    __slots__ = ()

    query = awaitable(ClientAudit.query)
    get_proof = awaitable(ClientAudit.get_proof)
    verify_proof = awaitable(ClientAudit.verify_proof)
    verify_chain = awaitable(ClientAudit.verify_chain)
    head = awaitable(ClientAudit.head)

    def stream(self) -> AsyncIterator[AuditEntry]:
        """Iterate over the entries that come from now on: in order, none left out, none twice, for ever."""
        return _Stream(self._thread, self._far)


@final
class AsyncioClient(NearClient):
    """One running node, in a thread of its own. `aclose` it, or leave its `async with`, when done.

    Every call may come from any loop, and raises as that of `TalosClient` does. A cancelled one is over, and undone,
    when its CancelledError comes out; a second cancel does not wait for that.
    """

    __slots__ = ("_audit",)

    def __init__(self, thread: NodeThread, far: TalosClient) -> None:
        super().__init__(thread, far)
        self._audit = AsyncioAudit(thread, far.audit)

    create = staticmethod(opening(TalosClient.create))
    add_peer = awaitable(TalosClient.add_peer)
    establish_session = awaitable(TalosClient.establish_session)
    reset_session = awaitable(TalosClient.reset_session)
    resolve = awaitable(TalosClient.resolve)
    find = awaitable(TalosClient.find)
    send = awaitable(TalosClient.send)

    async def status(self) -> NodeStatus:
        """Raises `NodeStopped`."""

        async def status() -> NodeStatus:
            return self._far.status()

        return await _cross(self._thread, status)

    async def receive(self) -> AsyncioMessage:
        """Return the oldest message that nobody holds; wait for one. It comes again until `ack` has returned."""
        return AsyncioMessage(self._thread, await _cross(self._thread, self._far.receive, undo=Message.release))

    def messages(self) -> AsyncIterator[AsyncioMessage]:
        """Iterate over messages as they come, for ever. Raises `NodeStopped` when the node stops."""
        return _Messages(self)

    @property
    def audit(self) -> AsyncioAudit:
        """The node's audit log."""
        return self._audit

    async def aclose(self) -> None:
        """Finish what is queued, and stop the node: within 5 s. Closing twice is no error."""
        await _leave(self._thread)


@final
class AsyncioOpening:
    """A client that is about to open: await it, or enter it."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._client: AsyncioClient | None = None

    def __await__(self) -> Generator[Any, Any, AsyncioClient]:
        return _open(self._opening).__await__()

    async def __aenter__(self) -> AsyncioClient:
        self._client = await _open(self._opening)
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()


class _Messages:
    """An iterator, not an async generator: one that is left halfway has nothing to clean up."""

    def __init__(self, client: AsyncioClient) -> None:
        self._client = client

    def __aiter__(self) -> _Messages:
        return self

    async def __anext__(self) -> AsyncioMessage:
        return await self._client.receive()


class _Stream:
    def __init__(self, thread: NodeThread, audit: ClientAudit) -> None:
        self._thread = thread
        self._far = stream_of(audit)

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> AuditEntry:
        return await _cross(self._thread, self._far.__anext__, undo=self._far.put_back)


async def _open(opening: Opening) -> AsyncioClient:
    _loop()
    thread = NodeThread(opening)
    is_open = False
    try:
        thread.start()
        client = AsyncioClient(thread, await _cross(thread, thread.open))
        is_open = True
        return client
    finally:
        if not is_open:
            thread.leave()


async def _leave(thread: NodeThread) -> None:
    ended = asyncio.Event()
    thread.leave(_setter(ended))
    try:
        await ended.wait()
    except asyncio.CancelledError:
        await ended.wait()  # A second cancel does not wait.
        raise


async def _cross(thread: NodeThread, work: Callable[[], Awaitable[T]], *, undo: Callable[[T], None] | None = None) -> T:
    """Return what `work` returns in the node's thread, or raise what it raises."""
    over = asyncio.Event()
    crossing = Crossing(work, _setter(over), undo)
    is_taken = False
    try:
        thread.send(crossing)
        try:
            await over.wait()
        except asyncio.CancelledError:
            thread.cancel(crossing)
            await over.wait()  # A second cancel does not wait.
            raise
        is_taken = True
        return crossing.take()
    finally:
        if not is_taken:
            thread.abandon(crossing)


def _setter(event: asyncio.Event) -> Callable[[], bool]:
    loop = _loop()

    def tell() -> bool:
        try:
            loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # The loop is closed, and whoever waited in it is gone.
            return False
        return True

    return tell


def _loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise UsageError(
            "AsyncioClient needs asyncio, and no loop of it runs in this thread",
            fix="Under trio use TalosClient, without a loop BlockingClient",
        ) from None
