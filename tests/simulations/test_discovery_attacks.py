"""Attacks on a town of DHT nodes: S1 to S10 of docs/decisions/0013. Those on one node alone are in tests/dht."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from talos_dht import Answer, Contact, Find, Kind, Record, Request
from talos_dht.table import PER_BUCKET_NETWORK_MAX
from talos_simulations.discovery import Colluder, Town, contact_of, near
from talos_simulations.errands import find, found, publish, run
from tests.simulations.test_discovery import settled, true_reads

SYBILS = 24
GROUND_BITS = 10  # Nearer than any of 120 honest ids. 24 such keys take as many milliseconds.


def one_network(number: int) -> str:
    return f"66.0.0.{number + 1}"


def own_networks(number: int) -> str:
    return f"66.0.{number}.1"


def besieged(seed: int, host: Callable[[int], str], salt: int) -> tuple[Town, Record]:
    """Return a town, and a record beside one of whose places the attacker has all its nodes."""
    record = Town(seed, 1).record(0)  # The same identity as in the town to come.
    town = Town(seed, 120, colluding=near(record.places[salt], SYBILS, GROUND_BITS, host))
    town.settle()
    return town, town.record(0)


@pytest.mark.parametrize("host", [one_network, own_networks])
def test_s4_who_surrounds_one_place_of_a_record_keeps_nobody_from_reading_it(host: Callable[[int], str]) -> None:
    town, record = besieged(20, host, salt=1)
    run(
        town, [(0, publish(record))]
    )  # The attack is older than the record: all copies at that place may be the liars'.
    assert true_reads(town, [record], 40, 20) == [True] * 40


def test_s4_one_network_around_a_place_gets_two_of_its_twenty_copies() -> None:
    town, record = besieged(21, one_network, salt=0)
    run(town, [(0, publish(record))])
    assert len(town.holders(record, 0)) >= 20 - PER_BUCKET_NETWORK_MAX


def test_s4_without_the_other_two_places_who_surrounds_one_would_win() -> None:
    town, record = besieged(22, own_networks, salt=0)
    run(town, [(0, publish(record))])
    assert len(town.holders(record, 0)) <= 1  # The publisher.
    assert all(len(town.holders(record, salt)) >= 18 for salt in (1, 2))


class Forger(Colluder):
    """It says of whatever is asked that it holds it: somebody else's record, made to look like the one wanted."""

    def answer(self, request: Request) -> tuple[Answer, Sequence[bytes]]:
        if request.kind is not Kind.GET:
            return super().answer(request)
        wanted = next(record for record in FORGED if request.argument in record.places)
        return Answer.RECORD, [wanted.encode()]


FORGED: list[Record] = []


def test_s1_s2_forgers_nearest_to_a_record_fool_nobody() -> None:
    seed = 23
    record = Town(seed, 1).record(0)
    FORGED[:] = [replace(record, seq=record.seq + 1)]  # With the signature of the true one.
    lairs = [lair for salt in range(3) for lair in near(record.places[salt], 6, GROUND_BITS, own_networks_of(salt))]
    town = settled(seed, 120, colluding=lairs, liar=Forger)
    record = town.record(0)
    run(town, [(0, publish(record))])
    assert true_reads(town, [record], 40, seed) == [True] * 40


def own_networks_of(salt: int) -> Callable[[int], str]:
    return lambda number: f"66.{salt}.{number}.1"


class Babbler(Colluder):
    """It answers every question with something that is almost a reply."""

    def __init__(self, town: Town, number: int) -> None:
        super().__init__(town, number)
        self._dice = Random(number)

    def reply(self, request: Request, sender: Contact) -> bytes:
        raw = bytearray(super().reply(request, sender))
        for _ in range(self._dice.randrange(6)):
            raw[self._dice.randrange(len(raw))] = self._dice.randrange(256)
        return bytes(raw[: self._dice.randrange(len(raw) + 1)] if self._dice.random() < 0.3 else raw)


def test_s5_a_fifth_that_answers_with_junk_stops_no_lookup_and_no_read() -> None:
    town = settled(24, 96, colluding=[contact_of(24, number) for number in range(96, 120)], liar=Babbler)
    record = town.record(0)
    run(town, [(0, publish(record))])
    trials = run(town, [(number, find(town.contacts[95 - number].id)) for number in range(40)])
    assert all(trial.job is not None and trial.job.is_done for trial in trials)
    assert true_reads(town, [record], 40, 24) == [True] * 40


class Mover(Colluder):
    """It tells of those who are truly nearest, and of none where it is."""

    def answer(self, request: Request) -> tuple[Answer, Sequence[bytes]]:
        if request.kind not in (Kind.FIND, Kind.GET):
            return super().answer(request)
        mine = self._contact.key[0]
        near = [self._town.contacts[number] for number in self._town.nearest(request.argument)]
        return Answer.CONTACTS, [Contact.at(one.key, f"77.{mine}.{one.key[0]}.1", 4_000).raw for one in near]


def test_a_twentieth_that_tells_true_keys_at_false_addresses_hides_nobody_and_silences_nobody() -> None:
    seed = 26
    town = settled(seed, 114, colluding=[contact_of(seed, number) for number in range(114, 120)], liar=Mover)
    trials = run(town, [(number, find(town.contacts[113 - number].id)) for number in range(57)] * 2)
    assert all(found(town, trial) for trial in trials)
    for trial in trials:
        assert isinstance(trial.job, Find)
        liars = [one for one in trial.job.closest if one in town.colluding]
        nearest = [town.contacts[number] for number in town.nearest(trial.job.walks[0].lookup.target, 21)]
        honest = [one for one in nearest if one != town.contacts[trial.node]][: 20 - len(liars)]
        assert set(honest) <= set(trial.job.closest)


class Inventor(Colluder):
    """It tells of 20 nodes that are nobody, in networks of their own, nearer to the target than most."""

    def answer(self, request: Request) -> tuple[Answer, Sequence[bytes]]:
        if request.kind not in (Kind.FIND, Kind.GET):
            return super().answer(request)
        mine = self._contact.key[0]
        return Answer.CONTACTS, [
            contact.raw for contact in near(request.argument, 20, 3, lambda at: f"77.{at}.{mine}.1")
        ]


def test_c10_a_fifth_that_invents_contacts_keeps_nobody_from_finding_a_record() -> None:
    town = settled(25, 96, colluding=[contact_of(25, number) for number in range(96, 120)], liar=Inventor)
    records = [town.record(number) for number in range(4)]
    run(town, [(number, publish(record)) for number, record in enumerate(records)])
    assert true_reads(town, records, 12, 25) == [True] * 12
