"""Nodes that hear each other's beacons on loopback, and somebody in the group who is no node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio
from trio.testing import wait_all_tasks_blocked

from talos import Node
from talos.config import Config
from talos.core.beacon import BEACON_PORT, GROUP_IPV4, Beacon
from talos.core.names import parse_peer
from talos.core.neighbours import Neighbour
from talos.drivers.multicast import UdpMulticast
from talos.drivers.tcp import TcpNetwork
from talos.errors import NotReachable
from talos.host import Address
from talos.services.discovery.lan import Lan
from talos.services.discovery.service import Discovery
from talos.services.relaying.through import Way
from tests.processes.running import place, running, settings

PATIENCE_S: Final = 20.0  # Real seconds: a deadline for tests that would otherwise hang, never a wait.
STEP_S: Final = 0.02
GROUP: Final = Address(GROUP_IPV4, BEACON_PORT)


def on(name: str, folder: Path | None = None) -> Config:
    """Return the settings of a node that takes no part in the DHT: only its own network is asked."""
    return replace(settings(name, folder), lan=True, discovery=())


def discovery(node: Node) -> Discovery:
    assert node.discovery is not None
    return node.discovery


def lan(node: Node) -> Lan:
    return discovery(node).lan


def did(node: Node) -> bytes:
    return parse_peer(node.did)


def at(node: Node) -> Address:
    return Address("127.0.0.1", place(node).port)


async def until(is_so: Callable[[], object]) -> None:
    """Wait for what others, whom nobody sees, are about to do."""
    with trio.fail_after(PATIENCE_S):
        while not is_so():
            await wait_all_tasks_blocked(STEP_S)


async def found(node: Node, peer: Node) -> list[Way]:
    """Return where one finds the other, once it does."""
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                return await discovery(node).find(did(peer))
            except NotReachable:
                await wait_all_tasks_blocked(STEP_S)


def heard(node: Node, peer: Node) -> list[Neighbour]:
    """Return what one has heard of the other, newest first."""
    return lan(node)._near.of(did(peer), 0)


async def beacon_of(node: Node) -> Beacon:
    """Return what the node says now."""
    record = await discovery(node)._announcer.statement()
    assert record is not None
    return Beacon(node._me.pair.public, place(node).port, False, record)


@asynccontextmanager
async def house(*names: str) -> AsyncIterator[list[Node]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(on(name))) for name in names]


@asynccontextmanager
async def stranger(host: str = "127.0.0.1") -> AsyncIterator[UdpMulticast]:
    """Yield somebody in the group who is no node."""
    async with aclosing(await TcpNetwork().open_multicast(GROUP, host)) as group:
        yield group
