"""The networks that the contract is tried on. A new one joins by an entry in `NETWORKS`."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from talos.drivers.tcp import TcpNetwork
from talos.host import Address, Network
from tests.contracts.small_world import VIRTUAL_TIME, small_world


@dataclass(frozen=True, slots=True)
class Ends:
    """Where one node listens and another dials."""

    listening: Network
    dialling: Network
    address: Address  # Of the listening node; port 0 takes any.
    elsewhere: Address  # Of the dialling one.


def over_loopback(host: str) -> Callable[[], AbstractAsyncContextManager[Ends]]:
    @asynccontextmanager
    async def ends() -> AsyncIterator[Ends]:
        yield Ends(TcpNetwork(), TcpNetwork(), Address(host, 0), Address(host, 0))

    return ends


@asynccontextmanager
async def simulated() -> AsyncIterator[Ends]:
    async with small_world() as world:
        yield Ends(world.process("here"), world.process("there"), Address("here", 0), Address("there", 0))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


NEEDS_IPV6: Final = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")

NETWORKS: Final = [
    pytest.param(over_loopback("127.0.0.1"), id="IPv4"),
    pytest.param(over_loopback("::1"), id="IPv6", marks=NEEDS_IPV6),
    pytest.param(simulated, id="simulated", marks=VIRTUAL_TIME),
]
