"""One node whole: whom it lets in, what it makes of junk, what it does by itself. Datagrams arrive at once."""

from __future__ import annotations

from random import Random

from talos_dht import (
    BODY_MAX,
    Answer,
    Contact,
    Done,
    Effect,
    Find,
    Kind,
    Now,
    Reply,
    Request,
    Send,
    load,
)
from talos_dht.asked_back import Why
from talos_dht.dht import LOOK_MS
from talos_dht.messages import is_reply
from talos_dht.table import REFRESH_MS
from tests.dht.net import Net
from tests.dht.people import contact, distance, target
from tests.dht.publishers import NOW, Publisher, at

ADA, BOB = Publisher(1), Publisher(2)
TXID = b"12345678"


def test_who_joins_finds_the_others_and_is_known_to_them() -> None:
    net = Net(12)
    assert all(len(node.table) == 11 for node in net.nodes)
    assert all(node.seen == net.contacts[number].place for number, node in enumerate(net.nodes))


def test_who_asks_us_first_is_asked_back_before_it_gets_a_place() -> None:
    net = Net(1)
    stranger = contact(50)
    effects = net.nodes[0].receive(stranger, Request(Kind.FIND, TXID, target(1)).encode(), NOW)
    [reply, ping] = [effect for effect in effects if isinstance(effect, Send)]
    assert is_reply(reply.body)
    assert Request.decode(ping.body).kind is Kind.PING
    assert len(net.nodes[0].table) == 0
    again = net.nodes[0].receive(stranger, Request(Kind.FIND, TXID, target(1)).encode(), NOW)
    assert len(again) == 1  # One question is enough.
    net.nodes[0].receive(contact(51), pong(ping), NOW)
    assert len(net.nodes[0].table) == 0
    net.nodes[0].receive(stranger, pong(ping), NOW)
    assert stranger.id in net.nodes[0].table


def pong(ping: Send) -> bytes:
    return Reply(Answer.PONG, Request.decode(ping.body).txid, TXID, ping.to.place).encode() or b""


def told(find: Send, contacts: list[Contact]) -> bytes:
    raws = [one.raw for one in contacts]
    return Reply(Answer.CONTACTS, Request.decode(find.body).txid, TXID, find.to.place, raws).encode() or b""


def test_a_job_is_done_once_and_what_comes_later_changes_nothing() -> None:
    node = Net(1).nodes[0]
    *near, teller, far = sorted((contact(number) for number in range(1, 23)), key=lambda one: distance(one, node.id))
    job, effects = node.join([teller, far], NOW)
    asks = {effect.to: effect for effect in effects if isinstance(effect, Send)}
    effects = node.receive(teller, told(asks[teller], near), NOW)
    done = list[Effect]()
    while waiting := [effect for effect in effects if isinstance(effect, Send)]:
        effects = [one for find in waiting for one in node.receive(find.to, told(find, []), NOW)]
        done += [effect for effect in effects if isinstance(effect, Done)]
        effects = [one for one in effects if isinstance(one, Send) and Request.decode(one.body).argument == node.id]
    assert done == [Done(job)]
    assert node.receive(far, told(asks[far], [contact(99)]), NOW) == []
    assert job.walks[0].lookup.closest == near


def test_who_joins_looks_into_every_part_of_the_keyspace() -> None:
    net = Net(60)
    newcomer = net.nodes[1] = net.made(1)
    net.now = at(5_000)
    net.act(1, newcomer.join([net.contacts[0]], net.now)[1])
    assert newcomer.table.parts
    assert newcomer.table.stale(REFRESH_MS + 4_999) == []


def test_who_does_not_serve_is_answered_and_never_told_of() -> None:
    net = Net(3)
    request = Request(Kind.FIND, TXID, target(1), serves=False).encode()
    effects = net.nodes[0].receive(contact(50), request, NOW)
    assert len(effects) == 1
    client = net.made(60, serves=False)
    job, effects = client.join([net.contacts[0]], NOW)
    [sent] = effects
    assert isinstance(sent, Send)
    assert not Request.decode(sent.body).serves
    assert job.walks[0].lookup.queries == 1


def test_s5_nothing_that_is_sent_to_it_raises() -> None:
    net = Net(3, ADA)
    node, dice = net.nodes[0], Random(5)
    job, effects = node.find(target(1), NOW)
    txid = next(Request.decode(effect.body).txid for effect in effects if isinstance(effect, Send))
    bodies = [
        *(Request(kind, TXID, target(1) if kind in (Kind.FIND, Kind.GET) else b"\x00x").encode() for kind in Kind),
        *(Reply(answer, txid, TXID, contact(1).place, [contact(9).raw]).encode() or b"" for answer in Answer),
        ADA.record().encode(),
    ]
    for turn in range(6_000):
        spoilt = bytearray(dice.choice(bodies))
        for _ in range(dice.randrange(4)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        cut = bytes(spoilt[: dice.randrange(len(spoilt) + 1)] if turn % 3 == 0 else spoilt)
        node.receive(dice.choice([*net.contacts[1:], contact(70 + turn % 50)]), cut, at(turn))
    nested = (b"\x97" + b"\x01" * 6 + b"\x91" * depth + b"\x90" for depth in (5, 300, 900, 1_020, 1_100))
    for body in (b"", b"\x00", bytes(BODY_MAX), dice.randbytes(2_000), *nested):
        assert node.receive(contact(1), body, at(7_000)) == []
    for ms in range(8_000, 300_000, 1_000):
        node.tick(at(ms))
    assert job.is_done


def test_what_we_sealed_ourselves_is_not_heard() -> None:
    net = Net(2)
    assert net.nodes[0].receive(net.contacts[0], Request(Kind.PING, TXID).encode(), NOW) == []


def test_addresses_in_our_house_are_not_believed_from_outside_it() -> None:
    net = Net(1)
    outside, printer = contact(50), contact(60, "192.168.1.9")
    for teller, expected in ((outside, 0), (contact(51, "192.168.1.8"), 1)):
        _, effects = net.nodes[0].join([teller], NOW)
        [sent] = [effect for effect in effects if isinstance(effect, Send) and effect.to == teller]
        reply = Reply(Answer.CONTACTS, Request.decode(sent.body).txid, TXID, teller.place, [printer.raw])
        effects = net.nodes[0].receive(teller, reply.encode() or b"", NOW)
        assert sum(isinstance(effect, Send) and effect.to == printer for effect in effects) == expected


def test_a_dead_node_is_let_go_and_a_lookup_ends_without_it() -> None:
    net = Net(6)
    del net.by_place[net.contacts[5].place]
    for start_ms in (10_000, 80_000):
        net.now = at(start_ms)
        find, effects = net.nodes[0].find(net.contacts[5].id, net.now)
        net.act(0, effects)
        net.later(start_ms + 5_000)
        assert net.done(find)
        assert net.contacts[5] not in find.closest
        net.later(start_ms + 69_000)
    assert net.contacts[5].id not in net.nodes[0].table


def test_who_owes_an_answer_is_asked_within_a_minute_and_is_told_of_again_once_it_gives_one() -> None:
    node = Net(4).nodes[0]
    debtor = node.table.closest(target(1))[0]
    node.table.failed(debtor)
    assert debtor not in node.table.closest(target(1))
    [ping] = [one for one in node.tick(at(LOOK_MS)) if isinstance(one, Send)]
    assert (ping.to, Request.decode(ping.body).kind) == (debtor, Kind.PING)
    node.receive(debtor, pong(ping), at(LOOK_MS + 10))
    assert node.table.closest(target(1))[0] == debtor


def test_a_true_key_at_a_false_address_costs_its_node_neither_its_place_nor_its_voice() -> None:
    net = Net(3)
    node, honest = net.nodes[0], net.contacts[2]
    elsewhere = Contact.at(honest.key, "77.0.0.1", 4_000)
    for start_ms in (0, 100_000):
        net.now = at(start_ms)
        net.act(0, node._ask_back(elsewhere, Why.SAID, net.now))
        net.later(start_ms + 20_000)
        assert node._calls.is_silent(elsewhere, net.now.mono_ms)
        find, effects = node.find(honest.id, net.now)
        net.act(0, effects)
        assert find.closest[0] == honest
    assert node.table.closest(honest.id)[0] == honest


def test_every_part_of_the_keyspace_is_looked_into_each_hour() -> None:
    net = Net(12)
    net.later(REFRESH_MS - LOOK_MS)
    before = len(net.other)
    due = [node.table.stale(REFRESH_MS + LOOK_MS) for node in net.nodes]
    assert all(due)
    net.later(REFRESH_MS + 20 * LOOK_MS)
    assert all(node.table.stale(REFRESH_MS + LOOK_MS) == [] for node in net.nodes)
    assert len(net.other) == before  # Nobody asked for it, so nobody is told.


def test_after_a_restart_it_joins_with_whom_it_knew() -> None:
    net = Net(6)
    dump = net.nodes[3].dump()
    assert len(load(dump)) == 5
    net.nodes[3] = net.made(3)
    net.act(3, net.nodes[3].join(load(dump), NOW)[1])
    assert len(net.nodes[3].table) == 5


def test_with_nobody_known_whatever_is_asked_is_over_at_once() -> None:
    net = Net(1, ADA)
    node = net.nodes[0]
    for job, effects in (node.find(target(1), NOW), node.read(ADA.did, NOW), node.browse("cook", NOW)):
        assert effects == [Done(job)]
    published, effects = node.publish(ADA.record(), NOW)
    assert effects == [Done(published)]
    read, _ = node.read(ADA.did, NOW)
    assert read.record == ADA.record()  # It holds its own, being the nearest of all.


def test_it_wakes_for_what_is_under_way_and_else_once_a_minute() -> None:
    net = Net(1)
    node = net.nodes[0]
    assert node.wakes_at_ms == LOOK_MS
    node.join([contact(5)], NOW)
    assert node.wakes_at_ms == 1_000
    assert len(node.tick(at(1_000))) == 1
    assert len(node.tick(at(3_000))) == 1
    assert node.wakes_at_ms == 4_000
    [done] = node.tick(at(4_000))
    assert isinstance(done, Done)
    assert isinstance(done.job, Find)
    assert done.job.closest == []
    assert node.wakes_at_ms == LOOK_MS


def test_equal_datagrams_and_dice_make_equal_effects() -> None:
    def sent() -> list[tuple[Contact, bytes]]:
        net = Net(8, ADA)
        del net.by_place[net.contacts[2].place]
        net.act(3, net.nodes[3].publish(ADA.record(), Now(5, 5))[1])
        return [(send.to, send.body) for send in net.astray]

    assert sent() == sent() != []
