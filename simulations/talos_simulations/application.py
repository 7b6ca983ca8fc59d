"""What runs on every node of a scenario: it sends now and then, and takes what comes."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from talos.core.frames import BULK_PIECE_MAX
from talos.core.names import parse_peer
from talos.core.report import ReceiptState
from talos.errors import DeliveryFailed, NodeStopped, QueueFull, Refused, StoreFailed, StoreFull, TalosError
from talos.runtime import Node
from talos.services.messages import Message
from talos.services.peer import Peer
from talos_simulations.books import Act, Books, body, read_body
from talos_simulations.clock import ProcessClock
from talos_simulations.dice import chance
from talos_simulations.power import Power

IMPATIENT_S: Final = 3.0  # One try of who does not want to wait.
CARGO: Final = 100  # The type of a request whose reply takes two pieces.
CARGO_SIZE: Final = BULK_PIECE_MAX + 20_000  # Bytes.
CARGO_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """Who sends how much. The default is 1 KiB a second from each node, to one of its peers at a time."""

    period_s: float = 1.0
    size: int = 1_024  # Bytes; at least 64.
    peers: int = 8  # Each node sends to so many others at most.
    think_s: float = 0.0  # How long the application works on a message before it acknowledges it.
    impatient: float = 0.0  # The share of messages that are given up unless they arrive within a try or two.
    asking: float = 0.0  # How many of the messages are followed by a question: how far has the peer's log come?
    fetching: float = 0.0  # How many are followed by a request whose reply is long, and so comes on the bulk lane.


class Application:
    """Of one process; what it remembers is in the books."""

    def __init__(
        self,
        name: str,
        node: Node,
        books: Books,
        ids: Mapping[str, str],
        load: Load,
        clock: ProcessClock,
        power: Power,
        dice: random.Random,
    ) -> None:
        self._name = name
        self._node = node
        self._books = books
        self._ids = ids  # The peer id of every name.
        self._load = load
        self._clock = clock
        self._power = power
        self._dice = dice
        self.is_idle = False  # It takes no messages.
        self.is_sending = True
        self._idle_over = trio.Event()

    async def run(self, peers: Sequence[str]) -> None:
        """Until cancelled. `peers` are the names of those it sends to."""
        if self._node.audit.requests is not None:
            self._node.audit.requests.handlers[CARGO] = self._serve
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take)
            if not peers:
                return
            await self._clock.sleep(self._dice.random() * self._load.period_s)
            while True:
                if self.is_sending:
                    to = peers[self._dice.randrange(len(peers))]
                    nursery.start_soon(self._send, to)
                    if chance(self._dice, self._load.asking):
                        nursery.start_soon(self._ask, to)
                    if chance(self._dice, self._load.fetching):
                        nursery.start_soon(self._fetch, to)
                await self._clock.sleep(self._load.period_s)

    async def _send(self, to: str) -> None:
        if self._power.is_gone:
            return
        number = self._books.write(Act.TRIED, self._name, to)
        message = body(self._name, to, number, self._load.size)
        try:
            if chance(self._dice, self._load.impatient):
                receipt = await self._node.send(
                    self._ids[to], message, timeout=IMPATIENT_S, retry_count=1, on_failure="raise"
                )
            else:
                receipt = await self._node.send(self._ids[to], message)
        except (QueueFull, StoreFull, Refused):
            self._note(Act.REFUSED, self._name, to, number)
        except DeliveryFailed as failure:
            self._note(Act.UNSURE if failure.may_have_arrived else Act.REFUSED, self._name, to, number)
        except (StoreFailed, NodeStopped):
            self._note(Act.UNSURE, self._name, to, number)
        else:
            self._note(Act.ACCEPTED, self._name, to, number, receipt.id.seq)
            if receipt.state is ReceiptState.DELIVERED:
                self._note(Act.DELIVERED, self._name, to, number, receipt.id.seq)

    async def _ask(self, of: str) -> None:
        """Keep what the peer shows of its log: one day it may be held against it."""
        try:
            head = await self._node.audit.peer_head(parse_peer(self._ids[of]))
        except TalosError:
            return  # It is not there, or busy, or we are on our way out.
        if not self._power.is_gone:
            self._books.shown(of, head.checkpoint)

    async def _fetch(self, of: str) -> None:
        """Have the peer's application send something long, that need not arrive; what does arrive is that."""
        requests = self._node.audit.requests
        if requests is None:
            return
        try:
            peer = requests.post.peer_or_stranger(parse_peer(self._ids[of]))  # Raises `Damaged` where rows are rotten.
            cargo = await requests.ask(peer, CARGO, timeout_s=CARGO_S)
        except TalosError:
            return
        if cargo != _cargo(of):
            self._note(Act.GARBLED, of, self._name, 0)

    async def _serve(self, peer: Peer, body: bytes) -> bytes:
        return _cargo(self._name)

    async def _take(self) -> None:
        while True:
            while self.is_idle:
                await self._idle_over.wait()
            message = await self._node.receive()
            await self._work_on(message)

    async def _work_on(self, message: Message) -> None:
        try:
            sender, receiver, number = read_body(message.body)
        except ValueError:
            self._note(Act.GARBLED, message.sender, self._name, 0)
            return
        if self._ids.get(sender) != message.sender:
            self._note(Act.GARBLED, sender, receiver, number)
        self._note(Act.HANDED, sender, receiver, number, message.id.seq, redelivered=message.redelivered)
        if self._load.think_s:
            await self._clock.sleep(self._load.think_s)
        try:
            await message.ack()
        except StoreFailed:
            message.release()  # It stays ours to be done; the store may recover.
            await self._clock.sleep(1.0)
        except TalosError:
            pass
        else:
            self._note(Act.DONE, sender, receiver, number)

    def _note(
        self, act: Act, sender: str, receiver: str, number: int, seq: int = 0, *, redelivered: bool = False
    ) -> None:
        if not self._power.is_gone:  # The dead see nothing.
            self._books.write(act, sender, receiver, number, seq, redelivered=redelivered)

    def set_idle(self, is_idle: bool) -> None:
        """Take no messages from now on, or take them again."""
        self.is_idle = is_idle
        self._idle_over.set()
        self._idle_over = trio.Event()


def _cargo(name: str) -> bytes:
    return body(name, name, 0, CARGO_SIZE)
