"""Nodes that are started, stopped and started again on the same data folder, in this process, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio
from trio.testing import wait_all_tasks_blocked

from talos.config import Config
from talos.core.names import PeerAddress
from talos.host import Address
from talos.runtime import Node, create_identity, open_node
from talos.services.messages import Message
from talos_ratchet import SUITE_1, Suite

PATIENCE_S: Final = 20.0  # For what takes a second at most on an idle machine: a deadline, never a wait.
STOP_S: Final = 5.0  # What `Node.stop` promises.
RETRY_S: Final = 0.1  # Between dials: the least the settings allow.


class CountingSuite(Suite):
    """The real suite; counts the handshakes of one node."""

    def __init__(self) -> None:
        super().__init__()
        self.handshakes = 0

    def mix(self, secrets: tuple[bytes, ...], info: bytes) -> bytes:
        self.handshakes += 1
        return super().mix(secrets, info)


def settings(name: str, folder: Path | None = None) -> Config:
    """Return the settings of a node that dials often and is found by nobody; with a folder, make its identity."""
    if folder is None:
        return Config(name=name, lan=False, retry_interval_s=RETRY_S)
    config = Config(name=name, data_dir=folder / name, lan=False, retry_interval_s=RETRY_S, store_size_max_mib=64)
    create_identity(config, None)
    return config


@asynccontextmanager
async def running(config: Config, suite: Suite = SUITE_1) -> AsyncIterator[Node]:
    """Run a node until the body ends; then stop it, and see it end within its time."""
    with open_node(config, None, suite) as node:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.run)
            yield node
            node.stop()
            nursery.cancel_scope.deadline = trio.current_time() + STOP_S
        assert not nursery.cancel_scope.cancelled_caught, f"{config.name} did not stop within {STOP_S:g} s"


def place(node: Node) -> PeerAddress:
    """Return where a running node can be reached."""
    return PeerAddress.parse(f"{node.did}@{node.addresses[0]}")


def back_at(config: Config, where: PeerAddress) -> Config:
    """Return the settings with which a node comes back under the address it had."""
    return replace(config, listen=(Address(where.host, where.port),))


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what is about to be so. Only where the nodes then come to rest."""
    with trio.fail_after(PATIENCE_S):
        while not is_so():
            await wait_all_tasks_blocked()


async def take(node: Node, count: int) -> list[Message]:
    """Return the next messages, in the order in which they are handed over."""
    with trio.fail_after(PATIENCE_S):
        return [await node.receive() for _ in range(count)]


async def finish(node: Node, count: int) -> list[bytes]:
    """Take that many messages, acknowledging each before the next; return their bodies."""
    bodies = list[bytes]()
    for _ in range(count):
        (message,) = await take(node, 1)
        await message.ack()
        bodies.append(message.body)
    return bodies
