"""Recordings of a real dialler, played again: they take nobody's place, change nothing, and cost nobody a session."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.diary import CHECKPOINT_KEY
from talos.core.frames import Kind
from talos.core.greeting import Reason, Refusal, Resume, decode
from talos.core.log_index import INDEXED_KEY
from talos.core.prekeys import OFFERS_MAX
from talos.core.refusals import STRANGERS_KEY
from talos.core.tables import BODIES, ENTRIES, LOOKUP, META, SESSIONS, TREE
from talos.host import LinkClosed
from tests.node.services.hostile import refusals
from tests.node.services.test_links_strangers import rows, talk
from tests.node.services.wire import CLOCK, MemoryStream, Running, running


def recorded(dialler: Running) -> bytes:
    """Return all that this node has said on the stream it dialled last."""
    ours = [ours for ours, theirs in dialler.wire.streams if theirs.peer.host == dialler.name]
    return bytes(ours[-1].sent)


def words(said: bytes) -> list[bytes]:
    """Cut a recording into frames, lengths and all."""
    frames = []
    while said:
        size = 4 + int.from_bytes(said[:4], "big")
        frames.append(said[:size])
        said = said[size:]
    return frames


WRITTEN_DOWN = {ENTRIES, BODIES, LOOKUP, TREE}  # Refusals are, once a minute.


def kept(node: Running, is_linked: bool) -> dict[tuple[str, bytes], bytes]:
    """Return all rows but the audit log's; on a link without those that pings move."""
    moving = WRITTEN_DOWN | {SESSIONS} if is_linked else WRITTEN_DOWN
    log = {(META, CHECKPOINT_KEY), (META, INDEXED_KEY), (META, STRANGERS_KEY)}
    return {key: value for key, value in rows(node).items() if key[0] not in moving and key not in log}


async def play(to: Running, said: bytes) -> MemoryStream:
    stream = await to.wire.dial(to.address)
    await stream.send_all(said)
    return stream


async def greet(a: Running, b: Running, *, first_contact: bool, last_resort: bool = False) -> bytes:
    """Link `a` to `b`, and return what `a` said in doing so."""
    if last_resort:
        for number in range(OFFERS_MAX):
            b.desk.ring.offer(number.to_bytes(32, "big"), CLOCK.wall_ms())
    await a.links.connect(a.peer(b))
    await talk(a, b)
    if not first_contact:
        await relink(a, b)
    return recorded(a)


async def relink(a: Running, b: Running) -> None:
    link = a.peer(b).link
    assert link is not None
    link.close("once more")
    await CLOCK.sleep(1.0)
    await a.links.connect(a.peer(b))
    await talk(a, b)


@pytest.mark.parametrize("kind", ["resume", "one-time opening", "last-resort opening"])
@pytest.mark.parametrize("is_linked", [True, False])
async def test_a_recording_binds_no_link_and_changes_nothing(
    kind: str, is_linked: bool, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        said = await greet(a, b, first_contact=kind != "resume", last_resort=kind == "last-resort opening")
        link = a.peer(b).link
        assert link is not None
        if not is_linked:
            link.close("gone")
        await CLOCK.sleep(1.0)
        before, bound, live = kept(b, is_linked), b.links.bound, b.peer(a).link
        for until in range(1, len(words(said)) + 1):  # All of it, and every beginning of it.
            stream = await play(b, b"".join(words(said)[:until]))
            await CLOCK.sleep(11.0)
            assert await stream.is_cut()
            assert kept(b, is_linked) == before
            assert (b.links.bound, b.peer(a).link) == (bound, live)
        await a.links.connect(a.peer(b))
        await talk(a, b)


async def test_a_last_resort_opening_is_taken_once_though_its_session_is_long_gone(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        said = await greet(a, b, first_contact=True, last_resort=True)
        peer = b.peer(a)
        assert peer.link is not None
        peer.link.close("gone")
        await CLOCK.sleep(1.0)
        peer.conversation._talk.sessions.forget()
        await b.desk.post.submit(peer, peer.conversation.expire(CLOCK.wall_ms())).on_disk()
        before = kept(b, False)
        assert SESSIONS not in {table for table, _ in before}
        stream = await play(b, said)
        assert await stream.is_cut()
        assert kept(b, False) == before
        assert refusals(b)["REPLAY"] == 1


async def test_a_resume_played_again_is_refused_but_proves_no_loss(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await greet(a, b, first_contact=True)
        resumed = a.peer(b).conversation.resume(CLOCK.wall_ms())
        assert resumed is not None
        session_id, frame, _ = resumed
        said = Resume(a.did, session_id, frame).encode()
        first, _ = await b.hello(said)
        assert (await first.frame())[0] == Kind.CONTROL
        second, channel = await b.hello(said)
        # A NO_SESSION here would let whoever replays make the dialler drop a good session.
        assert decode(channel.open((await second.frame())[1:])) == Refusal(Reason.HANDSHAKE)


async def test_a_resume_that_was_intercepted_binds_nothing_without_the_third_word(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await greet(a, b, first_contact=True)
        opened = a.peer(b).link
        assert opened is not None
        opened.close("gone")
        await CLOCK.sleep(1.0)
        said = await _intercepted(a, b)
        stream = await play(b, said)
        frame = await stream.frame()
        assert frame[0] == Kind.CONTROL  # It is authentic, so it is answered; but only `a` can say the next word.
        await stream.send_all(len(frame).to_bytes(4, "big") + frame)
        assert await stream.is_cut()
        assert b.links.bound == 0
        await a.links.connect(a.peer(b))
        await talk(a, b)


async def _intercepted(a: Running, b: Running) -> bytes:
    """Let `a` dial a host that reads its first word and is gone; return that word."""
    listener = b.wire.listeners.pop(b.address)
    trap = b.wire.listen(b.address)
    heard = list[bytes]()

    async def read_one() -> None:
        stream = await trap.accept()
        heard.append(await stream.frame())
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_one)
        with pytest.raises(LinkClosed):
            await a.links.connect(a.peer(b))
    b.wire.listeners[b.address] = listener
    return len(heard[0]).to_bytes(4, "big") + heard[0]
