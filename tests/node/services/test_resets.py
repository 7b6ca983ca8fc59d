"""Sessions made, given up and renewed while nodes talk: both ends come to the same new one, and nothing is lost."""

from __future__ import annotations

from itertools import product

import pytest
import trio
from trio.testing import MockClock

from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.sessions import RENEW_MS, Wear
from talos.errors import NotReachable, Refused, StoreFailed, UsageError
from talos.services.post import RESET_LEAST_S
from talos.services.resets import ASKED_LEAST_S
from talos_ratchet import Lane
from tests.node.services.test_links import lose
from tests.node.services.test_links_strangers import talk
from tests.node.services.test_wrong_clocks import pair
from tests.node.services.wire import CLOCK, Running, running, until

LATENCIES = [0.001, 0.02, 0.021]


def session(one: Running, other: Running) -> bytes:
    """Return the id of the session that the link is on; it must be the one that is sent on."""
    peer = one.peer(other)
    assert peer.link is not None
    sending = peer.conversation._talk.sessions.sending
    assert sending is not None
    assert sending.id == peer.link.session_id
    return sending.id


def shared(one: Running, other: Running) -> bytes:
    assert session(one, other) == session(other, one)
    return session(one, other)


async def resets(node: Running) -> list[str]:
    """Return why sessions were given up, as the audit log tells it, the oldest first."""
    entries = await node.node.audit.query(Query(type=EntryType.SESSION_RESET))
    return [str(entry.details["reason"]) for entry in entries if entry.details is not None]


async def send_all(sender: Running, receiver: Running, count: int) -> None:
    for number in range(count):
        await sender.node.send(receiver.node.did, b"%d" % number)


async def receive_all(receiver: Running, count: int) -> list[int]:
    got = []
    for _ in range(count):
        message = await receiver.node.receive()
        await message.ack()
        got.append(int(message.body))
    return got


# Established


async def test_a_session_is_established_once_and_confirmed_on_both_ends(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        status = await a.node.establish_session(b.node.did)
        assert (status.did, status.linked, status.session) == (b.node.did, True, True)
        await until(lambda: b.peer(a).link is not None)
        first = shared(a, b)
        assert (await b.node.establish_session(a.node.peer_id)).linked
        await a.node.establish_session(b.node.peer_id)
        assert shared(a, b) == first
        assert len(a.wire.streams) == 1
        assert await resets(a) == []


async def test_where_no_session_can_be_established_it_is_said_why(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        with pytest.raises(Refused, match="no session with itself"):
            await a.node.establish_session(a.node.did)
        with pytest.raises(UsageError):
            await a.node.establish_session("nobody")
        with pytest.raises(NotReachable, match="no address"):
            await a.node.establish_session("did:talos:" + "a" * 52)
        await b.leave()
        with pytest.raises(NotReachable, match="nobody listens"):
            await a.node.establish_session(b.node.did)
        assert not a.node.peers()[0].session


# Reset


@pytest.mark.parametrize("who_dialled", "ab")
async def test_a_reset_makes_a_new_session_on_both_ends_and_says_so(
    who_dialled: str, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        await (a if who_dialled == "a" else b).node.establish_session((b if who_dialled == "a" else a).node.did)
        await talk(a, b)
        first = shared(a, b)
        status = await a.node.reset_session(b.node.did)
        assert (status.linked, status.session) == (True, True)
        await talk(a, b)
        assert shared(a, b) != first
        for one, other in ((a, b), (b, a)):  # The old one is kept: it receives for a day.
            old = one.peer(other).conversation._talk.sessions._set.get(first)
            assert old is not None
            assert old.superseded_ms is not None
        assert await resets(a) == ["asked for"]
        assert await resets(b) == []


async def test_a_reset_without_a_session_makes_the_first(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        assert (await a.node.reset_session(b.node.did)).session
        await talk(a, b)
        assert await resets(a) == []


@pytest.mark.parametrize(("a_s", "b_s"), list(product(LATENCIES, LATENCIES)))
async def test_two_that_reset_at_once_come_to_one_new_session(
    a_s: float, b_s: float, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        first = shared(a, b)
        a.wire.latency_s = {"a": a_s, "b": b_s}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.node.reset_session, b.node.did)
            nursery.start_soon(b.node.reset_session, a.node.did)
        await CLOCK.sleep(1.0)
        await talk(a, b)
        assert shared(a, b) != first
        assert await resets(a) == await resets(b) == ["asked for"]


@pytest.mark.parametrize("pause_s", [0.003, 0.05])
async def test_messages_arrive_once_and_in_order_whoever_resets_meanwhile(
    pause_s: float, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        got: dict[str, list[int]] = {}

        async def keep(receiver: Running) -> None:
            got[receiver.name] = await receive_all(receiver, 60)

        async def reset(one: Running, other: Running) -> None:
            for _ in range(3):
                await CLOCK.sleep(pause_s)
                await one.node.reset_session(other.node.did)
                await CLOCK.sleep(ASKED_LEAST_S)

        async def slowly(sender: Running, receiver: Running) -> None:
            for number in range(60):
                await sender.node.send(receiver.node.did, b"%d" % number)
                await CLOCK.sleep(0.0 if number % 20 else ASKED_LEAST_S)

        async with trio.open_nursery() as nursery:
            for one, other in ((a, b), (b, a)):
                nursery.start_soon(keep, one)
                nursery.start_soon(slowly, one, other)
                nursery.start_soon(reset, one, other)
        assert got == {name: list(range(60)) for name in "ab"}
        assert await resets(a)


async def test_what_waited_on_the_old_session_is_sealed_again_under_the_same_id(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        ours, _ = a.wire.streams[-1]
        ours.is_deaf = True  # Sealed, sent and never heard of.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_all, a, b, 3)
            await CLOCK.sleep(0.1)
            before = session(a, b)
            with pytest.raises(Refused):
                await b.node.reset_session(b.node.did)
            await a.node.reset_session(b.node.did)
            assert await receive_all(b, 3) == [0, 1, 2]
        await until(lambda: b.peer(a).link is not None)
        assert shared(a, b) != before
        assert a.node.status().undelivered == 0


async def test_a_second_reset_within_ten_seconds_is_refused_and_does_nothing(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.reset_session(b.node.did)
        await talk(a, b)
        first = shared(a, b)
        with pytest.raises(Refused, match="was reset"):
            await a.node.reset_session(b.node.did)
        assert shared(a, b) == first
        await CLOCK.sleep(ASKED_LEAST_S)
        await a.node.reset_session(b.node.did)
        await talk(a, b)
        assert shared(a, b) != first


async def test_a_reset_that_the_store_refused_may_be_asked_for_again_at_once(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        first = shared(a, b)
        a.store.refusal = StoreFailed("the disk is broken")
        with pytest.raises(StoreFailed):
            await a.node.reset_session(b.node.did)
        a.store.refusal = None
        await a.node.reset_session(b.node.did)
        await talk(a, b)
        assert shared(a, b) != first
        with pytest.raises(Refused, match="was reset"):
            await a.node.reset_session(b.node.did)


@pytest.mark.parametrize("who_comes_back", "ab")
async def test_a_session_that_was_reset_while_the_peer_was_away_is_replaced_by_the_next_link(
    who_comes_back: str, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        first = shared(a, b)
        await b.leave()
        await until(lambda: a.peer(b).link is None)
        with pytest.raises(NotReachable):
            await a.node.reset_session(b.node.did)
        async with trio.open_nursery() as nursery:
            back = Running(b.wire, b.name, b)
            await nursery.start(back.run)
            one, other = (a, back) if who_comes_back == "a" else (back, a)
            await one.node.establish_session(other.node.did)
            await talk(a, back)
            assert shared(a, back) != first
            assert await resets(a) == ["asked for"]
            back.scope.cancel()


# What does not open


def come_apart(one: Running, other: Running) -> None:
    """Let the other's message lanes with us be others than ours, as if one of the two had come from a backup."""
    for theirs in other.peer(one).conversation._talk.sessions._set.sessions():
        ratchet = theirs.lane(Lane.MESSAGE)
        if ratchet is not None:
            ratchet.send_header = ratchet.next_send_header = ratchet.root = bytes(range(32))
            ratchet.refresh()


async def test_a_session_that_has_come_apart_is_replaced_after_three_links_and_not_again_for_ten_minutes(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        first = shared(a, b)
        come_apart(a, b)
        sent = trio.current_time()
        await b.node.send(a.node.did, b"0", timeout=5)
        assert await receive_all(a, 1) == [0]
        assert trio.current_time() - sent < 60
        assert shared(a, b) != first
        assert await resets(a) == ["frames of the peer did not open, on three links in a row"]
        await CLOCK.sleep(1.0)  # Both may have dialled: until one link has stayed, and all sessions are there.
        come_apart(a, b)
        await b.node.send(a.node.did, b"1", timeout=5)
        with trio.move_on_after(RESET_LEAST_S - (trio.current_time() - sent)):
            raise AssertionError(f"{await receive_all(a, 1)} came, and there was no second reset yet")
        assert len(await resets(a)) == 1
        with trio.fail_after(150):
            assert await receive_all(a, 1) == [1]
        assert len(await resets(a)) == 2


async def test_one_window_that_does_not_open_is_asked_for_again_and_resets_nothing(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        first = shared(a, b)
        stream, _ = a.wire.streams[-1]
        for _ in range(2):
            for _ in range(10):
                await stream.send_all(b"\x00\x00\x00\xc9\x12" + bytes(200))
            await talk(a, b)
        assert shared(a, b) == first


# Renewed


@pytest.mark.parametrize("dialler", "ab")
async def test_a_session_is_renewed_after_so_many_messages_by_who_began_it(
    dialler: str, autojump_clock: MockClock
) -> None:
    async with running("a", "b", wear=Wear(messages=50)) as (a, b):
        one, other = (a, b) if dialler == "a" else (b, a)
        await one.node.establish_session(other.node.did)
        async with trio.open_nursery() as nursery:
            for sender, receiver in ((a, b), (b, a)):
                nursery.start_soon(send_all, sender, receiver, 100)
            for receiver in (a, b):
                assert await receive_all(receiver, 100) == list(range(100))
        await CLOCK.sleep(1.0)
        await talk(a, b)
        told = [*await resets(one), *await resets(other)]
        assert 1 <= len(told) <= 2, "of either end one, however much is said"
        assert (await resets(one))[0].startswith("renewed after 5")
        assert all(reason.startswith("renewed after ") for reason in told)
        await CLOCK.sleep(RESET_LEAST_S)
        await talk(a, b)
        await CLOCK.sleep(1.0)
        assert len([*await resets(one), *await resets(other)]) > len(told), "but ten minutes later it is due again"
        shared(a, b)


@pytest.mark.parametrize("has_link", [False, True])
@pytest.mark.parametrize("initiator_dials", [False, True])
async def test_a_session_is_renewed_after_a_week_on_the_next_link_or_the_one_it_has(
    has_link: bool, initiator_dials: bool, autojump_clock: MockClock
) -> None:
    async with pair(0) as (a, b, clock):
        await b.node.establish_session(a.node.did)  # So b, whose clock it is, began it.
        await talk(a, b)
        first = shared(a, b)
        clock.off_ms = RENEW_MS - 3_600_000
        if not has_link:
            await lose(a, b)
        one, other = (b, a) if initiator_dials else (a, b)
        await one.node.establish_session(other.node.did)
        await talk(a, b)
        assert shared(a, b) == first
        clock.off_ms = RENEW_MS
        if not has_link:
            await lose(a, b)
        await one.node.establish_session(other.node.did)
        await talk(a, b)
        await CLOCK.sleep(1.0)
        await talk(a, b)
        assert shared(a, b) != first
        assert await resets(b) == [f"renewed after {RENEW_MS // 1000} s"]
        assert await resets(a) == []


async def test_a_silent_link_is_renewed_within_the_hour(autojump_clock: MockClock) -> None:
    async with pair(0) as (a, b, clock):
        await b.node.establish_session(a.node.did)
        await talk(a, b)
        first = shared(a, b)
        clock.off_ms = RENEW_MS
        await CLOCK.sleep(2 * 3600)
        assert shared(a, b) != first
