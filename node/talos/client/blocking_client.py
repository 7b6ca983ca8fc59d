"""A node for a program without a loop: `TalosClient` in plain calls, from as many threads as you like.

with BlockingClient.create("ada", data_dir=folder, password=secret) as client: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial, wraps
from threading import TIMEOUT_MAX, Event
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar, final

from talos.client.audit import ClientAudit, stream_of
from talos.client.crossing import Crossing
from talos.client.near import Near, NearClient, NearMessage, show_return
from talos.client.talos_client import Opening, TalosClient, receive_at_once
from talos.client.thread import NodeThread
from talos.core.report import AuditEntry, NodeStatus
from talos.errors import UsageError
from talos.services.messages import Message

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def blocking(method: Callable[Concatenate[S, P], Awaitable[T]]) -> Callable[Concatenate[Near[S], P], T]:
    """Return a method as a plain call: same parameters, same value, same errors."""

    @wraps(method)
    def call(self: Near[S], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return _wait(self._thread, lambda: method(self._far, *args, **kwargs))

    return call


def opening(create: Callable[P, Opening]) -> Callable[P, BlockingClient]:
    @wraps(create)
    def call(*args: P.args, **kwargs: P.kwargs) -> BlockingClient:
        return _open(create(*args, **kwargs))

    show_return(call, "BlockingClient")
    return call


@final
class BlockingMessage(NearMessage):
    __slots__ = ()

    ack = blocking(Message.ack)


@final
class BlockingAudit(Near[ClientAudit]):
    """The audit log of the node: `ClientAudit` in plain calls."""

    __slots__ = ()

    query = blocking(ClientAudit.query)
    get_proof = blocking(ClientAudit.get_proof)
    verify_proof = blocking(ClientAudit.verify_proof)
    verify_chain = blocking(ClientAudit.verify_chain)
    head = blocking(ClientAudit.head)

    def stream(self) -> Iterator[AuditEntry]:
        """Iterate over the entries that come from now on: in order, none left out, none twice, for ever."""
        return _Stream(self._thread, self._far)


@final
class BlockingClient(NearClient):
    """One running node, in a thread of its own. `close` it, or leave its `with`, when done.

    Every call may come from any thread but the node's, and raises as that of `TalosClient` does.
    """

    __slots__ = ("_audit",)

    def __init__(self, thread: NodeThread, far: TalosClient) -> None:
        super().__init__(thread, far)
        self._audit = BlockingAudit(thread, far.audit)

    create = staticmethod(opening(TalosClient.create))
    add_peer = blocking(TalosClient.add_peer)
    establish_session = blocking(TalosClient.establish_session)
    reset_session = blocking(TalosClient.reset_session)
    resolve = blocking(TalosClient.resolve)
    find = blocking(TalosClient.find)
    send = blocking(TalosClient.send)

    def status(self) -> NodeStatus:
        """Raises `NodeStopped`."""

        async def status() -> NodeStatus:
            return self._far.status()

        return _wait(self._thread, status)

    def receive(self, timeout: float | None = None) -> BlockingMessage:
        """Return the oldest message that nobody holds; wait for one. It comes again until `ack` has returned.

        Raises `TimeoutError` where none has come within `timeout` seconds: 0 returns one that is there, None waits for
        ever.
        """
        if timeout is not None and not 0 <= timeout <= TIMEOUT_MAX:
            raise UsageError(f"timeout={timeout} makes no sense", fix=f"0 to {TIMEOUT_MAX:.0f} seconds, or None")
        message = _wait(self._thread, partial(receive_at_once, self._far), undo=Message.release, timeout=timeout)
        return BlockingMessage(self._thread, message)

    def messages(self) -> Iterator[BlockingMessage]:
        """Iterate over messages as they come, for ever. Raises `NodeStopped` when the node stops."""
        return _Messages(self)

    @property
    def audit(self) -> BlockingAudit:
        """The node's audit log."""
        return self._audit

    def close(self) -> None:
        """Finish what is queued, and stop the node: within 5 s. Closing twice is no error."""
        self._thread.leave()
        self._thread.join()

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Messages:
    def __init__(self, client: BlockingClient) -> None:
        self._client = client

    def __iter__(self) -> _Messages:
        return self

    def __next__(self) -> BlockingMessage:
        return self._client.receive()


class _Stream:
    def __init__(self, thread: NodeThread, audit: ClientAudit) -> None:
        self._thread = thread
        self._far = stream_of(audit)

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> AuditEntry:
        return _wait(self._thread, self._far.__anext__, undo=self._far.put_back)


def _open(opening: Opening) -> BlockingClient:
    thread = NodeThread(opening)
    is_open = False
    try:
        thread.start()
        client = BlockingClient(thread, _wait(thread, thread.open))
        is_open = True
        return client
    finally:
        if not is_open:
            thread.leave()
            thread.join()


def _wait(
    thread: NodeThread,
    work: Callable[[], Awaitable[T]],
    *,
    undo: Callable[[T], None] | None = None,
    timeout: float | None = None,
) -> T:
    """Return what `work` returns in the node's thread, or raise what it raises.

    If a signal handler raises meanwhile (KeyboardInterrupt), the call is cancelled, and seen to its end; if it does so
    again, the call is left to itself. Raises `TimeoutError` after `timeout` seconds, unless the value came just then.
    """
    over = Event()
    crossing = Crossing(work, _setter(over), undo)
    is_taken = False
    try:
        thread.send(crossing)
        if not over.wait(timeout):
            thread.cancel(crossing)
            over.wait()
            if crossing.was_cancelled:
                raise TimeoutError(f"nothing came within {timeout:g} s")
        is_taken = True
        return crossing.take()
    finally:
        if not is_taken:
            try:
                thread.cancel(crossing)
                over.wait()
            finally:
                thread.abandon(crossing)


def _setter(event: Event) -> Callable[[], bool]:
    def tell() -> bool:
        event.set()
        return True

    return tell
