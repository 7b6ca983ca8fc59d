"""The node's end of the control socket: many clients, each with several requests at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from talos.control.protocol import LineSplitter, Request, failure, success
from talos.control.verbs import VERBS
from talos.control.visit import Visit
from talos.errors import MalformedMessage, TalosError, UsageError
from talos.host import Clock, LinkClosed, Listener, Stream
from talos.runtime import Node
from talos.services.supervise import supervise

CONNECTIONS_MAX: Final = 64  # At once; the next waits in the kernel. Each may hold a line of 2 MiB.
REQUESTS_MAX: Final = 64  # At once per connection; then it is not read until one is answered.
READ_SIZE: Final = 65_536  # Bytes.
GRACE_S: Final = 10.0  # How long what a client asked for may go on after it has left: an ack needs a commit.

OnCrash = Callable[[str, Exception], None]


async def serve_control(
    node: Node,
    listener: Listener,
    clock: Clock,
    *,
    on_crash: OnCrash,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve clients until cancelled. Starts at once. The listener stays the caller's, to close.

    What a client does wrong, or a crash while serving one, ends with that client; `on_crash` hears of crashes.
    Raises `LinkClosed` if the listener is closed.
    """
    slots = trio.Semaphore(CONNECTIONS_MAX)
    async with trio.open_nursery() as nursery:
        task_status.started()
        while True:
            await slots.acquire()
            stream = await listener.accept()
            nursery.start_soon(_serve_client, _Connection(node, stream, clock, on_crash), slots, on_crash)


async def _serve_client(connection: _Connection, slots: trio.Semaphore, on_crash: OnCrash) -> None:
    try:
        await supervise("control connection", connection.serve, on_crash=on_crash)
    finally:
        slots.release()


class _Connection:
    def __init__(self, node: Node, stream: Stream, clock: Clock, on_crash: OnCrash) -> None:
        self._visit = Visit(node, clock)
        self._stream = stream
        self._on_crash = on_crash
        self._sending = trio.Lock()
        self._slots = trio.Semaphore(REQUESTS_MAX)

    async def serve(self) -> None:
        """Answer until the client leaves, then let what it asked for end, and release what it did not acknowledge."""
        try:
            async with trio.open_nursery() as overtime:
                async with trio.open_nursery() as requests:
                    await self._read(requests)
                    self._visit.leave()
                    overtime.start_soon(self._cut_off, requests.cancel_scope)
                overtime.cancel_scope.cancel()
        finally:
            self._visit.release_all()
            await self._stream.aclose()

    async def _read(self, requests: trio.Nursery) -> None:
        """Start what the client asks for, until it stops asking or breaks the protocol."""
        lines = LineSplitter()
        try:
            while data := await self._stream.receive_some(READ_SIZE):
                for line in lines.feed(data):
                    request = Request.decode(line)
                    await self._slots.acquire()
                    requests.start_soon(self._answer, request)
        except MalformedMessage as error:
            await self._write(failure(None, error))
        except LinkClosed:
            return  # Gone without a goodbye: the same as with one.

    async def _answer(self, request: Request) -> None:
        try:
            await self._write(await self._perform(request))
        finally:
            self._slots.release()
        if request.verb == "stop":
            self._visit.node.stop()  # After the answer, which would not leave a stopped node.

    async def _perform(self, request: Request) -> bytes:
        """Return the answer to `request`, whatever becomes of it."""
        answer = failure(request.id, TalosError(f"the node failed at {request.verb!r}", fix="Its log says why"))

        async def perform() -> None:
            nonlocal answer
            try:
                verb = VERBS.get(request.verb)
                if verb is None:
                    raise UsageError(f"there is no verb {request.verb!r}", fix=f"Verbs are: {', '.join(VERBS)}")
                answer = success(request.id, await verb(self._visit, request.arguments))
            except TalosError as error:
                answer = failure(request.id, error)

        await supervise(f"control verb {request.verb}", perform, on_crash=self._on_crash)
        return answer

    async def _write(self, line: bytes) -> None:
        async with self._sending:
            try:
                await self._stream.send_all(line)
            except LinkClosed:
                return  # Nobody there to hear it; the reader sees the same.

    async def _cut_off(self, requests: trio.CancelScope) -> None:
        await self._visit.clock.sleep(GRACE_S)
        requests.cancel()
