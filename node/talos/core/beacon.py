"""A beacon: what a node tells its own network of itself, in one datagram to a multicast group.

    beacon    [1, X25519 key 32, port, dht, record]

The record (`talos_dht.Record`) is signed; all else is only said, and where the datagram came from is only claimed.
So a beacon is believed as far as its record, once its key log is known, and for the rest it is a place to try: whoever
answers there must prove who it is, as everywhere. All packing is here, because in a group with a network key a beacon
would be sealed by it. The format is in docs/protocol/beacon.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from talos.core import codec
from talos.core.keylog_keys import KEY_SIZE
from talos.core.names import PORT_MAX
from talos.errors import MalformedMessage
from talos_dht import Malformed, Record

GROUP_IPV4: Final = "239.255.84.76"  # The local scope (RFC 2365, section 6.1), then T and L.
GROUP_IPV6: Final = (
    "ff12::8054:414c"  # Link-local and assigned by nobody (RFC 4291, section 2.7; RFC 3307, section 4.3).
)
BEACON_PORT: Final = 24_817  # Of the group. Below the ports that kernels hand out: no other program gets it by chance.
BEACON_SIZE_MAX: Final = 1_043  # Bytes: a record of 1,000 and 43 around it. To seal one, 157 are left of a datagram.
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Beacon:
    key: bytes  # X25519, 32 bytes: of the instance that speaks.
    port: int  # Where it listens, at the address that the datagram comes from.
    dht: bool  # There for datagrams of the DHT, too: it may let others in.
    record: Record  # Of its identity. Decoded, not checked.

    def pack(self) -> bytes:
        """Return the datagram: at most `BEACON_SIZE_MAX` bytes."""
        return codec.pack(VERSION, self.key, self.port, self.dht, self.record.encode())

    @classmethod
    def read(cls, raw: bytes) -> Beacon:
        """Raises `MalformedMessage`, naming the first field that is wrong."""
        version, key, port, dht, record = codec.array(raw, length=5, size_max=BEACON_SIZE_MAX, field="beacon")
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        key = codec.octets(key, length=KEY_SIZE, field="key")
        port = codec.integer(port, least=1, most=PORT_MAX, field="port")
        dht = codec.flag(dht, field="dht")
        try:
            return cls(key, port, dht, Record.decode(codec.octets(record, field="record")))
        except Malformed as error:
            raise MalformedMessage(f"record: {error}") from None
