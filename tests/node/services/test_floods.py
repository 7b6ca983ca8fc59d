"""Floods of strangers, counted: links, HELLOs, offers, key logs and handshakes, at each limit and one beyond."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from talos.core.budgets import RATES, Work, source_of
from talos.core.content import Marks
from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.frames import Kind, wrap
from talos.core.greeting import Open, Reason, Refusal
from talos.core.prekeys import OFFERS_MAX, SEEN_MAX
from talos.core.refusals import AGGREGATE_MS
from talos.core.tables import PREKEYS
from talos.host import LinkClosed
from talos.services.links import NEWCOMER_LINKS_MAX
from talos.services.places import FAMILIAR_PLACES, STRANGERS_MAX
from tests.node.services.hostile import Stranger, alone, dial, refusals
from tests.node.services.test_greeting import come_back
from tests.node.services.test_learning import Disk
from tests.node.services.test_links_replay import recorded, words
from tests.node.services.test_links_strangers import rows, talk
from tests.node.services.wire import CLOCK, Running, running
from tests.ratchet.people import WatchedSuite

HOST: Final = "192.0.2.1"
ELSEWHERE: Final = "198.51.100.1"


def at_once(node: Running, *hosts: str) -> None:
    """Let dials from these hosts take no time, so that no budget grows meanwhile."""
    node.wire.latency_s |= dict.fromkeys(hosts or (HOST, ELSEWHERE), 0.0)


async def link(node: Running, number: int, host: str) -> bool:
    """Take a link, and be gone. Return whether that was a link."""
    before = node.desk.post.refusals.total
    stream = await dial(node, host)
    with suppress(LinkClosed):  # Who is over budget may be cut off before it has said a word.
        await stream.send_all(wrap(bytes((Kind.CARD,)) + bytes(8)))
    assert await stream.is_cut()
    assert node.desk.post.refusals.total == before + 1
    return refusals(node).get("OVER_BUDGET", 0) == 0


async def hello(node: Running, number: int, host: str) -> bool:
    """Say a HELLO to nobody. Return whether a key was agreed on, to find that out."""
    before = refusals(node).get("SIGNATURE", 0)
    stream = await dial(node, host)
    await stream.send_all(wrap(bytes((Kind.HELLO,)) + bytes(range(1, 150))))
    assert await stream.is_cut()
    return refusals(node).get("SIGNATURE", 0) == before + 1


async def offer(node: Running, number: int, host: str) -> bool:
    """Ask in a new name. Return whether a one-time offer was made."""
    stream = await dial(node, host)
    offered = await Stranger(f"{host} {number}", node.desk.card()).ask(stream)
    await stream.aclose()
    assert offered is not None  # Who is over budget may still use the last-resort prekey.
    return bool(offered.offer)


async def key_log(node: Running, number: int, host: str) -> bool:
    """Open in a new name, with a key log that does not bear it out. Return whether that was looked at."""
    stranger = Stranger(f"{host} {number}", node.desk.card())
    await stranger.ask(stream := await dial(node, host))
    await stranger.greet(Open(stranger.opening(), b"\x00" + stranger.me.key_log.encode()))
    answer = await stranger.answer()
    assert await stream.is_cut()
    assert answer in (Refusal(Reason.NOT_ACCEPTED), Refusal(Reason.BUSY))
    return answer == Refusal(Reason.NOT_ACCEPTED)


async def handshake(node: Running, number: int, host: str) -> bool:
    """Complete a handshake in a new name. Return whether it was accepted."""
    stranger = Stranger(f"{host} {number}", node.desk.card())
    answer = await stranger.knock(stream := await dial(node, host))
    await stream.aclose()
    assert answer == Refusal(Reason.BUSY) or isinstance(answer, bytes)
    return isinstance(answer, bytes)


FLOODS: Final[dict[Work, Callable[[Running, int, str], Awaitable[bool]]]] = {
    Work.LINK: link,
    Work.HELLO: hello,
    Work.OFFER: offer,
    Work.KEY_LOG: key_log,
    Work.ACCEPT: handshake,
}


@pytest.mark.parametrize("work", FLOODS)
async def test_one_host_gets_what_is_its_own_and_one_more_is_refused(work: Work, autojump_clock: MockClock) -> None:
    async with alone() as node:
        at_once(node)
        asked = [await FLOODS[work](node, number, HOST) for number in range(RATES[work].host + 1)]
        assert asked == [True] * RATES[work].host + [False]
        if work is not Work.LINK:  # It counts otherwise.
            assert await FLOODS[work](node, 0, ELSEWHERE)


async def test_no_agreement_is_made_for_a_handshake_beyond_the_budget(autojump_clock: MockClock) -> None:
    suite = WatchedSuite()
    async with alone(suite) as node:
        at_once(node)
        limit = RATES[Work.ACCEPT].host
        for number in range(limit):
            assert await handshake(node, number, HOST)
            assert suite.counted.handshakes == number + 1
        before = replace(suite.counted), rows(node)
        assert not await handshake(node, limit, HOST)
        assert (suite.counted, rows(node)) == before


async def test_openings_on_the_last_resort_are_taken_while_they_can_be_noted(autojump_clock: MockClock) -> None:
    async with alone() as node:
        for number in range(OFFERS_MAX):
            node.desk.ring.offer(number.to_bytes(32, "big"), node.desk.now_ms())
        node.desk.ring.load(node.opened.host.store.scan(PREKEYS), seen=SEEN_MAX - 1)
        assert await handshake(node, 1, HOST)
        assert not await handshake(node, 2, HOST)
        assert refusals(node)["OVER_BUDGET"] == 1


async def test_an_opening_that_did_not_reach_the_disk_is_not_counted_as_noted(autojump_clock: MockClock) -> None:
    async with alone() as node:
        for number in range(OFFERS_MAX):
            node.desk.ring.offer(number.to_bytes(32, "big"), node.desk.now_ms())
        node.desk.ring.load(node.opened.host.store.scan(PREKEYS), seen=SEEN_MAX - 1)
        before, committer, disk = rows(node), node.desk.post._committer, Disk()
        well, committer._blocking = committer._blocking, disk
        disk.may_end.set()
        await handshake(node, 1, HOST)
        assert rows(node) == before
        committer._blocking = well
        assert await handshake(node, 2, HOST)
        assert not await handshake(node, 3, HOST)


async def test_a_forged_first_message_costs_one_handshake_and_leaves_nothing(autojump_clock: MockClock) -> None:
    suite = WatchedSuite()
    async with alone(suite) as node:
        before = rows(node)
        stranger = Stranger("forger", node.desk.card())
        for round in range(1, 4):
            await stranger.ask(stream := await dial(node))
            opening = bytearray(stranger.opening())
            opening[-1] ^= 1
            await stranger.greet(Open(bytes(opening), stranger.me.key_log.encode()))
            assert await stranger.answer() == Refusal(Reason.HANDSHAKE)
            assert await stream.is_cut()
            assert suite.counted.handshakes == round
        assert rows(node) == before
        assert node.desk.post.peers() == []
        assert len(node.desk.post.newcomers) == 0


async def test_a_network_that_spends_all_it_has_leaves_others_theirs(autojump_clock: MockClock) -> None:
    async with alone() as node:
        hosts = [f"10.0.0.{number}" for number in range(RATES[Work.ACCEPT].net + 3)]
        at_once(node, *hosts, HOST)
        accepted = [await handshake(node, 0, host) for host in hosts]
        assert accepted == [True] * RATES[Work.ACCEPT].net + [False] * 3
        assert await handshake(node, 0, HOST)


def exhaust(node: Running) -> None:
    """Let strangers everywhere spend all there is."""
    for work in Work:
        number = 0
        while node.desk.spend(work, source_of(f"2001:{number:x}::1")):
            number += 1


async def test_a_flood_from_everywhere_keeps_strangers_out_and_no_peer(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        exhaust(b)
        with pytest.raises(LinkClosed):
            await c.links.connect(c.peer(b))  # Nobody has come from there yet.
        live = a.peer(b).link
        assert live is not None
        live.close("gone")
        await CLOCK.sleep(0.1)
        exhaust(b)
        await a.links.connect(a.peer(b))
        await talk(a, b)


async def test_addresses_that_were_given_by_hand_are_familiar_from_the_start(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await b.leave()
        async with trio.open_nursery() as nursery:
            back = await come_back(b, nursery)
            exhaust(back)
            await a.links.connect(a.peer(b))
            await talk(a, back)
            back.scope.cancel()


async def test_a_recorded_hello_is_answered_as_often_as_its_budget_allows(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        live = a.peer(b).link
        assert live is not None
        live.close("once more")
        await CLOCK.sleep(1.0)
        await a.links.connect(a.peer(b))
        first = words(recorded(a))[0]
        at_once(b)
        for _ in range(RATES[Work.RESUME].host + 1):
            stream = await dial(b, HOST)
            await stream.send_all(first)
            assert await stream.is_cut()
        assert refusals(b)["REPLAY"] == RATES[Work.RESUME].host
        assert refusals(b)["OVER_BUDGET"] == 1
        live = a.peer(b).link
        assert live is not None
        live.close("and once more")
        await CLOCK.sleep(1.0)
        await a.links.connect(a.peer(b))  # What was recorded has cost its owner nothing.
        await talk(a, b)


async def test_links_of_newcomers_make_room_for_each_other_and_no_peer_loses_its_own(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        strangers = [Stranger(f"{number}", b.desk.card()) for number in range(NEWCOMER_LINKS_MAX + 1)]
        for number, stranger in enumerate(strangers[:-1]):
            assert await stranger.bind(await dial(b, f"10.{number}.0.1"))
            await CLOCK.sleep(0.01)
        assert b.links.bound == NEWCOMER_LINKS_MAX + 1
        await strangers[0].say(Marks(bytes(16), bytes(16), 0))  # The second is the one that is silent longest.
        await CLOCK.sleep(0.1)
        assert await strangers[-1].bind(await dial(b, "10.200.0.1"))
        assert await strangers[1].stream.is_cut()
        assert b.links.bound == NEWCOMER_LINKS_MAX + 1
        await talk(a, b)


async def test_what_was_refused_is_in_status_and_in_the_audit_log(autojump_clock: MockClock) -> None:
    async with alone() as node:
        at_once(node)
        for number in range(RATES[Work.HELLO].host + 7):
            await hello(node, number, HOST)
        assert node.node.status().refused == RATES[Work.HELLO].host + 7
        await CLOCK.sleep(2 * AGGREGATE_MS / 1000)
        told = await node.node.audit.query(Query(type=EntryType.REFUSED))
        assert [(one.details or {})["kind"] for one in told] == ["over_budget"]
        assert [(one.details or {})["count"] for one in told] == [7]


async def test_strangers_behind_a_relay_take_no_place_of_a_host_that_peers_have_come_from(
    autojump_clock: MockClock,
) -> None:
    relay, friend = source_of("192.0.2.1"), source_of("198.51.100.1")
    async with alone() as node:
        for host in (relay, friend):  # We are peers of our relay's too.
            node.desk.budgets.befriend(host)
        for _ in range(FAMILIAR_PLACES):
            assert node.links._place(relay, is_relayed=True)
        for number in range(STRANGERS_MAX):
            node.links._place(source_of(f"10.0.{number}.1"))
        assert node.links._place(friend)
