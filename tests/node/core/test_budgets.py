"""Budgets of sources: what is granted, to whom it is not, and that being many addresses buys nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count, product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.budgets import FAMILIAR_MAX, RATES, Budgets, Rate, Source, Work, beacon_source_of, source_of

NOW_MS: Final = 1_000_000
SMALL: Final = Rate(host=2, net=4, strangers=6, familiar=3, period_ms=1_200)


def one_host() -> Iterator[Source]:
    while True:
        yield source_of("10.0.0.1")


def one_net() -> Iterator[Source]:
    for number in count():
        yield source_of(f"2001:db8:0:{number % 2**16:x}::1")


def everywhere() -> Iterator[Source]:
    for number in count():
        yield Source(number.to_bytes(8, "big"), number.to_bytes(6, "big"))


def everywhere_familiar(budgets: Budgets) -> Iterator[Source]:
    for source in everywhere():
        budgets.befriend(source)
        yield source


LEVELS: Final[dict[str, tuple[Callable[[Budgets], Iterator[Source]], Callable[[Rate], int]]]] = {
    "host": (lambda budgets: one_host(), lambda rate: rate.host),
    "net": (lambda budgets: one_net(), lambda rate: rate.net),
    "strangers": (lambda budgets: everywhere(), lambda rate: rate.strangers),
    "familiar": (everywhere_familiar, lambda rate: rate.familiar),
}


@pytest.mark.parametrize(("work", "level"), list(product(Work, LEVELS)))
def test_as_many_as_the_limit_says_are_granted_and_not_one_more_until_its_time(work: Work, level: str) -> None:
    budgets = Budgets()
    sources, limit_of = LEVELS[level]
    asking, rate = sources(budgets), RATES[work]
    limit = limit_of(rate)
    assert all(budgets.spend(work, next(asking), NOW_MS) for _ in range(limit))
    assert not budgets.spend(work, next(asking), NOW_MS)
    later_ms = NOW_MS + rate.period_ms // limit
    assert not budgets.spend(work, next(asking), later_ms - 1)
    assert budgets.spend(work, next(asking), later_ms)
    assert not budgets.spend(work, next(asking), later_ms)
    assert budgets.refused == 3


@pytest.mark.parametrize("work", Work)
def test_the_rates_are_whole_and_no_network_has_all_there_is(work: Work) -> None:
    rate = RATES[work]
    levels = (rate.host, rate.net, rate.strangers, rate.familiar)
    assert [rate.period_ms % limit for limit in levels] == [0, 0, 0, 0]
    assert rate.host < rate.net <= rate.strangers // 12


def test_on_one_network_every_address_is_a_host_and_on_the_machine_itself_every_port() -> None:
    places = [
        ("fe80::1%2", 1),
        ("fe80::2%2", 1),
        ("192.0.2.1", 1),
        ("192.0.2.2", 1),
        ("127.0.0.1", 1),
        ("127.0.0.1", 2),
    ]
    assert len({beacon_source_of(*place).host for place in places}) == len(places)
    assert len({beacon_source_of(*place).net for place in places}) == len(places)
    assert beacon_source_of("192.0.2.1", 1) == beacon_source_of("192.0.2.1", 2)
    assert beacon_source_of("fd00::1", 1) == beacon_source_of("fd00::1", 2)


@pytest.mark.parametrize("work", Work)
def test_a_flood_of_one_network_does_not_starve_another(work: Work) -> None:
    budgets, flood = Budgets(), one_net()
    for _ in range(3 * RATES[work].strangers):
        budgets.spend(work, next(flood), NOW_MS)
    assert all(budgets.spend(work, source_of("192.0.2.1"), NOW_MS) for _ in range(RATES[work].host))


@pytest.mark.parametrize("work", Work)
def test_a_flood_from_everywhere_does_not_starve_hosts_that_peers_have_come_from(work: Work) -> None:
    budgets, flood = Budgets(), everywhere()
    friend = source_of("192.0.2.1")
    budgets.befriend(friend)
    while budgets.spend(work, next(flood), NOW_MS):
        pass
    assert not budgets.spend(work, source_of("198.51.100.1"), NOW_MS)
    assert all(budgets.spend(work, friend, NOW_MS) for _ in range(RATES[work].host))


def test_works_do_not_share_a_bucket() -> None:
    budgets = Budgets()
    while budgets.spend(Work.OFFER, source_of("10.0.0.1"), NOW_MS):
        pass
    assert all(budgets.spend(work, source_of("10.0.0.1"), NOW_MS) for work in Work if work is not Work.OFFER)


def test_what_is_refused_costs_nobody_anything() -> None:
    budgets = Budgets({Work.LINK: SMALL})
    for _ in range(100):
        budgets.spend(Work.LINK, source_of("10.0.0.1"), NOW_MS)
    # Its neighbour finds in their network what the limit of a host left there.
    assert [budgets.spend(Work.LINK, source_of("10.0.0.2"), NOW_MS) for _ in range(3)] == [True, True, False]


def test_a_host_is_familiar_until_so_many_others_have_become_so() -> None:
    budgets, others = Budgets(), everywhere()
    first, second = source_of("10.0.0.1"), source_of("10.0.0.2")
    budgets.befriend(first)
    budgets.befriend(second)
    budgets.befriend(first)
    for _ in range(FAMILIAR_MAX - 2):
        budgets.befriend(next(others))
    assert budgets.is_familiar(first)
    assert budgets.is_familiar(second)
    budgets.befriend(next(others))
    assert budgets.is_familiar(first)
    assert not budgets.is_familiar(second)  # It has been silent longest.


# Who is one source


@pytest.mark.parametrize(
    ("one", "other", "same_host", "same_net"),
    [
        ("10.0.0.1", "10.0.0.1", True, True),
        ("10.0.0.1", "10.0.0.2", False, True),
        ("10.0.0.1", "10.0.1.1", False, False),
        ("10.0.0.1", "::ffff:10.0.0.1", True, True),
        ("::ffff:10.0.0.1", "::ffff:10.0.1.1", False, False),
        ("2001:db8::1", "2001:db8::ffff:0:0:1", True, True),
        ("2001:db8::1", "2001:db8:0:1::1", False, True),
        ("2001:db8::1", "2001:db8:1::1", False, False),
        ("fe80::1%eth0", "fe80::1%eth1", True, True),
        ("alpha", "alpha", True, True),
        ("alpha", "beta", False, False),
    ],
)
def test_a_source_is_an_address_of_ipv4_or_a_64_of_ipv6(one: str, other: str, same_host: bool, same_net: bool) -> None:
    first, second = source_of(one), source_of(other)
    assert (first.host == second.host, first.net == second.net) == (same_host, same_net)


# Many addresses


class Unbounded:
    """The same budgets, by a table that forgets nobody."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.full_at = Counter[tuple[str, bytes]]()

    def spend(self, source: Source, now_ms: int) -> bool:
        rate = self.rate
        keys = {("node", b""): rate.strangers, ("net", source.net): rate.net, ("host", source.host): rate.host}
        after = {key: max(self.full_at[key], now_ms) + rate.period_ms // most for key, most in keys.items()}
        if any(full_at > now_ms + rate.period_ms for full_at in after.values()):
            return False
        self.full_at.update({key: full_at - self.full_at[key] for key, full_at in after.items()})
        return True


asked = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 3), st.integers(0, 3)), max_size=120)


@given(asked)
def test_a_bounded_table_answers_as_one_that_forgets_nobody(asked: list[tuple[int, int, int]]) -> None:
    budgets, model, now_ms = Budgets({Work.LINK: SMALL}), Unbounded(SMALL), NOW_MS
    for pause_ms, net, host in asked:
        now_ms += pause_ms
        source = source_of(f"10.0.{net}.{host}")
        assert budgets.spend(Work.LINK, source, now_ms) == model.spend(source, now_ms)


def test_a_flood_of_new_addresses_makes_nobody_forgotten_who_is_not_full_again() -> None:
    budgets, flood = Budgets({Work.LINK: SMALL}), everywhere()
    spent = source_of("10.0.0.1")
    assert [budgets.spend(Work.LINK, spent, NOW_MS) for _ in range(3)] == [True, True, False]
    for now_ms in range(NOW_MS, NOW_MS + SMALL.period_ms // SMALL.host):
        for _ in range(20):
            budgets.spend(Work.LINK, next(flood), now_ms)
        assert budgets.remembered <= 2 * SMALL.places
    # Nothing that is on its way is forgotten: the next is granted when it would have been without the flood.
    hosts, next_ms = budgets._shares[Work.LINK].hosts, NOW_MS + SMALL.period_ms // SMALL.host
    assert hosts.after_one_more(spent.host, next_ms - 1) is None
    assert hosts.after_one_more(spent.host, next_ms) is not None


@pytest.mark.parametrize("work", Work)
def test_memory_is_bounded_however_many_addresses_ask(work: Work) -> None:
    budgets, flood, rate = Budgets(), everywhere(), RATES[work]
    for step in range(40):
        for _ in range(rate.strangers // 10):
            budgets.spend(work, next(flood), NOW_MS + step * rate.period_ms // 20)
        assert budgets.remembered <= 2 * rate.places
    budgets.spend(work, source_of("10.0.0.1"), NOW_MS + 10 * rate.period_ms)
    assert budgets.remembered == 2  # Whoever is full again is forgotten.
