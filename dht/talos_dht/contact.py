"""Where a node is, and what it is called in the DHT.

    id        first 20 bytes of SHA-256("talos/v1/dht-node" | 00 | X25519 key 32)
    contact   key 32 | IP address 16 | port u16        IPv4 as ::ffff:a.b.c.d: RFC 4291, section 2.5.5.2

The key is the one that seals the node's datagrams, so an id is proven by whatever its node says, and contacts need no
signature. They outlive a rotation of the identity's keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

from talos_dht.errors import Malformed

LABEL_NODE: Final = b"talos/v1/dht-node"  # Hash of a node's X25519 key: its id.

ID_SIZE: Final = 20  # Bytes: the keyspace of the kademlia package.
KEY_SIZE: Final = 32  # Bytes of an X25519 or Ed25519 public key.
IP_SIZE: Final = 16  # Bytes, of both families.
PLACE_SIZE: Final = IP_SIZE + 2  # Bytes of address and port.
CONTACT_SIZE: Final = KEY_SIZE + PLACE_SIZE  # Bytes; 20 of them fit one datagram, whatever their family.
PORT_MAX: Final = 65_535
READ_MAX: Final = 16_384  # Contacts kept as they were read: 10 MB. Liars alone tell of so many; a lookup meets 1,000.
PLACES_MAX: Final = 4_096  # Contacts kept by key, address as text and port: 2 MB.
HOSTS_MAX: Final = 4_096  # IP addresses kept as text.

_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK: Final = _MAPPED + bytes([127])
_LOOPBACK_IPV6: Final = bytes(15) + b"\x01"
# Where whoever owns the house hands out the addresses, so their number costs an attacker nothing and an owner neither.
_LOCAL: Final = tuple(
    IPv6Network(text)
    for text in (
        "::1/128",
        "fc00::/7",
        "fe80::/10",
        "::ffff:10.0.0.0/104",
        "::ffff:100.64.0.0/106",
        "::ffff:127.0.0.0/104",
        "::ffff:169.254.0.0/112",
        "::ffff:172.16.0.0/108",
        "::ffff:192.168.0.0/112",
    )
)
_NOWHERE: Final = tuple(
    IPv6Network(text)
    for text in ("::/128", "ff00::/8", "::ffff:0.0.0.0/104", "::ffff:224.0.0.0/99")  # Nobody; everybody.
)


def hashed(label: bytes, body: bytes) -> bytes:
    """Return SHA-256(label, 00, body): 32 bytes."""
    return sha256(label + b"\x00" + body).digest()


def node_id(key: bytes) -> bytes:
    return hashed(LABEL_NODE, key)[:ID_SIZE]


def number_of(id: bytes) -> int:
    """Return an id or target as a number: the distance of two is their exclusive or."""
    return int.from_bytes(id, "big")


@dataclass(frozen=True, slots=True, order=True)
class Contact:
    """A node's key and the place where it answers; what follows from them is worked out once."""

    raw: bytes  # As it is written: 50 bytes.
    key: bytes = field(init=False, compare=False)  # X25519, 32 bytes.
    ip: bytes = field(init=False, compare=False)  # 16 bytes.
    port: int = field(init=False, compare=False)  # UDP, 1..65535.
    id: bytes = field(init=False, compare=False)
    number: int = field(init=False, compare=False)  # The id: the distance of two is their exclusive or.
    network: bytes | None = field(init=False, compare=False)
    """What one owner has many addresses of: a /24 of IPv4, a /48 of IPv6. None where that does not count."""

    def __post_init__(self) -> None:
        """Raises `Malformed`, also for an address where no node can be."""
        if len(self.raw) != CONTACT_SIZE:
            raise Malformed(f"contact: {len(self.raw)} bytes, not {CONTACT_SIZE}")
        key, ip, port = self.raw[:KEY_SIZE], self.raw[KEY_SIZE:-2], int.from_bytes(self.raw[-2:], "big")
        if port == 0:
            raise Malformed("contact: no node is at port 0")
        if any(IPv6Address(ip) in nowhere for nowhere in _NOWHERE):
            raise Malformed("contact: no node is at such an address")
        id = node_id(key)
        derived = {"key": key, "ip": ip, "port": port, "id": id, "number": number_of(id), "network": network_of(ip)}
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def host(self) -> str:
        """The IP address as text."""
        return _written(self.ip)

    @property
    def place(self) -> bytes:
        """Address and port, 18 bytes."""
        return self.raw[KEY_SIZE:]

    @classmethod
    @lru_cache(maxsize=PLACES_MAX)  # Each datagram has one, and most are of few.
    def at(cls, key: bytes, host: str, port: int) -> Contact:
        """Return the contact of a node at an IP address written as text. Raises `Malformed`."""
        try:
            ip = _read(host)
        except ValueError:
            raise Malformed(f"{host[:80]!r} is no IP address") from None
        if not 0 < port <= PORT_MAX:
            raise Malformed(f"port: {port} is outside 1..{PORT_MAX}")
        return read_contact(key + ip + port.to_bytes(2, "big"))


@lru_cache(maxsize=READ_MAX)  # A lookup meets the same contacts in reply after reply.
def read_contact(raw: bytes) -> Contact:
    """Raises `Malformed`."""
    return Contact(raw)


def _read(host: str) -> bytes:
    """Return the 16 bytes of an IP address written as text. Raises `ValueError`."""
    address = ip_address(host)
    return _MAPPED + address.packed if isinstance(address, IPv4Address) else address.packed


@lru_cache(maxsize=HOSTS_MAX)
def _written(ip: bytes) -> str:
    address = IPv6Address(ip)
    return str(address.ipv4_mapped or address)


def share_of(contact: Contact) -> bytes:
    """Return whose share a contact uses up: an IPv4 address, or the /64 of an IPv6 one: who holds one holds all of it.

    On this machine itself it is each port: there each is a program.
    """
    if contact.ip.startswith(_LOOPBACK) or contact.ip == _LOOPBACK_IPV6:
        return contact.place
    return contact.ip if contact.ip.startswith(_MAPPED) else contact.ip[:8]


def network_of(ip: bytes) -> bytes | None:
    address = IPv6Address(ip)
    if any(address in local for local in _LOCAL):
        return None
    return ip[:15] if ip.startswith(_MAPPED) else ip[:6]
