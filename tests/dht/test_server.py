"""The answering side: what it says, what it stores, and what it costs."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos_dht import (
    BODY_MAX,
    Answer,
    Contact,
    Kind,
    Malformed,
    Reason,
    Record,
    Reply,
    Request,
)
from talos_dht import meter as rates
from talos_dht.contact import CONTACT_SIZE
from talos_dht.messages import PONG_SIZE, PROVIDERS_PER_REPLY
from talos_dht.shelf import PER_TOPIC_MAX
from talos_dht.table import K
from talos_dht.tokens import ROTATE_MS, Tokens
from tests.dht.people import contact, distance, target
from tests.dht.publishers import NOW, Publisher, at
from tests.dht.served import ADA, ALICE, BOB, EVE, TXID, Served


def test_a_reply_names_the_request_and_where_it_came_from() -> None:
    reply = Served().ask(Kind.PING)
    assert (reply.kind, reply.txid, reply.seen) == (Answer.PONG, TXID, ALICE.place)


@pytest.mark.parametrize("kind", [Kind.FIND, Kind.GET])
def test_it_tells_of_the_nearest_it_knows_but_not_of_who_asks(kind: Kind) -> None:
    served = Served()
    reply = served.ask(kind, ALICE.id)
    others = [one for one in served.table.closest(target(1), 99) if one != ALICE]
    assert reply.contacts == sorted(others, key=lambda one: distance(one, ALICE.id))[:K]


def test_addresses_of_our_house_are_told_in_the_house_alone() -> None:
    served = Served()
    neighbour = contact(99, "192.168.1.9")
    served.table.answered(neighbour, 0)
    assert neighbour not in served.ask(Kind.FIND, neighbour.id).contacts
    assert neighbour in served.ask(Kind.FIND, neighbour.id, sender=contact(98, "192.168.1.8")).contacts


def test_a_record_is_stored_at_the_place_that_follows_from_it_and_read_there() -> None:
    served = Served(ADA)
    assert served.put(ADA.record()) == 0
    reply = served.ask(Kind.GET, ADA.record().places[0])
    assert (reply.kind, reply.items) == (Answer.RECORD, [ADA.record().encode()])
    assert served.ask(Kind.GET, ADA.record().places[1]).kind is Answer.CONTACTS
    assert served.ask(Kind.FIND, ADA.record().places[0]).kind is Answer.CONTACTS


@pytest.mark.parametrize("token", [b"", b"12345678"])
def test_s6_nothing_is_stored_without_a_token_of_ours(token: bytes) -> None:
    served = Served(ADA)
    reply = served.ask(Kind.PUT_RECORD, b"\x00" + ADA.record().encode(), token=token)
    assert reply.reason == Reason.TOKEN
    assert len(served.shelf) == 0
    assert served.ask(Kind.PUT_RECORD, b"\x00" + ADA.record().encode(), token=reply.token).kind is Answer.STORED


def test_a_token_is_of_one_key_at_one_address_for_five_to_ten_minutes() -> None:
    tokens = Tokens(Random(1).randbytes)
    token = tokens.make(ALICE, ROTATE_MS // 2)
    assert tokens.holds(token, ALICE, 2 * ROTATE_MS - 1)
    assert not tokens.holds(token, ALICE, 2 * ROTATE_MS)
    assert not tokens.holds(token, BOB, ROTATE_MS)
    for other in (contact(1, "77.0.0.1"), Contact.at(ALICE.key, ALICE.host, 1)):
        assert not tokens.holds(token, other, ROTATE_MS)
    assert not tokens.holds(b"", ALICE, 0)
    assert len({tokens.make(contact(number), number * ROTATE_MS) for number in range(50)}) == 50
    assert len(tokens._secrets) == 2


def test_who_asks_again_and_again_has_a_new_token_every_five_minutes() -> None:
    tokens = Tokens(Random(1).randbytes)
    first = tokens.make(ALICE, 0)
    assert tokens.make(ALICE, ROTATE_MS - 1) == first
    second = tokens.make(ALICE, ROTATE_MS)
    assert second != first
    assert tokens.holds(first, ALICE, 2 * ROTATE_MS - 1)
    assert tokens.holds(second, ALICE, 2 * ROTATE_MS - 1)
    tokens.make(ALICE, 2 * ROTATE_MS)
    assert not tokens.holds(first, ALICE, 2 * ROTATE_MS)


@pytest.mark.parametrize("kind", list(Kind))
def test_s6_no_reply_is_longer_than_a_question_without_proof(kind: Kind) -> None:
    served = Served(ADA, *(Publisher(number) for number in range(10, 20)))
    served.put(ADA.record())
    for number in range(10, 20):
        served.put(Publisher(number).provider())
    for argument in (b"", target(1), ADA.record().places[0], ADA.provider().place, b"\x00" + ADA.record().encode()):
        request = Request(kind, TXID, argument)
        with suppress(Malformed):
            Request.decode(request.encode())
            for size in (*range(0, 200, 11), BODY_MAX):
                assert len(served.server.answer(ALICE, request, size, NOW) or b"") <= size


def test_with_a_token_a_short_question_gets_a_whole_answer() -> None:
    served = Served()
    assert len(served.ask(Kind.FIND, target(1), token=served.token()).contacts) == K
    raw = served.server.answer(ALICE, Request(Kind.FIND, TXID, target(1)), 200, NOW)
    assert raw is not None
    assert len(Reply.decode(raw).contacts) == 3


def test_s1_what_is_forged_or_old_or_malformed_is_not_stored() -> None:
    served = Served(ADA)
    assert served.put(ADA.record(5)) == 0
    assert served.put(ADA.record(4)) == Reason.OUTDATED
    forged = Record.decode(EVE.record().encode().replace(EVE.did, ADA.did))
    assert served.put(forged) == Reason.BAD
    assert served.put(ADA.record(6, life_ms=-1)) == Reason.BAD
    for argument in (b"\x00", b"\x03" + ADA.record(7).encode(), b"\x00junk"):
        assert served.ask(Kind.PUT_RECORD, argument, token=served.token()).reason == Reason.BAD
    assert served.shelf.at(ADA.record().places[0], 0) == [ADA.record(5)]


def test_what_is_held_and_not_true_any_more_is_neither_told_nor_stored_again() -> None:
    served = Served(ADA)
    assert served.put(ADA.record()) == 0
    served.logs.known[ADA.did] = EVE
    assert served.put(ADA.record()) == Reason.BAD
    assert served.ask(Kind.GET, ADA.record().places[0]).kind is Answer.CONTACTS
    served.logs.known.clear()
    served.shelf.put(ADA.record().places[0], ADA.record(), None, NOW)
    assert served.ask(Kind.GET, ADA.record().places[0]).kind is Answer.CONTACTS
    assert served.put(ADA.record()) == Reason.KEY_LOG


def test_providers_of_a_topic_are_told_a_few_at_a_time_and_all_in_time() -> None:
    publishers = [Publisher(number) for number in range(PER_TOPIC_MAX)]
    served = Served(*publishers)
    for number, one in enumerate(publishers):
        assert served.put(one.provider(), sender=contact(100 + number)) == 0
    seen = set[bytes]()
    for _ in range(60):
        reply = served.ask(Kind.GET, ADA.provider().place)
        assert reply.kind is Answer.PROVIDERS
        assert len(reply.items) == PROVIDERS_PER_REPLY
        seen |= set(reply.items)
    assert seen == {one.provider().encode() for one in publishers}


class Unwalked(dict[bytes, Any]):
    """Whoever walks over all of it is caught."""

    def __iter__(self) -> NoReturn:
        raise AssertionError("walked over all that is held")

    items = values = keys = __iter__


def test_s7_no_request_walks_over_what_is_held() -> None:
    served = Served(ADA)
    served.put(ADA.record())
    shelf = served.shelf
    shelf._rows, shelf._at, shelf._kept = Unwalked(shelf._rows), Unwalked(shelf._at), Unwalked(shelf._kept)
    for number in range(100, 110):
        served.ask(Kind.PING, sender=contact(number))
        served.ask(Kind.GET, target(number), sender=contact(number))
        served.put(ADA.record(number), sender=contact(number))


def test_who_has_proved_its_address_is_heard_however_much_is_forged_in_its_name_or_by_all() -> None:
    served = Served()
    asked = Request(Kind.FIND, TXID, target(1), served.token()).encode()
    forger = Contact.at(BOB.key, ALICE.host, ALICE.port)
    crowd = [forger, ALICE, *(contact(number) for number in range(100, 5_100))]
    for _ in range(6):
        for one in crowd:
            served.server.admits(one, Request(Kind.FIND, TXID, target(1), b"a forger").encode(), 0)
    for _ in range(700):
        served.server.admits(forger, Request(Kind.PING, TXID).encode(), 0)
    assert not served.server.admits(ALICE, Request(Kind.FIND, TXID, target(1)).encode(), 0)
    assert sum(served.server.admits(ALICE, asked, 0) for _ in range(700)) == rates.REQUESTS_PER_HOST


def test_a_ping_has_its_token_too_and_the_length_of_a_pong() -> None:
    served = Served()
    ping = Request(Kind.PING, TXID, token=served.token()).encode()
    assert served.server.is_proven(ALICE, ping, 0)
    assert not served.server.is_proven(BOB, ping, 0)
    for token in (b"", b"outdated"):
        assert served.ask(Kind.PING, token=token).kind is Answer.PONG
        assert len(Request(Kind.PING, TXID, token=token).encode()) == PONG_SIZE


def test_beyond_the_budget_nothing_is_looked_at_and_puts_have_one_of_their_own() -> None:
    served = Served(ADA)
    assert sum(served.server.admits(ALICE, b"", 0) for _ in range(700)) == rates.REQUESTS_PER_HOST
    assert served.server.dropped == 100
    token = served.token(BOB)
    reasons = [
        served.ask(Kind.PUT_RECORD, b"\x00" + ADA.record().encode(), sender=BOB, token=token).reason
        for _ in range(rates.PUTS_PER_HOST + 1)
    ]
    assert reasons == [0] * rates.PUTS_PER_HOST + [Reason.BUSY]


@given(st.sampled_from(Kind), st.binary(max_size=CONTACT_SIZE))
def test_any_request_that_can_be_read_gets_its_reply(kind: Kind, argument: bytes) -> None:
    served = Served()
    raw = Request(kind, TXID, argument, served.token()).encode()
    try:
        request = Request.decode(raw)
    except Malformed:
        return
    reply = served.server.answer(ALICE, request, len(raw), at(5))
    assert reply is not None
    assert Reply.decode(reply).txid == TXID
