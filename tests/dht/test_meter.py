"""How much may be asked of us: by a host, by a network, by all."""

from __future__ import annotations

from talos_dht import Contact
from talos_dht import meter as rates
from talos_dht.meter import Meter
from tests.dht.people import contact

ALICE, BOB = contact(1), contact(2)


def test_one_host_may_ask_600_times_a_minute_and_all_together_30000() -> None:
    meter = Meter(rates.REQUESTS_PER_HOST, rates.REQUESTS_PER_NET, rates.REQUESTS_TOGETHER)
    assert sum(meter.spend(ALICE, 0) for _ in range(1_000)) == 600
    assert not meter.spend(Contact.at(BOB.key, ALICE.host, 9), 0)
    assert meter.spend(BOB, 0)
    assert meter.spend(ALICE, rates.PERIOD_MS // 600)
    crowd = [contact(number) for number in range(2_000)]
    refilled = 30_000 - 602 + 1_000 * 30_000 // rates.PERIOD_MS
    assert sum(meter.spend(crowd[number % 2_000], 1_000) for number in range(40_000)) == refilled
    assert sum(meter.spend(ALICE, 10 * rates.PERIOD_MS) for _ in range(1_000)) == 600


def test_who_holds_a_64_of_ipv6_is_one_host() -> None:
    meter = Meter(2, 60, 100)
    spent = [
        meter.spend(contact(1, host), 0) for host in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")
    ]
    assert spent == [True, True, False, True]


def test_on_this_machine_each_port_is_a_host() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1"):
        meter = Meter(2, 60, 100)
        spent = [meter.spend(Contact.at(bytes(32), host, port), 0) for port in (1, 1, 1, 2)]
        assert spent == [True, True, False, True]


def test_one_network_may_ask_twice_as_often_as_a_host_and_a_house_as_all_together() -> None:
    meter = Meter(rates.REQUESTS_PER_HOST, rates.REQUESTS_PER_NET, rates.REQUESTS_TOGETHER)
    site = [contact(1, f"2001:db8:0:{number:x}::1") for number in range(2_000)]
    assert sum(meter.spend(one, 0) for one in site) == rates.REQUESTS_PER_NET
    assert meter.spend(contact(1, "2001:db8:1::1"), 0)
    house = [contact(1, f"fd00:0:0:{number:x}::1") for number in range(2_000)]
    assert all(meter.spend(one, 0) for one in house)


def test_a_refusal_costs_no_memory_and_what_is_full_again_is_forgotten() -> None:
    meter = Meter(10, 20, 30)
    for number in range(1_000):
        meter.spend(contact(number), 0)
    assert len(meter) == 2 * 30
    meter.spend(ALICE, 3 * rates.PERIOD_MS)
    assert len(meter) == 2
