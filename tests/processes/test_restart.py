"""What outlives an orderly restart: what was queued, who has met whom, what is not done."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import pytest
import trio

from talos.config import Config
from talos.core.report import ReceiptState
from talos.core.step import Put
from talos.core.tables import SESSIONS, STATE_TABLES
from talos.drivers.lmdb_store import LmdbStore
from talos.errors import NodeStopped
from talos.runtime import Node
from tests.conftest import Rounds
from tests.processes.running import (
    CountingSuite,
    back_at,
    finish,
    place,
    running,
    settings,
    take,
    until,
)

SENDERS: Final = 6  # Tasks that send at once.
MESSAGES: Final = 10  # Each way.
CROSSED_LEAST: Final = 0.8  # Of the calls that are to cross; a busy machine may let one side wait for too long.
ENOUGH: Final = 200  # Messages: the traffic is full by then.


async def test_what_is_sent_to_a_peer_that_is_away_is_queued_and_comes_in_order_once_it_is_back(tmp_path: Path) -> None:
    bodies = [b"%d" % number for number in range(30)]
    ada_config, bob_config = settings("ada", tmp_path), settings("bob", tmp_path)
    async with running(bob_config) as bob:
        there = place(bob)
    ada_config = replace(ada_config, peers=(there,))
    async with running(ada_config) as ada:
        receipts = [await ada.send(bob.did, body) for body in bodies[:20]]
    async with running(ada_config) as ada:
        receipts += [await ada.send(bob.did, body) for body in bodies[20:]]
        assert [receipt.id.seq for receipt in receipts] == list(range(1, 31))
        assert {receipt.state for receipt in receipts} == {ReceiptState.QUEUED}
        assert "nobody answered" in str(receipts[-1].why_queued)
        async with running(back_at(bob_config, there)) as bob:
            assert await finish(bob, 30) == bodies
            await until(lambda: ada.status().undelivered == 0)


@pytest.mark.parametrize("caller_restarts", [True, False])
async def test_a_session_is_resumed_after_a_restart_without_a_new_handshake(
    tmp_path: Path, caller_restarts: bool
) -> None:
    restarts, stays = CountingSuite(), CountingSuite()
    restarting, staying = settings("ada", tmp_path), settings("bob", tmp_path)
    async with running(staying, stays) as bob:
        async with running(restarting, restarts) as ada:
            caller, called = (ada, bob) if caller_restarts else (bob, ada)
            await caller.add_peer(place(called))
            assert (await caller.send(called.did, b"before")).state is ReceiptState.DELIVERED
            there = place(ada)
        async with running(back_at(restarting, there), restarts) as ada:
            caller, called = (ada, bob) if caller_restarts else (bob, ada)
            assert (await caller.send(called.did, b"after")).state is ReceiptState.DELIVERED
            assert (await called.send(caller.did, b"and back")).state is ReceiptState.DELIVERED
    assert (restarts.handshakes, stays.handshakes) == (1, 1)


async def test_whoever_was_called_may_call_next_on_the_same_session(tmp_path: Path) -> None:
    suites = CountingSuite(), CountingSuite()
    ada_config, bob_config = settings("ada", tmp_path), settings("bob", tmp_path)
    async with running(ada_config, suites[0]) as ada, running(bob_config, suites[1]) as bob:
        await ada.add_peer(place(bob))
        assert (await ada.send(bob.did, b"call")).state is ReceiptState.DELIVERED
    async with running(ada_config, suites[0]) as ada, running(bob_config, suites[1]) as bob:
        await bob.add_peer(place(ada))
        assert (await bob.send(ada.did, b"call back")).state is ReceiptState.DELIVERED
    assert [suite.handshakes for suite in suites] == [1, 1]


async def test_what_is_not_done_comes_again_and_says_so_and_what_is_done_never_does(tmp_path: Path) -> None:
    ada_config, bob_config = settings("ada", tmp_path), settings("bob", tmp_path)
    async with running(ada_config) as ada:
        async with running(bob_config) as bob:
            there = place(bob)
            await ada.add_peer(there)
            for body in (b"1", b"2", b"3", b"4"):
                await ada.send(bob.did, body)
            first, second, third = await take(bob, 3)
            assert [first.redelivered, second.redelivered, third.redelivered] == [False] * 3
            await second.ack()
            await second.ack()  # Twice is no error.
        async with running(back_at(bob_config, there)) as bob:
            await ada.send(bob.did, b"5")
            again = await take(bob, 4)
            # The fourth was never handed out; but who could know that now?
            assert [(one.body, one.redelivered) for one in again] == [
                (b"1", True),
                (b"3", True),
                (b"4", True),
                (b"5", False),
            ]
            assert [one.id for one in again[:2]] == [first.id, third.id]
            for one in again:
                await one.ack()
        async with running(back_at(bob_config, there)) as bob:
            assert bob.status().inbox == 0
            await ada.send(bob.did, b"6")
            assert await finish(bob, 1) == [b"6"]


def forget_sessions(config: Config) -> None:
    """Lose every ratchet session of a node that is not running."""
    assert config.data_dir is not None
    store = LmdbStore(config.data_dir / "store" / "state", config.store_size_max_mib, STATE_TABLES)
    store.commit([Put(SESSIONS, key, None) for key, _ in store.scan(SESSIONS)])
    store.close()


@pytest.mark.parametrize("loser_calls", [False, True])
async def test_after_one_side_has_lost_its_sessions_both_meet_anew_and_nothing_is_lost_or_comes_twice(
    tmp_path: Path, loser_calls: bool
) -> None:
    suite = CountingSuite()
    ada_config, bob_config = settings("ada", tmp_path), settings("bob", tmp_path)
    async with running(ada_config, suite) as ada, trio.open_nursery() as sends:
        # Frames of the old session must wait when it is lost.
        async with running(replace(bob_config, inbox_limit=1)) as bob:
            caller, called = (bob, ada) if loser_calls else (ada, bob)
            there = place(bob)
            await caller.add_peer(place(called))
            for body in (b"1", b"2", b"3"):
                sends.start_soon(ada.send, bob.did, body)
            await until(lambda: (bob.status().inbox, ada.status().undelivered) == (1, 2))
        forget_sessions(bob_config)
        async with running(back_at(bob_config, there)) as bob:
            if loser_calls:
                await bob.send(ada.did, b"I am back")
            messages = await take(bob, 3)
            assert [one.id.seq for one in messages] == [1, 2, 3]
            assert sorted(one.body for one in messages) == [b"1", b"2", b"3"]
            for one in messages:
                await one.ack()
            await until(lambda: ada.status().undelivered == 0)
            await ada.send(bob.did, b"4")
            assert await finish(bob, 1) == [b"4"]
    assert suite.handshakes == 2


def have_one_link(*nodes: Node) -> bool:
    return all(node.status().links == 1 for node in nodes)


async def test_two_that_call_each_other_at_the_same_moment_keep_one_link_and_lose_nothing(rounds: Rounds) -> None:
    count, crossed = rounds(10, 100), 0
    for _ in range(count):
        suite = CountingSuite()
        async with (
            running(settings("ada"), suite) as ada,
            running(replace(settings("bob"), peers=(place(ada),))) as bob,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ada.add_peer, place(bob))
                for number in range(MESSAGES):
                    nursery.start_soon(bob.send, ada.did, b"%d" % number)
                    nursery.start_soon(ada.send, bob.did, b"%d" % number)
            for node in (ada, bob):
                messages = await take(node, MESSAGES)
                assert [one.id.seq for one in messages] == list(range(1, MESSAGES + 1))
                assert {one.body for one in messages} == {b"%d" % number for number in range(MESSAGES)}
            await until(partial(have_one_link, ada, bob))
            assert (await ada.send(bob.did, b"last")).state is ReceiptState.DELIVERED
            assert (await bob.send(ada.did, b"last")).state is ReceiptState.DELIVERED
        crossed += suite.handshakes == 2
    assert crossed >= CROSSED_LEAST * count, f"only {crossed} times did they call at the same moment"


def start_senders(nursery: trio.Nursery, node: Node, to: str, accepted: list[bytes]) -> None:
    numbers = count()
    for _ in range(SENDERS):
        nursery.start_soon(send_for_ever, node, to, numbers, accepted)


async def send_for_ever(node: Node, to: str, numbers: Iterator[int], accepted: list[bytes]) -> None:
    """Send numbered messages until the node stops; note those that were accepted."""
    for number in numbers:
        try:
            await node.send(to, b"%d" % number, timeout=1, retry_count=0)
        except NodeStopped:
            break
        accepted.append(b"%d" % number)


async def finish_until(node: Node, last: bytes) -> list[bytes]:
    """Take and acknowledge messages up to the one of this body."""
    bodies = list[bytes]()
    while last not in bodies:
        bodies += await finish(node, 1)
    return bodies


async def test_a_receiver_that_is_stopped_in_full_traffic_ends_in_time_and_goes_on_where_it_was(tmp_path: Path) -> None:
    ada_config, bob_config = settings("ada", tmp_path), settings("bob", tmp_path)
    accepted = list[bytes]()
    async with running(ada_config) as ada:
        async with trio.open_nursery() as senders:
            async with running(bob_config) as bob:
                there = place(bob)
                await ada.add_peer(there)
                start_senders(senders, ada, bob.did, accepted)
                done = await finish(bob, ENOUGH)
            senders.cancel_scope.cancel()
        async with running(back_at(bob_config, there)) as bob:
            await ada.send(bob.did, b"last")
            done += await finish_until(bob, b"last")
    assert set(accepted) <= set(done)
    assert len(set(done)) == len(done)


async def test_a_sender_that_is_stopped_in_full_traffic_ends_in_time_and_goes_on_where_it_was(tmp_path: Path) -> None:
    ada_config, bob_config = settings("ada", tmp_path), settings("bob", tmp_path)
    accepted = list[bytes]()
    async with running(bob_config) as bob:
        async with trio.open_nursery() as senders, running(ada_config) as ada:
            await ada.add_peer(place(bob))
            start_senders(senders, ada, bob.did, accepted)
            done = await finish(bob, ENOUGH)
        async with running(ada_config) as ada:
            await ada.send(bob.did, b"last")
            done += await finish_until(bob, b"last")
    assert set(accepted) <= set(done)
    assert len(set(done)) == len(done)
