"""What the datagrams of every `talos.host.Network` do, where nothing goes wrong on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from talos.errors import UsageError
from talos.host import DATAGRAM_SIZE_MAX, DATAGRAMS_WAITING_MAX, Address, Datagrams, LinkClosed
from tests.contracts.networks import Ends


@asynccontextmanager
async def opened(ends: Ends) -> AsyncIterator[tuple[Datagrams, Datagrams]]:
    """Yield one that listens, and one elsewhere; close both."""
    async with (
        aclosing(await ends.listening.open_datagrams(ends.address)) as here,
        aclosing(await ends.dialling.open_datagrams(ends.elsewhere)) as there,
    ):
        yield here, there


async def test_a_datagram_arrives_whole_and_names_its_sender_who_can_be_answered(ends: Ends) -> None:
    async with opened(ends) as (here, there):
        await there.send_to(b"question", here.address)
        assert await here.receive_from() == (b"question", there.address)
        await here.send_to(b"answer", there.address)
        assert await there.receive_from() == (b"answer", here.address)


async def test_each_knows_its_real_port(ends: Ends) -> None:
    async with opened(ends) as (here, there):
        assert here.address.host == ends.address.host
        assert there.address.host == ends.elsewhere.host
        assert 0 not in (here.address.port, there.address.port)


async def test_datagrams_are_never_joined_or_split(ends: Ends) -> None:
    sent = [b"", b"x", bytes(range(256)) * 4, bytes(DATAGRAM_SIZE_MAX), b""]
    async with opened(ends) as (here, there):
        for data in sent:
            await there.send_to(data, here.address)
        assert [(await here.receive_from())[0] for _ in sent] == sent


async def test_what_is_too_large_is_refused_and_not_sent(ends: Ends) -> None:
    async with opened(ends) as (here, there):
        with pytest.raises(UsageError, match="at most 1200 bytes, not 1201"):
            await there.send_to(bytes(DATAGRAM_SIZE_MAX + 1), here.address)
        await there.send_to(b"next", here.address)
        assert (await here.receive_from())[0] == b"next"


@pytest.mark.parametrize("port", [-1, 0, 65_536, 70_000])
async def test_nothing_can_be_sent_to_a_port_that_does_not_exist(ends: Ends, port: int) -> None:
    async with opened(ends) as (_, there):
        with pytest.raises(UsageError, match=f"there is no port {port}"):
            await there.send_to(b"x", Address(ends.address.host, port))


@pytest.mark.parametrize("port", [-1, 65_536])
async def test_a_port_that_does_not_exist_cannot_be_bound(ends: Ends, port: int) -> None:
    with pytest.raises(UsageError, match=f"there is no port {port}"):
        await ends.listening.open_datagrams(Address(ends.address.host, port))


async def test_a_port_is_taken_once_and_free_again_after_closing(ends: Ends) -> None:
    first = await ends.listening.open_datagrams(ends.address)
    with pytest.raises(UsageError, match="cannot receive datagrams on"):
        await ends.listening.open_datagrams(first.address)
    await first.aclose()
    again = await ends.listening.open_datagrams(first.address)
    await first.aclose()
    with pytest.raises(UsageError):
        await ends.listening.open_datagrams(first.address)
    assert again.address == first.address
    await again.aclose()


async def test_streams_and_datagrams_do_not_share_their_ports(ends: Ends) -> None:
    async with aclosing(await ends.listening.listen_stream(ends.address)) as listener:
        datagrams = await ends.listening.open_datagrams(listener.address)
        assert datagrams.address == listener.address
        await datagrams.aclose()


async def test_where_nobody_listens_a_datagram_is_lost_and_nothing_breaks(ends: Ends) -> None:
    async with opened(ends) as (here, there):
        gone = await ends.listening.open_datagrams(ends.address)
        await gone.aclose()
        for _ in range(3):
            await there.send_to(b"lost", gone.address)
        await here.send_to(b"heard", there.address)
        assert await there.receive_from() == (b"heard", here.address)


async def test_what_nobody_receives_is_lost_from_a_number_on_and_the_first_are_kept(ends: Ends) -> None:
    count = 20 * DATAGRAMS_WAITING_MAX
    kept = list[int]()

    async def receive_all(datagrams: Datagrams) -> None:
        while True:
            kept.append(int.from_bytes((await datagrams.receive_from())[0][:4], "big"))

    async with opened(ends) as (here, there):
        for number in range(count):
            await there.send_to(number.to_bytes(4, "big") + bytes(1_000), here.address)
        await here.send_to(b"and back", there.address)  # What was sent before it has arrived by then.
        await there.receive_from()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive_all, here)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert kept == list(range(len(kept)))
        assert 0 < len(kept) <= 4 * DATAGRAMS_WAITING_MAX
        await there.send_to(b"again", here.address)
        assert (await here.receive_from())[0] == b"again"


async def test_one_that_was_closed_neither_sends_nor_receives(ends: Ends) -> None:
    async with opened(ends) as (here, there):
        await there.send_to(b"too late", here.address)
        await here.aclose()
        await here.aclose()
        with pytest.raises(LinkClosed):
            await here.send_to(b"x", there.address)
        with pytest.raises(LinkClosed):
            await here.receive_from()


async def test_closing_wakes_our_own_receiver(ends: Ends) -> None:
    async def receive(datagrams: Datagrams) -> None:
        with pytest.raises(LinkClosed):
            await datagrams.receive_from()

    async with opened(ends) as (here, _), trio.open_nursery() as nursery:
        nursery.start_soon(receive, here)
        await wait_all_tasks_blocked()
        await here.aclose()


async def test_closing_works_while_being_cancelled(ends: Ends) -> None:
    datagrams = await ends.listening.open_datagrams(ends.address)
    with trio.CancelScope() as scope:
        scope.cancel()
        await datagrams.aclose()
    again = await ends.listening.open_datagrams(datagrams.address)
    await again.aclose()


async def test_a_cancelled_receive_loses_nothing(ends: Ends) -> None:
    async with opened(ends) as (here, there):
        await there.send_to(b"kept", here.address)
        with trio.CancelScope() as scope:
            scope.cancel()
            await here.receive_from()
        assert scope.cancelled_caught
        assert (await here.receive_from())[0] == b"kept"


async def test_who_opens_and_who_receives_lets_others_run(ends: Ends) -> None:
    with assert_checkpoints():
        here = await ends.listening.open_datagrams(ends.address)
    await here.send_to(b"x", here.address)
    with assert_checkpoints():
        await here.receive_from()
    await here.aclose()
