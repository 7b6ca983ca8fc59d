"""Lookups that run to their end, among people who know each other."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from talos_dht.contact import Contact
from talos_dht.lookup import Lookup
from talos_dht.table import K
from tests.dht.people import contact, distance, target

GOAL = target(1)
OWN = contact(0)
Tell = Callable[[Contact], list[Contact] | None]  # Whom it tells of; None: it does not answer.


def nearest(people: list[Contact], count: int = K) -> list[Contact]:
    return sorted(people, key=lambda one: distance(one, GOAL))[:count]


def begin(*start: Contact) -> Lookup:
    return Lookup(GOAL, start, OWN.id)


def walk(lookup: Lookup, tell: Tell) -> list[Contact]:
    """Let the lookup run to its end; return whom it asked, in order."""
    asked, under_way = list[Contact](), list[Contact]()
    while True:
        new = lookup.next()
        asked += new
        under_way += new
        if not under_way:
            return asked
        one = under_way.pop(0)
        told = tell(one)
        if told is None:
            lookup.late(one)
            asked += (more := lookup.next())
            under_way += more
            lookup.lost(one)
        else:
            lookup.answered(one, told)


def knowing_some(people: list[Contact], seed: int) -> Tell:
    """Each knows 30 others, and the 20 nearest to itself."""
    dice = Random(seed)
    known = {
        one.id: dice.sample(people, 30) + sorted(people, key=lambda other, one=one: other.number ^ one.number)[: K + 1]  # type: ignore[misc]  # Bound by its default.
        for one in people
    }
    return lambda one: nearest(known[one.id])
