"""Multicast of the kernel, on loopback: who has joined hears, once, and nobody else does."""

from __future__ import annotations

import socket
from contextlib import aclosing
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.drivers import multicast
from talos.drivers.multicast import UdpMulticast
from talos.drivers.tcp import TcpNetwork
from talos.errors import UsageError
from talos.host import DATAGRAM_SIZE_MAX, Address, LinkClosed

HERE: Final = "127.0.0.1"
GROUP: Final = "239.255.84.77"  # Not that of nodes.
PATIENCE_S: Final = 10.0


def free_port() -> int:
    """Return a port that nobody else has just now: tests beside this one must not hear it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
        return port


async def opened(port: int, host: str = HERE) -> UdpMulticast:
    return await TcpNetwork().open_multicast(Address(GROUP, port), host)


async def next_from(one: UdpMulticast) -> bytes:
    with trio.fail_after(PATIENCE_S):
        data, source = await one.receive_from()
    assert source.host == HERE
    return data


async def test_all_who_have_joined_hear_each_packet_once_and_so_does_who_sends() -> None:
    port = free_port()
    async with aclosing(await opened(port)) as ada, aclosing(await opened(port)) as bob:
        for data in (b"first", b"", bytes(DATAGRAM_SIZE_MAX)):
            await ada.send(data)
        for one in (ada, bob):
            assert [await next_from(one) for _ in range(3)] == [b"first", b"", bytes(DATAGRAM_SIZE_MAX)]


async def test_what_is_sent_to_another_group_or_to_the_machine_alone_is_not_heard() -> None:
    port = free_port()
    network = TcpNetwork()
    async with (
        aclosing(await opened(port)) as ada,
        aclosing(await network.open_multicast(Address("239.255.84.78", port), HERE)) as other,
        aclosing(await network.open_datagrams(Address(HERE, 0))) as eve,
    ):
        await other.send(b"to others")
        await eve.send_to(b"to the machine", Address(HERE, port))
        await ada.send(b"to us")
        assert await next_from(ada) == b"to us"


async def test_what_is_too_large_is_refused_and_not_sent() -> None:
    port = free_port()
    async with aclosing(await opened(port)) as ada:
        with pytest.raises(UsageError, match="at most 1200 bytes, not 1201"):
            await ada.send(bytes(DATAGRAM_SIZE_MAX + 1))
        await ada.send(b"next")
        assert await next_from(ada) == b"next"


async def test_packets_go_no_further_than_one_hop_and_only_to_this_interface() -> None:
    async with aclosing(await opened(free_port())) as ada:
        [sending] = ada._sending.values()
        assert sending.address.host == HERE
        options = sending._socket
        assert options.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 1
        assert options.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4) == socket.inet_aton(HERE)
        assert ada._socket.getsockopt(socket.IPPROTO_IP, multicast.IP_MULTICAST_ALL) == 0


@pytest.mark.parametrize("host", ["192.0.2.254", "::1", "2001:db8::1", "no address"])
async def test_where_there_is_no_interface_one_is_told_why(host: str) -> None:
    group = "ff12::8054:414d" if ":" in host else GROUP
    with pytest.raises(UsageError, match=f"cannot join .*{group}.*: "):
        await TcpNetwork().open_multicast(Address(group, free_port()), host)


async def test_a_port_that_another_program_has_for_itself_is_told_of() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as greedy:
        greedy.bind((GROUP, 0))
        with pytest.raises(UsageError, match=f"cannot join {GROUP}:.*in use"):
            await opened(greedy.getsockname()[1])


async def test_an_interface_that_has_gone_is_forgotten_and_one_that_comes_is_joined() -> None:
    port = free_port()
    async with aclosing(await opened(port)) as ada, aclosing(await opened(port)) as bob:
        find, ada._find = ada._find, list
        with pytest.raises(UsageError, match="there is no interface"):
            await ada.send(b"lost")
        ada._find = find
        await ada.send(b"back")
        assert await next_from(bob) == b"back"


async def test_one_that_was_closed_neither_sends_nor_receives() -> None:
    ada = await opened(free_port())
    await ada.aclose()
    await ada.aclose()
    for use in (ada.receive_from, lambda: ada.send(b"x")):
        with pytest.raises(LinkClosed):
            await use()


async def test_closing_wakes_our_own_receiver() -> None:
    async def receive() -> None:
        with pytest.raises(LinkClosed):
            await ada.receive_from()

    ada = await opened(free_port())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        await ada.aclose()
