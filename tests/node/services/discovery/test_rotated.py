"""What is found of an identity that has rotated its key since its key log was heard of here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from talos import Config, Node
from talos.core.beacon import Beacon
from talos.core.boxes import Circle
from talos.core.keylog import KeyLog
from talos.core.neighbours import Neighbour
from talos.core.tables import VOUCHERS
from talos.drivers.data_folder import in_memory
from talos.errors import NotReachable
from talos.host import Address
from talos.services.desk import Desk
from talos.services.discovery.checking import NEWER_S
from talos.services.discovery.fetching import HOLDERS_MAX, Fetcher
from talos.services.discovery.finder import Finder
from talos.services.discovery.kept import Kept
from talos.services.discovery.key_logs import KeyLogs
from talos.services.discovery.lan import Lan
from talos.services.discovery.sources import Finding, Offers, Source
from talos.services.link import GREETING_S
from talos_dht import LIFE_MS, Contact, Held, Instance, Provider, Record, topic_of
from talos_dht import Address as Place
from talos_dht.unchecked import UNCHECKED_MAX
from tests.node.core.identities import Holder

HOLDER: Final = Holder("bob")
BEFORE: Final = HOLDER.log()  # All that we know at first.
AFTER: Final = HOLDER.rotated(BEFORE)
HOLDER_DID: Final = BEFORE.state.did
TOPIC: Final = "library"


def holder(number: int) -> Contact:
    return Contact.at(bytes([number]) * 32, f"10.0.0.{number}", 1)


NEW_HOLDER, OLD_HOLDER, SILENT = holder(1), holder(2), [holder(number) for number in range(3, 20)]


@dataclass
class Street:
    """Of those who hold something one has the newer key log, one the older, and all others say nothing."""

    desk: Desk
    logs: KeyLogs
    expires_ms: int
    asked: list[str] = field(default_factory=list)
    began: float = field(default_factory=trio.current_time)

    async def show(self, address: Address, did: bytes) -> KeyLog:
        self.asked.append(address.host)
        shown = {NEW_HOLDER.host: AFTER, OLD_HOLDER.host: BEFORE}.get(address.host)
        if shown is None:
            await self.desk.host.clock.sleep(GREETING_S)
            raise NotReachable("it says nothing")
        return shown

    def finder(self, sources: Mapping[str, Source]) -> Finder:
        return Finder(self.desk, self.logs, Fetcher(self.show, self.logs), sources)

    def finds(self, *findings: Finding) -> Finder:
        return self.finder({str(number): Says(finding) for number, finding in enumerate(findings)})

    def record(self, log: KeyLog, seq: int, signed_by: int) -> Record:
        record = Record(
            did=log.state.did,
            log_seq=log.state.seq,
            log_digest=log.state.digest,
            instances=(Instance(bytes(32), 0, (Place("a", 1),)),),
            bundle=bytes(32),
            seq=seq,
            expires_ms=self.expires_ms,
        )
        return record.signed(HOLDER.sign(signed_by))

    @property
    def old(self) -> Record:
        """Who has the old key, and not the newer one, can give it any number."""
        return self.record(BEFORE, seq=9, signed_by=0)

    @property
    def new(self) -> Record:
        return self.record(AFTER, seq=1, signed_by=1)

    def lie(self, seq: int = 1) -> Record:
        return replace(self.record(AFTER, seq, signed_by=0), log_seq=7)

    def waited(self) -> float:
        return round(trio.current_time() - self.began, 3)


@dataclass
class Says:
    """A source that always says the same."""

    finding: Finding = field(default_factory=Finding)
    offers: Offers = field(default_factory=Offers)

    async def find(self, did: bytes) -> Finding:
        return self.finding

    async def browse(self, topic: str) -> Offers:
        return self.offers

    async def tell(self, held: Held) -> int:
        return 0


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    with in_memory("ada") as opened:
        desk = Node(Config(discovery=()), opened)._desk
        logs = KeyLogs(desk, Kept(opened.host, VOUCHERS))
        await logs.learn(BEFORE)
        yield Street(desk, logs, desk.now_ms() + LIFE_MS)


async def test_a_record_that_names_a_newer_key_log_outranks_one_that_is_true_by_ours(street: Street) -> None:
    finder = street.finds(Finding(street.old, ((street.new, (NEW_HOLDER,)),)))
    assert await finder.find(HOLDER_DID) == street.new
    assert street.asked == [NEW_HOLDER.host]
    assert finder.cached(HOLDER_DID) == street.new


async def test_what_a_newer_key_log_has_ended_is_not_found_though_no_newer_record_is(street: Street) -> None:
    source = Says(Finding(street.old, ((street.lie(), (NEW_HOLDER,)),), "3 nodes were asked"))
    finder = street.finder({"dht": source})
    with pytest.raises(NotReachable, match="3 nodes were asked"):
        await finder.find(HOLDER_DID)


async def test_what_was_found_before_is_not_found_again_once_a_newer_key_log_has_ended_it(street: Street) -> None:
    source = Says(Finding(street.old))
    finder = street.finder({"dht": source})
    assert await finder.find(HOLDER_DID) == street.old
    source.finding = Finding(None, ((street.lie(), (NEW_HOLDER,)),))
    with pytest.raises(NotReachable):
        await finder.find(HOLDER_DID)


async def test_a_key_log_that_goes_no_farther_than_ours_changes_nothing(street: Street) -> None:
    finder = street.finds(Finding(street.old, ((street.lie(), (OLD_HOLDER,)),)))
    assert await finder.find(HOLDER_DID) == street.old
    assert street.asked == [OLD_HOLDER.host]


async def test_who_invents_newer_key_logs_and_says_nothing_costs_a_few_seconds_and_a_dozen_streams(
    street: Street, autojump_clock: MockClock
) -> None:
    lies = tuple((street.lie(seq), tuple(SILENT)) for seq in range(UNCHECKED_MAX))
    old = street.old
    assert await street.finds(Finding(old, lies)).find(HOLDER_DID) == old
    assert street.waited() == NEWER_S
    assert len(street.asked) <= UNCHECKED_MAX * HOLDERS_MAX


async def test_what_was_found_before_is_returned_as_soon_though_liars_say_nothing(
    street: Street, autojump_clock: MockClock
) -> None:
    source = Says(Finding(street.old))
    finder = street.finder({"dht": source})
    old = await finder.find(HOLDER_DID)
    source.finding = Finding(None, ((street.lie(), tuple(SILENT)),))
    assert await finder.find(HOLDER_DID) == old
    assert street.waited() == NEWER_S


@pytest.mark.parametrize("is_newer_true", [True, False])
async def test_an_offer_that_a_newer_key_log_has_ended_is_none(street: Street, is_newer_true: bool) -> None:
    def offer(log: KeyLog, signed_by: int) -> Provider:
        return Provider(
            topic=topic_of(TOPIC),
            did=log.state.did,
            log_seq=log.state.seq,
            log_digest=log.state.digest,
            seq=1,
            expires_ms=street.expires_ms,
        ).signed(HOLDER.sign(signed_by))

    old, newer = offer(BEFORE, 0), offer(AFTER, int(is_newer_true))
    finder = street.finder({"dht": Says(offers=Offers((old,), ((newer, (NEW_HOLDER,)),)))})
    assert await finder.browse(TOPIC) == ([newer] if is_newer_true else [])


async def test_on_our_own_network_too_a_newer_key_log_is_asked_for(street: Street) -> None:
    lan = Lan(
        street.desk,
        [],
        circle=Circle(b"", street.desk.host.entropy),
        key_of=street.logs.key_of,
        join=None,
        met=lambda did: None,
    )
    for place, record in (OLD_HOLDER, street.old), (NEW_HOLDER, street.new):
        lan._near.hear(Neighbour(Beacon(place.key, 1, False, record), place.host, place.host.encode(), False))
    assert await street.finder({"lan": lan}).find(HOLDER_DID) == street.new
    assert street.asked == [NEW_HOLDER.host]
    assert lan.places(HOLDER_DID) == [Address(NEW_HOLDER.host, 1)]
