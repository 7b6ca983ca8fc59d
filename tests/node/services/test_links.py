"""Links between honest nodes: one per pair, whoever dials and in whatever order, and a new one where one is lost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from talos.core.content import Ping
from talos.core.frames import Kind, wrap
from talos.core.tables import INBOX
from talos.errors import NodeStopped, NotReachable
from talos.host import Address, DialError
from talos.services.call import Call
from talos.services.dial import STAGGER_S
from talos.services.link import GREETING_S, Link
from talos.services.links import DEAD_S, PING_S
from tests.node.services.test_link import link_pair
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import CLOCK, MemoryStream, Running, T, Wire, running, until


def live_streams(wire: Wire) -> list[tuple[MemoryStream, MemoryStream]]:
    return [pair for pair in wire.streams if not any(end.is_closed for end in pair)]


async def lose(one: Running, other: Running) -> None:
    """Break their link, and let both notice."""
    link = one.peer(other).link
    assert link is not None
    link.close("lost")
    await until(lambda: one.peer(other).link is None and other.peer(one).link is None)


async def test_what_was_to_go_out_on_a_link_does_not_go_out_on_the_next(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        peer, post, disk = a.peer(b), a.desk.post, trio.Event()
        link = peer.link
        assert link is not None

        async def held(work: Callable[[], T]) -> T:
            await disk.wait()
            return work()

        post._committer._blocking = held
        pending = post.submit(peer, peer.conversation.say(Ping(), CLOCK.wall_ms()))
        newer, _ = link_pair()
        newer.session_id = link.session_id
        post.bind(peer, newer)
        disk.set()
        await pending.on_disk()
        assert not newer._lanes[Kind.CONTROL].frames
        post.unbind(peer, newer)


async def test_all_who_ask_for_a_link_at_once_share_one_dial(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(a.links.connect, a.peer(b))
        assert len(a.wire.streams) == 1
        await until(lambda: (a.links.bound, b.links.bound) == (1, 1))
        await a.links.connect(a.peer(b))
        assert len(a.wire.streams) == 1


async def test_messages_cross_and_survive_the_loss_of_the_link(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        for dialler, other in ((a, b), (b, a), (a, b)):
            await talk(a, b)
            await lose(a, b)
            await dialler.links.connect(dialler.peer(other))
        await talk(a, b)


async def test_a_link_comes_with_what_either_told_in_its_greeting(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        for dialler, other in ((a, b), (a, b), (b, a)):  # It opens a session, and resumes it twice.
            await dialler.links.connect(dialler.peer(other))
            await until(lambda: a.links.bound == b.links.bound == 1)
            assert a.peer(b).conversation._talk.told == b.peer(a).conversation._talk.told == {}
            await lose(a, b)


LATENCIES = [0.001, 0.02, 0.021, 0.03]


@pytest.mark.parametrize("met", [False, True])
@pytest.mark.parametrize(("a_s", "b_s"), list(product(LATENCIES, LATENCIES)))
async def test_of_two_links_that_both_dialled_one_stays_on_both_ends(
    a_s: float, b_s: float, met: bool, autojump_clock: MockClock
) -> None:
    async with running("a", "b") as (a, b):
        if met:
            await a.links.connect(a.peer(b))
            await talk(a, b)
            await lose(a, b)
        a.wire.latency_s = {"a": a_s, "b": b_s}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.links.connect, a.peer(b))
            nursery.start_soon(b.links.connect, b.peer(a))
        await talk(a, b)
        await until(lambda: (a.links.bound, b.links.bound) == (1, 1))
        assert len(live_streams(a.wire)) == 1
        peers = (a.peer(b), b.peer(a))
        greeted = {peer.link.session_id for peer in peers if peer.link is not None}
        sending = {resumed[0] for peer in peers if (resumed := peer.conversation.resume(CLOCK.wall_ms())) is not None}
        assert greeted == sending
        assert len(sending) == 1
        assert [peer.link.dialled for peer in peers if peer.link is not None] == [a.did < b.did, b.did < a.did]
        await CLOCK.sleep(2 * DEAD_S)
        await talk(a, b)


@pytest.mark.parametrize("late_s", [0.001, 0.004, 0.01, 0.012, 0.02])
async def test_messages_sent_into_a_glare_arrive_in_order(late_s: float, autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        a.wire.latency_s = {"a": 0.01, "b": late_s}
        got: dict[str, list[int]] = {"a": [], "b": []}
        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(a.node.send, b.node.did, b"%02d" % number)
                nursery.start_soon(b.node.send, a.node.did, b"%02d" % number)
            for _ in range(30):
                for end in (a, b):
                    message = await end.node.receive()
                    await message.ack()
                    got[end.name].append(message.id.seq)
        assert got == {name: list(range(1, 31)) for name in "ab"}


async def test_a_bad_frame_closes_its_own_link_and_the_pair_meets_again(autojump_clock: MockClock) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await a.links.connect(a.peer(b))
        await c.links.connect(c.peer(b))
        await talk(a, b)
        untouched = b.peer(c).link
        ours, _ = next(pair for pair in live_streams(a.wire) if pair[1].peer.host == "a")
        await ours.send_all(wrap(bytes((Kind.CONTROL,)) + bytes(120)))
        await until(lambda: b.peer(a).link is None and a.peer(b).link is None)
        assert b.peer(c).link is untouched
        await a.links.connect(a.peer(b))
        await talk(a, b)
        await talk(c, b)


async def test_one_peer_holds_no_more_than_two_links(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        links = []
        for _ in range(6):
            who = a.desk.directory.card(b.did, CLOCK.wall_ms())
            assert who is not None
            link = Link(await a.wire.dial(b.address, "a"), CLOCK, dialled=True, allowed=frozenset())
            await Call(a.desk, link, a.peer(b), who).greet()
            links.append(link)
            await CLOCK.sleep(0.1)
            assert b.links.bound <= 2
        await links[-1].aclose()


# Addresses


async def test_an_address_where_nobody_listens_is_passed_over_at_once(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.desk.directory.add_address(b.did, Address("gone", 1))
        began = trio.current_time()
        await a.links.connect(a.peer(b))
        assert trio.current_time() - began < STAGGER_S


async def test_an_address_that_swallows_dials_costs_a_quarter_second(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        hole = Address("hole", 1)
        a.wire.black_holes.add(hole)
        await a.desk.directory.add_address(b.did, hole)
        began = trio.current_time()
        await a.links.connect(a.peer(b))
        assert trio.current_time() - began == pytest.approx(STAGGER_S, abs=0.05)


async def test_of_two_addresses_that_answer_the_slower_stream_is_closed(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        second = Address("b too", 1)
        a.wire.listeners[second] = a.wire.listeners[b.address]
        await a.desk.directory.add_address(b.did, second)
        a.wire.latency_s = {"a": STAGGER_S}
        await a.links.connect(a.peer(b))
        await talk(a, b)
        assert len(live_streams(a.wire)) == 1
        del a.wire.listeners[second]


async def test_without_an_address_or_anybody_there_the_reason_is_told(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        stranger = a.desk.post.peer(bytes(32))
        with pytest.raises(NotReachable, match="no address"):
            await a.links.connect(stranger)
        await b.leave()
        with pytest.raises(DialError, match="nobody listens"):
            await a.links.connect(a.peer(b))
        assert a.peer(b).reason is not None


async def test_a_peer_that_dials_us_is_reached_even_if_our_own_dial_fails(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        a.wire.black_holes.add(b.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.links.connect, a.peer(b))
            await CLOCK.sleep(1.0)
            await b.links.connect(b.peer(a))
        assert a.peer(b).link is not None


async def test_who_waits_for_a_dial_is_told_when_the_node_stops(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        a.wire.black_holes.add(b.address)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_is_told, a, b)
            await CLOCK.sleep(1.0)
            a.node.stop()
        assert a.links.crashes == 0
        with pytest.raises(NodeStopped):
            await a.links.connect(a.peer(b))


async def _is_told(a: Running, b: Running) -> None:
    with trio.fail_after(GREETING_S - 1), pytest.raises(NotReachable):
        await a.links.connect(a.peer(b))


# Silence


async def test_a_silent_link_is_pinged_and_lives(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        link, said = a.peer(b).link, len(a.wire.streams[0][0].sent)
        await CLOCK.sleep(PING_S + 1)
        assert len(a.wire.streams[0][0].sent) > said
        await CLOCK.sleep(10 * DEAD_S)
        assert a.peer(b).link is link


async def test_a_link_on_which_nobody_answers_is_dead_after_ninety_seconds(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.links.connect(a.peer(b))
        await talk(a, b)
        began = trio.current_time()
        for end in a.wire.streams[0]:
            end.is_deaf = True
        await until(lambda: a.peer(b).link is None, 2 * DEAD_S)
        assert trio.current_time() - began == pytest.approx(DEAD_S, abs=1.0)
        await a.links.connect(a.peer(b))
        await talk(a, b)


async def test_a_message_that_is_done_is_off_the_disk_when_ack_returns(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"once")
        message = await b.node.receive()
        store = b.opened.host.store
        assert len(list(store.scan(INBOX))) == 1
        await message.ack()
        assert list(store.scan(INBOX)) == []


async def test_a_receive_that_is_cancelled_just_when_mail_comes_loses_nothing(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        got: list[bytes] = []
        scope = trio.CancelScope()

        async def receive() -> None:
            with scope:
                got.append((await b.node.receive()).body)

        async def cancel() -> None:
            await b.desk.post.mail_came.wait()
            scope.cancel()

        async with trio.open_nursery() as nursery:
            for work in (receive, cancel):
                nursery.start_soon(work)
            await wait_all_tasks_blocked()
            await a.node.send(b.node.did, b"once")
        with trio.fail_after(10):
            assert got or (await b.node.receive()).body == b"once"
