"""Sending and receiving for the application: what `send` promises, and the inbox it reads from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NoReturn, Protocol, get_args

import trio

from talos.core import acts
from talos.core.frames import MESSAGE_SIZE_MAX
from talos.core.inbox import Arrived, body_of
from talos.core.names import did_of, parse_peer, peer_id_of
from talos.core.report import MessageId, Receipt, ReceiptState
from talos.core.step import Step
from talos.core.tables import INBOX
from talos.core.vault import Vault
from talos.errors import Damaged, DeliveryFailed, QueueFull, Refused, StoreFailed, TalosError, UsageError
from talos.services.commit import Submitted
from talos.services.desk import Desk
from talos.services.links import Links
from talos.services.peer import Awaited, Peer

OnFailure = Literal["queue", "raise"]
ON_FAILURE: Final = get_args(OnFailure)

TIMEOUT_MAX_S: Final = 86_400.0  # Who waits longer for one acknowledgement wants `on_failure="queue"`.


class Mail(Protocol):
    """Where a message goes back to."""

    async def done(self, row: Arrived) -> None: ...

    def release(self, row: Arrived) -> None: ...


@dataclass(slots=True)
class Message:
    """A message that is on our disk. It is handed out again after a restart until `ack` has returned."""

    id: MessageId
    sender: str  # peer_id.
    body: bytes = field(repr=False)
    received_ms: int  # UTC, by our clock.
    redelivered: bool  # It may have been handed out before a restart.
    _row: Arrived = field(repr=False)
    _mail: Mail = field(repr=False)

    async def ack(self) -> None:
        """Done: once this returns, the message is never handed out again, whatever is killed when.

        Acknowledging twice is no error. Raises `StoreFailed` or `NodeStopped`.
        """
        await self._mail.done(self._row)

    def release(self) -> None:
        """Not done after all: hand it to the next who asks."""
        self._mail.release(self._row)


def by_way_of(mail: Callable[[Mail], Mail], message: Message) -> Message:
    """Return the same message, but it goes back by way of `mail`, which is told where it went until now."""
    return replace(message, _mail=mail(message._mail))


class Messages:
    """The application's side of the post office."""

    def __init__(self, desk: Desk, links: Links, vault: Vault, *, queue_limit: int, offline: bool) -> None:
        self._desk = desk
        self._links = links
        self._vault = vault
        self._queue_limit = queue_limit
        self._offline = offline
        self._leaving: dict[int, Submitted] = {}  # By arrival: what is done, and not off the disk yet.

    # Sending

    async def send(self, to: str, body: bytes, *, timeout: float, retry_count: int, on_failure: OnFailure) -> Receipt:
        """Accept a message and see it delivered, if that can be now (DECISIONS 14).

        `timeout` (seconds) is how long one acknowledgement may take on a live link; then the peer is dialled anew
        and the message sent again, up to `retry_count` times; a link that we end to renew its session does not count.
        Without a link, `on_failure` applies after the first
        failed dial: "queue" returns a receipt QUEUED, and the node goes on trying for ever; "raise" gives the
        message up and raises `DeliveryFailed`.
        Raises `UsageError`, `Refused` (to ourselves), `QueueFull` or `StoreFailed`, with nothing accepted. Once it is
        accepted, `NodeStopped` or a cancel leave it queued.
        """
        did = parse_peer(to)
        if not 0 < timeout <= TIMEOUT_MAX_S or retry_count < 0 or on_failure not in ON_FAILURE:
            raise UsageError(
                f"timeout={timeout}, retry_count={retry_count}, on_failure={on_failure!r} make no sense",
                fix=f"timeout: above 0 to {TIMEOUT_MAX_S:.0f} s; retry_count: 0 or more; on_failure: queue or raise",
            )
        if did == self._desk.me.did:
            raise Refused("a node does not send to itself")
        if len(body) > MESSAGE_SIZE_MAX:
            raise UsageError(
                f"a message of {len(body)} bytes is over the limit of {MESSAGE_SIZE_MAX}",
                fix="Cut it into pieces: the library does not",
            )
        post = self._desk.post
        if post.undelivered >= self._queue_limit:
            raise QueueFull(
                f"{self._queue_limit} messages wait undelivered",
                fix="See `talos peers` for who is not reachable, or raise queue_limit in talos.toml",
            )
        post.keeper.require(2 * len(body))  # It and its frame.
        peer = post.peer(did)
        seq, step = peer.conversation.submit(body, post.now_ms())
        awaited = peer.waiting[seq] = Awaited()
        try:
            index = (await post.submit(peer, step).on_disk()).start
            why = await self._deliver(peer, awaited, timeout, retry_count)
            id = MessageId(peer_id_of(self._desk.me.did), self._desk.me.origin, seq)
            if why is None:
                return Receipt(id, ReceiptState.DELIVERED, index)
            if on_failure == "queue":
                post.work_came.send()
                return Receipt(id, ReceiptState.QUEUED, index, why_queued=why)
            await self._give_up(peer, seq, why)
        finally:
            if peer.waiting.get(seq) is awaited:  # After a failed commit the number may be another's already.
                del peer.waiting[seq]

    async def _deliver(self, peer: Peer, awaited: Awaited, timeout: float, retry_count: int) -> str | None:
        """Return None once delivered, or why not."""
        if self._offline:
            return "the node is offline (offline_mode)"
        why: str | None = "no try was allowed"
        left = 1 + retry_count
        while left:
            given_up = peer.given_up
            try:
                await self._links.connect(peer)
            except TalosError as error:
                return None if awaited.delivered else f"no link to {did_of(peer.did)}: {error}"
            why = await self._acknowledged(peer, awaited, timeout)
            if why is None:
                break
            if peer.given_up == given_up:  # Else the link has ended at our own word, which is no fault of its.
                left -= 1
        return why

    async def _acknowledged(self, peer: Peer, awaited: Awaited, timeout: float) -> str | None:
        """Return None once delivered; or why not, as soon as the link has ended or nothing has moved for `timeout`."""
        link, heard = peer.link, -1
        while not awaited.delivered and peer.link is link and heard < peer.deliveries:
            heard = peer.deliveries  # A long queue is no reason to give up a link on which it moves.
            with self._desk.host.clock.move_on_after(timeout):
                await awaited.news.wait()
        if awaited.delivered:
            return None
        if link is None or peer.link is not link:
            return f"the link ended before an acknowledgement came: {peer.reason or 'another has taken its place'}"
        link.close(f"no acknowledgement within {timeout:g} s")
        while peer.link is link and not awaited.delivered:  # So that the next try does not count on it.
            await awaited.news.wait()
        return None if awaited.delivered else f"no acknowledgement within {timeout:g} s"

    async def _give_up(self, peer: Peer, seq: int, why: str) -> NoReturn:
        post = self._desk.post
        may_have_arrived, step = peer.conversation.void(seq, post.now_ms())
        try:
            await post.submit(peer, step).on_disk()
        except StoreFailed as error:
            # It is still queued, and may arrive yet.
            raise DeliveryFailed(f"{why}, and it cannot be given up: {error}", may_have_arrived=True) from error
        raise DeliveryFailed(f"not delivered to {did_of(peer.did)}: {why}", may_have_arrived=may_have_arrived)

    # Receiving

    async def receive(self) -> Message:
        """Return the oldest message that nobody holds; wait for one if there is none."""
        post = self._desk.post
        if post.inbox.waiting:
            # Before a message is taken, never after: a cancel must not lose it, and a backlog must not starve others.
            await trio.lowlevel.checkpoint()
        while (row := post.inbox.hand_out()) is None:
            await post.mail_came.wait()
        return self._message(row)

    def receive_nowait(self) -> Message | None:
        """Return the oldest message that nobody holds, if there is one."""
        row = self._desk.post.inbox.hand_out()
        return None if row is None else self._message(row)

    def _message(self, row: Arrived) -> Message:
        try:
            stored = self._desk.host.store.get(INBOX, row.key)
        except StoreFailed:
            self.release(row)  # It is still there, for whoever asks when it can be read.
            raise
        if stored is None:
            raise Damaged(f"the inbox has lost row {row.arrival}")
        body = self._vault.open(INBOX, row.key, body_of(stored))
        sender = peer_id_of(row.sender)
        return Message(
            MessageId(sender, row.origin, row.seq), sender, body, row.received_ms, row.redelivered, row, self
        )

    async def done(self, row: Arrived) -> None:
        leaving = self._leaving.get(row.arrival) or self._leave(row)
        if leaving is not None:
            await leaving.on_disk()

    def _leave(self, row: Arrived) -> Submitted | None:
        """Queue that it is done, which is written once, whoever says so meanwhile. None if it was done before."""
        post = self._desk.post
        write = post.inbox.done(row)
        if write is None:
            return None
        entry = acts.done(self._desk.me.did, row.sender, row.origin, row.seq, post.now_ms())
        leaving = self._leaving[row.arrival] = post.submit_own(
            Step((write,), (entry,)),
            granted=lambda: self._forgotten(row),
            refused=lambda failure: self._stays(row),
        )
        return leaving

    def release(self, row: Arrived) -> None:
        self._desk.post.inbox.take_back(row)
        self._desk.post.mail_came.send()

    def _stays(self, row: Arrived) -> None:
        self._leaving.pop(row.arrival, None)

    def _forgotten(self, row: Arrived) -> None:
        self._leaving.pop(row.arrival, None)
        self._desk.post.inbox.forget(row)
        self._desk.post.let_go_on()
