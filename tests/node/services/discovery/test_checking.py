"""How long a find waits for key logs, when some of those who are asked for them stall."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos import Config, Node
from talos.core.keylog import KeyLog
from talos.core.tables import VOUCHERS
from talos.core.whereabouts import own_record
from talos.drivers.data_folder import in_memory
from talos.errors import NotReachable
from talos.host import Address
from talos.services.desk import Desk
from talos.services.discovery.checking import NEWER_S, Checker
from talos.services.discovery.fetching import FETCHES_MAX, HOLDERS_MAX, Fetcher
from talos.services.discovery.kept import Kept
from talos.services.discovery.key_logs import KeyLogs
from talos.services.link import GREETING_S
from talos_dht import Address as Place
from talos_dht import Contact, Record
from talos_dht.unchecked import UNCHECKED_MAX

STALLS, SHOWS, IS_SLOW = "10.0.{}.{}", "10.1.{}.{}", "10.2.{}.{}"


def of(host: str, who: int = 0, count: int = HOLDERS_MAX) -> tuple[Contact, ...]:
    return tuple(Contact.at(bytes([who, n]) + bytes(30), host.format(who, n), 1) for n in range(1, count + 1))


@dataclass
class Town:
    """Whoever holds a statement stalls, shows its key log, or shows it after two seconds."""

    desk: Desk
    people: list[Node]

    def __post_init__(self) -> None:
        self.logs = KeyLogs(self.desk, Kept(self.desk.host, VOUCHERS))
        self.began = trio.current_time()
        self.checker = Checker(self.desk, self.logs, Fetcher(self.show, self.logs))

    def waited(self) -> float:
        return round(trio.current_time() - self.began, 3)

    async def show(self, address: Address, did: bytes) -> KeyLog:
        await self.desk.host.clock.sleep({STALLS[:4]: GREETING_S, IS_SLOW[:4]: 2}.get(address.host[:4], 0))
        if address.host.startswith(STALLS[:4]):
            raise NotReachable("it says nothing")
        return next(one._me.key_log for one in self.people if one._me.did == did)

    def record(self, who: int = 0, seq: int = 1) -> Record:
        return own_record(self.people[who]._me, b"", [Place("a", 1)], seq, self.desk.now_ms())


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    with ExitStack() as stack:
        ada, *others = (Node(Config(discovery=()), stack.enter_context(in_memory(name))) for name in ("ada", "b", "c"))
        yield Town(ada._desk, others)


async def test_who_stalls_is_not_waited_for_once_another_has_shown_the_key_log(
    town: Town, autojump_clock: MockClock
) -> None:
    record = town.record()
    assert await town.checker.true([(record, of(STALLS, count=2) + of(SHOWS, count=1))]) == [record]
    assert town.waited() == 0


async def test_a_key_log_that_is_too_short_ends_no_wait_for_a_longer_one(town: Town, autojump_clock: MockClock) -> None:
    record, longer = town.record(), replace(town.record(seq=2), log_seq=9)
    assert await town.checker.true([(longer, of(SHOWS, count=1) + of(STALLS, count=2))]) == []
    assert town.waited() == GREETING_S
    assert await town.checker.true([(record, ())]) == [record]


async def test_who_tells_of_what_would_be_newer_and_stalls_costs_a_few_seconds(
    town: Town, autojump_clock: MockClock
) -> None:
    record = town.record()
    lies = [(replace(town.record(seq=n), log_seq=9), of(STALLS, n)) for n in range(2, 5)]
    assert await town.checker.true([*lies, (record, of(SHOWS))]) == [record]
    assert town.waited() == NEWER_S


async def test_what_is_older_than_what_is_true_is_not_waited_for(town: Town, autojump_clock: MockClock) -> None:
    old, new = replace(town.record(), log_digest=bytes(32)), town.record(seq=2)
    assert await town.checker.true([(old, of(STALLS, 1)), (new, of(SHOWS, 2))]) == [new]
    assert town.waited() == 0


async def test_what_is_newer_is_waited_for_and_of_others_what_is_as_old(town: Town, autojump_clock: MockClock) -> None:
    first, other = town.record(), town.record(who=1)
    assert await town.checker.true([(first, of(SHOWS, 1)), (other, of(IS_SLOW, 2))]) == [first, other]
    assert town.waited() == 2


async def test_a_find_that_meets_liars_leaves_others_their_fetches(town: Town, autojump_clock: MockClock) -> None:
    assert 2 * UNCHECKED_MAX * HOLDERS_MAX < FETCHES_MAX
    lies = [(replace(town.record(seq=n), log_seq=9), of(STALLS, n)) for n in range(UNCHECKED_MAX)]
    record = town.record(who=1)
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(town.checker.true, lies)
        await wait_all_tasks_blocked()
        assert await town.checker.true([(record, of(SHOWS, 9))]) == [record]
        assert town.waited() == 0
        nursery.cancel_scope.cancel()
