"""Figures that comments and pages name, worked out or measured; those of time with room for a slow machine."""

from __future__ import annotations

import tracemalloc
from random import Random
from time import process_time

from talos_dht import K, Kind, Request
from talos_dht import contact as contacts
from talos_dht import meter as rates
from talos_dht.calls import SENDS_MAX
from talos_dht.contact import read_contact
from talos_dht.lookup import OWED_MAX
from talos_dht.messages import RECORD_SIZE_MAX
from talos_dht.meter import Meter
from talos_dht.pending import PENDING_MAX
from talos_dht.shelf import PER_NETWORK_MAX, ROWS_MAX
from tests.dht.net import Net
from tests.dht.people import contact, target
from tests.dht.publishers import NOW

LOSS = 0.02  # Of datagrams.
DEAD = 0.3  # Of nodes.


def test_of_16000_requests_one_has_no_answer_and_with_two_datagrams_one_of_600() -> None:
    unanswered = 1 - (1 - LOSS) ** 2  # Neither request nor reply may be lost.
    assert round(1 / unanswered**SENDS_MAX, -3) == 16_000
    assert round(1 / unanswered**2, -2) == 600


def test_whoever_tells_of_twenty_where_a_third_is_dead_is_believed() -> None:
    assert DEAD * K == 6 < OWED_MAX == K // 2


def test_a_twentieth_of_all_rows_is_one_networks_and_all_have_10_mb() -> None:
    assert round(ROWS_MAX / PER_NETWORK_MAX) == 20
    assert ROWS_MAX * RECORD_SIZE_MAX == 10_000_000
    assert PENDING_MAX * RECORD_SIZE_MAX == 64_000


def test_all_together_may_have_3000_stored_a_minute_and_one_network_240() -> None:
    def granted(hosts: list[str]) -> int:
        meter = Meter(rates.PUTS_PER_HOST, rates.PUTS_PER_NET, rates.PUTS_TOGETHER)
        return sum(meter.spend(contact(number, host), 0) for number, host in enumerate(hosts) for _ in range(130))

    assert granted([f"{20 + at}.1.1.1" for at in range(40)]) == rates.PUTS_TOGETHER == 3_000
    assert granted([f"20.1.1.{at}" for at in range(40)]) == rates.PUTS_PER_NET == 2 * rates.PUTS_PER_HOST
    assert granted(["20.1.1.1"]) == rates.PUTS_PER_HOST


def test_30000_requests_a_minute_cost_no_more_than_a_twentieth_of_a_processor() -> None:
    node = Net(60).nodes[0]
    asked = [(contact(number), Request(Kind.FIND, bytes(8), target(number)).encode()) for number in range(100, 300)]
    took_s = list[float]()
    for _ in range(5):
        began = process_time()
        for sender, body in asked:
            node.receive(sender, body, NOW)
        took_s.append((process_time() - began) / len(asked))
    assert min(took_s) * rates.REQUESTS_TOGETHER / 60 < 1 / 20


def test_contacts_kept_as_they_were_read_take_10_mb_and_no_more() -> None:
    dice, count = Random(1), 2_000
    raws = [
        dice.randbytes(32) + contact(0).ip[:12] + bytes([99]) + dice.randbytes(3) + b"\x0f\xa0" for _ in range(count)
    ]
    read_contact.cache_clear()  # Else it may grow its table in the midst of this, for what other tests have read.
    tracemalloc.start()
    for raw in raws:
        read_contact(raw)
    each = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    assert each * contacts.READ_MAX < 12_000_000
    assert read_contact.cache_info().maxsize == contacts.READ_MAX
