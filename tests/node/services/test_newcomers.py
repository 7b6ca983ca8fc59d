"""What a handshake leaves behind: it is bounded, the oldest goes whole, and no peer is ever let go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio
from trio.testing import MockClock

from talos.core.content import Marks, MessageContent, VoidContent
from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.greeting import NoSession, Open, Reason, Refusal
from talos.core.keylog import write_as_controllers
from talos.core.keylog_kinds import BrokenKeyLog, ControllerUnknown, Quorum
from talos.core.keylog_state import Phase
from talos.core.newcomers import NEWCOMERS_MAX, Newcomers
from talos.core.step import Step
from talos.core.tables import BODIES, ENTRIES, KEYLOGS, LOOKUP, MARKS, NEWCOMERS, TREE
from talos.host import Address
from talos.services.desk import Desk
from talos.services.directory import Directory
from talos_ratchet import Lane
from tests.node.core.identities import START_MS, Holder
from tests.node.services.hostile import Stranger, alone, dial
from tests.node.services.test_greeting import come_back
from tests.node.services.test_links_strangers import rows
from tests.node.services.wire import Running, until

ORIGIN: Final = bytes(range(16))
LOG: Final = {ENTRIES, BODIES, TREE, LOOKUP}


def left_by(node: Running, stranger: Stranger) -> set[str]:
    """Return the tables in which there is anything of this identity."""
    return {table for table, key in rows(node) if key.startswith(stranger.did) and table not in LOG}


async def come(node: Running, stranger: Stranger, host: str = "192.0.2.1") -> None:
    """Complete a handshake, and be gone."""
    stream = await dial(node, host)
    assert await stranger.bind(stream)
    await until(lambda: node.links.bound == 1)
    await stream.aclose()
    await until(lambda: node.links.bound == 0)


async def crowd(node: Running, count: int) -> None:
    """Let so many others have come, as far as the store can tell."""
    post = node.desk.post
    others = [number.to_bytes(32, "big") for number in range(1, count + 1)]
    writes = tuple(post.newcomers.came(other) for other in others)
    await post.submit_own(Step(writes)).on_disk()


@asynccontextmanager
async def visited() -> AsyncIterator[tuple[Running, Stranger, Stranger]]:
    """Run a node that `early` came to, and then as many others as it remembers; `late` is still to come."""
    async with alone() as node:
        early, late = (Stranger(name, node.desk.card()) for name in ("early", "late"))
        await come(node, early)
        await crowd(node, NEWCOMERS_MAX - 1)
        yield node, early, late


async def test_at_the_limit_everybody_is_remembered(autojump_clock: MockClock) -> None:
    async with visited() as (node, early, _):
        assert left_by(node, early) >= {NEWCOMERS, KEYLOGS, "sessions", "parties"}
        assert len(Newcomers(node.opened.host.store)) == NEWCOMERS_MAX


async def test_one_more_makes_the_oldest_go_whole(autojump_clock: MockClock) -> None:
    async with visited() as (node, early, late):
        await come(node, late)
        assert left_by(node, early) == set()
        assert left_by(node, late) >= {NEWCOMERS, KEYLOGS, "sessions", "parties"}
        assert len(Newcomers(node.opened.host.store)) == NEWCOMERS_MAX
        assert [peer.did for peer in node.desk.post.peers() if peer.did == early.did] == []
        assert node.desk.directory.key_log(early.did) is None


async def test_who_was_let_go_is_told_so_and_makes_a_new_session_that_carries_messages(
    autojump_clock: MockClock,
) -> None:
    async with visited() as (node, early, late):
        await come(node, late)
        answer = await early.resume(await dial(node), Marks(ORIGIN, bytes(16), 0))
        assert isinstance(answer, NoSession)
        assert await early.bind(await dial(node))
        await early.say(MessageContent(ORIGIN, 1, b"here again"), lane=Lane.MESSAGE)
        assert (await node.node.receive()).body == b"here again"
        assert early.did not in Newcomers(node.opened.host.store)


async def test_a_forged_handshake_makes_nobody_go(autojump_clock: MockClock) -> None:
    async with visited() as (node, _, late):
        before = rows(node)
        await late.ask(stream := await dial(node))
        opening = late.opening()
        await late.greet(Open(opening[:-1] + bytes((opening[-1] ^ 1,)), late.me.key_log.encode()))
        assert await late.answer() == Refusal(Reason.HANDSHAKE)
        assert await stream.is_cut()
        assert rows(node) == before
        assert len(node.desk.post.newcomers) == NEWCOMERS_MAX


async def test_who_has_delivered_a_message_is_never_let_go(autojump_clock: MockClock) -> None:
    async with alone() as node:
        early, late = (Stranger(name, node.desk.card()) for name in ("early", "late"))
        stream = await dial(node)
        assert await early.bind(stream)
        await early.say(MessageContent(ORIGIN, 1, b"a word"), lane=Lane.MESSAGE)
        await (await node.node.receive()).ack()
        await stream.aclose()
        await crowd(node, NEWCOMERS_MAX + 1)
        await come(node, late)
        assert left_by(node, early) >= {KEYLOGS, MARKS, "sessions", "parties"}
        assert NEWCOMERS not in left_by(node, early)


async def test_who_was_sent_a_message_is_never_let_go(autojump_clock: MockClock) -> None:
    async with visited() as (node, early, late):
        peer = node.desk.post.peer(early.did)
        _, step = peer.conversation.submit(b"for you", 0)
        await node.desk.post.submit(peer, step).on_disk()
        await come(node, late)
        assert left_by(node, early) >= {KEYLOGS, MARKS, "outbox", "sessions"}


@pytest.mark.parametrize("part", [Desk, Directory])
async def test_who_was_added_by_hand_is_never_let_go(part: type[Desk | Directory], autojump_clock: MockClock) -> None:
    async with visited() as (node, early, late):
        # The directory's part comes first; another's handshake may come in between.
        adds = node.desk if part is Desk else node.desk.directory
        await adds.add_address(early.did, Address("10.9.9.9", 7_000))
        await come(node, late)
        assert left_by(node, early) >= {KEYLOGS, "peers", "sessions"}
        assert NEWCOMERS not in left_by(node, early)


async def test_who_is_here_just_now_stays_and_the_next_goes(autojump_clock: MockClock) -> None:
    async with visited() as (node, early, late):
        assert await early.bind(await dial(node, "10.0.0.1"))
        await until(lambda: node.links.bound == 1)
        assert await late.bind(await dial(node, "10.0.1.1"))
        await until(lambda: node.links.bound == 2)
        assert left_by(node, early) >= {NEWCOMERS, KEYLOGS, "sessions"}
        newcomers = Newcomers(node.opened.host.store)
        assert len(newcomers) == NEWCOMERS_MAX
        assert (1).to_bytes(32, "big") not in newcomers


async def test_numbers_that_were_only_given_up_make_no_peer_and_their_marks_go_too(autojump_clock: MockClock) -> None:
    async with alone() as node:
        early, late = (Stranger(name, node.desk.card()) for name in ("early", "late"))
        stream = await dial(node)
        assert await early.bind(stream)
        await early.say(VoidContent(ORIGIN, 1, 3), lane=Lane.MESSAGE)
        await until(lambda: MARKS in left_by(node, early))
        await stream.aclose()
        await until(lambda: node.links.bound == 0)
        await crowd(node, NEWCOMERS_MAX - 1)
        await come(node, late)
        assert left_by(node, early) == set()


async def test_the_audit_log_is_told_of_a_session_when_there_is_a_message_in_it(autojump_clock: MockClock) -> None:
    async with alone() as node:
        early = Stranger("early", node.desk.card())
        stream = await dial(node)
        assert await early.bind(stream)
        await until(lambda: node.links.bound == 1)
        assert await node.node.audit.query(Query(type=EntryType.SESSION)) == []
        for number in (1, 2):
            await early.say(MessageContent(ORIGIN, number, b"a word"), lane=Lane.MESSAGE)
            await node.node.receive()
        told = await node.node.audit.query(Query(type=EntryType.SESSION))
        assert [(one.details or {})["event"] for one in told] == ["established"]
        kinds = [one.type for one in await node.node.audit.query(Query())]
        assert kinds.index("SESSION") < kinds.index("MESSAGE")


async def test_a_newcomer_vouches_for_nobody_until_it_is_a_peer(autojump_clock: MockClock) -> None:
    bob = Holder("bob")
    controlled = Holder("alice").log(1, Quorum(1, (bob.log().state.did,)))
    signs = {bob.log().state.did: bob.sign(0)}
    event = write_as_controllers(controlled, "fraud", now_ms=START_MS, signs=signs)
    revoked = controlled.extended(event, lambda did: bob.public(0)).encode()
    async with alone() as node:
        directory, newcomers = node.desk.directory, node.desk.post.newcomers
        directory.grow(bob.log())
        newcomers.came(bob.log().state.did)
        with pytest.raises(ControllerUnknown):
            directory.read(revoked)
        newcomers.no_more(bob.log().state.did)
        assert directory.read(revoked).state.phase is Phase.REVOKED


@pytest.mark.parametrize("by", ["a message", "hand"])
async def test_who_was_sent_a_message_or_added_by_hand_vouches_for_others_at_once(
    by: str, autojump_clock: MockClock
) -> None:
    async with alone() as node:
        desk, early = node.desk, Stranger("early", node.desk.card())
        await come(node, early)
        assert desk.directory._current_key(early.did) is None
        if by == "hand":
            await desk.add_address(early.did, Address("10.9.9.9", 7_000))
        else:
            peer = desk.post.peer(early.did)
            _, step = peer.conversation.submit(b"for you", 0)
            await desk.post.submit(peer, step).on_disk()
        assert desk.directory._current_key(early.did) == early.me.key_log.state.key


async def test_who_was_revoked_by_a_controller_can_be_read_whatever_has_become_of_that_one(
    autojump_clock: MockClock,
) -> None:
    bob = Holder("bob")
    known = bob.log(1)
    controlled = Holder("alice").log(1, Quorum(1, (known.state.did,)))
    event = write_as_controllers(controlled, "fraud", now_ms=START_MS, signs={known.state.did: bob.sign(0)})
    revoked = controlled.extended(event, lambda did: bob.public(0))
    async with alone() as node:
        desk = node.desk
        await desk.learn(known)
        await desk.learn(desk.directory.read(revoked.encode()))
        await desk.learn(bob.rotated(known, 0))
        with pytest.raises(BrokenKeyLog):
            desk.directory.read(revoked.encode())
        again = Directory(desk.host, desk.post._committer, desk.me.key_log, desk.post.newcomers)
        assert again.key_log(revoked.state.did) == revoked


async def test_a_restart_remembers_who_is_new(autojump_clock: MockClock) -> None:
    async with alone() as node:
        early, late = (Stranger(name, node.desk.card()) for name in ("early", "late"))
        await come(node, early)
        await crowd(node, NEWCOMERS_MAX - 1)
        await node.leave()
        async with trio.open_nursery() as nursery:
            back = await come_back(node, nursery)
            late.card = back.desk.card()
            await come(back, late)
            assert left_by(back, early) == set()
            back.scope.cancel()
