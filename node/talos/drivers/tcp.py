"""Streams over TCP, IPv4 and IPv6; and the network that has them, datagrams and multicast."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import Final

import trio

from talos.core.names import PORT_MAX
from talos.drivers.multicast import UdpMulticast, open_multicast
from talos.drivers.udp import UdpDatagrams, open_udp
from talos.errors import UsageError
from talos.host import Address, DialError, LinkClosed

BACKLOG: Final = 128  # Connections the kernel holds until we accept; beyond it, dialers retry by themselves.
RETRY_ACCEPT_S: Final = 0.1  # Out of files or memory: long enough for others to give some back, short to a dialer.
OUT_OF_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
# What accept(2) reports of a connection that broke before we took it: the next one may be well.
BROKE_EARLY: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
    }
)


class TcpStream:
    """A `talos.host.Stream`. Small frames leave at once (TCP_NODELAY): acknowledgements are what others wait for."""

    def __init__(self, stream: trio.SocketStream, peer: Address) -> None:
        self._stream = stream  # trio sets TCP_NODELAY on it.
        self._peer = peer

    @property
    def peer(self) -> Address:
        return self._peer

    async def send_all(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _closed(self._peer, error) from error

    async def receive_some(self, size_max: int) -> bytes:
        try:
            return bytes(await self._stream.receive_some(size_max))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _closed(self._peer, error) from error

    async def aclose(self) -> None:
        self._stream.socket.close()
        await trio.lowlevel.cancel_shielded_checkpoint()


class TcpListener:
    """A `talos.host.Listener`."""

    def __init__(self, listening: trio.socket.SocketType) -> None:
        self._socket = listening
        self._address = _address(listening.getsockname())

    @property
    def address(self) -> Address:
        return self._address

    async def accept(self) -> TcpStream:
        """Return the next stream. Waits where files or memory ran out. Raises `LinkClosed` once closed."""
        while True:
            try:
                accepted, name = await self._socket.accept()
            except trio.ClosedResourceError as error:
                raise LinkClosed(f"the listener on {self._address} is closed") from error
            except OSError as error:
                if error.errno in OUT_OF_ROOM:
                    await trio.sleep(RETRY_ACCEPT_S)
                elif error.errno not in BROKE_EARLY:
                    raise LinkClosed(f"the listener on {self._address} broke: {error.strerror}") from error
            else:
                return TcpStream(trio.SocketStream(accepted), _address(name))

    async def aclose(self) -> None:
        self._socket.close()
        await trio.lowlevel.cancel_shielded_checkpoint()


class TcpNetwork:
    """A `talos.host.Network`. A host name is looked up; dialling tries all it stands for, listening the first."""

    async def listen_stream(self, address: Address) -> TcpListener:
        try:
            host, port = _checked(address)
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            return TcpListener(await _listen(found[0][0], found[0][4]))
        except (OSError, ValueError) as error:
            raise UsageError(
                f"cannot listen on {address}: {_reason(error)}",
                fix="Choose a free port of this machine with --listen HOST:PORT (port 0 takes any)",
            ) from error

    async def dial_stream(self, address: Address) -> TcpStream:
        try:
            stream = await trio.open_tcp_stream(*_checked(address))
            try:
                return TcpStream(stream, _address(stream.socket.getpeername()))
            except OSError:  # Whoever was there has broken it off already.
                stream.socket.close()
                raise
        # A peer may have told us this address, so nonsense in it is no bug of ours.
        except (OSError, ValueError) as error:
            raise DialError(f"nobody answered at {address}: {_reason(error)}") from error

    async def open_datagrams(self, address: Address) -> UdpDatagrams:
        return await open_udp(address)

    async def open_multicast(self, group: Address, host: str) -> UdpMulticast:
        return await open_multicast(group, host)


async def _listen(family: socket.AddressFamily, name: object) -> trio.socket.SocketType:
    listening = trio.socket.socket(family, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.callback(listening.close)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # A restart need not wait out TIME_WAIT.
        if family == socket.AF_INET6:
            # `::` means v6 here, whatever the machine's default is.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        await listening.bind(name)
        listening.listen(BACKLOG)
        undo.pop_all()
    return listening


def _address(name: tuple[str, int] | tuple[str, int, int, int]) -> Address:
    return Address(name[0], name[1])


def _checked(address: Address) -> tuple[str, int]:
    # The C library takes a port above the last one modulo 65,536, and so would reach somebody else.
    if not 0 <= address.port <= PORT_MAX:
        raise ValueError(f"there is no port {address.port}")
    return address.host, address.port


def _reason(error: BaseException) -> str:
    # trio says "all attempts failed"; why each of them did is in the cause.
    if isinstance(error.__cause__, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(map(_reason, error.__cause__.exceptions)))
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _closed(peer: Address, error: Exception) -> LinkClosed:
    return LinkClosed(f"the link to {peer} is closed: {error.__cause__ or 'by us'}")
