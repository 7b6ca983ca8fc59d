"""What TCP does beyond the contract of all networks (tests/contracts/test_network.py): the kernel's bad days."""

from __future__ import annotations

import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.drivers.tcp import BROKE_EARLY, TcpNetwork
from talos.errors import UsageError
from talos.host import Address, DialError, LinkClosed, Stream

ANYWHERE = Address("127.0.0.1", 0)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: the other end sees a broken link, not an end.


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened in this process while the body runs."""
    probe = os.dup(0)
    os.close(probe)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_small_frames_leave_at_once_on_both_ends() -> None:
    network = TcpNetwork()
    async with aclosing(await network.listen_stream(ANYWHERE)) as listener:
        dialled = await network.dial_stream(listener.address)
        accepted = await listener.accept()
        for stream in (dialled, accepted):
            assert stream._stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await stream.aclose()


async def test_accept_waits_while_the_process_is_out_of_files() -> None:
    network = TcpNetwork()
    accepted: list[Stream] = []

    async with aclosing(await network.listen_stream(ANYWHERE)) as listener:

        async def accept() -> None:
            accepted.append(await listener.accept())

        dialled = await network.dial_stream(listener.address)
        async with trio.open_nursery() as nursery:
            with no_more_files():
                nursery.start_soon(accept)
                await wait_all_tasks_blocked()
                assert not accepted
        await dialled.send_all(b"hello")
        assert await accepted[0].receive_some(10) == b"hello"
        await accepted[0].aclose()
        await dialled.aclose()


async def test_a_peer_that_resets_breaks_the_link_and_is_no_end_of_stream() -> None:
    async with aclosing(await TcpNetwork().listen_stream(ANYWHERE)) as listener:
        with socket.create_connection((listener.address.host, listener.address.port)) as peer:
            stream = await listener.accept()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        with pytest.raises(LinkClosed, match="Connection reset"):
            await stream.receive_some(10)
        with pytest.raises(LinkClosed):
            await stream.send_all(b"x")
        await stream.aclose()


async def test_a_peer_that_only_stops_sending_can_still_be_answered() -> None:
    async with aclosing(await TcpNetwork().listen_stream(ANYWHERE)) as listener:
        with socket.create_connection((listener.address.host, listener.address.port)) as peer:
            stream = await listener.accept()
            peer.shutdown(socket.SHUT_WR)
            assert await stream.receive_some(10) == b""
            await stream.send_all(b"answer")
            assert peer.recv(10) == b"answer"
        await stream.aclose()


async def test_a_peer_that_is_gone_before_accept_costs_nobody_else_anything() -> None:
    network = TcpNetwork()
    async with aclosing(await network.listen_stream(ANYWHERE)) as listener:
        with socket.create_connection((listener.address.host, listener.address.port)) as gone:
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        dialled = await network.dial_stream(listener.address)
        first = await listener.accept()
        with pytest.raises(LinkClosed):
            await first.receive_some(10)
        second = await listener.accept()
        await dialled.send_all(b"hello")
        assert await second.receive_some(10) == b"hello"
        for stream in (first, second, dialled):
            await stream.aclose()


async def test_a_host_name_is_looked_up() -> None:
    network = TcpNetwork()
    async with aclosing(await network.listen_stream(ANYWHERE)) as listener:
        dialled = await network.dial_stream(Address("localhost", listener.address.port))
        assert dialled.peer == listener.address
        await dialled.aclose()


@pytest.mark.parametrize(
    "address",
    [
        Address("127.0.0.1", 70_000),
        Address("a" * 64 + ".invalid", 1),
        Address("nul\0byte", 1),
        Address("999.999.999.999", 1),
        Address("127.0.0.1", -1),
        Address("", 1),
    ],
)
async def test_an_address_that_is_nonsense_is_an_error_with_a_name(address: Address) -> None:
    with pytest.raises(DialError):
        await TcpNetwork().dial_stream(address)
    if address.host:
        with pytest.raises(UsageError):
            await TcpNetwork().listen_stream(address)


async def test_a_refused_dial_says_why() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Taken, but nobody listens.
        with pytest.raises(DialError, match=r"nobody answered at 127.0.0.1:.*: Connection refused"):
            await TcpNetwork().dial_stream(Address(*taken.getsockname()))


async def test_a_cancelled_dial_leaves_no_socket() -> None:
    before = open_files()
    async with aclosing(await TcpNetwork().listen_stream(ANYWHERE)) as listener:
        with trio.CancelScope() as scope:
            scope.cancel()
            await TcpNetwork().dial_stream(listener.address)
        assert scope.cancelled_caught
    assert open_files() == before


class BadDay:
    """A listening socket whose first accept reports how a connection broke that nobody had taken yet."""

    def __init__(self, real: trio.socket.SocketType, code: int) -> None:
        self._real = real
        self._codes = [code]

    async def accept(self) -> object:
        if self._codes:
            raise OSError(self._codes.pop(), "planted")
        return await self._real.accept()


@pytest.mark.parametrize("code", sorted(BROKE_EARLY))
async def test_a_connection_that_broke_before_it_was_taken_does_not_end_the_listener(code: int) -> None:
    network = TcpNetwork()
    async with aclosing(await network.listen_stream(ANYWHERE)) as listener:
        dialled = await network.dial_stream(listener.address)
        real = listener._socket
        listener._socket = BadDay(real, code)  # type: ignore[assignment]  # The kernel's words cannot be had at will.
        accepted = await listener.accept()
        listener._socket = real
        for stream in (dialled, accepted):
            await stream.aclose()
