"""What UDP does beyond the contract of all datagrams (tests/contracts/test_datagrams.py): the kernel's bad days."""

from __future__ import annotations

import errno
import socket
from contextlib import aclosing, suppress

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.drivers.tcp import TcpNetwork
from talos.drivers.udp import OF_ANOTHER, OUT_OF_ROOM, UdpDatagrams
from talos.errors import UsageError
from talos.host import DATAGRAM_SIZE_MAX, Address, LinkClosed
from tests.contracts.networks import NEEDS_IPV6

ANYWHERE = Address("127.0.0.1", 0)


async def opened(host: str = "127.0.0.1") -> UdpDatagrams:
    return await TcpNetwork().open_datagrams(Address(host, 0))


class BadDay(socket.socket):
    """A socket whose first receives or sends report what cannot be had from the kernel at will."""

    codes: list[int]

    def recvfrom(self, *args: int) -> tuple[bytes, tuple[str, int]]:
        self._report()
        return super().recvfrom(*args)

    def sendto(self, data: bytes, name: tuple[str, int]) -> int:  # type: ignore[override]  # As the driver asks.
        self._report()
        return super().sendto(data, name)

    def _report(self) -> None:
        if self.codes:
            raise OSError(self.codes.pop(), "planted")


def spoil(datagrams: UdpDatagrams, *codes: int) -> BadDay:
    bad = BadDay(fileno=datagrams._socket.detach())
    bad.setblocking(False)
    bad.codes = [*codes]
    datagrams._socket = bad
    return bad


async def test_an_icmp_error_ends_neither_receiver_nor_sender() -> None:
    got = list[bytes]()

    async def receive() -> None:
        got.append((await here.receive_from())[0])

    async with aclosing(await opened()) as here:
        gone = await opened()
        # Linux tells a UDP socket what ICMP says only if it is connected; other systems tell all of them.
        here._socket.connect((gone.address.host, gone.address.port))
        await gone.aclose()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await wait_all_tasks_blocked()
            for _ in range(3):
                await here.send_to(b"to nobody", gone.address)
                await wait_all_tasks_blocked()
            assert not got
            async with aclosing(await TcpNetwork().open_datagrams(gone.address)) as again:
                await again.send_to(b"heard", here.address)
        assert got == [b"heard"]


@pytest.mark.parametrize("code", sorted(OF_ANOTHER | OUT_OF_ROOM))
async def test_what_the_kernel_reports_of_other_datagrams_does_not_end_the_receiver(code: int) -> None:
    async with aclosing(await opened()) as here, aclosing(await opened()) as there:
        await there.send_to(b"heard", here.address)
        spoil(here, code)
        assert await here.receive_from() == (b"heard", there.address)


async def test_a_socket_that_is_broken_says_so_and_does_not_spin() -> None:
    async with aclosing(await opened()) as here:
        await here.send_to(b"something to be received", here.address)
        spoil(here, errno.ENOTSOCK)
        with pytest.raises(LinkClosed, match=r"broke: planted"):
            await here.receive_from()


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.ENOBUFS, errno.EPERM, errno.EINVAL, errno.ECONNREFUSED])
async def test_what_the_kernel_does_not_send_is_lost_and_nobody_hears_of_it(code: int) -> None:
    async with aclosing(await opened()) as here, aclosing(await opened()) as there:
        spoil(there, code)
        await there.send_to(b"lost", here.address)
        await there.send_to(b"heard", here.address)
        assert (await here.receive_from())[0] == b"heard"


async def test_sends_that_find_no_room_all_give_up_soon(autojump_clock: trio.testing.MockClock) -> None:
    full, drain = socket.socketpair()
    with full, drain:
        full.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                full.send(bytes(65_536))
        async with aclosing(await opened()) as here:
            bad = spoil(here, *[errno.EAGAIN] * 3)
            bad.fileno = full.fileno  # type: ignore[method-assign]  # UDP's buffer is never full.
            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(here.send_to, b"lost", Address("127.0.0.1", 9))
            assert trio.current_time() == pytest.approx(0.1)


async def test_a_send_that_finds_room_a_moment_later_is_sent() -> None:
    async with aclosing(await opened()) as here, aclosing(await opened()) as there:
        bad = spoil(there, errno.EAGAIN)
        await there.send_to(b"sent", here.address)
        assert not bad.codes
        assert (await here.receive_from())[0] == b"sent"


async def test_what_the_kernel_told_of_and_then_dropped_is_waited_for_again() -> None:
    async with aclosing(await opened()) as here, aclosing(await opened()) as there:
        await there.send_to(b"heard", here.address)
        spoil(here, errno.EAGAIN)
        assert (await here.receive_from())[0] == b"heard"


async def test_a_datagram_that_is_larger_than_any_of_ours_is_not_received() -> None:
    async with aclosing(await opened()) as here:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for size in (DATAGRAM_SIZE_MAX + 1, 9_000, DATAGRAM_SIZE_MAX):
                stranger.sendto(bytes(size), (here.address.host, here.address.port))
            assert len((await here.receive_from())[0]) == DATAGRAM_SIZE_MAX


@pytest.mark.parametrize("host", ["localhost", "", "nul\0byte", "999.1.1.1", "127.1", "fe80::1%nothing", "a" * 300])
async def test_names_and_nonsense_are_refused_and_never_looked_up(host: str) -> None:
    async with aclosing(await opened()) as here:
        with pytest.raises(UsageError, match="is no IP address"):
            await here.send_to(b"x", Address(host, 1))


async def test_ipv4_and_ipv6_do_not_mix() -> None:
    async with aclosing(await opened()) as here:
        for host in ("::1", "::ffff:127.0.0.1"):
            with pytest.raises(UsageError, match="one is IPv4, the other IPv6"):
                await here.send_to(b"x", Address(host, 1))


@NEEDS_IPV6
async def test_an_ipv6_socket_hears_no_ipv4_and_sends_none() -> None:
    async with aclosing(await opened("::")) as here:
        with pytest.raises(UsageError, match="one is IPv4, the other IPv6"):
            await here.send_to(b"x", Address("127.0.0.1", 1))
        same_port = await TcpNetwork().open_datagrams(Address("0.0.0.0", here.address.port))
        await same_port.aclose()


@pytest.mark.parametrize("host", ["nul\0byte", "999.999.999.999", "192.0.2.1"])
async def test_an_address_that_is_not_ours_cannot_be_bound(host: str) -> None:
    with pytest.raises(UsageError, match="cannot receive datagrams on"):
        await TcpNetwork().open_datagrams(Address(host, 0))


async def test_a_host_name_can_be_bound() -> None:
    async with aclosing(await opened("localhost")) as here:
        assert here.address.host in ("127.0.0.1", "::1")
        assert here.address.port
