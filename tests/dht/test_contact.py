"""What a contact is, and what is none."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos_dht.contact import CONTACT_SIZE, Contact, network_of
from talos_dht.errors import Malformed
from tests.dht.people import contact, key

HOUSES = "127.0.0.1 10.1.2.3 172.16.0.1 172.31.9.9 192.168.1.1 169.254.1.1 100.64.0.1 ::1 fe80::1 fd00::1"


def test_an_id_is_the_first_20_bytes_of_the_hash_of_the_key_behind_its_label() -> None:
    assert contact(1).id == sha256(b"talos/v1/dht-node\x00" + key(1)).digest()[:20]


@given(st.binary(min_size=CONTACT_SIZE, max_size=CONTACT_SIZE))
def test_bytes_are_one_contact_or_refused(raw: bytes) -> None:
    try:
        assert Contact(raw).raw == raw
    except Malformed:
        assert raw[-2:] == bytes(2) or raw[32:44] == bytes(10) + b"\xff\xff" or raw[32] == 0xFF or not any(raw[32:48])


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "host.example"]
)
def test_where_no_node_can_be_is_no_contact(host: str) -> None:
    with pytest.raises(Malformed):
        Contact.at(key(1), host, 1)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_what_is_no_port_is_no_contact(port: int) -> None:
    with pytest.raises(Malformed):
        Contact.at(key(1), "20.0.0.1", port)


@pytest.mark.parametrize("size", [0, CONTACT_SIZE - 1, CONTACT_SIZE + 1])
def test_a_contact_has_50_bytes(size: int) -> None:
    with pytest.raises(Malformed):
        Contact(b"\x01" * size)


@pytest.mark.parametrize("host", ["20.0.0.1", "2001:db8::1"])
def test_a_host_is_written_as_it_was_read(host: str) -> None:
    assert Contact.at(key(1), host, 80).host == host


def test_a_network_is_a_24_of_ipv4_and_a_48_of_ipv6() -> None:
    def same(one: str, other: str) -> bool:
        return network_of(contact(1, one).ip) == network_of(contact(1, other).ip)

    assert same("20.0.1.1", "20.0.1.255")
    assert not same("20.0.1.1", "20.0.2.1")
    assert same("2001:db8:1::1", "2001:db8:1:ffff::1")
    assert not same("2001:db8:1::1", "2001:db8:2::1")


@pytest.mark.parametrize("host", HOUSES.split())
def test_addresses_of_a_house_are_of_no_network(host: str) -> None:
    assert contact(1, host).network is None


@pytest.mark.parametrize("host", ["11.0.0.1", "172.32.0.1", "100.128.0.1", "192.169.0.1", "2001:db8::1"])
def test_addresses_beside_those_are_of_one(host: str) -> None:
    assert contact(1, host).network is not None
