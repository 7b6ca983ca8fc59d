"""What the streams of every `talos.host.Network` do. Those of one that is new join by an entry in networks.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Final

import pytest
import trio
from trio.testing import assert_checkpoints, check_two_way_stream, wait_all_tasks_blocked

from talos.errors import UsageError
from talos.host import Address, DialError, LinkClosed, Stream
from tests.contracts.as_trio import AsTrio
from tests.contracts.networks import Ends

READ_SIZE_MAX: Final = 65_536  # Bytes.
MORE_THAN_BUFFERS: Final = 32 * 1024 * 1024  # Bytes; no kernel holds that much for one loopback stream.


@asynccontextmanager
async def linked(ends: Ends) -> AsyncIterator[tuple[Stream, Stream]]:
    """Yield the dialling and the accepting end of one stream; close both."""
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(aclosing(await ends.listening.listen_stream(ends.address)))
        dialled = await stack.enter_async_context(aclosing(await ends.dialling.dial_stream(listener.address)))
        accepted = await stack.enter_async_context(aclosing(await listener.accept()))
        yield dialled, accepted


async def receive_exactly(stream: Stream, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        piece = await stream.receive_some(min(READ_SIZE_MAX, size - len(received)))
        assert piece, f"the stream ended after {len(received)} of {size} bytes"
        received += piece
    return bytes(received)


async def test_bytes_arrive_in_order_both_ways_at_once(ends: Ends) -> None:
    there, back = bytes(range(256)) * 4096, bytes(reversed(range(256))) * 4096
    got: dict[str, bytes] = {}

    async def receive(name: str, stream: Stream, size: int) -> None:
        got[name] = await receive_exactly(stream, size)

    async with linked(ends) as (dialled, accepted), trio.open_nursery() as nursery:
        nursery.start_soon(dialled.send_all, there)
        nursery.start_soon(accepted.send_all, back)
        nursery.start_soon(receive, "there", accepted, len(there))
        nursery.start_soon(receive, "back", dialled, len(back))
    assert got == {"there": there, "back": back}


async def test_no_more_is_received_than_was_asked_for(ends: Ends) -> None:
    async with linked(ends) as (dialled, accepted):
        await dialled.send_all(b"four more")
        assert await receive_exactly(accepted, 4) == b"four"
        assert await receive_exactly(accepted, 5) == b" more"


async def test_a_listener_knows_its_real_port_and_a_stream_its_peer(ends: Ends) -> None:
    async with aclosing(await ends.listening.listen_stream(ends.address)) as listener:
        assert listener.address.host == ends.address.host
        assert listener.address.port != 0
        dialled = await ends.dialling.dial_stream(listener.address)
        accepted = await listener.accept()
        assert dialled.peer == listener.address
        assert accepted.peer.port not in (0, listener.address.port)
        await dialled.aclose()
        await accepted.aclose()


async def test_the_end_of_a_stream_is_no_bytes_again_and_again(ends: Ends) -> None:
    async with linked(ends) as (dialled, accepted):
        await dialled.send_all(b"last words")
        await dialled.aclose()
        assert await receive_exactly(accepted, 10) == b"last words"
        assert await accepted.receive_some(READ_SIZE_MAX) == b""
        assert await accepted.receive_some(READ_SIZE_MAX) == b""


async def test_sending_to_an_end_that_closed_breaks_in_the_end(ends: Ends) -> None:
    async with linked(ends) as (dialled, accepted):
        await accepted.aclose()
        with pytest.raises(LinkClosed):
            await dialled.send_all(bytes(MORE_THAN_BUFFERS))


async def test_an_end_we_closed_neither_sends_nor_receives(ends: Ends) -> None:
    async with linked(ends) as (dialled, _):
        await dialled.aclose()
        await dialled.aclose()
        with pytest.raises(LinkClosed):
            await dialled.send_all(b"x")
        with pytest.raises(LinkClosed):
            await dialled.receive_some(READ_SIZE_MAX)


async def test_closing_wakes_our_own_receiver(ends: Ends) -> None:
    async def receive(stream: Stream) -> None:
        with pytest.raises(LinkClosed):
            await stream.receive_some(READ_SIZE_MAX)

    async with linked(ends) as (dialled, _), trio.open_nursery() as nursery:
        nursery.start_soon(receive, dialled)
        await wait_all_tasks_blocked()
        await dialled.aclose()


async def test_closing_works_while_being_cancelled(ends: Ends) -> None:
    async with linked(ends) as (dialled, accepted):
        has_returned = False
        with trio.CancelScope() as scope:
            scope.cancel()
            await dialled.aclose()
            has_returned = True
        assert has_returned
        assert await accepted.receive_some(READ_SIZE_MAX) == b""


async def test_a_sender_waits_for_a_receiver_that_is_slow(ends: Ends) -> None:
    is_sent = trio.Event()

    async def send(stream: Stream) -> None:
        await stream.send_all(bytes(MORE_THAN_BUFFERS))
        is_sent.set()

    async with linked(ends) as (dialled, accepted), trio.open_nursery() as nursery:
        nursery.start_soon(send, dialled)
        await wait_all_tasks_blocked()
        assert not is_sent.is_set()
        await receive_exactly(accepted, MORE_THAN_BUFFERS)
        await is_sent.wait()


async def test_dialling_where_nobody_listens_names_the_address(ends: Ends) -> None:
    listener = await ends.listening.listen_stream(ends.address)
    address = listener.address
    await listener.aclose()
    await listener.aclose()
    with pytest.raises(DialError) as refusal:
        await ends.dialling.dial_stream(address)
    assert str(address) in str(refusal.value)


async def test_a_listener_that_closes_wakes_whoever_accepts(ends: Ends) -> None:
    listener = await ends.listening.listen_stream(ends.address)

    async def accept() -> None:
        with pytest.raises(LinkClosed):
            await listener.accept()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        await wait_all_tasks_blocked()
        await listener.aclose()


async def test_streams_outlive_their_listener(ends: Ends) -> None:
    listener = await ends.listening.listen_stream(ends.address)
    dialled = await ends.dialling.dial_stream(listener.address)
    accepted = await listener.accept()
    await listener.aclose()
    await dialled.send_all(b"still here")
    assert await receive_exactly(accepted, 10) == b"still here"
    await dialled.aclose()
    await accepted.aclose()


async def test_an_address_is_taken_once_and_free_again_after_closing(ends: Ends) -> None:
    first = await ends.listening.listen_stream(ends.address)
    with pytest.raises(UsageError, match="cannot listen on"):
        await ends.listening.listen_stream(first.address)
    dialled = await ends.dialling.dial_stream(first.address)
    accepted = await first.accept()
    await accepted.aclose()
    await first.aclose()
    again = await ends.listening.listen_stream(first.address)
    assert again.address == first.address
    await again.aclose()
    await dialled.aclose()


async def test_a_cancelled_accept_loses_no_connection(ends: Ends) -> None:
    async with aclosing(await ends.listening.listen_stream(ends.address)) as listener:
        with trio.CancelScope() as scope:
            scope.cancel()
            await listener.accept()
        assert scope.cancelled_caught
        dialled = await ends.dialling.dial_stream(listener.address)
        accepted = await listener.accept()
        await dialled.aclose()
        await accepted.aclose()


async def test_an_end_we_closed_does_not_even_send_nothing(ends: Ends) -> None:
    async with linked(ends) as (dialled, _):
        await dialled.send_all(b"")
        await dialled.aclose()
        with pytest.raises(LinkClosed):
            await dialled.send_all(b"")


async def test_a_cancelled_receive_loses_no_bytes(ends: Ends) -> None:
    async with linked(ends) as (dialled, accepted):
        await dialled.send_all(b"kept")
        with trio.CancelScope() as scope:
            scope.cancel()
            await accepted.receive_some(READ_SIZE_MAX)
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accepted.receive_some, 1)
        assert await receive_exactly(accepted, 3) == b"ept"


async def test_every_call_lets_others_run(ends: Ends) -> None:
    listener = await ends.listening.listen_stream(ends.address)
    with assert_checkpoints():
        dialled = await ends.dialling.dial_stream(listener.address)
    with assert_checkpoints():
        accepted = await listener.accept()
    with assert_checkpoints():
        await dialled.send_all(b"x")
    with assert_checkpoints():
        await accepted.receive_some(READ_SIZE_MAX)
    for closable in (dialled, accepted, listener):
        await closable.aclose()


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
async def test_a_port_that_does_not_exist_is_refused(ends: Ends, port: int) -> None:
    with pytest.raises(UsageError):
        await ends.listening.listen_stream(Address(ends.address.host, port))
    with pytest.raises(DialError):
        await ends.dialling.dial_stream(Address(ends.address.host, port))


async def test_streams_behave_as_trio_demands_of_its_own(ends: Ends) -> None:
    async with aclosing(await ends.listening.listen_stream(ends.address)) as listener:

        async def pair() -> tuple[AsTrio, AsTrio]:
            dialled = await ends.dialling.dial_stream(listener.address)
            return AsTrio(dialled), AsTrio(await listener.accept())

        await check_two_way_stream(pair, None)
