"""How streams come about in the simulated network: who can be dialled, and what happens meanwhile."""

from __future__ import annotations

from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from talos.errors import UsageError
from talos.host import Address, DialError, LinkClosed
from talos_simulations.network import BACKLOG, PORT_FIRST, Card
from talos_simulations.streams import SimStream
from talos_simulations.weather import Kind
from tests.contracts.small_world import LATENCY_S, VIRTUAL_TIME, small_world

pytestmark = VIRTUAL_TIME

A: Final = Address("a", 4_000)
MS: Final = 0.001


async def is_answered(card: Card, within_s: float = 600.0) -> bool:
    """Say whether a dial of machine a comes to an end in that time, as it should."""
    with trio.move_on_after(within_s):
        stream = await card.dial_stream(A)
        await stream.aclose()
        return True
    return False


async def test_a_dial_takes_a_way_there_and_a_way_back() -> None:
    async with small_world() as world:
        listener, b = await world.process("a").listen_stream(A), world.process("b")
        begun_at = trio.current_time()
        await b.dial_stream(A)
        assert trio.current_time() - begun_at == pytest.approx(2 * LATENCY_S)
        await listener.aclose()
        with pytest.raises(DialError, match="refused"):
            await b.dial_stream(A)
        assert trio.current_time() - begun_at == pytest.approx(4 * LATENCY_S)


async def test_a_machine_that_does_not_exist_does_not_answer() -> None:
    async with small_world() as world:
        with pytest.raises(DialError, match="no such machine"):
            await world.process("b").dial_stream(Address("nowhere", 1))


@pytest.mark.parametrize(
    ("kind", "who"), [(Kind.PARTITION, ("a",)), (Kind.ONE_WAY, ("b", "a")), (Kind.JAM, ("a", "b"))]
)
async def test_a_dial_over_a_shut_road_waits_until_it_opens(kind: Kind, who: tuple[str, ...]) -> None:
    async with small_world() as world:
        await world.process("a").listen_stream(A)
        b = world.process("b")
        end = world.begin(kind, *who)
        assert not await is_answered(b)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.dial_stream, A)
            await trio.sleep(5.0)
            end()


async def test_a_dial_whose_answer_cannot_come_back_waits_for_it() -> None:
    async with small_world() as world:
        listener = await world.process("a").listen_stream(A)
        b = world.process("b")
        world.begin(Kind.ONE_WAY, "a", "b")
        assert not await is_answered(b)
        half_open = await listener.accept()
        assert await half_open.receive_some(1) == b"", "who gave up has closed it"


async def test_a_road_that_shuts_while_the_first_packet_is_under_way_loses_it() -> None:
    async with small_world() as world:
        listener = await world.process("a").listen_stream(A)
        b = world.process("b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.dial_stream, A)
            await trio.sleep(LATENCY_S / 2)
            end = world.begin(Kind.PARTITION, "a")
            with trio.move_on_after(60.0) as patience:
                await listener.accept()
            assert patience.cancelled_caught
            end()


async def test_a_machine_without_power_is_silent_and_refuses_nothing() -> None:
    async with small_world() as world:
        a, b = world.process("a"), world.process("b")
        await a.listen_stream(A)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(is_answered, b)
            await trio.sleep(LATENCY_S / 2)
            world.cut_power(a)
            await trio.sleep(60.0)
            await (again := world.switch_on("a")).listen_stream(A)
        assert len(again.listeners) == 1
        world.cut_power(again)
        assert not await is_answered(b)


async def test_who_is_hidden_behind_a_nat_can_dial_and_not_be_dialled() -> None:
    async with small_world() as world:
        a, b = world.process("a"), world.process("b")
        await a.listen_stream(A)
        listener = await b.listen_stream(Address("b", 1))
        a.site.can_be_dialled = False
        assert not await is_answered(b)
        assert await is_answered(a), "its own address is on this side"
        stream = await a.dial_stream(listener.address)
        accepted = await listener.accept()
        await accepted.send_all(b"an answer passes")
        assert await stream.receive_some(100) == b"an answer passes"


async def test_a_dial_waits_for_room_among_those_that_were_not_accepted() -> None:
    async with small_world() as world:
        listener = await world.process("a").listen_stream(A)
        b = world.process("b")
        streams = [await b.dial_stream(A) for _ in range(BACKLOG)]
        assert not await is_answered(b)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(b.dial_stream, A)
            await trio.sleep(5.0)
            for stream in streams:
                assert (await listener.accept()).peer.host == "b"
                await stream.aclose()


async def test_a_dial_that_is_cancelled_leaves_no_stream_open() -> None:
    async with small_world() as world:
        listener = await world.process("a").listen_stream(A)
        b = world.process("b")
        for waits_s in (0.0, LATENCY_S / 2, LATENCY_S * 1.5, LATENCY_S * 1.99):
            with trio.move_on_after(waits_s) as patience:
                await b.dial_stream(A)
            assert patience.cancelled_caught
            assert not b.streams
        await trio.sleep(1.0)
        for _ in range(2):
            assert await (await listener.accept()).receive_some(1) == b""
        with trio.move_on_after(60.0) as patience:
            await listener.accept()
        assert patience.cancelled_caught


async def test_closing_a_listener_ends_the_streams_that_nobody_accepted() -> None:
    async with small_world() as world:
        listener = await world.process("a").listen_stream(A)
        stream = await world.process("b").dial_stream(A)
        await listener.aclose()
        assert await stream.receive_some(1) == b""


async def test_a_listener_that_closes_while_a_slow_machine_accepts_says_that_it_is_closed() -> None:
    async def accept() -> None:
        with pytest.raises(LinkClosed):
            await listener.accept()

    async with small_world() as world:
        a = world.process("a")
        listener = await a.listen_stream(A)
        await world.process("b").dial_stream(A)
        a.power.lag_s = 5.0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.sleep(1.0)
            await listener.aclose()


async def test_a_listener_that_is_closed_again_does_not_close_who_has_its_address_now() -> None:
    async with small_world() as world:
        first = await world.process("a").listen_stream(A)
        await first.aclose()
        await world.process("a").listen_stream(A)
        await first.aclose()
        assert await is_answered(world.process("b"))


async def test_a_port_that_is_asked_for_as_any_is_one_that_is_free() -> None:
    async with small_world() as world:
        a = world.process("a")
        taken = [await a.listen_stream(Address("a", PORT_FIRST + at)) for at in range(5)]
        got = await a.listen_stream(Address("a", 0))
        assert got.address not in [listener.address for listener in taken]


async def test_nobody_listens_on_another_machine() -> None:
    async with small_world() as world:
        for bind in (world.process("a").listen_stream, world.process("a").open_datagrams):
            with pytest.raises(UsageError, match="this machine is a"):
                await bind(Address("b", 1))


async def test_what_the_dead_ask_for_vanishes_and_nothing_waits() -> None:
    async with small_world() as world:
        a, b = world.process("a"), world.process("b")
        await a.listen_stream(A)
        listener = await b.listen_stream(Address("b", 1))
        datagrams = await b.open_datagrams(Address("b", 1))
        stream = await b.dial_stream(A)
        b.power.is_gone = True
        b.power.lag_s, b.power.stands_until = 5.0, 500.0
        b.kill()
        died_at, packets = trio.current_time(), len(world.events("sent", "close", "dial"))
        with pytest.raises(LinkClosed):
            await stream.send_all(b"x")
        with pytest.raises(LinkClosed):
            await stream.receive_some(1)
        with pytest.raises(LinkClosed):
            await listener.accept()
        with pytest.raises(DialError):
            await b.dial_stream(A)
        for bind in (b.listen_stream, b.open_datagrams):
            with pytest.raises(UsageError, match="gone"):
                await bind(Address("b", 2))
        await datagrams.send_to(b"x", A)
        with pytest.raises(LinkClosed):
            await datagrams.receive_from()
        for closable in (stream, listener, datagrams):
            await closable.aclose()
        assert trio.current_time() == died_at
        assert len(world.events("sent", "close", "dial")) == packets
        assert not world.network.listeners.keys() - {A}
        assert not world.network.post.boxes


async def test_the_death_of_a_process_wakes_whoever_waits_in_it() -> None:
    woken = list[str]()

    async def waits(name: str, stream: SimStream) -> None:
        with pytest.raises(LinkClosed):
            await (stream.receive_some(1) if name == "receive" else stream.send_all(bytes(1_000_000)))
        woken.append(name)

    async def works() -> None:
        await b.power.work()
        woken.append("work")

    async with small_world() as world:
        a, b = world.process("a"), world.process("b")
        await a.listen_stream(A)
        stream = await b.dial_stream(A)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits, "receive", stream)
            nursery.start_soon(waits, "send", stream)
            await wait_all_tasks_blocked()
            b.power.stands_until = 500.0
            nursery.start_soon(works)
            await wait_all_tasks_blocked()
            b.power.is_gone = True
            b.kill()
            await wait_all_tasks_blocked()
            assert sorted(woken) == ["receive", "send", "work"]


async def test_bytes_that_the_dead_would_have_sent_are_not_seen_on_the_wire() -> None:
    seen = list[bytes]()
    async with small_world() as world:
        await world.process("a").listen_stream(A)
        b = world.process("b")
        b.watch = lambda stream, data: seen.append(data)
        stream = await b.dial_stream(A)
        await stream.send_all(b"sent")
        b.kill()
        with pytest.raises(LinkClosed):
            await stream.send_all(b"never sent")
        assert seen == [b"sent"]


async def test_nobody_is_near_anybody_here() -> None:
    async with small_world() as world:
        with pytest.raises(UsageError, match=r"cannot join .* is not simulated"):
            await world.process("a").open_multicast(Address("239.255.84.76", 1), "a")
