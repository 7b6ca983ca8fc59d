"""Whole nodes over real sockets: what `send` promises, where it says no, and what a full inbox does to a sender."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final

import pytest
import trio

from talos.core import inbox
from talos.core.frames import MESSAGE_SIZE_MAX
from talos.core.inbox import PEER_ROWS_MAX
from talos.core.keylog import KeyLog
from talos.core.names import did_of
from talos.core.report import ReceiptState
from talos.core.vault import OVERHEAD
from talos.errors import DeliveryFailed, NotReachable, QueueFull, Refused, UsageError
from talos.host import Address, LinkClosed
from talos.runtime import Node
from talos.services.messages import OnFailure
from tests.processes.running import PATIENCE_S, finish, place, running, settings, take, until

SOON_S: Final = 0.1  # Of patience with a peer that will not acknowledge.
HASTE_S: Final = 0.0002
LONGER_THAN_PATIENCE_S: Final = 10 * PATIENCE_S  # So that who waits for it fails.
STRANGER: Final = did_of(bytes(32))  # Nobody has this one.
LITTLE: Final = 100  # Bytes of a body.


@asynccontextmanager
async def linked(inbox_limit: int = PEER_ROWS_MAX) -> AsyncIterator[tuple[Node, Node]]:
    """Run ada and bob, who takes so many messages of one peer; ada has called bob."""
    bobs = replace(settings("bob"), inbox_limit=inbox_limit)
    async with running(settings("ada")) as ada, running(bobs) as bob:
        assert (await ada.add_peer(place(bob))).linked
        yield ada, bob


# What cannot be delivered now


async def test_what_is_sent_to_a_peer_without_an_address_is_queued_and_says_why() -> None:
    async with running(settings("ada")) as ada:
        receipt = await ada.send(STRANGER, b"hello")
        assert receipt.state is ReceiptState.QUEUED
        assert "nobody knows where" in str(receipt.why_queued)
        assert ada.status().undelivered == 1


async def test_what_never_left_and_is_given_up_cannot_have_arrived() -> None:
    async with running(settings("ada")) as ada:
        with pytest.raises(DeliveryFailed) as failure:
            await ada.send(STRANGER, b"hello", on_failure="raise")
        assert not failure.value.may_have_arrived
        assert ada.status().undelivered == 0


async def test_what_was_sent_and_is_given_up_may_have_arrived_and_does_not_stall_the_next() -> None:
    async with linked(inbox_limit=1) as (ada, bob):
        await ada.send(bob.did, b"1")
        with pytest.raises(DeliveryFailed) as failure:
            await ada.send(bob.did, b"2", timeout=SOON_S, retry_count=0, on_failure="raise")
        assert failure.value.may_have_arrived
        assert await finish(bob, 1) == [b"1"]
        assert (await ada.send(bob.did, b"3")).state is ReceiptState.DELIVERED
        (third,) = await take(bob, 1)
        assert (third.body, third.id.seq) == (b"3", 3)


async def test_messages_given_up_before_the_first_meeting_leave_no_gap_that_stalls_the_others() -> None:
    async with running(settings("ada")) as ada, running(settings("bob")) as bob:
        for body in (b"1", b"4"):
            await ada.send(bob.did, body)
            for _ in range(2):
                with pytest.raises(DeliveryFailed):
                    await ada.send(bob.did, b"given up", on_failure="raise")
        await ada.add_peer(place(bob))
        assert (await ada.send(bob.did, b"7")).state is ReceiptState.DELIVERED
        assert [(one.body, one.id.seq) for one in await take(bob, 3)] == [(b"1", 1), (b"4", 4), (b"7", 7)]
        assert ada.status().undelivered == 0


@pytest.mark.parametrize(("on_failure", "expected"), [("queue", "queued"), ("raise", "failed, but may have arrived")])
async def test_a_send_whose_peer_goes_away_hears_of_it_at_once(on_failure: OnFailure, expected: str) -> None:
    outcomes = list[str]()

    async def send(ada: Node, to: str) -> None:
        try:
            receipt = await ada.send(to, b"not taken", timeout=LONGER_THAN_PATIENCE_S, on_failure=on_failure)
            outcomes.append(receipt.state.value)
        except DeliveryFailed as failure:
            outcomes.append("failed, but may have arrived" if failure.may_have_arrived else "failed")

    async with running(settings("ada")) as ada, trio.open_nursery() as sends:
        async with running(replace(settings("bob"), inbox_limit=1)) as bob:
            await ada.add_peer(place(bob))
            await ada.send(bob.did, b"taken")
            sends.start_soon(send, ada, bob.did)
            await until(lambda: ada.status().undelivered == 1)
        await until(lambda: bool(outcomes))
        assert outcomes == [expected]


@pytest.mark.parametrize("on_failure", ["queue", "raise"])
async def test_a_send_that_loses_patience_just_when_it_is_acknowledged_returns_all_the_same(
    on_failure: OnFailure,
) -> None:
    returned = list[int]()

    async def send(ada: Node, to: str, number: int) -> None:
        # From far below to far above what an acknowledgement takes.
        timeout = HASTE_S * (1 + number % 50)
        with suppress(DeliveryFailed):
            await ada.send(to, b"%d" % number, timeout=timeout, retry_count=1, on_failure=on_failure)
        returned.append(number)

    async with linked() as (ada, bob):
        with trio.fail_after(PATIENCE_S):
            for start in range(0, 500, 50):
                async with trio.open_nursery() as sends:
                    for number in range(start, start + 50):
                        sends.start_soon(send, ada, bob.did, number)
        assert len(returned) == 500


async def test_a_node_that_is_told_to_stay_offline_neither_listens_nor_dials() -> None:
    async with running(replace(settings("ada"), offline_mode=True)) as ada, running(settings("bob")) as bob:
        assert ada.addresses == ()
        assert not (await ada.add_peer(place(bob))).linked
        receipt = await ada.send(bob.did, b"hello")
        assert receipt.state is ReceiptState.QUEUED
        assert "offline_mode" in str(receipt.why_queued)
        assert (ada.status().links, bob.status().links) == (0, 0)


# Limits


async def test_no_more_is_queued_than_queue_limit_and_what_is_given_up_does_not_count() -> None:
    async with running(replace(settings("ada"), queue_limit=3, offline_mode=True)) as ada:
        for number in range(3):
            await ada.send(STRANGER, b"%d" % number)
            with pytest.raises(DeliveryFailed if number < 2 else QueueFull):
                await ada.send(STRANGER, b"given up", on_failure="raise")
        with pytest.raises(QueueFull, match="3 messages wait undelivered"):
            await ada.send(STRANGER, b"one too many")
        assert ada.status().undelivered == 3


async def test_a_message_may_be_as_large_as_the_limit_and_no_larger() -> None:
    async with linked() as (ada, bob):
        largest = bytes(MESSAGE_SIZE_MAX)
        assert (await ada.send(bob.did, largest)).state is ReceiptState.DELIVERED
        with pytest.raises(UsageError, match="over the limit"):
            await ada.send(bob.did, largest + b"!")
        assert ada.status().undelivered == 0
        assert await finish(bob, 1) == [largest]
        assert (await ada.send(bob.did, b"")).id.seq == 2
        assert await finish(bob, 1) == [b""]


async def test_a_node_does_not_send_to_itself() -> None:
    async with running(settings("ada")) as ada:
        with pytest.raises(Refused):
            await ada.send(ada.did, b"hello")


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        ("inbox_limit", 2),
        ("NODE_ROWS_MAX", 2),
        ("PEER_BYTES_MAX", 2 * (LITTLE + OVERHEAD)),
        ("NODE_BYTES_MAX", 2 * (LITTLE + OVERHEAD)),
    ],
)
async def test_a_full_inbox_takes_no_more_and_goes_on_in_order_as_messages_are_done(
    limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit != "inbox_limit":
        monkeypatch.setattr(inbox, limit, most)
    async with linked(most if limit == "inbox_limit" else PEER_ROWS_MAX) as (ada, bob), trio.open_nursery() as sends:
        for _ in range(6):
            sends.start_soon(partial(ada.send, bob.did, bytes(LITTLE), timeout=LONGER_THAN_PATIENCE_S))
        await until(lambda: ada.status().undelivered == 4)
        assert bob.status().inbox == 2
        for seq in range(1, 7):
            (message,) = await take(bob, 1)
            assert message.id.seq == seq
            await message.ack()
        await until(lambda: ada.status().undelivered == 0)


async def test_a_sender_that_waits_for_room_gets_it_when_another_senders_message_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "NODE_ROWS_MAX", 1)
    async with linked() as (ada, bob), running(settings("cleo")) as cleo, trio.open_nursery() as sends:
        await cleo.add_peer(place(bob))
        await ada.send(bob.did, b"first")
        sends.start_soon(cleo.send, bob.did, b"second")
        await until(lambda: cleo.status().undelivered == 1)
        assert await finish(bob, 2) == [b"first", b"second"]


# Peers and strangers


async def test_a_peer_shows_its_key_log_when_asked() -> None:
    async with linked() as (ada, bob):
        log = KeyLog.decode_and_verify(await ada.ask_key_log(bob.did))
        assert did_of(log.state.did) == bob.did
        log = KeyLog.decode_and_verify(await bob.ask_key_log(ada.peer_id))
        assert did_of(log.state.did) == ada.did
        with pytest.raises(NotReachable):
            await ada.ask_key_log(STRANGER)


async def test_who_answers_at_an_address_can_be_looked_up_without_a_link() -> None:
    async with running(settings("ada")) as ada, running(settings("bob")) as bob:
        where = place(bob)
        card = await ada.look(Address(where.host, where.port))
        assert card.did == bob.did
        assert (ada.status().links, bob.status().links) == (0, 0)
        with pytest.raises(LinkClosed):
            await ada.look(Address(where.host, where.port), bytes(32))


async def test_a_peer_that_stops_is_linked_no_more() -> None:
    async with running(settings("ada")) as ada:
        async with running(settings("bob")) as bob:
            assert (await ada.add_peer(place(bob))).linked
        await until(lambda: not ada.peers()[0].linked)
        assert ada.peers()[0].session
        assert ada.status().links == 0


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", bytes(64), b"\xff" * 64, b"\x00\x00\x00\x40\x03half a hello", b""]
)
async def test_a_stranger_that_talks_nonsense_disturbs_nobody(said: bytes) -> None:
    async with linked() as (ada, bob):
        where = place(bob)
        stranger = await trio.open_tcp_stream(where.host, where.port)
        await stranger.send_all(said)
        assert (await ada.send(bob.did, b"undisturbed")).state is ReceiptState.DELIVERED
        await stranger.aclose()
        assert await finish(bob, 1) == [b"undisturbed"]
        assert bob.status().links == 1
        assert bob.status().reason is None
