"""The two nodes that are measured, each in a process of its own, on the default settings: audit log and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

import trio

from scripts.bench_processes import Usage, next_question, usage
from talos.config import Config
from talos.core.names import PeerAddress, did_of
from talos.core.report import ReceiptState
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, INBOX, LOOKUP, OUTBOX, STATE_TABLES, TREE
from talos.host import Address, Store
from talos.runtime import Node, create_identity, data_folder

HERE: Final = Address("127.0.0.1", 0)
NUMBER_SIZE: Final = 8  # Bytes at the front of a body.
PATIENCE_S: Final = 30.0  # For one acknowledgement.
OF_THE_LOG: Final = frozenset({ENTRIES, BODIES, TREE, LOOKUP})  # Tables that grow with every message, and are to.


@dataclass(frozen=True, slots=True)
class Told:
    """What a node's process answers, at rest."""

    usage: Usage
    entries: int  # In its audit log.
    row_sizes: list[int]  # Bytes of each commit since the last time that took a message.
    other_size: int  # Bytes of all rows that are not of the audit log.
    spent: list[float] = field(default_factory=list)  # Seconds of each send.


class Counted:
    """A node's store; notes the bytes of keys and values of each commit that puts a row into `table`."""

    def __init__(self, store: Store, table: str) -> None:
        self.get, self.scan, self.snapshot = store.get, store.scan, store.snapshot
        self.room, self.close = store.room, store.close
        self._commit = store.commit
        self._table = table
        self._sizes: list[int] = []

    def commit(self, writes: Sequence[Put]) -> None:
        if any(write.table == self._table and write.value is not None for write in writes):
            self._sizes.append(sum(len(write.key) + len(write.value or b"") for write in writes))
        self._commit(writes)

    def tell(self, node: Node) -> Told:
        sizes, self._sizes = self._sizes, []
        others = (row for table in STATE_TABLES if table not in OF_THE_LOG for row in self.scan(table))
        return Told(usage(), node.audit.size, sizes, sum(len(key) + len(value) for key, value in others))


@contextmanager
def _opened(name: str, folder: Path, table: str) -> Iterator[tuple[Node, Counted]]:
    config = Config(name=name, data_dir=folder / name, listen=(HERE,), lan=False)
    create_identity(config, None)
    with data_folder(config).open(None) as opened:
        store = Counted(opened.host.store, table)
        yield Node(config, replace(opened, host=replace(opened.host, store=store))), store


def receiver(pipe: Connection, folder: Path, takers: int) -> None:
    """Hand out messages to `takers` tasks, which acknowledge them. Tells its address first.

    Asked for a count, answers once so many have been done since the last time, each seen once and in order.
    """
    with _opened("bob", folder, INBOX) as (node, store):
        trio.run(_Receiving(pipe, node, store).run, takers)


class _Receiving:
    def __init__(self, pipe: Connection, node: Node, store: Counted) -> None:
        self._pipe = pipe
        self._node = node
        self._store = store
        self._handed = 0  # Messages so far.
        self._done = 0
        self._one_more = trio.Event()

    async def run(self, takers: int) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._node.run)
            self._pipe.send(f"{self._node.did}@{self._node.addresses[0]}")
            for _ in range(takers):
                nursery.start_soon(self._take)
            asked = 0
            while (question := await next_question(self._pipe)) is not None:
                asked += question[0]
                while self._done < asked:
                    await self._one_more.wait()
                self._pipe.send(self._store.tell(self._node))
            nursery.cancel_scope.cancel()

    async def _take(self) -> None:
        while True:
            message = await self._node.receive()
            if int.from_bytes(message.body[:NUMBER_SIZE], "big") != self._handed:
                raise AssertionError(f"message {self._handed} was to come next")
            self._handed += 1
            await message.ack()
            self._done += 1
            self._one_more.set()
            self._one_more = trio.Event()


def sender(pipe: Connection, folder: Path, peer: str, body: bytes) -> None:
    """Asked for a count and a window, send as many messages, so many at once, and answer when all are delivered."""
    with _opened("ada", folder, OUTBOX) as (node, store):
        trio.run(_send, pipe, node, store, PeerAddress.parse(peer), body)


async def _send(pipe: Connection, node: Node, store: Counted, peer: PeerAddress, body: bytes) -> None:
    numbers, spent, to = iter(range(2**62)), list[float](), did_of(peer.did)

    async def some(count: int) -> None:
        for _ in range(count):
            number = next(numbers)
            begun = perf_counter()
            receipt = await node.send(to, number.to_bytes(NUMBER_SIZE, "big") + body, timeout=PATIENCE_S)
            spent.append(perf_counter() - begun)
            if receipt.state is not ReceiptState.DELIVERED:
                raise AssertionError(f"message {number} was not delivered: {receipt.why_queued}")

    async with trio.open_nursery() as nursery:
        await nursery.start(node.run)
        pipe.send((await node.add_peer(peer)).linked)
        while (question := await next_question(pipe)) is not None:
            count, window = question
            async with trio.open_nursery() as senders:
                for nth in range(window):
                    senders.start_soon(some, count // window + (nth < count % window))
            pipe.send(replace(store.tell(node), spent=spent[:]))
            spent.clear()
        nursery.cancel_scope.cancel()
