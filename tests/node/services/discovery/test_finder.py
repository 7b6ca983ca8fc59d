"""What a record says of places, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

import pytest

from talos import Config, Node
from talos.core.tables import VOUCHERS
from talos.drivers.data_folder import in_memory
from talos.host import Address, LinkClosed
from talos.services.discovery.fetching import Fetcher
from talos.services.discovery.finder import Finder, Found, ways_of
from talos.services.discovery.kept import Kept
from talos.services.discovery.key_logs import KeyLogs
from talos.services.relaying.through import Relayed
from talos_dht import Address as Place
from talos_dht import Instance, Record

HOUR_MS: Final = 3_600_000


async def nobody_shows(address: Address, did: bytes) -> NoReturn:
    raise LinkClosed("nobody is there")


def record(*places: Place) -> Record:
    instances = tuple(Instance(bytes([number]) * 32, 0, (place,)) for number, place in enumerate(places))
    return Record(
        did=bytes(32), log_seq=0, log_digest=bytes(32), instances=instances, bundle=bytes(32), seq=1, expires_ms=1
    )


def test_what_was_found_is_told_until_it_expires() -> None:
    with in_memory("ada") as opened:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        fetcher = Fetcher(nobody_shows, logs)
        finder = Finder(desk, logs, fetcher, {})
        now_ms = desk.now_ms()
        ends_ms = {b"\x01" * 32: now_ms - 1, b"\x02" * 32: now_ms + HOUR_MS}
        for did, expires_ms in ends_ms.items():
            finder._found[did] = Found(replace(record(Place("a", 1)), did=did, expires_ms=expires_ms), "dht")
        over, still = map(finder.found, ends_ms)
        assert over is None
        assert still is not None
        assert (still.source, still.ways) == ("dht", [Address("a", 1)])
        assert finder.found(bytes(32)) is None


def test_direct_addresses_are_dialled_in_the_order_of_the_record() -> None:
    places = Place("b.example", 2), Place("::1", 3), Place("a.example", 1)
    assert ways_of(record(*places)) == [Address("b.example", 2), Address("::1", 3), Address("a.example", 1)]


def test_a_relayed_address_is_a_way_through_the_relay_and_comes_behind_those_that_need_none() -> None:
    places = Place("relay.example", 1, b"k" * 32), Place("a.example", 2)
    relayed = Relayed(Address("relay.example", 1), b"k" * 32, bytes(32))
    assert ways_of(record(*places)) == [Address("a.example", 2), relayed]


@pytest.mark.parametrize(
    "host", ["\x1b[2J", "a\nb", "a b", "b\u202ea", "bücher.example", "a@b", "[::1]", "[", "a,b", " "]
)
def test_a_host_that_nobody_could_have_written_is_neither_dialled_nor_shown(host: str) -> None:
    assert ways_of(record(Place(host, 1), Place("good", 1))) == [Address("good", 1)]
