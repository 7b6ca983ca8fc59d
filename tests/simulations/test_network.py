"""What befalls the streams of the simulated network; tests/contracts/test_network.py has what they do on a good day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio

from talos.host import Address, DialError, LinkClosed
from talos_simulations.network import Card
from talos_simulations.pipes import RECOVER_MAX_S
from talos_simulations.streams import WINDOW, SimStream
from talos_simulations.weather import Kind
from tests.contracts.small_world import LATENCY_S, VIRTUAL_TIME, SmallWorld, small_world

pytestmark = VIRTUAL_TIME

A: Final = Address("a", 4_000)
MS: Final = 0.001  # Things happen at whole milliseconds.


class Pair:
    """Machine a listens, machine b has dialled."""

    def __init__(self, world: SmallWorld, a: Card, b: Card, accepted: SimStream, dialled: SimStream) -> None:
        self.world, self.a, self.b = world, a, b
        self.accepted, self.dialled = accepted, dialled


@asynccontextmanager
async def paired() -> AsyncIterator[Pair]:
    async with small_world() as world:
        a, b = world.process("a"), world.process("b")
        listener = await a.listen_stream(A)
        dialled = await b.dial_stream(A)
        yield Pair(world, a, b, await listener.accept(), dialled)


async def received(stream: SimStream, size: int) -> bytes:
    """Return so many bytes, or fewer if the stream ends or breaks before."""
    got = bytearray()
    try:
        while len(got) < size and (piece := await stream.receive_some(size - len(got))):
            got += piece
    except LinkClosed:
        pass
    return bytes(got)


async def is_reset(stream: SimStream) -> bool:
    """Wait for the stream to end; say whether it was by a reset."""
    try:
        while await stream.receive_some(WINDOW):
            pass
    except LinkClosed:
        return True
    return False


async def test_a_sender_stalls_when_a_window_is_unread_and_goes_on_as_it_is_read() -> None:
    sent = list[int]()

    async def send(stream: SimStream) -> None:
        for number in range(1024):
            await stream.send_all(bytes(1_024))
            sent.append(number)

    async with paired() as pair, trio.open_nursery() as nursery:
        nursery.start_soon(send, pair.dialled)
        await trio.sleep(1_000.0)
        assert len(sent) * 1_024 == WINDOW == pair.accepted.waiting
        await pair.accepted.receive_some(1_024)
        await trio.sleep(1_000.0)
        assert len(sent) * 1_024 == WINDOW + 1_024
        assert len(await received(pair.accepted, 1023 * 1_024)) == 1023 * 1_024
        assert len(sent) == 1_024


@pytest.mark.parametrize("kind", [Kind.PARTITION, Kind.JAM, Kind.ONE_WAY])
async def test_a_shut_road_stalls_a_stream_and_loses_nothing(kind: Kind) -> None:
    async with paired() as pair:
        end = pair.world.begin(kind, *(("b",) if kind is Kind.PARTITION else ("b", "a")))
        await pair.dialled.send_all(b"late")
        await trio.sleep(60.0)
        assert pair.accepted.waiting == 0
        end()
        opened_at = trio.current_time()
        assert await received(pair.accepted, 4) == b"late"
        assert trio.current_time() - opened_at <= RECOVER_MAX_S + MS


async def test_one_way_means_the_other_way_is_open_but_who_sends_hears_of_nothing_taken() -> None:
    async def send(stream: SimStream) -> None:
        await stream.send_all(bytes(2 * WINDOW))
        is_sent.set()

    is_sent = trio.Event()
    async with paired() as pair, trio.open_nursery() as nursery:
        end = pair.world.begin(Kind.ONE_WAY, "a", "b")
        nursery.start_soon(send, pair.dialled)
        await received(pair.accepted, WINDOW)
        await trio.sleep(60.0)
        assert not is_sent.is_set()
        end()
        assert len(await received(pair.accepted, WINDOW)) == WINDOW
        await is_sent.wait()


async def test_loss_costs_a_stream_time_and_never_bytes_or_their_order() -> None:
    data = bytes(range(256)) * 40
    async with paired() as pair:
        pair.world.begin(Kind.LOSS, "a", "b", amount=0.5)
        begun_at = trio.current_time()
        for at in range(0, len(data), 256):
            await pair.dialled.send_all(data[at : at + 256])
        assert await received(pair.accepted, len(data)) == data
        assert trio.current_time() - begun_at > 0.2


async def test_a_narrow_road_carries_no_more_than_it_says_of_all_streams_together() -> None:
    async with small_world() as world:
        a, b = world.process("a"), world.process("b")
        listener = await a.listen_stream(A)
        pairs = [(await b.dial_stream(A), await listener.accept()) for _ in range(4)]
        end = world.begin(Kind.NARROW, "a", "b", amount=10_000)
        begun_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            for dialled, accepted in pairs:
                nursery.start_soon(dialled.send_all, bytes(20_000))
                nursery.start_soon(received, accepted, 20_000)
        assert 8.0 <= trio.current_time() - begun_at <= 8.5
        end()


async def test_a_road_that_is_wide_again_is_so_for_what_waits() -> None:
    async with paired() as pair:
        await pair.dialled.send_all(bytes(WINDOW))
        end = pair.world.begin(Kind.NARROW, "a", "b", amount=100)
        await trio.sleep(10.0)
        assert pair.accepted.waiting == 0
        end()
        await trio.sleep(2 * MS)
        assert pair.accepted.waiting == WINDOW
        await pair.accepted.receive_some(WINDOW)
        await pair.dialled.send_all(b"next")
        await trio.sleep(LATENCY_S + MS)
        assert pair.accepted.waiting == 4


async def test_a_flipped_bit_is_one_bit_of_one_segment() -> None:
    async with paired() as pair:
        pair.world.begin(Kind.FLIP, "b", "a")
        await pair.accepted.send_all(b"the other way")
        assert await received(pair.dialled, 13) == b"the other way"
        for data, bits in ((bytes(100), 1), (bytes(100), 0)):
            await pair.dialled.send_all(data)
            assert int.from_bytes(await received(pair.accepted, 100), "big").bit_count() == bits


async def test_a_stream_that_was_cut_ends_half_way_and_nothing_comes_after_the_gap() -> None:
    async with paired() as pair:
        pair.world.begin(Kind.CUT, "b", "a")
        await pair.dialled.send_all(b"half of it")
        await pair.dialled.send_all(b"and more")
        await trio.sleep(1.0)
        assert await received(pair.accepted, 100) == b"half "
        assert await pair.accepted.receive_some(100) == b""
        with pytest.raises(LinkClosed):
            await pair.dialled.send_all(b"x")


async def test_who_answers_on_a_stream_that_was_cut_hears_that_it_broke() -> None:
    async with paired() as pair:
        pair.world.begin(Kind.CUT, "b", "a")
        await pair.dialled.send_all(b"half of it")
        await trio.sleep(1.0)
        await pair.accepted.send_all(b"into the void")
        await trio.sleep(1.0)
        with pytest.raises(LinkClosed):
            await pair.accepted.send_all(b"x")
        assert await received(pair.dialled, 100) == b""


async def test_a_reset_breaks_both_ends_of_the_streams_between_two_machines_and_no_other() -> None:
    async with paired() as pair:
        c = pair.world.process("c")
        other = await c.dial_stream(A)
        await pair.dialled.send_all(b"before")
        await trio.sleep(1.0)
        await pair.dialled.send_all(b"under way")
        pair.world.begin(Kind.RESET, "a", "b")
        await trio.sleep(1.0)
        assert await received(pair.accepted, 100) == b"before", "what has arrived can still be read"
        for stream in (pair.accepted, pair.dialled):
            assert await is_reset(stream)
            with pytest.raises(LinkClosed):
                await stream.send_all(b"x")
        await other.send_all(b"well")


async def test_a_reset_wakes_who_waits_for_room() -> None:
    async def send(stream: SimStream) -> None:
        with pytest.raises(LinkClosed):
            await stream.send_all(bytes(2 * WINDOW))

    async with paired() as pair, trio.open_nursery() as nursery:
        nursery.start_soon(send, pair.dialled)
        await trio.sleep(1.0)
        pair.world.begin(Kind.RESET, "b", "a")


async def test_a_stream_that_is_forgotten_on_the_way_loses_all_and_nobody_hears_of_it() -> None:
    async with paired() as pair:
        await pair.dialled.send_all(b"before")
        await trio.sleep(1.0)
        await pair.dialled.send_all(b"under way")
        pair.world.begin(Kind.FORGET, "a", "b")
        await pair.accepted.send_all(b"back")
        await pair.dialled.aclose()
        with trio.move_on_after(3_600) as patience:
            assert await received(pair.accepted, 100) == b"before"
        assert patience.cancelled_caught, "no data, no end, no reset"
        with trio.move_on_after(3_600) as patience:
            await pair.accepted.send_all(bytes(WINDOW))
        assert patience.cancelled_caught, "what is taken is not heard of"
        again = await pair.b.dial_stream(A)
        await again.send_all(b"a new stream is known")


async def test_no_news_of_a_closed_end_crosses_a_shut_road() -> None:
    async with paired() as pair:
        await pair.dialled.send_all(b"under way")
        await pair.accepted.aclose()
        end = pair.world.begin(Kind.ONE_WAY, "a", "b")
        await trio.sleep(60.0)
        await pair.dialled.send_all(b"still believed to arrive")
        end()
        await trio.sleep(2 * RECOVER_MAX_S)
        with pytest.raises(LinkClosed):
            await pair.dialled.send_all(b"x")


async def test_a_reset_that_no_road_was_open_for_comes_when_it_opens() -> None:
    async with paired() as pair:
        await pair.accepted.aclose()
        await trio.sleep(1.0)
        end = pair.world.begin(Kind.ONE_WAY, "a", "b")
        await pair.dialled.send_all(b"refused")
        await trio.sleep(60.0)
        end()
        await trio.sleep(1.0)
        with pytest.raises(LinkClosed):
            await pair.dialled.send_all(b"")


async def test_a_process_that_is_killed_ends_its_streams_and_its_port_is_free() -> None:
    async with paired() as pair:
        await pair.accepted.send_all(b"last words")
        pair.a.power.is_gone = True
        pair.a.kill()
        assert await received(pair.dialled, 100) == b"last words"
        assert await pair.dialled.receive_some(100) == b""
        with pytest.raises(DialError, match="refused"):
            await pair.b.dial_stream(A)
        again = await pair.world.process("a").listen_stream(A)
        assert again.address == A


async def test_a_process_that_is_killed_with_bytes_unread_resets_its_streams() -> None:
    async with paired() as pair:
        await pair.dialled.send_all(b"never read")
        await trio.sleep(1.0)
        pair.a.kill()
        assert await is_reset(pair.dialled)


async def test_a_machine_that_lost_its_power_says_nothing_until_it_is_back_and_is_asked() -> None:
    async with paired() as pair:
        pair.world.cut_power(pair.a)
        await trio.sleep(600.0)
        await pair.dialled.send_all(b"anybody there?")
        with trio.move_on_after(600.0) as patience:
            await pair.dialled.receive_some(100)
        assert patience.cancelled_caught, "half open"
        pair.world.switch_on("a")
        assert await is_reset(pair.dialled)


async def test_what_a_machine_without_power_would_have_to_send_again_never_arrives() -> None:
    async with paired() as pair:
        await pair.accepted.send_all(b"on its way, ")
        await trio.sleep(1.0)
        end = pair.world.begin(Kind.PARTITION, "b")
        await pair.accepted.send_all(b"stalled, ")
        await trio.sleep(1.0)
        await pair.accepted.send_all(b"behind it")
        pair.world.cut_power(pair.a)
        await trio.sleep(1.0)
        end()
        assert await received(pair.dialled, 12) == b"on its way, "
        await trio.sleep(60.0)
        assert pair.dialled.waiting == 0
