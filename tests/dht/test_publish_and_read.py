"""What is published is held, found and believed; lies and answers of no use are not."""

from __future__ import annotations

import pytest

from talos_dht import (
    REPUBLISH_MS,
    Answer,
    Browse,
    Done,
    K,
    Kind,
    Publish,
    Read,
    Reason,
    Reply,
    Request,
    Send,
)
from talos_dht.jobs import Walk
from talos_dht.lookup import Lookup
from tests.dht.net import Net
from tests.dht.people import contact, target
from tests.dht.publishers import NOW, KeyLogs, Publisher, at

ADA, BOB = Publisher(1), Publisher(2)
TXID = b"12345678"


def test_a_record_is_published_at_three_places_and_read_by_everybody() -> None:
    net = Net(12, ADA)
    job, effects = net.nodes[3].publish(ADA.record(), NOW)
    net.act(3, effects)
    assert isinstance(job, Publish)
    assert net.done(job)
    assert job.stored == [11, 11, 11]
    for number, node in enumerate(net.nodes):
        read, effects = node.read(ADA.did, NOW)
        net.act(number, effects)
        assert net.done(read)
        assert isinstance(read, Read)
        assert read.record == ADA.record()


def test_it_is_to_be_published_anew_within_the_hour_and_not_all_at_once() -> None:
    net = Net(1, ADA)
    again = {net.nodes[0].publish(ADA.record(), at(5_000))[0].again_ms - 5_000 for _ in range(50)}
    assert len(again) > 40
    assert 0.9 * REPUBLISH_MS < min(again) < 0.95 * REPUBLISH_MS < max(again) <= REPUBLISH_MS


def test_a_read_asks_all_of_the_nearest_twenty() -> None:
    net = Net(40, ADA)
    net.act(3, net.nodes[3].publish(ADA.record(), NOW)[1])
    read, effects = net.nodes[9].read(ADA.did, NOW)
    net.act(9, effects)
    assert [report.answered for report in read.reports] == [report.queries for report in read.reports]
    [report] = read.reports
    assert K <= report.queries < 2 * K
    assert len(read.walks[0].lookup.closest) == K


def test_a_node_that_forgot_the_tokens_it_gave_is_asked_again_with_the_one_of_its_refusal() -> None:
    net = Net(6, ADA)
    for node in net.nodes:
        node._server._tokens._secrets.clear()  # As after a restart.
    job, effects = net.nodes[3].publish(ADA.record(), NOW)
    net.act(3, effects)
    assert job.stored == [5, 5, 5]


@pytest.mark.parametrize(("said", "item"), [(Answer.PONG, []), (Answer.CONTACTS, []), (Answer.REFUSED, [b"\x00"])])
def test_whoever_answers_a_put_with_anything_but_stored_has_not_stored(said: Answer, item: list[bytes]) -> None:
    walk = Walk(Lookup(target(1), [contact(1)], contact(0).id), Kind.FIND, (Kind.PUT_RECORD, b"\x00x"))
    for kind, items in ((Answer.CONTACTS, []), (said, item)):
        assert [ask.contact for ask in walk.asks()] == [contact(1)]
        walk.answered(contact(1), Reply(kind, TXID, TXID, contact(0).place, items), [])
    assert walk.is_done
    assert walk.answers == [Reason.BAD]


def test_who_refuses_every_token_is_asked_again_once() -> None:
    node = Net(1).nodes[0]
    job, [ask] = node.join([contact(5)], NOW)
    for expected in (Send, Done):
        assert isinstance(ask, Send)
        txid = Request.decode(ask.body).txid
        refusal = Reply(Answer.REFUSED, txid, TXID, contact(0).place, [bytes([Reason.TOKEN])]).encode() or b""
        [ask, *_] = node.receive(contact(5), refusal, NOW)
        assert isinstance(ask, expected)
    assert job.is_done


def test_s2_one_lying_holder_is_not_believed_and_neither_is_an_older_record() -> None:
    net = Net(12, ADA)
    net.act(3, net.nodes[3].publish(ADA.record(7), NOW)[1])
    net.nodes[0]._server._key_of = lambda *_: bytes(BOB.pair.verify_key)  # The liar believes itself.
    for number, lie in ((0, ADA.record(99).signed(BOB.sign)), (1, ADA.record(6))):
        shelf, place = net.nodes[number].shelf, ADA.record().places
        for salt in range(3):
            shelf._delete(place[salt] + ADA.did)
            shelf.put(place[salt], lie, None, NOW)
    read, effects = net.nodes[9].read(ADA.did, NOW)
    net.act(9, effects)
    assert read.record == ADA.record(7)
    assert net.contacts[0] not in read.holders
    assert net.nodes[0].shelf.at(read.walks[0].lookup.target, 0) == [ADA.record(99).signed(BOB.sign)]
    assert [ask.contact for ask in read.repairs] == [net.contacts[1]]
    assert net.nodes[1].shelf.at(read.walks[0].lookup.target, 0) == [ADA.record(7)]  # It was mended on the way.


def test_a_true_record_of_somebody_else_is_no_answer() -> None:
    net = Net(6, ADA, BOB)
    for node in net.nodes[:5]:
        node.shelf.put(ADA.record().places[0], BOB.record(), None, NOW)
    read, effects = net.nodes[5].read(ADA.did, NOW)
    net.act(5, effects)
    assert net.done(read)
    assert read.record is None


def test_a_true_record_of_somebody_else_on_our_own_shelf_is_none_either() -> None:
    net = Net(1, ADA, BOB)
    net.nodes[0].shelf.put(ADA.record().places[0], BOB.record(), None, NOW)
    assert net.nodes[0].read(ADA.did, NOW)[0].record is None


def test_a_record_whose_key_log_is_not_known_is_not_returned_but_shown() -> None:
    net = Net(8, ADA)
    net.act(3, net.nodes[3].publish(ADA.record(), NOW)[1])
    net.nodes[5] = net.made(5)
    net.nodes[5]._key_of = KeyLogs().key_of
    net.act(5, net.nodes[5].join([net.contacts[0]], NOW)[1])
    read, effects = net.nodes[5].read(ADA.did, NOW)
    net.act(5, effects)
    assert net.done(read)
    assert read.record is None
    assert [record for record, _ in read.unchecked] == [ADA.record()]
    assert set(read.unchecked[0][1]) <= set(net.contacts)


def test_what_we_hold_ourselves_is_checked_before_it_counts_as_read() -> None:
    net = Net(1, ADA)
    node = net.nodes[0]
    node.publish(ADA.record(1), NOW)
    assert node.read(ADA.did, NOW)[0].record == ADA.record(1)
    net.logs.known.clear()
    assert node.read(ADA.did, NOW)[0].record is None
    net.logs.known[ADA.did] = BOB  # Its key is not the identity's any more.
    assert node.read(ADA.did, NOW)[0].record is None
    net.logs.known[ADA.did] = ADA
    assert node.read(ADA.did, NOW)[0].record is None
    assert len(node.shelf) == 0


def test_holders_that_lack_the_key_log_say_so_and_hold_it_once_it_has_come() -> None:
    net = Net(8)
    job, effects = net.nodes[3].publish(ADA.record(), NOW)
    net.act(3, effects)
    assert job.stored == [0, 0, 0]
    assert {*job.wanting} == {contact for number, contact in enumerate(net.contacts) if number != 3}
    net.logs.known[ADA.did] = ADA
    for node in net.nodes:
        node.key_log_known(ADA.did, NOW)
    read, effects = net.nodes[6].read(ADA.did, NOW)
    net.act(6, effects)
    assert read.record == ADA.record()


def test_who_offers_a_topic_is_found_by_its_name_and_liars_are_not_counted() -> None:
    publishers = [Publisher(number) for number in range(6)]
    net = Net(12, *publishers[:5])
    for number, one in enumerate(publishers):
        net.act(number, net.nodes[number].publish(one.provider("translate"), NOW)[1])
    browse, effects = net.nodes[9].browse("translate", NOW)
    net.act(9, effects)
    assert isinstance(browse, Browse)
    assert net.done(browse)
    assert set(browse.providers) == {one.did for one in publishers[:5]}
    nothing, effects = net.nodes[9].browse("cook", NOW)
    net.act(9, effects)
    assert nothing.providers == {}
