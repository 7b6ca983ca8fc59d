"""Datagrams over UDP, IPv4 and IPv6.

The socket is used directly: trio's own would take a turn of the scheduler more for each datagram, and twice the time.
What can leave at once does, without a turn: whoever receives lets others run, before each datagram.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack, suppress
from functools import lru_cache
from ipaddress import IPv4Address, ip_address
from typing import Final

import trio

from talos.core.names import PORT_MAX
from talos.errors import UsageError
from talos.host import DATAGRAM_SIZE_MAX, DATAGRAMS_WAITING_MAX, Address, LinkClosed

SEND_WAIT_S: Final = 0.1  # A full buffer of ours empties at the speed of the network card, or the datagram is lost.
RETRY_RECEIVE_S: Final = 0.1  # The kernel is out of memory: long enough for others to give some back.
ADDRESSES_MAX: Final = 4_096  # Kept as they were read, and as they are written.
OUT_OF_ROOM: Final = frozenset({errno.ENOMEM, errno.ENOBUFS})
# What recvfrom(2) may report of a datagram that we sent before, as ICMP told the kernel: the next may be well.
OF_ANOTHER: Final = frozenset(
    {
        errno.EACCES,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EMSGSIZE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)

Name = tuple[str, int] | tuple[str, int, int, int]  # What the kernel calls an address of IPv4, or of IPv6.


class UdpDatagrams:
    """A `talos.host.Datagrams`. The queue is the kernel's, which counts bytes: it holds fewer large ones."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._is_v4 = bound.family == socket.AF_INET
        self._address = _address(bound.getsockname())
        self._is_closed = False
        self._waits_for_room = trio.Lock()  # One at a time may wait for a socket.

    @property
    def address(self) -> Address:
        return self._address

    async def send_to(self, data: bytes, address: Address) -> None:
        if len(data) > DATAGRAM_SIZE_MAX:
            raise UsageError(f"a datagram has at most {DATAGRAM_SIZE_MAX} bytes, not {len(data)}")
        is_v4, name = _name(address.host, address.port)
        if is_v4 != self._is_v4:
            raise UsageError(f"cannot send to {address} from {self._address}: one is IPv4, the other IPv6")
        if self._is_closed:
            raise self._closed()
        try:
            self._socket.sendto(data, name)
        except BlockingIOError:
            await self._send_later(data, name)
        except OSError:  # What the kernel refuses by itself (no route, a filter) is lost, as it would be further on.
            return

    async def receive_from(self) -> tuple[bytes, Address]:
        while True:
            if self._is_closed:
                raise self._closed()
            try:
                await trio.lowlevel.wait_readable(self._socket)
                # One byte more than anybody may send: what is cut there is none of ours.
                data, name = self._socket.recvfrom(DATAGRAM_SIZE_MAX + 1)
            except BlockingIOError:
                continue  # The kernel has dropped what it told of: its checksum was wrong.
            except trio.ClosedResourceError as error:
                raise self._closed() from error
            except OSError as error:
                if error.errno in OUT_OF_ROOM:
                    await trio.sleep(RETRY_RECEIVE_S)
                elif error.errno not in OF_ANOTHER:
                    raise LinkClosed(f"the datagrams of {self._address} broke: {error.strerror}") from error
            else:
                if len(data) <= DATAGRAM_SIZE_MAX:
                    return data, _address(name)

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def _send_later(self, data: bytes, name: Name) -> None:
        """Send once there is room, if that is soon."""
        with trio.move_on_after(SEND_WAIT_S), suppress(OSError):
            async with self._waits_for_room:
                if self._is_closed:
                    raise self._closed()
                try:
                    await trio.lowlevel.wait_writable(self._socket)
                except trio.ClosedResourceError as error:
                    raise self._closed() from error
                self._socket.sendto(data, name)

    def _closed(self) -> LinkClosed:
        return LinkClosed(f"the datagrams of {self._address} are closed")


@lru_cache(maxsize=ADDRESSES_MAX)
def _name(host: str, port: int) -> tuple[bool, Name]:
    """Return whether it is IPv4, and what the kernel calls it. Raises `UsageError`."""
    try:
        ip = ip_address(host)
        scope = 0 if isinstance(ip, IPv4Address) else int(ip.scope_id or 0)  # The number of a link-local's interface.
    except ValueError:
        raise UsageError(f"cannot send to {Address(host, port)}: {host!r} is no IP address") from None
    if not 1 <= port <= PORT_MAX:
        raise UsageError(f"cannot send to {Address(host, port)}: there is no port {port}")
    if isinstance(ip, IPv4Address):
        return True, (str(ip), port)
    return False, (str(ip).partition("%")[0], port, 0, scope)  # Its zone stands apart.


async def open_udp(address: Address) -> UdpDatagrams:
    """Bind a port; a host name is looked up, and the first of what it stands for is taken. Raises `UsageError`."""
    host, port = address.host, address.port
    # The C library takes a port above the last one modulo 65,536, and so would bind another.
    if not 0 <= port <= PORT_MAX:
        raise UsageError(f"cannot receive datagrams on {address}: there is no port {port}")
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        return UdpDatagrams(_bound(found[0][0], found[0][4]))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(f"cannot receive datagrams on {address}: {reason}", fix="Choose a free port") from error


def _bound(family: socket.AddressFamily, name: tuple[object, ...]) -> socket.socket:
    # No SO_REUSEADDR: with it two programs may have one UDP port, and take turns in not hearing.
    opened = socket.socket(family, socket.SOCK_DGRAM)
    with ExitStack() as undo:
        undo.callback(opened.close)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAMS_WAITING_MAX * DATAGRAM_SIZE_MAX)
        if family == socket.AF_INET6:
            # `::` means v6 here, whatever the machine's default is.
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setblocking(False)
        opened.bind(name)
        undo.pop_all()
    return opened


@lru_cache(maxsize=ADDRESSES_MAX)
def _address(name: Name) -> Address:
    scope = name[3] if len(name) == 4 else 0
    return Address(f"{name[0]}%{scope}" if scope else name[0], name[1])
