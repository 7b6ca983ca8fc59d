"""Who is asked back because it asked us first, and what forgers can make of it."""

from __future__ import annotations

from talos_dht import Contact, Effect, Kind, Reply, Request, Send
from talos_dht.asked_back import BACK_MAX, Asked, AskedBack, Why
from talos_dht.messages import is_reply
from tests.dht.net import Net
from tests.dht.people import contact
from tests.dht.publishers import NOW, at
from tests.dht.test_dht import pong

TXID = b"12345678"


def test_s6_a_thousand_strangers_have_us_ask_back_32_at_a_time() -> None:
    net = Net(1)
    sent = list[Effect]()
    for number in range(100, 1_100):
        sent += net.nodes[0].receive(contact(number), Request(Kind.PING, TXID).encode(), NOW)
    pings = [effect for effect in sent if isinstance(effect, Send) and not is_reply(effect.body)]
    assert len(pings) == BACK_MAX
    for ping in pings[:2]:
        net.nodes[0].receive(ping.to, pong(ping), NOW)
    for number, asked in ((2_000, 2), (2_001, 2), (2_002, 1)):  # The reply; and the question, while there is a place.
        assert len(net.nodes[0].receive(contact(number), Request(Kind.PING, TXID).encode(), NOW)) == asked


def asked_back(effects: list[Effect]) -> list[Contact]:
    return [effect.to for effect in effects if isinstance(effect, Send) and not is_reply(effect.body)]


def test_forged_addresses_keep_nobody_from_being_asked_back_who_has_proved_its_own() -> None:
    node, honest = Net(1).nodes[0], contact(50)
    [reply, *_] = node.receive(honest, Request(Kind.PING, TXID, serves=False).encode(), NOW)
    assert isinstance(reply, Send)
    token = Reply.decode(reply.body).token
    neighbours = [Contact.at(contact(number).key, f"20.0.50.{number - 99}", 4_000) for number in range(100, 110)]
    for forged in (*neighbours, *(contact(number) for number in range(200, 1_000))):
        node.receive(forged, Request(Kind.PING, TXID).encode(), NOW)
    assert asked_back(node.receive(honest, Request(Kind.PING, TXID).encode(), NOW)) == []
    assert asked_back(node.receive(honest, Request(Kind.PING, TXID, token=token).encode(), NOW)) == [honest]


def test_one_network_is_asked_back_twice_at_a_time_and_a_house_as_often_as_there_is_room() -> None:
    node = Net(1).nodes[0]
    for host, most in (("66.0.0.{}", 2), ("192.168.0.{}", 20)):
        asked = [
            one
            for number in range(1, 21)
            for one in asked_back(
                node.receive(contact(number, host.format(number)), Request(Kind.PING, TXID).encode(), NOW)
            )
        ]
        assert len(asked) == most


def test_who_had_the_time_to_answer_makes_room_and_is_waited_for_no_more() -> None:
    node = Net(1).nodes[0]
    first = [contact(number) for number in range(100, 100 + BACK_MAX)]
    pings = [
        effect
        for one in first
        for effect in node.receive(one, Request(Kind.PING, TXID).encode(), NOW)
        if isinstance(effect, Send) and not is_reply(effect.body)
    ]
    late_ms = node._calls.round_trips.wait_ms
    newcomer = Request(Kind.PING, TXID).encode()
    assert asked_back(node.receive(contact(50), newcomer, at(late_ms - 1))) == []
    assert asked_back(node.receive(contact(50), newcomer, at(late_ms))) == [contact(50)]
    assert len(node._calls) == len(node._asked_back) == BACK_MAX
    node.receive(first[0], pong(pings[0]), at(late_ms))
    node.receive(first[1], pong(pings[1]), at(late_ms))
    assert first[0].id not in node.table
    assert first[1].id in node.table


def test_whom_the_table_would_like_to_ask_needs_no_place_among_strangers() -> None:
    asked = AskedBack()
    for number in range(3 * 2 * BACK_MAX):
        why = list(Why)[number % 3]
        if asked.has_room(contact(number), why, 0)[0]:
            asked.take(Asked(contact(number), why, TXID, 1))
    assert len(asked) == (1 + 1 + 2) * BACK_MAX
    assert asked.has_room(contact(1_000), Why.KNOWN, 0) == (True, None)
    assert asked.has_room(contact(1_000), Why.PROVEN, 0) == (False, None)
