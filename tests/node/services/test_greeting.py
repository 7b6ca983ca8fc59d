"""The dialler's half against a responder that lies: what is believed, and that a good session survives it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from talos.core import codec
from talos.core.frames import Kind, wrap
from talos.core.greeting import (
    LABEL_NO_SESSION,
    Ask,
    Greeting,
    NoSession,
    Offered,
    Open,
    Reason,
    Refusal,
    Resume,
)
from talos.core.prekeys import PrekeyRing
from talos.errors import Damaged, MalformedMessage, NotReachable, Refused, TalosError
from talos.host import LinkClosed
from talos.services.link import GREETING_S
from talos_ratchet import make_key_pair
from tests.node.core.end import dice
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, Running, Script, running, until

Play = Callable[[Script], Awaitable[None]]


@asynccontextmanager
async def scripted(play: Play, *, met: bool = True) -> AsyncIterator[tuple[Running, Running]]:
    """Let `a` know `b` and have a session with it if they have `met`; then `b` answers by script."""
    async with running("a", "b") as (a, b):
        if met:
            await a.links.connect(a.peer(b))
            await talk(a, b)
        else:
            await a.links.look(b.address, b.did)
        await b.leave()
        await until(lambda: a.peer(b).link is None)
        script = Script(b)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play, script)
            yield a, b
            nursery.cancel_scope.cancel()
        await script.listener.aclose()


async def come_back(b: Running, nursery: trio.Nursery) -> Running:
    back = Running(b.wire, b.name, b)
    await nursery.start(back.run)
    return back


async def still_resumes(a: Running, b: Running) -> None:
    """The session that both had before serves again: nobody opens a new one."""
    before = a.peer(b).conversation.resume(CLOCK.wall_ms())
    assert before is not None
    async with trio.open_nursery() as nursery:
        back = await come_back(b, nursery)
        await a.links.connect(a.peer(b))
        await talk(a, back)
        after = a.peer(b).conversation.resume(CLOCK.wall_ms())
        assert after is not None
        assert after[0] == before[0]
        back.scope.cancel()


async def test_who_wants_a_session_hears_what_the_responder_made_of_it(autojump_clock: MockClock) -> None:
    async def refuse(script: Script) -> None:
        await script.hello()
        await script.say(Refusal(Reason.BUSY))

    async def lie(script: Script) -> None:
        await script.hello()
        await script.stream.send_all(wrap(bytes((Kind.SEALED,)) + bytes(64)))

    async def close(script: Script) -> None:
        await script.hello()
        await script.stream.aclose()

    expected: list[tuple[Play, type[TalosError]]] = [(refuse, Refused), (lie, Damaged), (close, NotReachable)]
    for play, error in expected:
        for met in (True, False):
            async with scripted(play, met=met) as (a, b):
                with pytest.raises(error):
                    await a.node.establish_session(b.node.did)


# NO_SESSION


def no_session(script: Script, heard: Resume, **lies: bytes) -> NoSession:
    truth = {
        "ours": script.who.opened.me.party.instance,
        "theirs": heard.did,
        "link_nonce": script.channel.ephemeral,
        "frame": heard.frame,
    }
    body = NoSession.body(**{**truth, **lies})
    return NoSession(script.who.opened.me.sign(codec.signed(LABEL_NO_SESSION, body)))


@pytest.mark.parametrize("lie", ["ours", "theirs", "link_nonce", "frame"])
async def test_a_no_session_about_anything_else_is_not_believed(lie: str, autojump_clock: MockClock) -> None:
    async def play(script: Script) -> None:
        heard = await script.hello()
        assert isinstance(heard, Resume)
        await script.say(no_session(script, heard, **{lie: bytes(32)}))

    async with scripted(play) as (a, b):
        with pytest.raises(Damaged, match="NO_SESSION is not signed"):
            await a.links.connect(a.peer(b))
    async with scripted(play) as (a, b):
        with pytest.raises(Damaged):
            await a.links.connect(a.peer(b))


async def test_a_forged_no_session_does_not_cost_the_session(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        await b.leave()
        await until(lambda: a.peer(b).link is None)
        script = Script(b)
        for forged in (NoSession(bytes(64)), Refusal(Reason.HANDSHAKE)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_answer, script, forged)
                with pytest.raises((Damaged, Refused)):
                    await a.links.connect(a.peer(b))
        await script.listener.aclose()
        await still_resumes(a, b)


async def _answer(script: Script, said: Greeting) -> None:
    await script.hello()
    await script.say(said)


async def test_a_no_session_that_is_true_leads_to_a_new_one(autojump_clock: MockClock) -> None:
    heard = list[str]()

    async def play(script: Script) -> None:
        first = await script.hello()
        assert isinstance(first, Resume)
        await script.say(no_session(script, first))
        heard.append(type(await script.hear()).__name__)
        await script.stream.aclose()

    async with scripted(play) as (a, b):
        with pytest.raises(LinkClosed):
            await a.links.connect(a.peer(b))
        assert heard == [Ask.__name__]
        assert a.peer(b).conversation.resume(CLOCK.wall_ms()) is None


# Offers


def ring_of(who: Running, agreement: bytes = b"") -> PrekeyRing:
    """Return a new ring of this node's keys, perhaps with an agreement key that is not the node's."""
    me, vault = who.opened.me, who.opened.vault
    ring = PrekeyRing(
        sign=me.sign,
        signer=me.party.ed25519,
        agreement=agreement or me.party.x25519,
        entropy=dice("ring"),
        vault=vault,
    )
    rotation = ring.rotation(who.opened.host.store, CLOCK.wall_ms())
    assert rotation is not None
    ring.rotated(rotation)
    return ring


def offers(change: Callable[[Script, Offered], Offered]) -> Play:
    """Make an offer that was changed, and go once it is answered or the link is closed."""

    async def play(script: Script) -> None:
        heard = await script.hello()
        assert isinstance(heard, Ask)
        ring = ring_of(script.who)
        requester = codec.array(heard.party, length=10, size_max=512)[1]
        assert isinstance(requester, bytes)
        true = Offered(script.who.opened.me.party.encode(), ring.bundle, ring.offer(requester, CLOCK.wall_ms()))
        await script.say(change(script, true))
        await script.stream.frame()
        await script.stream.aclose()

    return play


def for_somebody_else(script: Script, true: Offered) -> Offered:
    return replace(true, offer=ring_of(script.who).offer(bytes(32), CLOCK.wall_ms()))


def changed_bundle(script: Script, true: Offered) -> Offered:
    return replace(true, bundle=true.bundle[:-1] + bytes((true.bundle[-1] ^ 1,)))


def another_party(script: Script, true: Offered) -> Offered:
    other = Running(script.who.wire, "somebody else")
    return replace(true, party=other.opened.me.party.encode())


def another_bundle(script: Script, true: Offered) -> Offered:
    return replace(true, bundle=ring_of(Running(script.who.wire, "somebody else")).bundle)


def another_agreement_key(script: Script, true: Offered) -> Offered:
    return replace(true, bundle=ring_of(script.who, make_key_pair(dice("another")).public).bundle)


def changed_party(script: Script, true: Offered) -> Offered:
    return replace(true, party=true.party[:-1] + bytes((true.party[-1] ^ 1,)))


LIES = [for_somebody_else, changed_bundle, another_party, another_bundle, another_agreement_key, changed_party]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_an_offer_that_does_not_hold_is_refused_before_anything_is_opened(
    lie: Callable[[Script, Offered], Offered], autojump_clock: MockClock
) -> None:
    async with scripted(offers(lie), met=False) as (a, b):
        with pytest.raises((Damaged, Refused)):
            await a.links.connect(a.peer(b))
        assert not list(a.opened.host.store.scan("sessions"))


async def test_an_offer_that_holds_is_answered_with_an_opening(autojump_clock: MockClock) -> None:
    async with scripted(offers(lambda script, true: true), met=False) as (a, b):
        with pytest.raises(LinkClosed):  # The script goes no further.
            await a.links.connect(a.peer(b))
        assert list(a.opened.host.store.scan("sessions"))


# Everything else


WORDS: tuple[Greeting, ...] = (
    Resume(bytes(32), bytes(16), b"frame"),
    Ask(b"party"),
    Open(b"opening", b"log"),
    NoSession(bytes(64)),
)


@pytest.mark.parametrize("said", WORDS, ids=lambda said: type(said).__name__)
async def test_a_word_out_of_place_is_malformed(said: Greeting, autojump_clock: MockClock) -> None:
    async def play(script: Script) -> None:
        await _answer(script, said)

    async with scripted(play, met=False) as (a, b):
        with pytest.raises(MalformedMessage):
            await a.links.connect(a.peer(b))


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("met", [True, False])
async def test_a_refusal_says_why(reason: Reason, met: bool, autojump_clock: MockClock) -> None:
    async def play(script: Script) -> None:
        await _answer(script, Refusal(reason))

    async with scripted(play, met=met) as (a, b):
        with pytest.raises(Refused, match="the peer"):
            await a.links.connect(a.peer(b))
        assert a.peer(b).reason is not None


async def test_a_responder_that_says_nothing_is_given_up_after_ten_seconds(autojump_clock: MockClock) -> None:
    async def play(script: Script) -> None:
        await script.hello()
        await trio.sleep_forever()

    async with scripted(play) as (a, b):
        began = trio.current_time()
        with pytest.raises(NotReachable, match="within 10 s"):
            await a.links.connect(a.peer(b))
        assert trio.current_time() - began == pytest.approx(GREETING_S)


@pytest.mark.parametrize("size", [1, 96, 200])
async def test_a_forged_answer_binds_no_link(size: int, autojump_clock: MockClock) -> None:
    async def play(script: Script) -> None:
        await script.hello()
        await script.stream.send_all(wrap(bytes((Kind.CONTROL,)) + bytes(size)))

    async with scripted(play) as (a, b):
        with pytest.raises(Damaged):
            await a.links.connect(a.peer(b))
        assert a.links.bound == 0
