"""Typed request and reply between peers: a deadline, a cancel, and BUSY instead of a queue.

Requests and short replies travel on the control lane, long replies in pieces on the bulk lane. None of it is
durable: a link that ends, ends its requests, on both sides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import trio

from talos.core.content import REQUEST_BODY_MAX, REQUEST_ID_MAX, Cancel, Piece, Reply, Request, Status
from talos.core.effects import Answered, Asked
from talos.core.frames import BULK_PIECE_MAX
from talos.core.names import did_of
from talos.errors import NotReachable, Refused, UsageError
from talos.host import Clock
from talos.services.link import Link
from talos.services.peer import Peer
from talos.services.post import Post
from talos.services.supervise import supervise

INBOUND_MAX: Final = 32  # Requests of one peer that are worked on at once; more are answered BUSY.
OUTBOUND_MAX: Final = 32  # Of ours to one peer: it would answer BUSY.
REPLY_SIZE_MAX: Final = 1024 * 1024  # Bytes of one reply: what we hold for a peer that answers in pieces.
WORK_S: Final = 30.0  # How long a handler may take: the asker has given up by then.
ROOM_POLL_S: Final = 0.02  # Between two looks whether the bulk lane has room.

Handler = Callable[[Peer, bytes], Awaitable[bytes]]


class RequestType(IntEnum):
    KEY_LOG = 1  # Body empty; the reply is the answering node's own key log.
    LOG_HEAD = 2  # Body empty; the reply is the card of its audit log, and the newest checkpoint.
    RESERVE = 3  # To a relay. Body empty; the reply is for how long the asker can be called there.
    CALLED = 4  # From a relay. Body: the token of a call; the reply, empty, says that the asked will come.


class PeerBusy(Refused):
    """The peer works on as many requests as it takes. Ask again later."""


@dataclass(slots=True)
class _Pending:
    link: Link
    done: trio.Event = field(default_factory=trio.Event)
    status: Status | None = None  # None when done: the link has ended.
    body: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class _Working:
    link: Link  # Where the answer is waited for. The asker counts anew after a restart, so no other link will do.
    scope: trio.CancelScope


class Requests:
    """Both halves. `handlers` say what this node answers."""

    def __init__(self, post: Post, clock: Clock, nursery: trio.Nursery, handlers: dict[int, Handler]) -> None:
        self.post = post
        self._clock = clock
        self._nursery = nursery
        self.handlers = handlers
        self._next_id = 0
        self._pending: dict[tuple[bytes, int], _Pending] = {}
        self._working: dict[tuple[bytes, int], _Working] = {}
        post.requests = self.heard
        post.link_ended = self.link_ended

    async def ask(self, peer: Peer, type: int, body: bytes = b"", *, timeout_s: float) -> bytes:
        """Return the peer's reply, at most REPLY_SIZE_MAX bytes.

        Raises `NotReachable` without a link or an answer in time, `PeerBusy`, `Refused` where the peer has no
        answer to this type or failed at it, `UsageError` for a body over REQUEST_BODY_MAX.
        """
        if len(body) > REQUEST_BODY_MAX:
            raise UsageError(f"a request of {len(body)} bytes; at most {REQUEST_BODY_MAX} fit")
        if peer.link is None:
            did = did_of(peer.did)
            raise NotReachable(f"there is no link to {did}", fix=f"talos ping {did}")
        if sum(did == peer.did for did, _ in self._pending) >= OUTBOUND_MAX:
            raise PeerBusy(f"{OUTBOUND_MAX} requests to this peer are unanswered")
        number = self._next_id
        self._next_id = (number + 1) % (REQUEST_ID_MAX + 1)
        pending = self._pending[peer.did, number] = _Pending(peer.link)
        self._say(peer, Request(number, type, body))
        try:
            with self._clock.move_on_after(timeout_s) as deadline:
                await pending.done.wait()
        finally:
            del self._pending[peer.did, number]
            if not pending.done.is_set():
                self._say(peer, Cancel(number))
        if deadline.cancelled_caught:
            raise NotReachable(f"no reply within {timeout_s:.0f} s")
        return _result(pending)

    def heard(self, peer: Peer, effect: Asked | Answered) -> None:
        match effect.content:
            case Request() as request:
                self._start(peer, request)
            case Cancel(number):
                working = self._working.get((peer.did, number))
                if working is not None:
                    working.scope.cancel()
            case Reply(number, status, body):
                pending = self._pending.get((peer.did, number))
                if pending is not None and pending.status is None:
                    pending.status = status
                    pending.body += body
                    if status is not Status.PIECES:
                        pending.done.set()
            case Piece() as piece:
                self._collect(peer, piece)

    def link_ended(self, peer: Peer, link: Link) -> None:
        for (did, _), pending in list(self._pending.items()):
            if did == peer.did and pending.link is link and not pending.done.is_set():
                pending.status = None
                pending.done.set()
        for (did, _), working in self._working.items():
            if did == peer.did and working.link is link:
                working.scope.cancel()

    def _collect(self, peer: Peer, piece: Piece) -> None:
        pending = self._pending.get((peer.did, piece.id))
        if pending is None or pending.done.is_set():
            return
        pending.body += piece.data
        too_long = len(pending.body) > REPLY_SIZE_MAX
        if too_long:
            pending.status = Status.FAILED
        elif piece.last:
            pending.status = Status.OK
        if piece.last or too_long:
            pending.done.set()

    def _start(self, peer: Peer, request: Request) -> None:
        key = (peer.did, request.id)
        handler = self.handlers.get(request.type)
        if peer.link is None or self._nursery.cancel_scope.cancel_called:
            return  # Nobody waits for the answer any more, or nobody is left to work on it.
        if handler is None:
            self._say(peer, Reply(request.id, Status.UNKNOWN, b""))
        elif key in self._working or sum(did == peer.did for did, _ in self._working) >= INBOUND_MAX:
            self._say(peer, Reply(request.id, Status.BUSY, b""))
        else:
            working = self._working[key] = _Working(peer.link, trio.CancelScope())
            self._nursery.start_soon(self._work, peer, request, handler, working, name=f"request {request.type}")

    async def _work(self, peer: Peer, request: Request, handler: Handler, working: _Working) -> None:
        def failed(name: str, error: Exception) -> None:
            self._answer(peer, working.link, Reply(request.id, Status.FAILED, b""))

        async def answer() -> None:
            with self._clock.move_on_after(WORK_S) as deadline:
                await self._reply(peer, working.link, request.id, await handler(peer, request.body))
            if deadline.cancelled_caught:
                self._answer(peer, working.link, Reply(request.id, Status.FAILED, b""))

        try:
            with working.scope:
                await supervise(f"request {request.type}", answer, on_crash=failed)
        finally:
            del self._working[peer.did, request.id]

    async def _reply(self, peer: Peer, link: Link, number: int, body: bytes) -> None:
        if len(body) <= REQUEST_BODY_MAX:
            self._answer(peer, link, Reply(number, Status.OK, body))
            return
        self._answer(peer, link, Reply(number, Status.PIECES, b""))
        for at in range(0, len(body), BULK_PIECE_MAX):
            while not link.bulk_has_room:
                await self._clock.sleep(ROOM_POLL_S)
            if peer.link is not link:
                return
            piece = Piece(number, at + BULK_PIECE_MAX >= len(body), body[at : at + BULK_PIECE_MAX])
            step = peer.conversation.pieces([piece], self.post.now_ms())
            await self.post.submit(peer, step).on_disk()

    def _answer(self, peer: Peer, link: Link, reply: Reply) -> None:
        """Say it, unless another link has taken the place of the one that the question came on, which is read yet."""
        if peer.link is link:
            self._say(peer, reply)

    def _say(self, peer: Peer, content: Request | Reply | Cancel) -> None:
        self.post.submit(peer, peer.conversation.say(content, self.post.now_ms()))


def _result(pending: _Pending) -> bytes:
    match pending.status:
        case Status.OK:
            return bytes(pending.body)
        case Status.BUSY:
            raise PeerBusy("the peer is busy", fix="Ask again later")
        case Status.UNKNOWN:
            raise Refused("the peer does not answer requests of this type")
        case None:
            raise NotReachable("the link ended before the reply came")
        case _:
            raise Refused("the peer failed to answer")
