"""`client.audit.stream`: entries as they come, however many write, read or give up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest
import trio
import trio.testing

from talos import AuditEntry, NodeStopped, TalosClient
from talos.core.names import peer_id_of
from tests.node.test_client_audit import PATIENCE_S, alone

BOB: Final = b"\x01" * 32


async def read(entries: AsyncIterator[AuditEntry], count: int) -> list[AuditEntry]:
    return [await anext(entries) for _ in range(count)]


async def test_a_stream_begins_where_it_was_asked_for_and_leaves_out_nothing() -> None:
    async with alone() as ada:
        await ada.send(peer_id_of(BOB), b"before")
        entries = ada.audit.stream()
        receipts = [await ada.send(peer_id_of(BOB), b"after") for _ in range(3)]
        got = await read(entries, 3)
        assert [entry.index for entry in got] == [receipt.audit_index for receipt in receipts]
        assert got == (await ada.audit.query())[-3:]


async def test_streams_lose_and_repeat_nothing_while_many_tasks_write() -> None:
    writers, each = 8, 40
    async with alone() as ada:
        streams = [ada.audit.stream() for _ in range(3)]
        first = len(await ada.audit.query())
        read_by: list[list[AuditEntry]] = [[] for _ in streams]

        async def follow(which: int) -> None:
            read_by[which] = await read(streams[which], writers * each)

        async def write(to: bytes) -> None:
            for _ in range(each):
                await ada.send(peer_id_of(to), b"x")

        async with trio.open_nursery() as nursery:
            for which in range(len(streams)):
                nursery.start_soon(follow, which)
            for number in range(writers):
                nursery.start_soon(write, bytes([number + 1]) * 32)
        written = (await ada.audit.query())[first:]
        assert len(written) == writers * each
        assert all(got == written for got in read_by)


async def test_tasks_that_share_a_stream_share_its_entries_out() -> None:
    readers, each = 4, 15
    async with alone() as ada:
        entries = ada.audit.stream()
        got: list[int] = []

        async def follow() -> None:
            for entry in await read(entries, each):
                got.append(entry.index)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            for _ in range(readers):
                nursery.start_soon(follow)
            first = (await ada.send(peer_id_of(BOB), b"x")).audit_index
            for _ in range(readers * each - 1):
                await ada.send(peer_id_of(BOB), b"x")
        assert sorted(got) == list(range(first, first + readers * each))


async def test_a_reader_that_is_cancelled_loses_nothing_by_it() -> None:
    async with alone() as ada:
        entries = ada.audit.stream()
        with trio.CancelScope() as waiting:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(anext, entries)
                await trio.testing.wait_all_tasks_blocked()
                waiting.cancel()
        receipts = [await ada.send(peer_id_of(BOB), b"x") for _ in range(2)]
        assert (await anext(entries)).index == receipts[0].audit_index
        with trio.CancelScope() as at_once:
            at_once.cancel()
            await anext(entries)
        assert at_once.cancelled_caught
        assert (await anext(entries)).index == receipts[1].audit_index


async def test_a_stream_that_waits_ends_with_the_node() -> None:
    with trio.fail_after(PATIENCE_S):
        ada = await TalosClient.create("ada", lan=False, offline_mode=True)
        ended = 0

        async def follow(entries: AsyncIterator[AuditEntry]) -> None:
            nonlocal ended
            with pytest.raises(NodeStopped):
                await anext(entries)
            ended += 1

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(follow, ada.audit.stream())
            await trio.testing.wait_all_tasks_blocked()
            await ada.aclose()
        assert ended == 2
