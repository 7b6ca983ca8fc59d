"""Beacons: what is written is read, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from talos.core import codec
from talos.core.beacon import BEACON_SIZE_MAX, GROUP_IPV4, GROUP_IPV6, Beacon
from talos.errors import MalformedMessage
from talos.host import DATAGRAM_SIZE_MAX
from talos_dht import Address, Instance, Record
from talos_dht.messages import RECORD_SIZE_MAX

KEY = bytes(range(32))
HOSTS = tuple(Address(f"host-{number}.example", 4_040, KEY) for number in range(2))
RECORD = Record(
    did=b"d" * 32,
    log_seq=1,
    log_digest=b"l" * 32,
    instances=(Instance(KEY, 0, HOSTS),),
    bundle=b"b" * 32,
    seq=7,
    expires_ms=1_700_000_000_000,
    signature=b"s" * 64,
)
BEACON = Beacon(KEY, 4_040, True, RECORD)


def record_of(size: int) -> bytes:
    """Return a record of just so many bytes."""
    relayed = (Address("h" * 255, 65_535, KEY), Address("h" * 255, 65_535, KEY))
    instances = (Instance(KEY, 2**63 - 1, relayed), Instance(KEY, 0, (Address("h" * 100, 65_535),)))
    missing = size - len(replace(RECORD, instances=instances).encode())
    padded = (instances[0], replace(instances[1], addresses=(Address("h" * (100 + missing), 65_535),)))
    return replace(RECORD, instances=padded).encode()


def test_what_was_packed_is_read() -> None:
    assert Beacon.read(BEACON.pack()) == BEACON


def test_the_largest_record_fits_a_beacon_and_a_sealed_beacon_would_fit_a_datagram() -> None:
    raw = record_of(RECORD_SIZE_MAX)
    assert len(raw) == RECORD_SIZE_MAX
    packed = Beacon(KEY, 65_535, False, Record.decode(raw)).pack()
    assert len(packed) == BEACON_SIZE_MAX <= DATAGRAM_SIZE_MAX - 72
    assert Beacon.read(packed).record.encode() == raw


RAW = RECORD.encode()
BAD: list[tuple[str, bytes]] = [
    ("beacon", b""),
    ("beacon", b"\xc0"),
    ("beacon", b"talos"),
    ("beacon", b"\x95" + b"\x95" * 40),
    ("beacon", codec.pack(1, KEY, 1)),
    ("beacon", codec.pack(1, KEY, 1, True, RAW, 1)),
    ("beacon", BEACON.pack() + b"\x00"),
    ("beacon", BEACON.pack()[:-1]),
    ("beacon", codec.pack(1, KEY, 1, True, bytes(BEACON_SIZE_MAX))),
    ("version", codec.pack(0, KEY, 1, True, RAW)),
    ("version", codec.pack(2, KEY, 1, True, RAW)),
    ("version", codec.pack(True, KEY, 1, True, RAW)),
    ("key", codec.pack(1, KEY[1:], 1, True, RAW)),
    ("key", codec.pack(1, KEY.decode(), 1, True, RAW)),
    ("port", codec.pack(1, KEY, 0, True, RAW)),
    ("port", codec.pack(1, KEY, 65_536, True, RAW)),
    ("port", codec.pack(1, KEY, b"1", True, RAW)),
    ("dht", codec.pack(1, KEY, 1, 1, RAW)),
    ("record", codec.pack(1, KEY, 1, True, 5)),
    ("record", codec.pack(1, KEY, 1, True, b"")),
    ("record", codec.pack(1, KEY, 1, True, RAW[:-1])),
    ("record", codec.pack(1, KEY, 1, True, RAW + b"\x00")),
    ("record", codec.pack(1, KEY, 1, True, codec.pack(1, [[[[[[[1]]]]]]]))),
]


@pytest.mark.parametrize(("field", "raw"), BAD)
def test_what_breaks_a_rule_is_refused_and_the_field_named(field: str, raw: bytes) -> None:
    with pytest.raises(MalformedMessage, match=f"^{field}"):
        Beacon.read(raw)


def test_a_beacon_in_a_longer_form_is_refused() -> None:
    raw = BEACON.pack()
    with pytest.raises(MalformedMessage, match="canonical"):
        Beacon.read(b"\xdc\x00\x05" + raw[1:])


def test_the_groups_stay_on_the_network() -> None:
    assert ip_address(GROUP_IPV4) in ip_network("239.255.0.0/16")
    assert GROUP_IPV6.startswith("ff12:")
    assert ip_address(GROUP_IPV6).is_multicast
