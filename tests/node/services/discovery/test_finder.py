"""What a record says of places, and what becomes of it."""

from __future__ import annotations

import pytest

from talos.host import Address
from talos.services.discovery.finder import addresses_of
from talos_dht import Address as Place
from talos_dht import Instance, Record


def record(*places: Place) -> Record:
    instances = tuple(Instance(bytes([number]) * 32, 0, (place,)) for number, place in enumerate(places))
    return Record(
        did=bytes(32), log_seq=0, log_digest=bytes(32), instances=instances, bundle=bytes(32), seq=1, expires_ms=1
    )


def test_direct_addresses_are_dialled_in_the_order_of_the_record() -> None:
    places = Place("b.example", 2), Place("::1", 3), Place("a.example", 1)
    assert addresses_of(record(*places)) == [Address("b.example", 2), Address("::1", 3), Address("a.example", 1)]


def test_a_relayed_address_is_not_dialled_as_if_it_were_direct() -> None:
    assert addresses_of(record(Place("relay.example", 1, bytes(32)))) == []


@pytest.mark.parametrize(
    "host", ["\x1b[2J", "a\nb", "a b", "b\u202ea", "bücher.example", "a@b", "[::1]", "[", "a,b", " "]
)
def test_a_host_that_nobody_could_have_written_is_neither_dialled_nor_shown(host: str) -> None:
    assert addresses_of(record(Place(host, 1), Place("good", 1))) == [Address("good", 1)]
