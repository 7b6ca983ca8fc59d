"""What befalls datagrams in the simulated network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio

from talos.host import DATAGRAM_SIZE_MAX, DATAGRAMS_WAITING_MAX, Address
from talos_simulations.datagrams import HELD_MAX, NAT_S, SimDatagrams
from talos_simulations.weather import Kind
from tests.contracts.small_world import LATENCY_S, VIRTUAL_TIME, SmallWorld, small_world

pytestmark = VIRTUAL_TIME

A: Final = Address("a", 1)
B: Final = Address("b", 2)
MS: Final = 0.001


@asynccontextmanager
async def ends(seed: int = 1) -> AsyncIterator[tuple[SmallWorld, SimDatagrams, SimDatagrams]]:
    async with small_world(seed) as world:
        yield world, await world.process("a").open_datagrams(A), await world.process("b").open_datagrams(B)


def numbered(count: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


async def send(sender: SimDatagrams, target: Address, datagrams: Sequence[bytes]) -> None:
    for data in datagrams:
        await sender.send_to(data, target)


async def all_received(receiver: SimDatagrams, quiet_s: float = 5.0) -> list[bytes]:
    """Receive until nothing comes for so long."""
    got = list[bytes]()
    while True:
        with trio.move_on_after(quiet_s) as patience:
            got.append((await receiver.receive_from())[0])
        if patience.cancelled_caught:
            return got


def fates(world: SmallWorld) -> list[tuple[str, int, str]]:
    return [(event.kind, event.number, event.text) for event in world.events("sent", "arrived", "lost")]


async def test_a_datagram_takes_its_time_and_leaves_its_trace() -> None:
    async with ends() as (world, a, b):
        await b.send_to(b"hello", A)
        assert await a.receive_from() == (b"hello", B)
        assert trio.current_time() == pytest.approx(LATENCY_S)
        assert fates(world) == [("sent", 1, "5"), ("arrived", 1, "5")]
        assert {(event.node, event.other) for event in world.events("sent", "arrived")} == {("b", "a")}


async def test_where_nothing_is_wrong_none_overtakes_another() -> None:
    async with small_world(latency_s=(0.01, 0.4)) as world:
        a, b = await world.process("a").open_datagrams(A), await world.process("b").open_datagrams(B)
        await send(b, A, numbered(100))
        assert await all_received(a) == numbered(100)


async def test_loss_loses_the_share_it_says_and_the_trace_tells_which() -> None:
    async with ends() as (world, a, b):
        world.begin(Kind.LOSS, "a", "b", amount=0.3)
        got = list[bytes]()
        for at in range(0, 1_000, 100):
            await send(b, A, numbered(1_000)[at : at + 100])
            got += await all_received(a)
        assert 620 < len(got) < 780
        lost = {number for kind, number, text in fates(world) if (kind, text) == ("lost", "loss")}
        assert sorted(got) == [data for number, data in enumerate(numbered(1_000), 1) if number not in lost]


async def test_duplicates_arrive_twice_under_one_number() -> None:
    async with ends() as (world, a, b):
        world.begin(Kind.DUPLICATE, "a", "b", amount=1.0)
        await send(b, A, numbered(3))
        assert sorted(await all_received(a)) == sorted(2 * numbered(3))
        assert [kind for kind, number, _ in fates(world) if number == 2] == ["sent", "arrived", "arrived"]


async def test_reordering_changes_the_order_and_nothing_else() -> None:
    async with ends() as (world, a, b):
        end = world.begin(Kind.REORDER, "a", "b", amount=0.3)
        await send(b, A, numbered(100))
        got = await all_received(a)
        assert got != numbered(100)
        assert sorted(got) == numbered(100)
        end()
        await send(b, A, numbered(100))
        assert await all_received(a) == numbered(100)


async def test_delay_delays_and_what_is_sent_after_it_does_not_wait() -> None:
    async with ends() as (world, a, b):
        end = world.begin(Kind.DELAY, "a", "b", amount=3.0)
        await b.send_to(b"slow", A)
        end()
        await b.send_to(b"fast", A)
        assert [(await a.receive_from())[0], trio.current_time()] == [b"fast", pytest.approx(LATENCY_S)]
        assert [(await a.receive_from())[0], trio.current_time()] == [b"slow", pytest.approx(3.0 + LATENCY_S)]


async def test_a_narrow_road_carries_what_it_can_and_drops_the_rest() -> None:
    async with ends() as (world, a, b):
        world.begin(Kind.NARROW, "a", "b", amount=12_280)
        await send(b, A, [bytes(DATAGRAM_SIZE_MAX)] * 50)
        assert len(await all_received(a)) == 11, "one that is carried, and a second of those that wait"
        assert [text for kind, _, text in fates(world) if kind == "lost"] == ["too narrow"] * 39
        assert max(event.at for event in world.events("arrived")) == pytest.approx(1.1 + LATENCY_S, abs=2 * MS)


@pytest.mark.parametrize(("kind", "who"), [(Kind.PARTITION, ("a",)), (Kind.ONE_WAY, ("b", "a"))])
async def test_a_shut_road_drops_what_is_sent_and_what_is_under_way(kind: Kind, who: tuple[str, ...]) -> None:
    async with ends() as (world, a, b):
        await b.send_to(b"under way", A)
        end = world.begin(kind, *who)
        await b.send_to(b"sent", A)
        await trio.sleep(1.0)
        end()
        assert await all_received(a) == []
        assert [text for event, _, text in fates(world) if event == "lost"] == ["no way", "no way"]
        await b.send_to(b"after", A)
        assert await all_received(a) == [b"after"]


async def test_what_was_sent_while_the_road_was_shut_is_lost_though_it_opens_at_once() -> None:
    async with ends() as (world, a, b):
        end = world.begin(Kind.PARTITION, "a")
        await b.send_to(b"lost", A)
        end()
        assert await all_received(a) == []


async def test_one_way_leaves_the_other_open() -> None:
    async with ends() as (world, a, b):
        world.begin(Kind.ONE_WAY, "b", "a")
        await a.send_to(b"heard", B)
        assert await all_received(b) == [b"heard"]


async def test_a_jam_holds_everything_and_lets_go_of_it_all_at_once() -> None:
    async with ends() as (world, a, b):
        await b.send_to(b"\x00", A)
        end = world.begin(Kind.JAM, "a", "b")
        await trio.sleep(1.0)
        await send(b, A, [b"\x01", b"\x02"])
        await trio.sleep(30.0)
        assert not world.events("arrived", "lost")
        end()
        assert await all_received(a) == [b"\x00", b"\x01", b"\x02"]
        arrived_at = {event.at for event in world.events("arrived")}
        assert list(arrived_at) == [pytest.approx(31.0 + LATENCY_S, abs=MS)]


async def test_a_jam_that_becomes_a_partition_loses_what_it_held() -> None:
    async with ends() as (world, a, b):
        end = world.begin(Kind.JAM, "a", "b")
        await b.send_to(b"held", A)
        await trio.sleep(1.0)
        world.begin(Kind.PARTITION, "a")
        end()
        assert await all_received(a) == []
        assert fates(world)[-1] == ("lost", 1, "no way")


async def test_a_jam_holds_no_more_than_it_may() -> None:
    async with ends() as (world, _a, b):
        world.begin(Kind.JAM, "a", "b")
        await send(b, A, numbered(HELD_MAX + 5))
        await trio.sleep(1.0)
        assert [text for kind, _, text in fates(world) if kind == "lost"] == ["jam"] * 5


async def test_who_does_not_receive_keeps_the_first_and_loses_the_rest() -> None:
    async with ends() as (world, a, b):
        await send(b, A, numbered(DATAGRAMS_WAITING_MAX + 10))
        await trio.sleep(1.0)
        assert [text for kind, _, text in fates(world) if kind == "lost"] == ["not received"] * 10
        assert await all_received(a) == numbered(DATAGRAMS_WAITING_MAX)


async def test_one_bit_is_flipped_in_one_datagram_that_arrives() -> None:
    async with ends() as (world, a, b):
        world.begin(Kind.FLIP, "b", "a")
        await b.send_to(bytes(8), Address("a", 99))
        await send(b, A, [b"", bytes(50), bytes(50)])
        assert [int.from_bytes(data, "big").bit_count() for data in await all_received(a)] == [0, 1, 0]


async def test_one_datagram_is_cut_short() -> None:
    async with ends() as (world, a, b):
        world.begin(Kind.CUT, "b", "a")
        await send(b, A, [b"half of it", b"whole"])
        assert await all_received(a) == [b"half ", b"whole"]


async def test_behind_a_nat_only_those_are_heard_that_were_sent_to_from_that_port() -> None:
    async with ends() as (world, a, b):
        other_port = await world.process("b").open_datagrams(Address("b", 3))
        other_of_a = await world.process("a").open_datagrams(Address("a", 3))
        a.card.site.can_be_dialled = False
        await b.send_to(b"uninvited", A)
        await trio.sleep(1.0)
        await a.send_to(b"question", B)
        assert await all_received(b) == [b"question"]
        await b.send_to(b"answer", A)
        await other_port.send_to(b"from another port", A)
        await b.send_to(b"to another port", other_of_a.address)
        await other_of_a.send_to(b"from within", A)
        assert sorted(await all_received(a)) == [b"answer", b"from within"]
        assert await all_received(other_of_a) == []
        assert [text for kind, _, text in fates(world) if kind == "lost"] == ["NAT"] * 3


async def test_a_nat_forgets_whom_it_let_in_after_half_a_minute() -> None:
    async with ends() as (_, a, b):
        a.card.site.can_be_dialled = False
        await a.send_to(b"question", B)
        for after_s, is_heard in ((NAT_S - 1, True), (2.0, False)):
            await trio.sleep(after_s)
            await b.send_to(b"answer", A)
            assert await all_received(a, LATENCY_S + 2 * MS) == [b"answer"] * is_heard


async def test_to_send_again_keeps_the_nat_open() -> None:
    async with ends() as (_, a, b):
        a.card.site.can_be_dialled = False
        for _ in range(3):
            await a.send_to(b"question", B)
            await trio.sleep(NAT_S - 1)
        await b.send_to(b"answer", A)
        assert await all_received(a) == [b"answer"]


@pytest.mark.parametrize("by", ["kill", "power", "close"])
async def test_what_comes_to_who_is_gone_is_lost(by: str) -> None:
    async with ends() as (world, a, b):
        await b.send_to(b"under way", A)
        if by == "kill":
            a.card.power.is_gone = True
            a.card.kill()
        elif by == "power":
            world.cut_power(a.card)
        else:
            await a.aclose()
        await b.send_to(b"too late", A)
        await trio.sleep(1.0)
        assert [text for kind, _, text in fates(world) if kind == "lost"] == ["nobody there"] * 2
        again = await (world.switch_on("a") if by == "power" else world.process("a")).open_datagrams(A)
        await b.send_to(b"again", A)
        assert await all_received(again) == [b"again"]


async def test_a_machine_that_does_not_exist_hears_nothing() -> None:
    async with ends() as (world, _, b):
        await b.send_to(b"x", Address("nowhere", 1))
        assert fates(world) == [("sent", 1, "1"), ("lost", 1, "no such machine")]


async def test_equal_seeds_do_the_same_to_every_datagram_and_others_do_not() -> None:
    async def digest(seed: int) -> str:
        async with ends(seed) as (world, a, b):
            for kind, amount in ((Kind.LOSS, 0.3), (Kind.DUPLICATE, 0.3), (Kind.REORDER, 0.3)):
                world.begin(kind, "a", "b", amount=amount)
            started_at = trio.current_time()
            await send(b, A, numbered(100))
            await all_received(a)
            return repr(
                [
                    (round(one.at - started_at, 3), *fate)
                    for one, fate in zip(world.events("sent", "arrived", "lost"), fates(world), strict=True)
                ]
            )

    assert await digest(1) == await digest(1)
    assert await digest(1) != await digest(2)
