"""A node among strangers who mean it no good: what they get, what it costs, and that nobody else notices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from talos.core import codec
from talos.core.channel import Channel
from talos.core.frames import SIZE_MAX, Kind, wrap
from talos.core.greeting import Ask, Card, Fetch, NoSession, Offered, Open, Reason, Refusal, Resume, decode
from talos.core.keylog import KeyLog
from talos.core.tables import STATE_TABLES
from talos.services.directory import check_bundle, check_card
from talos.services.link import GREETING_S
from talos.services.places import STRANGERS_MAX, STRANGERS_PER_HOST, STRANGERS_PER_NET
from talos_ratchet import read_offer, start
from tests.node.services.wire import CLOCK, MemoryStream, Running, running, until


def rows(node: Running) -> dict[tuple[str, bytes], bytes]:
    store = node.opened.host.store
    return {(table, key): value for table in STATE_TABLES for key, value in store.scan(table)}


async def talk(one: Running, other: Running) -> None:
    """Both directions work, within a second."""
    for sender, receiver in ((one, other), (other, one)):
        with trio.fail_after(1.0):
            await sender.node.send(receiver.node.did, b"still well")
            await (await receiver.node.receive()).ack()


GARBAGE = {
    "a kind for later": wrap(bytes((Kind.MESSAGE,)) + bytes(100)),
    "control before a greeting": wrap(bytes((Kind.CONTROL,)) + bytes(100)),
    "a card nobody asked for": wrap(bytes((Kind.CARD,)) + bytes(100)),
    "no kind": b"\x00\x00\x00\x01\xff",
    "no length": bytes(5),
    "four gigabytes": b"\xff\xff\xff\xff" + bytes((Kind.HELLO,)),
    "a hello too long": (SIZE_MAX[Kind.HELLO] + 1).to_bytes(4, "big") + bytes((Kind.HELLO,)),
    "a web browser": b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    "an empty hello": wrap(bytes((Kind.HELLO,))),
    "a hello to nobody": wrap(bytes((Kind.HELLO,)) + bytes(range(100))),
    "a fetch of nothing": wrap(bytes((Kind.FETCH,)) + b"\x93\x01\x02\x03"),
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_closes_the_link_at_once_and_disturbs_nobody(said: bytes, autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await CLOCK.sleep(3.0)  # Until the two have said all they have to say, and signed their logs.
        before, began = rows(b), trio.current_time()
        stream = await b.wire.dial(b.address)
        await stream.send_all(said)
        assert await stream.is_cut()
        assert trio.current_time() - began < 1.0
        assert rows(b) == before
        assert b.desk.post.refusals.total == 1
        await talk(a, b)


@pytest.mark.parametrize("pause_s", [0.5, 100.0])
async def test_whoever_dawdles_is_cut_off_after_ten_seconds(pause_s: float, autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        began = trio.current_time()
        stream = await a.wire.dial(a.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_dribble, stream, wrap(bytes((Kind.HELLO,)) + bytes(1_000)), pause_s)
            assert await stream.is_cut()
            assert trio.current_time() - began == pytest.approx(GREETING_S, abs=0.1)
            nursery.cancel_scope.cancel()


async def _dribble(stream: MemoryStream, data: bytes, pause_s: float) -> None:
    for byte in data:
        await stream.send_all(bytes((byte,)))
        await CLOCK.sleep(pause_s)


async def _crowd(node: Running, host: Callable[[int], str], count: int) -> int:
    """Let so many strangers knock; return how many are let in."""
    streams = [await node.wire.dial(node.address, host(number)) for number in range(count)]
    await CLOCK.sleep(0.1)
    return sum(not their_end.is_closed for _, their_end in node.wire.streams[-len(streams) :])


@pytest.mark.parametrize(
    ("host", "most"),
    [
        (lambda number: "10.0.0.1", STRANGERS_PER_HOST),
        (lambda number: f"10.0.0.{number}", STRANGERS_PER_NET),
        (lambda number: f"2001:db8::{number:x}", STRANGERS_PER_HOST),
        (lambda number: f"2001:db8:0:{number:x}::1", STRANGERS_PER_NET),
        (lambda number: f"10.0.{number}.1", STRANGERS_MAX),
    ],
    ids=["one host", "one IPv4 net", "one IPv6 /64", "one IPv6 net", "everywhere"],
)
async def test_only_so_many_strangers_are_let_in_until_they_have_had_their_time(
    host: Callable[[int], str], most: int, autojump_clock: MockClock
) -> None:
    async with running("a") as (a,):
        assert await _crowd(a, host, most + 3) == most
        await CLOCK.sleep(GREETING_S)
        assert await _crowd(a, host, most + 3) == most


async def test_a_crowd_of_strangers_does_not_touch_links_that_are_bound(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await _crowd(b, lambda number: f"10.0.{number}.1", STRANGERS_MAX)
        await talk(a, b)


# Who answers here?


@pytest.mark.parametrize("asks_by_name", [True, False])
async def test_a_card_is_shown_to_everybody_and_holds(asks_by_name: bool, autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        stream = await a.wire.dial(a.address)
        await stream.send_all(wrap(bytes((Kind.FETCH,)) + Fetch(a.did if asks_by_name else b"").encode()))
        card = Card.decode((await stream.frame())[1:])
        shown = check_card(card, KeyLog.decode_and_verify(card.key_log), a.did, CLOCK.wall_ms())
        assert shown.did == a.did


async def test_who_asks_for_somebody_else_or_asks_twice_is_shown_nothing(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        stream = await a.wire.dial(a.address)
        await stream.send_all(wrap(bytes((Kind.FETCH,)) + Fetch(b.did).encode()))
        assert await stream.frame() == b""
        stream = await a.wire.dial(a.address)
        for _ in range(2):
            await stream.send_all(wrap(bytes((Kind.FETCH,)) + Fetch(b"").encode()))
        assert (await stream.frame())[0] == Kind.CARD
        assert await stream.frame() == b""


# Greetings that lead to nothing


async def test_a_stranger_that_resumes_gets_a_signed_no_and_may_ask(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        before = rows(a)
        stream, channel = await a.hello(Resume(b.did, bytes(16), b"\x11" + bytes(150)).encode())
        assert isinstance(decode(channel.open((await stream.frame())[1:])), NoSession)
        ask = Ask(b.opened.me.party.encode())
        await stream.send_all(wrap(bytes((Kind.SEALED,)) + channel.seal(ask.encode())))
        assert isinstance(decode(channel.open((await stream.frame())[1:])), Offered)
        assert rows(a) == before
        assert a.desk.post.peers() == []


BAD_GREETINGS = {
    "an offer": Offered(b"party", b"bundle", b"").encode(),
    "an opening before an offer": Open(b"opening", b"log").encode(),
    "a refusal": Refusal(Reason.BUSY).encode(),
    "a party that is none": Ask(b"party").encode(),
    "nonsense": b"\x00\x01\x02",
    "another version": codec.pack(2, 2, b"party"),
}


@pytest.mark.parametrize("said", BAD_GREETINGS.values(), ids=BAD_GREETINGS.keys())
async def test_a_greeting_out_of_place_closes_the_link(said: bytes, autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        before = rows(a)
        stream, _ = await a.hello(said)
        assert await stream.is_cut()
        assert rows(a) == before


async def opening_to(a: Running, b: Running, stream: MemoryStream, channel: Channel, party: bytes) -> bytes:
    """Let stranger `b` go on with an Ask it has said to `a`; return its opening in the name of `party`."""
    offered = decode(channel.open((await stream.frame())[1:]))
    assert isinstance(offered, Offered)
    now_ms = CLOCK.wall_ms()
    signer = a.opened.me.party.ed25519
    _, opening = start(
        pair=b.opened.me.pair,
        party=party,
        peer_party=offered.party,
        bundle=check_bundle(offered.bundle, a.opened.me.party),
        offer=read_offer(offered.offer, signer=signer, requester=b.did, now_ms=now_ms),
        first=b"first",
        entropy=b.opened.host.entropy,
        encapsulate=b.opened.host.encapsulate,
        now_ms=now_ms,
    )
    return opening


@pytest.mark.parametrize("whose_log", ["nobody's", "another's", "ours"])
@pytest.mark.parametrize("whose_party", ["mine", "another's"])
async def test_an_opening_that_its_key_log_does_not_bear_out_is_refused(
    whose_log: str, whose_party: str, autojump_clock: MockClock
) -> None:
    async with running("a", "b", "c") as (a, b, c):
        mine = b.opened.me
        log = {"nobody's": b"log", "another's": c.opened.me.key_log.encode(), "ours": a.opened.me.key_log.encode()}
        party = mine.party if whose_party == "mine" else c.opened.me.party
        before = rows(a)
        stream, channel = await a.hello(Ask(mine.party.encode()).encode())
        opening = await opening_to(a, b, stream, channel, party.encode())
        said = Open(opening, log[whose_log]).encode()
        await stream.send_all(wrap(bytes((Kind.SEALED,)) + channel.seal(said)))
        answer = decode(channel.open((await stream.frame())[1:]))
        assert isinstance(answer, Refusal)
        assert await stream.is_cut()
        assert rows(a) == before
        assert a.desk.post.peers() == []
        await b.links.connect(b.peer(a))  # What did not authenticate has burnt no prekey.
        await talk(a, b)


async def test_an_opening_in_another_name_with_its_real_key_log_does_not_authenticate(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b", "c") as (a, b, c):
        before = rows(a)
        stream, channel = await a.hello(Ask(b.opened.me.party.encode()).encode())
        opening = await opening_to(a, b, stream, channel, c.opened.me.party.encode())
        said = Open(opening, c.opened.me.key_log.encode()).encode()
        await stream.send_all(wrap(bytes((Kind.SEALED,)) + channel.seal(said)))
        assert decode(channel.open((await stream.frame())[1:])) == Refusal(Reason.HANDSHAKE)
        assert rows(a) == before
        assert a.desk.post.peers() == []


async def test_strangers_leave_no_trace_in_memory(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        for number in range(20):
            stream, _ = await a.hello(Ask(b.opened.me.party.encode()).encode(), f"10.0.{number}.1")
            await stream.frame()
            await stream.aclose()
        await until(lambda: not len(a.links._places))
        assert a.links.bound == 0
        assert a.desk.post.peers() == []
