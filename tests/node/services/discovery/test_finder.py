"""What a record says of places, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

import pytest

from talos import Config, Node
from talos.core.keylog import KeyLog
from talos.core.tables import VOUCHERS
from talos.core.whereabouts import own_record
from talos.drivers.data_folder import in_memory
from talos.errors import NotReachable
from talos.host import Address, LinkClosed
from talos.services.discovery.fetching import HOLDERS_MAX, Fetcher
from talos.services.discovery.finder import Finder, Found, ways_of
from talos.services.discovery.kept import Kept
from talos.services.discovery.key_logs import KeyLogs
from talos.services.discovery.sources import Finding, Offers
from talos.services.relaying.through import Relayed
from talos_dht import Address as Place
from talos_dht import Contact, Held, Instance, Record

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


class Knows:
    """A source that always says the same."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        self.asked = 0

    async def find(self, did: bytes) -> Finding:
        self.asked += 1
        return self.finding

    async def browse(self, topic: str) -> Offers:
        return Offers()

    async def tell(self, held: Held) -> int:
        return 0


async def test_a_source_that_has_nothing_newer_than_what_failed_is_passed_over() -> None:
    with in_memory("ada") as opened, in_memory("bob") as bob:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        await logs.learn(bob.me.key_log)
        now_ms = desk.now_ms()
        old, new = (own_record(bob.me, b"", [Place("a", port)], port, now_ms) for port in (1, 2))
        behind, ahead, silent = Knows(Finding(old)), Knows(Finding(new)), Knows(Finding(why="it is down"))
        finder = Finder(desk, logs, Fetcher(nobody_shows, logs), {"lan": silent, "registry": behind, "dht": ahead})
        assert await finder.find(bob.me.did) == old
        assert ahead.asked == 0
        assert await finder.find(bob.me.did) == new  # Whoever asks again has tried the first.
        assert await finder.find(bob.me.did) == new
        assert (behind.asked, ahead.asked) == (3, 2)
        found = finder.found(bob.me.did)
        assert found is not None
        assert found.source == "dht"


async def test_what_nobody_knows_is_said_with_what_each_source_says() -> None:
    with in_memory("ada") as opened:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        sources = {"lan": Knows(Finding(why="it was not heard")), "dht": Knows(Finding(why="3 nodes were asked"))}
        finder = Finder(desk, logs, Fetcher(nobody_shows, logs), sources)
        with pytest.raises(NotReachable, match="lan: it was not heard; dht: 3 nodes were asked"):
            await finder.find(bytes(32))
        with pytest.raises(NotReachable, match="nobody is there to ask"):
            await Finder(desk, logs, Fetcher(nobody_shows, logs), {}).find(bytes(32))


async def test_a_record_that_nobody_vouches_for_is_not_found() -> None:
    with in_memory("ada") as opened, in_memory("bob") as bob:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        record = own_record(bob.me, b"", [Place("a", 1)], 1, desk.now_ms())
        holder = Contact.at(bytes(range(32)), "127.0.0.1", 9)
        finder = Finder(
            desk, logs, Fetcher(nobody_shows, logs), {"dht": Knows(Finding(None, ((record, (holder,)),), "?"))}
        )
        with pytest.raises(NotReachable):
            await finder.find(bob.me.did)
        await logs.learn(bob.me.key_log)
        assert await finder.find(bob.me.did) == record


async def test_who_holds_a_record_and_shows_no_key_log_keeps_nobody_from_reading_it() -> None:
    with in_memory("ada") as opened, in_memory("bob") as bob:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        record = own_record(bob.me, b"", [Place("a", 1)], 1, desk.now_ms())
        asked: list[str] = []

        async def the_last_shows(address: Address, did: bytes) -> KeyLog:
            asked.append(address.host)
            if address.host != f"10.0.0.{HOLDERS_MAX}":
                raise LinkClosed("it hangs up")
            return bob.me.key_log

        holders = tuple(Contact.at(bytes([number]) * 32, f"10.0.0.{number}", 1) for number in (1, 2, 3))
        source = Knows(Finding(unchecked=((record, holders), (record, holders))))
        assert await Finder(desk, logs, Fetcher(the_last_shows, logs), {"dht": source}).find(bob.me.did) == record
        assert sorted(asked) == [holder.host for holder in holders], "nobody is asked twice"


async def test_of_many_who_hold_a_record_a_few_are_asked_for_the_key_log_and_each_time_others() -> None:
    with in_memory("ada") as opened, in_memory("bob") as bob:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        record = own_record(bob.me, b"", [Place("a", 1)], 1, desk.now_ms())
        asked: list[str] = []

        async def nobody(address: Address, did: bytes) -> NoReturn:
            asked.append(address.host)
            raise LinkClosed("it hangs up")

        holders = tuple(Contact.at(bytes([number]) * 32, f"10.0.0.{number}", 1) for number in range(1, 21))
        finder = Finder(desk, logs, Fetcher(nobody, logs), {"dht": Knows(Finding(unchecked=((record, holders),)))})
        for _ in range(10):
            with pytest.raises(NotReachable):
                await finder.find(bob.me.did)
        assert len(asked) == 10 * HOLDERS_MAX
        assert len(set(asked)) > HOLDERS_MAX
