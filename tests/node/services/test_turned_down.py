"""What peers' frames are refused for ends up in the audit log, about that peer; of replays, those that are recent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from talos.core.content import MessageContent
from talos.core.diary import Diary
from talos.core.diary_read import Query
from talos.core.effects import HandUp, TurnedDown
from talos.core.entries import Entry
from talos.core.entry_types import EntryType, Refusal, read_body
from talos.core.frames import Kind
from talos.core.names import LABEL_SAMPLE, digest
from talos.core.refusals import AGGREGATE_MS
from talos.core.sessions import Ours
from talos.core.step import Step
from talos.services.commit import Committer
from talos.services.peer import Peer
from talos.services.post import REPLAY_WINDOW_S, Post
from talos_ratchet import Lane
from tests.node.core.identities import derived
from tests.node.services.test_links_replay import recorded, words
from tests.node.services.wire import CLOCK, Running, Wire, enrolled, running

MINUTE_S = AGGREGATE_MS / 1000
BOB = derived("did", "bob")
CLEO = derived("did", "cleo")
OTHERS = [kind for kind in Refusal if kind is not Refusal.REPLAY]


# The window


class Office:
    """A post office without links, whose peers' conversations the test speaks for."""

    def __init__(self, committer: Committer, post: Post) -> None:
        self._committer = committer
        self.post = post
        self.peer = post.peer(BOB)

    async def take(self, peer: Peer) -> None:
        """A message of the peer's arrives."""
        row, put = self.post.inbox.add(peer.did, bytes(16), 1, b"sealed", 0)
        await self.post.submit(peer, Step((put,), effects=(HandUp(row),))).on_disk()

    async def turn_down(self, kind: Refusal, peer: Peer | None = None) -> bool:
        """Refuse a frame of the peer's; return whether that counts."""
        peer, before = peer or self.peer, self.post.refusals.total
        await self.post.submit(peer, Step(effects=(TurnedDown(kind, b"frame"),))).on_disk()
        return self.post.refusals.total == before + 1

    def due(self) -> tuple[Entry, ...]:
        step = self.post.refusals.due(CLOCK.wall_ms())
        assert step is not None
        return step.entries


@asynccontextmanager
async def office(window_s: int = REPLAY_WINDOW_S) -> AsyncIterator[Office]:
    opened, _ = enrolled(Wire(), "a", CLOCK)
    host, me = opened.host, opened.me
    committer = Committer(host.store, host.blocking, Diary.open(host.store, opened.vault, host.entropy))
    ours = Ours(me.did, me.party.encode(), me.pair, me.origin, opened.vault, host.entropy, host.encapsulate)
    async with trio.open_nursery() as nursery:
        await nursery.start(committer.run)
        yield Office(committer, Post(host, ours, committer, store_size_max_mib=64, replay_window_s=window_s))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("window_s", [1, 60, 3_600])
async def test_a_replay_counts_until_the_peers_newest_message_is_as_old_as_the_window(
    window_s: int, autojump_clock: MockClock
) -> None:
    async with office(window_s) as at:
        await at.take(at.peer)
        for waited_s in (0.0, window_s * 0.5, window_s * 0.49):
            await CLOCK.sleep(waited_s)
            assert await at.turn_down(Refusal.REPLAY)
        await CLOCK.sleep(window_s * 0.02)
        assert not await at.turn_down(Refusal.REPLAY)
        await CLOCK.sleep(100.0 * window_s)
        assert not await at.turn_down(Refusal.REPLAY)


async def test_another_message_opens_the_window_again_and_a_replay_does_not(autojump_clock: MockClock) -> None:
    async with office(60) as at:
        await at.take(at.peer)
        await CLOCK.sleep(50.0)
        assert await at.turn_down(Refusal.REPLAY)
        await CLOCK.sleep(20.0)
        assert not await at.turn_down(Refusal.REPLAY)
        await at.take(at.peer)
        assert await at.turn_down(Refusal.REPLAY)


async def test_each_peer_has_a_window_of_its_own(autojump_clock: MockClock) -> None:
    async with office(60) as at:
        cleo = at.post.peer(CLEO)
        await at.take(at.peer)
        await at.take(cleo)
        await CLOCK.sleep(70.0)
        await at.take(cleo)
        assert not await at.turn_down(Refusal.REPLAY)
        assert await at.turn_down(Refusal.REPLAY, cleo)
        (entry,) = at.due()
        assert entry.subject == CLEO


async def test_until_a_message_was_taken_since_the_start_every_replay_counts(autojump_clock: MockClock) -> None:
    async with office(1) as at:
        await CLOCK.sleep(1_000.0)
        assert await at.turn_down(Refusal.REPLAY)


@pytest.mark.parametrize("kind", OTHERS)
async def test_every_other_refusal_counts_however_old_the_peers_newest_message_is(
    kind: Refusal, autojump_clock: MockClock
) -> None:
    async with office(1) as at:
        await at.take(at.peer)
        for _ in range(3):
            assert await at.turn_down(kind)
            await CLOCK.sleep(1_000.0)
        (entry,) = at.due()
        body = read_body(entry.type, entry.body)
        assert (entry.subject, body["kind"], body["count"]) == (BOB, kind.name.lower(), 3)
        assert body["sample"] == digest(LABEL_SAMPLE, b"frame").hex()


# On a link


async def written(node: Running) -> list[tuple[str, str | None, object, object]]:
    """Return type, peer, count and sample of what is written down as refused."""
    return [
        (entry.type, entry.peer, entry.details["count"], entry.details["sample"])
        for type in (EntryType.SIGNATURE_FAILURE, EntryType.REPLAY_DROPPED, EntryType.REFUSED)
        for entry in await node.node.audit.query(Query(type=type))
        if entry.details is not None
    ]


def sample(frame: bytes) -> str:
    return digest(LABEL_SAMPLE, frame).hex()


def messages(said: bytes) -> list[bytes]:
    """Return the frames of the message lane in a recording, in order."""
    return [word[4:] for word in words(said) if word[4] == Kind.MESSAGE]


def enqueue(node: Running, other: Running, *frames: bytes) -> None:
    link = node.peer(other).link
    assert link is not None
    for frame in frames:
        link.enqueue(frame)


async def test_a_message_frame_that_comes_again_is_a_replay_of_its_peers(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        frame = messages(recorded(a))[-1]
        enqueue(a, b, frame, frame, frame)
        await CLOCK.sleep(MINUTE_S + 1)
        assert await written(b) == [("REPLAY_DROPPED", a.node.did, 3, sample(frame))]
        assert await written(a) == []
        assert a.peer(b).link is not None, "the link lives on"


async def test_a_number_sent_again_under_a_new_key_is_a_replay_of_its_peers(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        peer, now_ms = a.peer(b), CLOCK.wall_ms()
        sessions = peer.conversation._talk.sessions
        session = sessions.sending
        assert session is not None
        content = MessageContent(a.opened.me.origin, 1, b"another body")
        frame = sessions.seal(session, Lane.MESSAGE, content.encode())
        a.desk.post.submit(peer, peer.conversation.expire(now_ms))
        enqueue(a, b, frame)
        await CLOCK.sleep(MINUTE_S + 1)
        assert await written(b) == [("REPLAY_DROPPED", a.node.did, 1, sample(frame))]
        await a.node.send(b.node.did, b"y")
        assert [(await b.node.receive()).body for _ in range(2)] == [b"x", b"y"]


async def test_a_message_frame_that_nothing_opens_is_a_bad_signature_of_its_peers(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await a.node.send(b.node.did, b"x")
        await c.node.send(b.node.did, b"x")
        frames = [bytes((Kind.MESSAGE, fill)) * 100 for fill in (1, 2)]
        enqueue(a, b, *frames)
        await CLOCK.sleep(MINUTE_S + 1)
        assert await written(b) == [("SIGNATURE_FAILURE", a.node.did, 2, sample(frames[0]))]
        await a.node.send(b.node.did, b"y")


async def test_replays_and_forgeries_are_counted_apart(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        frame, forged = messages(recorded(a))[-1], bytes((Kind.MESSAGE,)) + bytes(100)
        enqueue(a, b, frame, forged, frame)
        await CLOCK.sleep(MINUTE_S + 1)
        assert await written(b) == [
            ("SIGNATURE_FAILURE", a.node.did, 1, sample(forged)),
            ("REPLAY_DROPPED", a.node.did, 2, sample(frame)),
        ]


@pytest.mark.slow
async def test_a_node_counts_replays_for_an_hour_after_the_newest_message(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        frame = messages(recorded(a))[-1]
        await CLOCK.sleep(REPLAY_WINDOW_S - MINUTE_S)
        enqueue(a, b, frame)
        await CLOCK.sleep(2 * MINUTE_S)
        enqueue(a, b, frame)
        await CLOCK.sleep(2 * MINUTE_S)
        assert await written(b) == [("REPLAY_DROPPED", a.node.did, 1, sample(frame))]
