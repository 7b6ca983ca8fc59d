"""Which of the statements that nobody can check yet are worth fetching a key log for."""

from __future__ import annotations

from talos_dht import Answer, Browse, KeyLogUnknown, Read, Record, Reply
from talos_dht.jobs import Check
from talos_dht.lookup import Lookup
from talos_dht.unchecked import UNCHECKED_MAX
from tests.dht.people import contact, target
from tests.dht.publishers import Publisher

ADA, EVE = Publisher(1), Publisher(2)
TXID = b"12345678"


def unknown(_: object) -> None:
    raise KeyLogUnknown("nobody can tell")


CHECK: Check = unknown


def reply(answer: Answer, *items: bytes) -> Reply:
    return Reply(answer, TXID, TXID, contact(0).place, items)


def reading() -> Read:
    return Read(ADA.did, lambda place: Lookup(place, [], contact(0).id), 0)


def lie(number: int) -> Record:
    """Return what looks like a newer record of Ada's; no key log will ever have that event."""
    return ADA.record(number, log_seq=4)


def test_liars_that_answer_first_do_not_keep_the_record_that_most_hold_from_being_shown() -> None:
    read = reading()
    for number in range(10, 20):
        read.heard(contact(number), reply(Answer.RECORD, lie(number).encode()), CHECK)
    for number in (1, 2):
        read.heard(contact(number), reply(Answer.RECORD, ADA.record().encode()), CHECK)
    assert len(read.unchecked) == UNCHECKED_MAX
    assert read.unchecked[0] == (ADA.record(), (contact(1), contact(2)))


def test_one_that_answers_with_many_has_a_turn_before_others_and_no_second_before_theirs() -> None:
    browse = Browse(ADA.provider().topic, Lookup(target(1), [], contact(0).id))
    others = [Publisher(number) for number in range(10, 14)]
    browse.heard(contact(1), reply(Answer.PROVIDERS, *(EVE.provider(seq=seq).encode() for seq in range(4))), CHECK)
    for number, one in enumerate(others):
        browse.heard(contact(10 + number), reply(Answer.PROVIDERS, one.provider().encode()), CHECK)
    shown = [provider for provider, _ in browse.unchecked]
    assert shown == [EVE.provider(seq=0), *(one.provider() for one in others[:3])]


def test_a_second_of_one_is_shown_while_there_is_room() -> None:
    browse = Browse(ADA.provider().topic, Lookup(target(1), [], contact(0).id))
    told = [EVE.provider(), ADA.provider()]
    browse.heard(contact(1), reply(Answer.PROVIDERS, *(one.encode() for one in told)), CHECK)
    assert browse.unchecked == [(one, (contact(1),)) for one in told]


def test_what_one_told_of_second_and_another_first_has_a_first_turn() -> None:
    browse = Browse(ADA.provider().topic, Lookup(target(1), [], contact(0).id))
    lies = [EVE.provider(seq=number) for number in range(4)]
    browse.heard(contact(1), reply(Answer.PROVIDERS, lies[0].encode(), ADA.provider().encode()), CHECK)
    for number, told in ((2, lies[1]), (3, lies[2]), (4, lies[3]), (5, ADA.provider())):
        browse.heard(contact(number), reply(Answer.PROVIDERS, told.encode()), CHECK)
    assert browse.unchecked[0] == (ADA.provider(), (contact(1), contact(5)))


def test_who_says_it_again_is_not_counted_again() -> None:
    read = reading()
    for number, record in ((1, lie(5)), (1, lie(5)), (1, lie(5)), (2, ADA.record()), (3, ADA.record())):
        read.heard(contact(number), reply(Answer.RECORD, record.encode()), CHECK)
    assert [record for record, _ in read.unchecked] == [ADA.record(), lie(5)]
