"""The lookup alone: what liars can make of it."""

from __future__ import annotations

import pytest

from talos_dht.contact import Contact
from talos_dht.lookup import ALPHA, LISTED_MAX, OWED_MAX, QUERIES_MAX
from talos_dht.table import PER_BUCKET_NETWORK_MAX, K
from tests.dht.people import contact, distance
from tests.dht.walking import GOAL, begin, knowing_some, nearest, walk


def fakes(number: int, count: int = K) -> list[Contact]:
    """Return contacts of nobody, all nearer than anybody honest, each in a network of its own."""
    return [contact(10_000 + number * 1_000 + at) for at in range(count)]


def test_c10_liars_without_end_get_the_budget_and_no_more() -> None:
    ever_nearer = nearest(fakes(1, 4_000), 4_000)

    def tell(_: Contact) -> list[Contact]:
        told = ever_nearer[-K:]
        del ever_nearer[-K:]
        return told

    lookup = begin(contact(1))
    asked = walk(lookup, tell)
    assert lookup.is_done
    assert len(asked) == lookup.queries == QUERIES_MAX
    assert len(lookup._listed) <= LISTED_MAX


@pytest.mark.parametrize("times", [1, 2])
def test_c10_of_the_dead_that_one_contact_tells_of_only_ten_are_asked(times: int) -> None:
    people = [contact(number) for number in range(1, 40)]
    liar = nearest(people)[0]
    invented = nearest(fakes(1, 1_000), 20)
    assert all(distance(one, GOAL) < distance(liar, GOAL) for one in invented[:15])
    lookup = begin(liar, *people)
    asked = walk(lookup, lambda one: invented * times if one == liar else (None if one in invented else []))
    assert OWED_MAX <= sum(one in invented for one in asked) < OWED_MAX + ALPHA
    assert lookup.closest == nearest(people)


def test_whoever_else_tells_of_them_may_be_believed() -> None:
    liar, other = contact(1), contact(2)
    near = nearest(fakes(1, 1_000), 20)
    alive = near[-1]
    lookup = begin(liar, other)
    lookup.next()
    lookup.answered(liar, near)
    while more := lookup.next():
        for one in more:
            lookup.late(one)
    assert lookup.queries < 2 + OWED_MAX + ALPHA
    lookup.answered(other, [alive])
    assert lookup.next() == [alive]


def moved(one: Contact, number: int = 1) -> Contact:
    """Return a true key where its node never was."""
    return Contact.at(one.key, f"{77 + number}.{one.key[0]}.{one.key[1]}.9", 4_000)


@pytest.mark.parametrize("liars", [1, 3, 6])
def test_true_keys_at_false_addresses_keep_nobody_from_being_found(liars: int) -> None:
    people = [contact(number) for number in range(1, 201)]
    lying = nearest(people, 60)[-liars:]
    tell = knowing_some(people, 7)
    places = {one.place for one in people}

    def told(one: Contact) -> list[Contact] | None:
        if one.place not in places:
            return None
        near = nearest(people)
        return [moved(other, lying.index(one)) for other in near] if one in lying else tell(one)

    lookup = begin(*lying, people[0])
    asked = walk(lookup, told)
    assert lookup.is_done
    assert lookup.closest == nearest(people)
    assert len({one.id for one in asked}) < 45
    assert len(asked) < 45 + liars * (OWED_MAX + ALPHA)


def test_the_addresses_of_a_key_are_tried_one_after_the_other_and_those_that_most_told_of_first() -> None:
    tellers, wanted = nearest([contact(number) for number in range(1, 4)]), nearest(fakes(1, 50), 1)[0]
    lookup = begin(*tellers)
    lookup.next()
    lookup.answered(tellers[0], [moved(wanted, 0), moved(wanted, 2)])  # Of two at one word, only the first counts.
    lookup.answered(tellers[1], [wanted])
    lookup.answered(tellers[2], [wanted])
    assert lookup.next() == [wanted]
    assert lookup.next() == []
    lookup.late(wanted)
    assert lookup.next() == [moved(wanted, 0)]
    lookup.answered(wanted, [])
    lookup.lost(moved(wanted, 0))
    assert lookup.next() == []
    assert lookup.is_done
    assert wanted in lookup.closest


def test_one_word_names_one_address_of_a_key() -> None:
    lookup = begin(contact(1))
    lookup.next()
    lookup.answered(contact(1), [moved(contact(3), number) for number in range(10)])
    assert walk(lookup, lambda _: None) == [moved(contact(3), 0)]


def test_who_was_pushed_off_the_list_comes_back_when_it_is_told_of_again() -> None:
    *liars, honest = nearest([contact(number) for number in range(1, 30)])[-4:]
    invented = nearest(fakes(1, 2_000), LISTED_MAX)
    lookup = begin(*liars, honest)
    assert lookup.next() == liars
    for number, liar in enumerate(liars):
        lookup.answered(liar, invented[number * K : (number + 1) * K])
    assert honest.id not in lookup._addresses
    walk(lookup, lambda one: {invented[K]: [honest], honest: []}.get(one))
    assert lookup.closest == [invented[K], honest]


def test_a_key_of_which_all_addresses_are_lost_is_tried_where_somebody_else_says_that_it_is() -> None:
    liar, other, wanted = contact(1), contact(2), contact(3)
    lookup = begin(liar, other)
    lookup.next()
    lookup.answered(liar, [moved(wanted)])
    assert lookup.next() == [moved(wanted)]
    lookup.lost(moved(wanted))
    assert lookup.next() == []
    lookup.answered(other, [wanted])
    assert lookup.next() == [wanted]


def test_s4_one_network_gets_two_places_of_a_lookup() -> None:
    sybils = [Contact.at(contact(number).key, f"66.0.0.{number - 99}", 4_000) for number in range(100, 124)]
    lookup = begin(contact(1))
    lookup.next()
    lookup.answered(contact(1), sybils)
    asked = walk(lookup, lambda _: sybils)
    assert asked == nearest(sybils[:PER_BUCKET_NETWORK_MAX], 2)


def neighbour(number: int) -> Contact:
    return Contact.at(contact(number).key, f"66.0.0.{number}", 4_000)


def test_who_was_only_told_of_takes_nobody_s_place() -> None:
    liar, other = contact(201), contact(202)
    honest, *false = nearest([neighbour(number) for number in range(1, 9)], 8)[::-1]
    lookup = begin(liar, other)
    lookup.next()
    lookup.answered(liar, false)
    lookup.answered(other, [honest])
    asked = walk(lookup, lambda one: [] if one == honest else None)
    assert honest in asked
    assert honest in lookup.closest


def test_two_of_one_network_are_waited_for_at_a_time_and_who_is_late_makes_room() -> None:
    one, two, three = nearest([neighbour(number) for number in range(1, 4)], 3)
    lookup = begin(one, two, three)
    assert lookup.next() == [one, two]
    assert lookup.next() == []
    lookup.late(one)
    assert lookup.next() == [three]
    lookup.answered(three, [contact(301)])
    lookup.answered(two, [contact(302)])
    lookup.answered(one, [contact(303)])  # So late that its place is another's: neither it counts nor whom it told of.
    assert lookup.closest == [two, three]
    assert sorted(lookup.next()) == sorted([contact(301), contact(302)])


def test_once_two_of_a_network_have_answered_nobody_else_of_it_is_listed() -> None:
    people = nearest([neighbour(number) for number in range(1, 6)], 5)
    lookup = begin(*people[:4])
    assert lookup.next() == people[:2]
    for one in people[:2]:
        lookup.answered(one, [people[4]])
    assert lookup.next() == []
    assert lookup.is_done
    assert lookup.closest == people[:2]


def test_one_liar_puts_two_of_a_network_on_the_list() -> None:
    lookup = begin(contact(201))
    lookup.next()
    lookup.answered(contact(201), [neighbour(number) for number in range(1, 21)])
    assert len(lookup._listed) == 1 + PER_BUCKET_NETWORK_MAX


def test_a_dead_neighbour_takes_nobody_s_place() -> None:
    one, two, three = (neighbour(number) for number in (1, 2, 3))
    lookup = begin(contact(9), one, two)
    lookup.next()
    lookup.lost(one)
    lookup.answered(contact(9), [three])
    assert lookup.next() == [three]


def test_addresses_of_a_house_are_not_counted() -> None:
    house = [Contact.at(contact(number).key, "192.168.1.7", number) for number in range(1, 11)]
    lookup = begin(*house)
    assert sorted(walk(lookup, lambda _: [])) == sorted(house)
