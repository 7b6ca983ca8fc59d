"""A node in a process of its own, that talks with one other node as fast as it can until it is told to finish.

It says "listening" on its pipe once it is up, and may be sent its doom from then on. On "finish" it sends a last
message, and says "finished" once both last messages have come through, which means everything before them has too.
On "stop" it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import trio

from talos.config import Config
from talos.core.inbox import PEER_ROWS_MAX
from talos.core.names import PeerAddress, did_of
from talos.core.report import ReceiptState
from talos.errors import DeliveryFailed, StoreFailed
from talos.host import Address
from talos.runtime import Node, data_folder
from talos.services.messages import Message
from tests.processes.journal import Journal
from tests.processes.spies import Doom, Moment, SpySuite, spied

SENDERS: Final = 6  # Concurrent `send` calls: several in one transaction, several on the wire.
ONE_TRY_S: Final = 1.0  # Of a `send`: the other side may just have been killed.
HASTE_S: Final = 0.005  # What an impatient node gives one try: about what an acknowledgement takes.
LITTLE_ROOM: Final = 5  # Messages in the inbox of an impatient node, fewer than are sent at once.
PAUSE_S: Final = 0.05  # After a message was queued, if none comes: while its receiver is away more are of no use.
RETRY_S: Final = 0.1  # Between dials: the least the settings allow.
STORE_SIZE_MIB: Final = 64  # The least the settings allow.
QUEUE_LIMIT: Final = 100_000  # Out of the way: nobody counts how often who is killed in its hour queues more.
BACKLOG_MAX: Final = (
    1_000  # Messages undelivered, beyond which it sends no more: a busy machine has to deliver them all.
)
LAST: Final = "last"  # The body of the last message.


@dataclass(frozen=True, slots=True)
class Nature:
    """What makes life hard for a node, beside its doom."""

    impatient: bool = False  # It gives up a third of its messages early, and has little room for those of others.
    refuse_every: int = 0  # Of so many commits its store refuses one; 0: none. More than a start takes.
    store_size_mib: int = STORE_SIZE_MIB
    backlog_max: int = BACKLOG_MAX


EASY: Final = Nature()


@dataclass(frozen=True, slots=True)
class Spec:
    """What one incarnation is told."""

    name: str
    folder: Path
    journal: Path
    listen: Address
    peer: PeerAddress
    incarnation: int
    doom: Doom
    nature: Nature


def live(spec: Spec, pipe: Connection) -> None:
    """The main function of the process."""
    config = Config(
        name=spec.name,
        data_dir=spec.folder,
        listen=(spec.listen,),
        peers=(spec.peer,),
        discovery=(),  # It would write of its own, and use up the moments meant for messages.
        lan=False,
        queue_limit=QUEUE_LIMIT,
        retry_interval_s=RETRY_S,
        store_size_max_mib=spec.nature.store_size_mib,
        inbox_limit=LITTLE_ROOM if spec.nature.impatient else PEER_ROWS_MAX,
    )
    journal = Journal(spec.journal)
    with data_folder(config).open(None) as opened:
        host = spied(opened.host, journal, spec.doom, spec.nature.refuse_every)
        node = Node(config, replace(opened, host=host), SpySuite(journal, spec.doom))
        trio.run(_Life(node, spec, journal, pipe).run)


class _Life:
    def __init__(self, node: Node, spec: Spec, journal: Journal, pipe: Connection) -> None:
        self._node = node
        self._spec = spec
        self._journal = journal
        self._pipe = pipe
        self._peer = did_of(spec.peer.did)
        self._numbers = count()
        self._finishing = trio.Event()
        self._last_came = trio.Event()
        self._done = trio.Event()  # The next message that comes is done.

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._node.run)
            self._pipe.send("listening")
            nursery.start_soon(self._receive)
            async with trio.open_nursery() as senders:
                for _ in range(SENDERS):
                    senders.start_soon(self._send)
                await self._told("finish")
                self._finishing.set()
            # Acknowledgements are cumulative: once the last message is there, all are.
            while await self._send_one(LAST) is not ReceiptState.DELIVERED:
                await self._pause()
            await self._last_came.wait()
            while await self._waits_on_disk():
                await self._pause()
            self._pipe.send("finished")
            await self._told("stop")
            while self._node.status().inbox:
                await self._pause()
            nursery.cancel_scope.cancel()

    async def _waits_on_disk(self) -> bool:
        """A delivery is told before it is written down (decision 17), and a store that refuses that puts it back."""
        await self._node._committer.drain()
        return self._node.status().undelivered > 0

    async def _told(self, word: str) -> None:
        """Return when told so; arm whatever doom comes before."""
        while True:
            await trio.lowlevel.wait_readable(self._pipe.fileno())
            match self._pipe.recv():
                case Doom() as doom:
                    self._spec.doom.become(doom)
                case told if told == word:
                    return
                case told:
                    raise ValueError(f"told {told!r} instead of {word!r}")

    async def _send(self) -> None:
        while not self._finishing.is_set():
            if self._node.status().undelivered >= self._spec.nature.backlog_max:
                await self._pause()
                continue
            number = next(self._numbers)
            body = f"{self._spec.incarnation}.{number}"
            if self._spec.nature.impatient and number % 3 == 0:
                await self._send_or_give_up(body)
            elif await self._send_one(body) is ReceiptState.QUEUED:
                await self._pause()

    async def _send_or_give_up(self, body: str) -> None:
        try:
            receipt = await self._node.send(
                self._peer, body.encode(), timeout=HASTE_S, retry_count=1, on_failure="raise"
            )
        except DeliveryFailed as failure:
            self._journal.note("failed", body, int(failure.may_have_arrived))
        else:
            self._journal.note("sent", receipt.id.seq, body)

    async def _pause(self) -> None:
        """Wait for a message to be done, or a moment."""
        with trio.move_on_after(PAUSE_S):
            await self._done.wait()

    async def _send_one(self, body: str) -> ReceiptState | None:
        """Return None if the store refused."""
        try:
            receipt = await self._node.send(self._peer, body.encode(), timeout=ONE_TRY_S, retry_count=0)
        except StoreFailed:
            return None
        self._journal.note("sent", receipt.id.seq, body)
        return receipt.state

    async def _receive(self) -> None:
        while True:
            message = await self._node.receive()
            body = message.body.decode()
            self._journal.note("handed", message.id.seq, body, int(message.redelivered))
            self._spec.doom.pass_by(Moment.HANDED)
            await self._finish(message)
            self._journal.note("done", message.id.seq)
            self._done.set()
            self._done = trio.Event()
            self._spec.doom.pass_by(Moment.ACKED)
            if body == LAST:
                self._last_came.set()

    async def _finish(self, message: Message) -> None:
        while True:
            try:
                await message.ack()
            except StoreFailed:
                continue  # It is still in our hands.
            return
