"""The routing table. C1 to C11 and S1 to S10 are the findings of the study that docs/decisions/0013 tells of."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random

import pytest
from kademlia.node import Node
from kademlia.routing import KBucket

from talos_dht.contact import Contact
from talos_dht.errors import Malformed
from talos_dht.table import (
    DUMP_MAX,
    FAILURES_MAX,
    PER_BUCKET_NETWORK_MAX,
    PER_TABLE_NETWORK_MAX,
    QUESTIONABLE_MS,
    REFRESH_MS,
    Entry,
    K,
    Table,
    load,
)
from tests.dht.people import contact, distance, target

OWN = contact(0)


@pytest.fixture(autouse=True)
def _nothing_of_the_package_s_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def used(*_: object) -> None:
        raise AssertionError("a clock was read, or a task was started")

    monkeypatch.setattr(time, "monotonic", used)
    monkeypatch.setattr(asyncio, "ensure_future", used)


def table(count: int, k: int = K) -> Table:
    made = Table(OWN.id, k)
    for number in range(1, count + 1):
        made.answered(contact(number), number)
    return made


def known(made: Table) -> list[Contact]:
    return made.closest(OWN.id, 10_000)


@pytest.mark.parametrize("count", [5, 50, 200, 1_000])
def test_c1_the_closest_are_exactly_the_closest_of_all_that_are_known(count: int) -> None:
    made = table(count)
    everyone = known(made)
    assert len(everyone) == len(made)
    for number in range(50):
        goal = target(number)
        assert made.closest(goal) == sorted(everyone, key=lambda one: distance(one, goal))[:K]
    assert made.closest(OWN.id) == sorted(everyone, key=lambda one: distance(one, OWN.id))[:K]


@pytest.mark.parametrize("own", range(100, 108))
def test_c1_where_a_bucket_has_too_few_the_rest_are_of_the_next_nearest(own: int) -> None:
    made = Table(contact(own).id)
    for number in range(1, 61):
        made.answered(contact(number), number)
    everyone = known(made)
    for number in range(50):
        goal = target(number)
        assert made.closest(goal) == sorted(everyone, key=lambda one: distance(one, goal))[:K]


def test_c1_the_closest_stay_exact_when_most_contacts_are_gone() -> None:
    made = table(500)
    for one in known(made)[::5] + known(made)[1::5] + known(made)[2::5] + known(made)[3::5]:
        made.remove(one.id)
    everyone = known(made)
    for number in range(50):
        assert made.closest(target(number)) == sorted(everyone, key=lambda one: distance(one, target(number)))[:K]


def test_c2_a_contact_is_found_by_its_own_id() -> None:
    made = table(30)
    for one in known(made):
        assert made.closest(one.id, 1) == [one]
        assert made.find_neighbors(Node(one.id), 1)[0].id == one.id


def test_c4_a_contact_that_answers_again_is_the_last_to_be_asked_whether_it_is_there() -> None:
    made = table(K, k=4)
    bucket = max(made.buckets, key=len)
    first = next(iter(bucket.nodes.values()))
    again = next(contact(number) for number in range(1, K + 1) if contact(number).id == first.id)
    made.answered(again, 1_000)
    assert next(reversed(bucket.nodes)) == first.id
    assert len(bucket) == 4


def test_c4_a_contact_that_answers_from_elsewhere_is_known_there_and_nowhere_else() -> None:
    made = table(5)
    moved = contact(3, "77.0.0.1")
    made.answered(moved, 10)
    assert made.closest(moved.id, 1) == [moved]
    assert len(made) == 5
    newcomer = contact(9, contact(3).host)
    made.answered(newcomer, 11)
    assert newcomer in known(made)
    assert moved in known(made)


def test_who_answers_from_a_network_that_has_its_share_keeps_the_place_where_it_was() -> None:
    made = table(5)
    crowd = [contact(100 + number, "77.0.0.1", 1 + number) for number in range(10)]
    for one in crowd:
        made.answered(one, 10)
    before = known(made)
    for number in range(1, 6):  # Whoever passes datagrams on answers with any key, at any number of ports.
        passed_on = contact(number, "77.0.0.1", 100 + number)
        assert not made.is_wanted(passed_on)
        made.answered(passed_on, 20)
    assert known(made) == before
    within = next(one for one in crowd if one in before)
    moved = contact(100 + crowd.index(within), "77.0.0.1", 200)
    made.answered(moved, 30)  # It takes no more of its network than it had.
    assert set(known(made)) == {*before, moved} - {within}


@pytest.mark.parametrize("side", [0, 1])
def test_c5_an_id_at_the_middle_is_looked_for_in_the_half_that_it_is_kept_in(side: int) -> None:
    made = table(200)
    for bucket in made.buckets:
        low, high = bucket.range
        for number in (low, high):
            assert made.buckets[made.get_bucket_for(Node(number.to_bytes(20, "big")))] is bucket
    edges = sorted(bucket.range for bucket in made.buckets)
    assert [low for low, _ in edges] == [0, *(high + 1 for _, high in edges[:-1])]
    assert edges[-1][1] == 2**160 - 1
    assert all(bucket.has_in_range(node) for bucket in made.buckets for node in bucket.nodes.values()), side


def test_c11_one_lost_request_evicts_nobody_and_two_in_a_row_do() -> None:
    made = table(5)
    made.failed(contact(1))
    assert contact(1).id in made
    made.answered(contact(1), 20)
    for _ in range(FAILURES_MAX):
        assert contact(1).id in made
        made.failed(contact(1))
        made.failed(Contact.at(contact(2).key, "77.0.0.1", 4_000))  # That is not where it is.
    assert contact(1).id not in made
    assert contact(2) in known(made)


def test_where_all_owe_us_an_answer_all_are_asked_again_and_who_answers_is_alone_until_others_do() -> None:
    made = table(3)
    for number in (1, 2, 3):
        made.failed(contact(number))
    assert set(made.closest(OWN.id)) == {contact(number) for number in (1, 2, 3)}
    made.answered(contact(2), 10)
    assert made.closest(OWN.id) == [contact(2)]


def test_who_owes_us_an_answer_is_told_to_nobody() -> None:
    made = table(5)
    assert contact(1) in known(made)
    made.failed(contact(1))
    assert contact(1) not in known(made)
    assert len(known(made)) == 4
    made.answered(contact(1), 2)
    assert contact(1) in known(made)


def test_our_own_id_is_no_contact() -> None:
    made = table(5)
    made.answered(OWN, 10)
    assert OWN.id not in made
    assert not made.is_wanted(OWN)


def full_bucket(k: int = 4) -> tuple[Table, list[Contact]]:
    """Return a table whose far bucket is full, and more contacts that belong there, none of which is in it."""
    made = table(60, k)
    far = next(bucket for bucket in made.buckets if not bucket.has_in_range(made.node))
    waiting = [contact(n) for n in range(1, 400) if far.range[0] <= contact(n).number <= far.range[1]]
    return made, [one for one in waiting if one.id not in made]


def test_a_live_contact_is_never_evicted_for_a_new_one() -> None:
    made, others = full_bucket()
    before = known(made)
    for one in others:
        made.answered(one, QUESTIONABLE_MS)
    assert set(before) <= set(known(made))
    assert all(one.id not in made for one in others)
    assert not any(made.is_wanted(one) for one in others)


def test_who_was_silent_longest_is_asked_first_and_makes_room_when_gone() -> None:
    made, others = full_bucket()
    assert made.answered(others[0], 100) is None
    asked = made.answered(others[1], QUESTIONABLE_MS + 100)
    assert asked is not None
    assert asked.id in made
    for _ in range(FAILURES_MAX):
        made.failed(asked)
    assert others[1].id in made
    assert others[0].id not in made


def test_a_contact_that_only_asked_us_is_worth_a_question_once_and_no_place() -> None:
    made = table(5)
    stranger = contact(99)
    assert made.is_wanted(stranger)
    assert stranger.id not in made
    made.answered(stranger, 10)
    assert not made.is_wanted(stranger)
    assert made.is_wanted(contact(99, "77.0.0.1"))


def test_s3_five_thousand_ids_at_one_address_and_port_get_one_place() -> None:
    made = table(30)
    before = len(made)
    for number in range(1_000, 6_000):
        made.answered(contact(number, "66.0.0.1", 666), number)
    assert sum(one.host == "66.0.0.1" for one in known(made)) == 1
    assert len(made) == before + 1


@pytest.mark.parametrize("form", ["66.0.0.{0}", "2001:db8:6:{0}::1"])
def test_s3_one_network_gets_two_places_of_a_bucket_and_three_of_the_table(form: str) -> None:
    made = table(30)
    before = len(made)
    for number in range(1_000, 3_000):
        made.answered(contact(number, form.format(number % 250 + 1), number), number)
    sybils = [one for one in known(made) if one.host.startswith(form[:4])]
    assert len(sybils) == PER_TABLE_NETWORK_MAX
    for bucket in made.buckets:
        assert sum(one.id in bucket.nodes for one in sybils) <= PER_BUCKET_NETWORK_MAX
    assert not made.is_wanted(contact(9_999, form.format(251)))
    assert len(made) == before + PER_TABLE_NETWORK_MAX
    made.remove(sybils[0].id)
    assert made.is_wanted(contact(9_999, form.format(251)))


def test_a_house_may_have_as_many_nodes_as_it_likes() -> None:
    made = Table(OWN.id)
    for number in range(1, 16):
        made.answered(contact(number, "192.168.1.9", number), number)
    assert len(made) == 15


def test_who_waits_gets_no_place_that_its_network_has_none_for() -> None:
    made, others = full_bucket()
    crowd = [contact(1_000 + n, f"66.0.0.{n}") for n in range(1, 250)]
    far = next(bucket for bucket in made.buckets if not bucket.has_in_range(made.node))
    crowd = [one for one in crowd if far.range[0] <= one.number <= far.range[1] and one.id not in made]
    for one in [others[0], *crowd[:6]]:
        made.answered(one, 100)
    for one in [one for one in known(made) if one.id in far.nodes]:
        made.remove(one.id)
    held = [one for one in known(made) if one.id in far.nodes]
    assert sum(one.host.startswith("66.") for one in held) == PER_BUCKET_NETWORK_MAX
    assert others[0] in held


def test_a_bucket_that_no_lookup_went_into_for_an_hour_is_due_for_one() -> None:
    made = table(100)
    ranges = [bucket.range for bucket in made.buckets]
    assert made.stale(REFRESH_MS) == ranges
    assert made.stale(REFRESH_MS - 1) == []
    made.touch(ranges[0][0].to_bytes(20, "big"), 50)
    assert made.stale(REFRESH_MS) == ranges[1:]


def test_a_dump_has_the_contacts_that_answered_last_and_loads_as_what_must_be_asked_first() -> None:
    made = table(600)
    loaded = load(made.dump())
    newest = sorted(known(made), key=lambda one: -next(n for n in range(601) if contact(n) == one))
    assert loaded == newest[:DUMP_MAX]
    assert load(Table(OWN.id).dump()) == []


def test_s10_a_dump_is_an_array_of_contacts_and_anything_else_is_refused() -> None:
    dump = table(3).dump()
    dice = Random(1)
    for _ in range(500):
        spoilt = bytearray(dump)
        spoilt[dice.randrange(len(dump))] ^= 1 << dice.randrange(8)
        try:
            assert len(load(bytes(spoilt))) == 3  # A bit of a contact makes another contact.
        except Malformed:
            continue
    for raw in (b"", dump[:-1], dump + b"\x00", b"\x80\x03]q\x00.", b"\x92\x01\xc4\x01\x00", b"\x92\x02\xc4\x00"):
        with pytest.raises(Malformed):
            load(raw)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_every_cap_holds_and_every_count_is_right(seed: int) -> None:
    dice, made = Random(seed), Table(OWN.id, 4)
    for turn in range(3_000):
        number = dice.randrange(120)
        host = dice.choice(
            [f"66.0.{number % 9}.{number}", f"66.0.{dice.randrange(9)}.7", "10.0.0.1", f"77.{number}.0.1"]
        )
        one = contact(number, host, dice.choice([1, 2, 4_000]))
        if dice.random() < 0.7:
            made.answered(one, turn)
        else:
            made.failed(one)
        told = made.closest(one.id, len(made))
        if turn % 100 == 0:
            entries = {one.id: one for bucket in made.buckets for one in held(bucket)}
            assert {id: entry.contact for id, entry in made._placed.items()} == entries
            assert {entry.contact.place: entry for entry in made._placed.values()} == made._places
            assert {*told} == {entry.contact for entry in made._placed.values() if not entry.failures}
            assert made._networks == Counter(one.network for one in entries.values() if one.network)
            assert all(count <= PER_TABLE_NETWORK_MAX for count in made._networks.values())
            for bucket in made.buckets:
                counts = Counter(one.network for one in held(bucket) if one.network)
                assert all(count <= PER_BUCKET_NETWORK_MAX for count in counts.values())
                assert len(bucket) <= 4
                assert all(made.get_bucket_for(node) == made.buckets.index(bucket) for node in bucket.nodes.values())


def held(bucket: KBucket) -> list[Contact]:
    return [entry.contact for entry in bucket.nodes.values() if isinstance(entry, Entry)]


def test_equal_events_make_equal_tables() -> None:
    assert table(300).dump() == table(300).dump()


def test_the_package_still_has_the_shape_that_the_table_rests_on() -> None:
    base = Table.__mro__[1]
    own = {name for name in vars(Table) if name in vars(base) and not name.startswith("__")}  # 3.13 has more of these.
    assert own == {"flush", "get_bucket_for", "add_contact", "remove_contact", "find_neighbors", "lonely_buckets"}
    assert {name for name in vars(base) if not name.startswith("_")} - own == {"split_bucket", "is_new_node"}
    assert table(3).is_new_node(Node(contact(9).id))


def test_where_all_but_who_asks_owe_an_answer_it_is_told_of_them() -> None:
    made = table(3)
    for number in (1, 2):
        made.failed(contact(number))
    assert made.closest(OWN.id, but=contact(3).id) == sorted(
        [contact(1), contact(2)], key=lambda one: distance(one, OWN.id)
    )
