"""The lookup alone: who is asked, who is waited for, where it ends."""

from __future__ import annotations

import pytest

from talos_dht.lookup import ALPHA, Directly, Report
from tests.dht.people import contact
from tests.dht.walking import GOAL, OWN, begin, knowing_some, nearest, walk


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_exactly_the_nearest_when_everybody_answers(seed: int) -> None:
    people = [contact(number) for number in range(1 + 200 * seed, 201 + 200 * seed)]
    lookup = begin(people[0])
    asked = walk(lookup, knowing_some(people, seed))
    assert lookup.is_done
    assert lookup.closest == nearest(people)
    assert len(asked) == len({one.id for one in asked}) == lookup.queries < 45


def test_it_finds_the_nearest_of_the_living_when_a_third_is_dead() -> None:
    people = [contact(number) for number in range(1, 201)]
    dead = {one.id for one in people[1::3]}
    tell = knowing_some(people, 1)
    lookup = begin(*people[:10])
    walk(lookup, lambda one: None if one.id in dead else tell(one))
    assert lookup.closest == nearest([one for one in people if one.id not in dead])


def test_three_are_waited_for_at_a_time_and_who_is_late_is_not_waited_for() -> None:
    people = nearest([contact(number) for number in range(1, 50)])
    lookup = begin(*people)
    assert lookup.next() == people[:ALPHA]
    assert lookup.next() == []
    lookup.late(people[0])
    assert lookup.next() == [people[ALPHA]]
    lookup.late(people[0])
    assert lookup.next() == []
    lookup.answered(people[0], [])
    assert lookup.next() == []
    lookup.answered(people[1], [])
    assert lookup.next() == [people[ALPHA + 1]]


def test_who_is_late_may_still_answer_and_until_then_it_is_not_over() -> None:
    lookup = begin(contact(1))
    lookup.next()
    lookup.late(contact(1))
    assert not lookup.is_done
    lookup.answered(contact(1), [contact(2)])
    assert not lookup.is_done
    assert lookup.next() == [contact(2)]
    lookup.lost(contact(2))
    assert lookup.is_done
    assert lookup.closest == [contact(1)]


def test_what_nobody_was_asked_for_changes_nothing() -> None:
    lookup = begin(contact(1))
    lookup.answered(contact(1), [contact(2)])
    lookup.answered(contact(9), [contact(2)])
    lookup.lost(contact(1))
    lookup.late(contact(9))
    assert lookup.next() == [contact(1)]
    lookup.answered(contact(1), [])
    lookup.answered(contact(1), [contact(2)])
    assert lookup.is_done


def test_our_own_id_is_never_asked_and_nobody_twice() -> None:
    lookup = begin(contact(1), contact(1), OWN)
    assert lookup.next() == [contact(1)]
    lookup.answered(contact(1), [OWN, contact(1)])
    assert lookup.next() == []
    assert lookup.is_done


def test_a_lookup_that_begins_with_nobody_is_over() -> None:
    assert begin().is_done
    assert begin().closest == []


def test_equal_events_make_equal_lookups() -> None:
    people = [contact(number) for number in range(1, 201)]
    one, other = (walk(begin(people[0]), knowing_some(people, 3)) for _ in range(2))
    assert one == other


def test_a_report_counts_queries_answers_and_who_told_of_whom() -> None:
    teller, near, dead, nearest_of_all = nearest([contact(number) for number in range(1, 5)], 4)[::-1]
    lookup = begin(teller)
    assert lookup.report == Report(queries=0, answered=0, hops=0)
    lookup.next()
    lookup.answered(teller, [near, dead])
    assert lookup.report == Report(queries=1, answered=1, hops=1)
    lookup.next()
    lookup.lost(dead)
    lookup.answered(near, [teller, nearest_of_all])
    assert lookup.report == Report(queries=3, answered=2, hops=2)
    lookup.next()
    lookup.answered(nearest_of_all, [])
    assert lookup.report == Report(queries=4, answered=3, hops=3)


def test_who_is_asked_by_name_is_asked_whatever_its_network_and_however_it_answers() -> None:
    named = [contact(number, f"77.0.0.{number}") for number in range(1, 5)]
    lookup = Directly(GOAL, named, OWN.id)
    asked = walk(lookup, lambda one: None if one == named[0] else named)
    assert set(asked) == set(named)
    assert set(lookup.closest) == set(named[1:])
    assert lookup.is_missed(named[0])
    assert not any(lookup.is_missed(one) for one in named[1:])
