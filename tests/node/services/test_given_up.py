"""What happens between the moment a session is given up and the next link: nothing is lost by it, nor fails for it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from talos.core.report import ReceiptState
from talos.services.link import DRAIN_S, Link
from tests.node.services.test_link import link_pair
from tests.node.services.test_links_strangers import talk
from tests.node.services.wire import Running, running, until


def link_of(one: Running, other: Running) -> Link:
    link = one.peer(other).link
    assert link is not None
    return link


@pytest.mark.parametrize("hears", [True, False])
async def test_a_message_that_waits_when_we_renew_needs_no_second_try(hears: bool, autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        ours, _ = a.wire.streams[-1]
        ours.is_deaf = True

        async def send() -> None:
            receipt = await a.node.send(b.node.did, b"sent once", timeout=1, retry_count=0, on_failure="raise")
            assert receipt.state is ReceiptState.DELIVERED

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(0.1)  # It is on its way, and never arrives.
            ours.is_deaf = not hears  # If it is not, `b` does not hear the GOAWAY, and the link lives DRAIN_S longer.
            a.desk.post.reset(a.peer(b), "asked for")
        assert (await b.node.receive()).body == b"sent once"


async def test_what_is_sent_while_the_link_of_a_session_given_up_ends_needs_one_try(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        ours, _ = a.wire.streams[-1]
        ours.is_deaf = True
        a.desk.post.reset(a.peer(b), "asked for")
        old, began = link_of(a, b), trio.current_time()
        await a.links.connect(a.peer(b))
        assert link_of(a, b) is not old
        assert trio.current_time() - began < DRAIN_S + 1
        await a.node.send(b.node.did, b"on the new one", timeout=1, retry_count=0, on_failure="raise")


async def test_a_link_that_we_close_for_its_silence_is_a_try_all_the_same(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        a.desk.post.reset(a.peer(b), "asked for")
        await a.links.connect(a.peer(b))
        ours, _ = a.wire.streams[-1]
        ours.is_deaf = True
        receipt = await a.node.send(b.node.did, b"not heard", timeout=1, retry_count=0)
        assert receipt.why_queued == "no acknowledgement within 1 s"
        await until(lambda: not a.peer(b).conversation.has_work)


def take_the_place(a: Running, b: Running) -> Link:
    """Let a link that does nothing be the one of `a` with `b`, on the session that there is; return the old one."""
    old, (newer, _) = link_of(a, b), link_pair()
    newer.session_id = old.session_id
    a.desk.post.bind(a.peer(b), newer)
    return old


async def test_a_link_whose_place_another_has_taken_lives_five_seconds_more_though_nobody_speaks_on_it(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        ours, _ = a.wire.streams[-1]
        ours.is_deaf = True  # So `b` does not hear the GOAWAY.
        await trio.sleep(1)
        old = take_the_place(a, b)
        await trio.sleep(DRAIN_S - 0.1)
        assert (a.links.bound, old.close_reason) == (1, None)
        await trio.sleep(0.2)
        assert (a.links.bound, old.close_reason) == (0, "another link has taken its place")
        a.desk.post.unbind(a.peer(b), link_of(a, b))


async def test_who_waits_for_a_link_to_end_hears_at_once_of_the_one_in_its_place(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.establish_session(b.node.did)
        await talk(a, b)
        ours, _ = a.wire.streams[-1]
        ours.is_deaf = True
        link_of(a, b).drain("it is to end")
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.links.ended, a.peer(b), link_of(a, b))
            await trio.sleep(1)
            old = take_the_place(a, b)
        assert trio.current_time() - began == pytest.approx(1)
        assert old.close_reason is None, "what is under way on it is still read"
        await trio.sleep(DRAIN_S)
        assert a.links.bound == 0
        a.desk.post.unbind(a.peer(b), link_of(a, b))
