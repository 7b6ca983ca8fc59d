"""Six streams of pieces at once, a kill in the middle, and the books that show what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from talos.cli.demo.cargo import PIECE_SIZE, Item, Piece
from talos.cli.demo.fleet import DemoNode
from talos.control.client import ControlClient
from talos.control.values import Handed
from talos.core.names import DID_PREFIX
from talos.core.report import MessageId
from talos.errors import NotReachable
from talos.host import Clock

SENDS_AT_ONCE: Final = 4  # Per stream.
RECEIVES_AT_ONCE: Final = 4  # Per node.
RECEIVE_WAIT_S: Final = 5.0  # Then it asks again.
POLL_S: Final = 0.05  # Between two looks at whether all is done.

PieceKey = tuple[int, int]  # Transfer, index.


@dataclass(slots=True, eq=False)
class Stream:
    """One direction: what one node sends to another, and what arrived there."""

    sender: DemoNode
    receiver: DemoNode
    folder: Path  # Where its files are put together, by transfer number.
    sends: Counter[PieceKey] = field(default_factory=Counter)  # More than one only after a kill.
    arrivals: dict[PieceKey, set[MessageId]] = field(default_factory=dict)
    acked: set[MessageId] = field(default_factory=set)
    doubled: int = 0  # Handed out again after an ack had returned: never.

    @property
    def surplus(self) -> int:
        """Arrivals of pieces beyond the times they were sent: never."""
        return sum(max(0, len(ids) - self.sends[key]) for key, ids in self.arrivals.items())


class Traffic:
    """All streams between `nodes`, and the kill of one of them after it has received `kill_after` pieces."""

    def __init__(
        self, nodes: tuple[DemoNode, ...], cargo: tuple[Item, ...], folder: Path, clock: Clock, *, kill_after: int
    ) -> None:
        self.victim = nodes[1]
        self.pieces = [piece for item in cargo for piece in item.pieces()]
        self.streams = {
            (sender.did, receiver.did): _stream(sender, receiver, folder)
            for sender in nodes
            for receiver in nodes
            if sender is not receiver
        }
        self._nodes = nodes
        self._clock = clock
        self._until_kill = kill_after
        self._kill_now = trio.Event()

    @property
    def arrived(self) -> int:
        """Pieces that arrived so far, in all streams."""
        return sum(len(stream.arrivals) for stream in self.streams.values())

    @property
    def expected(self) -> int:
        return len(self.pieces) * len(self.streams)

    async def run(self) -> None:
        """Return when every piece has arrived, and nothing waits in any outbox or inbox."""
        async with trio.open_nursery() as receiving:
            for node in self._nodes:
                for _ in range(RECEIVES_AT_ONCE):
                    receiving.start_soon(self._receive_at, node)
            receiving.start_soon(self._kill_and_restart)
            async with trio.open_nursery() as sending:
                for stream in self.streams.values():
                    pieces = iter(self.pieces)
                    for _ in range(SENDS_AT_ONCE):
                        sending.start_soon(self._send, stream, pieces)
            while not await self._is_settled():
                await self._clock.sleep(POLL_S)
            receiving.cancel_scope.cancel()

    async def _send(self, stream: Stream, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            is_accepted = False
            while not is_accepted:
                client = await stream.sender.client()
                # Counted first: a node that is killed before it answers may have accepted it all the same.
                stream.sends[piece.key] += 1
                try:
                    await client.send(stream.receiver.did, piece.encode())
                    is_accepted = True
                except NotReachable:
                    if stream.sender.is_current(client):
                        raise  # Not the kill that we ordered.

    async def _receive_at(self, node: DemoNode) -> None:
        while True:
            client = await node.client()
            try:
                message = await client.receive(RECEIVE_WAIT_S)
                if message is not None:
                    await self._take(node, message, client)
            except NotReachable:
                if node.is_current(client):
                    raise

    async def _take(self, node: DemoNode, message: Handed, client: ControlClient) -> None:
        """Write a piece, then acknowledge it: in this order, so that no kill can lose it."""
        stream = self.streams[DID_PREFIX + message.id.sender, node.did]
        stream.doubled += message.id in stream.acked
        piece = Piece.decode(message.body)
        _write(stream.folder / str(piece.transfer), piece)
        stream.arrivals.setdefault(piece.key, set()).add(message.id)
        if node is self.victim and not self._kill_now.is_set():
            self._until_kill -= 1
            if not self._until_kill:
                self._kill_now.set()
        await client.ack(message.ticket)
        stream.acked.add(message.id)

    async def _kill_and_restart(self) -> None:
        await self._kill_now.wait()
        await self.victim.kill()
        await self.victim.start()

    async def _is_settled(self) -> bool:
        if self.arrived < self.expected:
            return False
        for node in self._nodes:
            status = await (await node.client()).status()
            if status.undelivered or status.inbox:
                return False
        return True


def _stream(sender: DemoNode, receiver: DemoNode, folder: Path) -> Stream:
    home = folder / f"{sender.name}-to-{receiver.name}"
    home.mkdir()
    return Stream(sender, receiver, home)


def _write(path: Path, piece: Piece) -> None:
    path.touch()
    with path.open("r+b") as file:
        file.seek(piece.index * PIECE_SIZE)
        file.write(piece.body)
