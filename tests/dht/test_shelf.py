"""What is held for others: newest wins, it ends when it says, and nobody gets more than a share."""

from __future__ import annotations

import pytest

from talos_dht import NoRoom, Outdated, Provider, Record
from talos_dht import shelf as limits
from talos_dht.shelf import Shelf
from tests.dht.people import contact
from tests.dht.publishers import HOUR_MS, NOW, Publisher, at

OWN = contact(0)
ADA = Publisher(1)
NET = b"net"


def shelf(rows: dict[bytes, bytes] | None = None) -> Shelf:
    return Shelf(OWN.id, {} if rows is None else rows, NOW)


def put(made: Shelf, held: Record | Provider, network: bytes | None = NET, mono_ms: int = 0) -> None:
    made.put(held.places[0] if isinstance(held, Record) else held.place, held, network, at(mono_ms))


def network(number: int) -> bytes:
    return b"net %d" % number


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_c7_the_newest_wins_whatever_the_order(order: tuple[int, int]) -> None:
    made = shelf()
    for seq in order:
        if seq == 1 and order[0] == 2:
            with pytest.raises(Outdated):
                put(made, ADA.record(seq))
        else:
            put(made, ADA.record(seq))
    assert made.at(ADA.record().places[0], 0) == [ADA.record(2)]
    assert len(made) == 1


def test_a_longer_key_log_outranks_a_higher_number() -> None:
    made = shelf()
    put(made, ADA.record(9))
    put(made, ADA.record(1, log_seq=1))
    with pytest.raises(Outdated):
        put(made, ADA.record(10))
    assert made.at(ADA.record().places[0], 0) == [ADA.record(1, log_seq=1)]


def test_c6_putting_it_again_makes_nothing_live_longer() -> None:
    made, record = shelf(), ADA.record(life_ms=HOUR_MS)
    for minutes in range(0, 60, 10):
        put(made, record, mono_ms=minutes * 60_000)
    assert made.at(record.places[0], HOUR_MS - 1) == [record]
    assert made.at(record.places[0], HOUR_MS) == []
    made.expire(HOUR_MS)
    assert len(made) == 0


def test_what_has_ended_leaves_no_trace() -> None:
    rows: dict[bytes, bytes] = {}
    made = shelf(rows)
    put(made, ADA.record(life_ms=10))
    put(made, ADA.provider(life_ms=20))
    assert len(rows) == 2
    made.expire(20)
    assert (len(made), len(rows), made._at, made._far) == (0, 0, {}, [])
    assert (made._publishers, made._networks) == ({}, {})


def test_a_row_stays_in_the_share_of_the_network_that_brought_it() -> None:
    made = shelf()
    put(made, ADA.record(1), network(1))
    put(made, ADA.record(2), network(2))
    assert made._networks == {network(1): 1}


def test_writing_over_one_row_takes_no_more_memory_however_often() -> None:
    made = shelf()
    for seq in range(1, 1_000):
        put(made, ADA.record(seq, life_ms=HOUR_MS))
    assert len(made) == 1
    assert len(made._ends) <= 2 * len(made) + limits.SPARE_ENDS
    made.expire(HOUR_MS)
    assert len(made) == 0


def test_a_newer_one_ends_when_it_says_though_the_older_would_have_gone_before() -> None:
    made = shelf()
    put(made, ADA.record(1, life_ms=10))
    put(made, ADA.record(2, life_ms=1_000))
    made.expire(500)
    assert made.at(ADA.record().places[0], 500) == [ADA.record(2, life_ms=1_000)]


def test_one_publisher_may_have_its_record_and_16_topics_held() -> None:
    made = shelf()
    for number in range(limits.PER_PUBLISHER_MAX):
        put(made, ADA.provider(f"topic {number}"), network(number))
    with pytest.raises(NoRoom):
        put(made, ADA.provider("one more"), network(99))
    put(made, ADA.provider("topic 3", 2), network(99))
    put(made, Publisher(2).provider("one more"), network(99))


def test_one_network_may_have_512_held_and_a_house_as_many_as_it_likes() -> None:
    made = shelf()
    for number in range(limits.PER_NETWORK_MAX):
        put(made, Publisher(number).provider(f"{number}"))
    with pytest.raises(NoRoom):
        put(made, ADA.record())
    put(made, ADA.record(), network(2))
    for number in range(1_000, 1_000 + limits.PER_NETWORK_MAX + 1):
        put(made, Publisher(number).provider(f"{number}"), None)


def test_s8_a_full_store_lets_go_of_what_lies_farthest_and_takes_nothing_farther(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "ROWS_MAX", 50)
    made = shelf()
    everything = [Publisher(number).record() for number in range(200)]
    for number, record in enumerate(everything):
        try:
            put(made, record, network(number))
        except NoRoom:
            continue
        finally:
            assert len(made) <= 50

    def distance(record: Record) -> int:
        return int.from_bytes(record.places[0], "big") ^ OWN.number

    nearest = sorted(everything, key=distance)[:50]
    assert all(made.at(record.places[0], 0) == [record] for record in nearest)


def test_a_registry_takes_nothing_from_those_it_has_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROWS_MAX", 50)
    monkeypatch.setattr(limits, "REGISTRY_ROWS_MAX", 60)
    made = Shelf(OWN.id, {}, NOW, is_registry=True)
    everything = [Publisher(number).record() for number in range(80)]
    for number, record in enumerate(everything[:60]):
        put(made, record, network(number))
    for number, record in enumerate(everything[60:], 60):
        with pytest.raises(NoRoom):
            put(made, record, network(number))
    assert all(made.at(record.places[0], 0) == [record] for record in everything[:60])


def test_a_topic_has_20_providers_and_one_network_cannot_keep_others_out() -> None:
    made = shelf()
    place = ADA.provider().place
    for number in range(limits.PER_TOPIC_MAX):
        put(made, Publisher(number + 100).provider())
    with pytest.raises(NoRoom):
        put(made, Publisher(999).provider())
    for number in range(10):
        put(made, Publisher(number).provider(), network(number))
    held = {one.did for one in made.at(place, 0)}
    assert len(held) == limits.PER_TOPIC_MAX
    assert {Publisher(number).did for number in range(10)} <= held


def test_a_topic_of_twenty_networks_is_full() -> None:
    made = shelf()
    for number in range(limits.PER_TOPIC_MAX):
        put(made, Publisher(number).provider(), network(number))
    with pytest.raises(NoRoom):
        put(made, Publisher(999).provider(), network(999))
    put(made, Publisher(3).provider(seq=2), network(999))


def test_one_publisher_has_one_provider_of_a_topic() -> None:
    made = shelf()
    put(made, ADA.provider(seq=1))
    put(made, ADA.provider(seq=2))
    assert made.at(ADA.provider().place, 0) == [ADA.provider(seq=2)]


def test_what_was_kept_is_held_again_after_a_restart_until_it_ends() -> None:
    rows: dict[bytes, bytes] = {}
    made = shelf(rows)
    put(made, ADA.record(life_ms=HOUR_MS))
    put(made, ADA.provider(life_ms=2 * HOUR_MS))
    again = Shelf(OWN.id, rows, at(HOUR_MS - 1))
    assert again.at(ADA.record().places[0], HOUR_MS - 1) == [ADA.record(life_ms=HOUR_MS)]
    assert again.at(ADA.record().places[0], HOUR_MS) == []
    assert len(Shelf(OWN.id, rows, at(HOUR_MS))) == 1
    assert len(rows) == 1
