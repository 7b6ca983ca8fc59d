"""Packets to everybody on the same network, IPv4 and IPv6: one hop, one interface or all of them.

The group's port is shared by all programs that have joined (SO_REUSEADDR), and each of them gets a copy of everything.
What is sent from afar to that port of the machine alone does not arrive: IPv4 binds the group's address, and for IPv6,
where Linux binds none without an interface, only what has come over no router is let in (RFC 5082).
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

from talos.drivers.udp import UdpDatagrams
from talos.errors import UsageError
from talos.host import DATAGRAM_SIZE_MAX, DATAGRAMS_WAITING_MAX, Address, LinkClosed

HOPS_IPV4: Final = 1  # No router passes it on.
HOPS_IPV6: Final = (
    255  # None passes on a link-local group (RFC 4291, section 2.7); it arrives with 255 or has come over one.
)
# Linux's, that the socket module lacks (linux/in.h, linux/in6.h). A socket would else hear what any other socket of the
# machine has joined for, on every interface.
IP_MULTICAST_ALL: Final = 49
IPV6_MULTICAST_ALL: Final = 29
IPV6_MINHOPCOUNT: Final = 73

# Linux's tables of interfaces and of their IPv6 addresses. Files, because asking the kernel itself takes a netlink
# socket, which a service may well be denied.
INTERFACES: Final = Path("/sys/class/net")
IPV6_ADDRESSES: Final = Path("/proc/net/if_inet6")

IP: Final = socket.IPPROTO_IP
IPV6: Final = socket.IPPROTO_IPV6


@dataclass(frozen=True, slots=True)
class Interface:
    """By its number, or, for an IPv4 address of ours, by that."""

    index: int
    host: str  # What is sent there comes from this address; unspecified: from one that the kernel chooses.

    def membership(self, group: str, *, ends: bool = False) -> tuple[int, int, bytes]:
        """Return the socket option that joins a group here, or leaves it."""
        if ":" in group:
            option = socket.IPV6_LEAVE_GROUP if ends else socket.IPV6_JOIN_GROUP
            return IPV6, option, socket.inet_pton(socket.AF_INET6, group) + self._number
        option = socket.IP_DROP_MEMBERSHIP if ends else socket.IP_ADD_MEMBERSHIP
        return IP, option, socket.inet_aton(group) + self._mreqn

    @property
    def source(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """Return what to bind for sending."""
        if ":" not in self.host:
            return self.host, 0
        return self.host, 0, 0, self.index if IPv6Address(self.host).is_link_local else 0

    @property
    def _number(self) -> bytes:
        return struct.pack("@I", self.index)

    @property
    def _mreqn(self) -> bytes:
        """The end of a `struct ip_mreqn`, ip(7)."""
        return socket.inet_aton(self.host) + struct.pack("@i", self.index)

    @property
    def chosen(self) -> tuple[int, int, bytes]:
        """Return the socket option that sends here."""
        if ":" in self.host:
            return IPV6, socket.IPV6_MULTICAST_IF, self._number
        return IP, socket.IP_MULTICAST_IF, bytes(4) + self._mreqn


class UdpMulticast:
    """A `talos.host.Multicast`. Interfaces that come later are joined with the next `send`."""

    def __init__(self, group: Address, receiving: socket.socket, find: Callable[[], list[Interface]]) -> None:
        self._group = group
        self._socket = receiving
        self._receiving = UdpDatagrams(receiving)
        self._find = find
        self._sending: dict[Interface, UdpDatagrams] = {}

    async def send(self, data: bytes) -> None:
        if len(data) > DATAGRAM_SIZE_MAX:
            raise UsageError(f"a datagram has at most {DATAGRAM_SIZE_MAX} bytes, not {len(data)}")
        await self.join()
        for sending in list(self._sending.values()):
            await sending.send_to(data, self._group)

    async def receive_from(self) -> tuple[bytes, Address]:
        return await self._receiving.receive_from()

    async def aclose(self) -> None:
        for sending in self._sending.values():
            await sending.aclose()
        await self._receiving.aclose()

    async def join(self) -> None:
        """Join on every interface where we have not; forget those that are gone.

        Raises `UsageError`, with every reason, where none is left; `LinkClosed` once closed.
        """
        if self._socket.fileno() < 0:
            raise LinkClosed(f"the group {self._group} is closed")
        failures = dict[str, None]()
        try:
            there = self._find()
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot join {self._group}: {error}") from error
        for gone in self._sending.keys() - there:
            await self._sending.pop(gone).aclose()
            with suppress(OSError):  # The kernel may have left by itself.
                self._socket.setsockopt(*gone.membership(self._group.host, ends=True))
        for interface in there:
            if interface not in self._sending:
                try:
                    self._sending[interface] = self._joined(interface)
                except OSError as error:
                    failures[error.strerror or str(error)] = None
        if not self._sending:
            raise UsageError(f"cannot join {self._group}: {'; '.join(failures) or 'there is no interface'}")

    def _joined(self, interface: Interface) -> UdpDatagrams:
        """Raises `OSError`."""
        family = self._socket.family
        with ExitStack() as undo:
            sending = socket.socket(family, socket.SOCK_DGRAM)
            undo.callback(sending.close)
            sending.setsockopt(*interface.chosen)
            if family == socket.AF_INET6:
                sending.setsockopt(IPV6, socket.IPV6_V6ONLY, 1)
                sending.setsockopt(IPV6, socket.IPV6_MULTICAST_HOPS, HOPS_IPV6)
                sending.setsockopt(IPV6, socket.IPV6_MULTICAST_LOOP, 1)
            else:
                sending.setsockopt(IP, socket.IP_MULTICAST_TTL, HOPS_IPV4)
                sending.setsockopt(IP, socket.IP_MULTICAST_LOOP, 1)
            sending.setblocking(False)
            sending.bind(interface.source)
            self._socket.setsockopt(*interface.membership(self._group.host))
            undo.pop_all()
        return UdpDatagrams(sending)


async def open_multicast(group: Address, host: str) -> UdpMulticast:
    """Raises `UsageError`."""
    try:
        opened = UdpMulticast(group, _bound(group), lambda: _interfaces(host))
    except OSError as error:
        raise UsageError(f"cannot join {group}: {error.strerror or error}") from error
    is_joined = False
    try:
        await opened.join()
        is_joined = True
    finally:
        if not is_joined:
            await opened.aclose()
    return opened


def _bound(group: Address) -> socket.socket:
    is_linux = sys.platform == "linux"
    family = socket.AF_INET6 if ":" in group.host else socket.AF_INET
    with ExitStack() as undo:
        opened = socket.socket(family, socket.SOCK_DGRAM)
        undo.callback(opened.close)
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if is_linux else socket.SO_REUSEPORT, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAMS_WAITING_MAX * DATAGRAM_SIZE_MAX)
        if family == socket.AF_INET6:
            opened.setsockopt(IPV6, socket.IPV6_V6ONLY, 1)
            if is_linux:
                opened.setsockopt(IPV6, IPV6_MULTICAST_ALL, 0)
                opened.setsockopt(IPV6, IPV6_MINHOPCOUNT, HOPS_IPV6)
            opened.bind(("::", group.port))
        else:
            if is_linux:
                opened.setsockopt(IP, IP_MULTICAST_ALL, 0)
            opened.bind((group.host, group.port))
        undo.pop_all()
    return opened


def _interfaces(host: str) -> list[Interface]:
    """Return where to be heard for who listens at this IP address. Raises `OSError` or `ValueError`."""
    address = ip_address(host)
    if address.is_unspecified:
        return [Interface(index, host) for index in _everywhere()]
    if isinstance(address, IPv4Address):
        return [Interface(0, host)]  # The kernel knows which has it.
    if address.is_loopback:
        return []  # There Linux carries no multicast of IPv6.
    plain = str(IPv6Address(int(address)))
    return [Interface(index, plain) for index in _with(IPv6Address(plain))]


def _everywhere() -> list[int]:
    """Return the numbers of all interfaces. Raises `OSError`."""
    if not INTERFACES.exists():
        return [index for index, _ in socket.if_nameindex()]
    return sorted(socket.if_nametoindex(path.name) for path in INTERFACES.iterdir() if path.is_dir())


def _with(address: IPv6Address) -> list[int]:
    """Return the numbers of the interfaces that have an address: proc(5), /proc/net/if_inet6. Elsewhere, none."""
    try:
        lines = IPV6_ADDRESSES.read_text("ascii").splitlines()
    except FileNotFoundError:
        return []
    return [int(line.split()[1], 16) for line in lines if line.startswith(address.packed.hex())]
