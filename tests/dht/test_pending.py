"""What was put before its key log was known: it waits, within a share, and is held once that has come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos_dht import Reason
from talos_dht.pending import PENDING_MAX, PENDING_PER_NET
from tests.dht.people import contact
from tests.dht.publishers import HOUR_MS, NOW, Publisher, at
from tests.dht.served import ADA, BOB, EVE, Served


def test_what_waits_for_its_key_log_is_stored_when_that_has_come() -> None:
    served = Served()
    assert served.put(ADA.record()) == Reason.KEY_LOG
    assert (served.server.waits_for(ADA.did, NOW), served.server.waits_for(EVE.did, NOW)) == (True, False)
    assert len(served.shelf) == 0
    served.server.key_log_known(EVE.did, NOW)
    served.logs.known[ADA.did] = ADA
    served.server.key_log_known(ADA.did, NOW)
    assert served.shelf.at(ADA.record().places[0], 0) == [ADA.record()]
    assert len(served.server._pending) == 0


def test_what_one_sends_does_not_displace_what_another_sent_before_its_key_log_was_known() -> None:
    served = Served()
    served.put(ADA.record())
    forged = replace(ADA.record(9), signature=bytes(64))
    assert served.put(forged, sender=BOB) == Reason.KEY_LOG
    served.logs.known[ADA.did] = ADA
    served.server.key_log_known(ADA.did, NOW)
    assert served.shelf.at(ADA.record().places[0], 0) == [ADA.record()]


def test_what_waits_for_key_logs_is_bounded_and_the_network_with_most_makes_room() -> None:
    served = Served()
    crowd = range(10, 10 + PENDING_PER_NET)
    for number in range(PENDING_MAX + 2):
        host = f"66.0.0.{number}" if number in crowd else None
        served.put(Publisher(number).record(), sender=contact(100 + number, host))
    assert len(served.server._pending) == PENDING_MAX
    gone = [
        number for number in range(PENDING_MAX + 2) if not served.server._pending.of(Publisher(number).did, NOW.utc_ms)
    ]
    assert gone == [10, 11]


@pytest.mark.parametrize(("host", "kept"), [("66.0.0.{}", PENDING_PER_NET), ("192.168.0.{}", 20)])
def test_one_network_has_8_that_wait_for_key_logs_and_displaces_nobody_else_s(host: str, kept: int) -> None:
    served = Served()
    served.put(ADA.record())
    for number in range(20):
        served.put(Publisher(100 + number).record(), sender=contact(200 + number, host.format(number + 1)))
    assert len(served.server._pending) == 1 + kept
    assert [one.held for one in served.server._pending.of(ADA.did, NOW.utc_ms)] == [ADA.record()]


def test_what_came_of_a_key_log_may_not_be_enough_and_then_what_was_put_waits_for_more() -> None:
    served = Served(ADA)
    served.logs.length = 2
    assert served.put(ADA.record(log_seq=3)) == Reason.KEY_LOG
    for _ in range(3):
        served.server.key_log_known(ADA.did, NOW)
        assert served.server.waits_for(ADA.did, NOW)
    served.logs.length = 4
    served.server.key_log_known(ADA.did, NOW)
    assert not served.server.waits_for(ADA.did, NOW)
    assert served.shelf.at(ADA.record().places[0], 0) == [ADA.record(log_seq=3)]


def test_a_key_log_that_is_too_short_makes_nothing_wait_longer_than_what_came_later() -> None:
    served = Served(ADA)
    served.logs.length = 2
    served.put(ADA.record(log_seq=3))
    for number in range(1, PENDING_MAX):
        served.put(Publisher(100 + number).record(), sender=contact(200 + number))
    served.server.key_log_known(ADA.did, NOW)
    served.put(EVE.record(), sender=BOB)
    assert not served.server.waits_for(ADA.did, NOW)
    assert served.server.waits_for(Publisher(101).did, NOW)


def test_what_has_expired_waits_no_more_and_takes_nobodys_place() -> None:
    served, later = Served(), at(HOUR_MS)
    for number in range(PENDING_PER_NET):
        held = Publisher(number).record(life_ms=HOUR_MS if number else 2 * HOUR_MS)
        served.put(held, sender=contact(200 + number, f"66.0.0.{number + 1}"))
    served.put(Publisher(9).record(), sender=contact(9, "66.0.0.99"), now=later)
    waiting = [number for number in range(10) if served.server.waits_for(Publisher(number).did, later)]
    assert waiting == [0, 9]
    assert not served.server.waits_for(Publisher(0).did, at(2 * HOUR_MS))
    assert len(served.server._pending) == 1
