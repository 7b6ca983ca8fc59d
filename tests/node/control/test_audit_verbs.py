"""The audit log through the control socket: the same answers as in the node's own process, in pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from talos.control.audit_values import ENTRIES_MAX, read_entries, write_entry
from talos.control.client import ControlClient
from talos.control.protocol import LINE_SIZE_MAX, success
from talos.core.diary_read import Query
from talos.core.entry_types import BODY_SIZE_MAX, EntryType
from talos.core.names import did_of
from talos.core.report import AuditEntry
from talos.errors import Damaged, MalformedMessage, NotReachable, Refused, UsageError
from talos.host import Stream
from talos.runtime import Node
from tests.node.control.serving import serving, serving_pair
from tests.node.control.test_client import requests, say, speaking_to

SENT: Final = 2 * ENTRIES_MAX + 5  # More than two answers hold.
BOB: Final = b"\x01" * 32
CLEO: Final = b"\x02" * 32
ENTRY: Final = AuditEntry(7, "MESSAGE", 1, "ab" * 16, 0, "", {"event": "sent", "seq": 1})


async def write_messages(node: Node) -> None:
    """Send to nobody who is there: to Bob, and every fourth to Cleo."""
    for number in range(SENT):
        await node.send(did_of(BOB if number % 4 else CLEO), b"x", timeout=0.01, retry_count=0)


async def test_every_query_gets_what_the_node_itself_finds_however_many_pages_that_takes(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        await write_messages(node)
        everything = await node.audit.query(Query())
        assert len(everything) > SENT
        assert await client.audit_query() == everything
        for last in (0, 1, ENTRIES_MAX - 1, ENTRIES_MAX, ENTRIES_MAX + 1, SENT, len(everything), 10_000):
            assert await client.audit_query(last=last) == everything[len(everything) - min(last, len(everything)) :]
        messages = [entry for entry in everything if entry.type == "MESSAGE"]
        assert await client.audit_query("message") == messages
        assert await client.audit_query("MESSAGE", did_of(BOB)) == [m for m in messages if m.peer == did_of(BOB)]
        assert (
            await client.audit_query(peer=did_of(CLEO), last=2) == [m for m in messages if m.peer == did_of(CLEO)][-2:]
        )
        middle = messages[SENT // 2].time_ms
        assert await client.audit_query(from_ms=middle) == [e for e in everything if e.time_ms >= middle]
        assert await client.audit_query(to_ms=middle) == [e for e in everything if e.time_ms < middle]


async def test_pages_are_not_moved_by_what_is_written_meanwhile(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        await write_messages(node)
        before = await node.audit.query(Query())
        (newest,) = await client.audit_query(last=1)
        await write_messages(node)
        page = read_entries(await client._call("audit_query", before=newest.index))
        assert page == before[-ENTRIES_MAX - 1 : -1]


async def test_an_entry_its_proof_and_the_root_are_those_of_the_node(tmp_path: Path) -> None:
    async with serving(tmp_path) as node, ControlClient(tmp_path) as client:
        assert await client.audit_show(0) == await node.audit.entry(0)
        head = await client.audit_root()
        assert head == await node.audit.head()
        proof = await client.audit_proof(0, since=1)
        assert proof == await node.audit.proof(0, since=1)
        for root in (head.root, f"0x{head.root}"):
            assert await client.audit_verify_proof(proof.encode(), root) == await node.audit.entry(0)
        sealed = await client.audit_proof(0, reveal=False)
        assert (sealed.opened, (await client.audit_verify_proof(sealed.encode(), head.root)).details) == (None, None)


async def test_a_proof_that_does_not_hold_is_an_error_and_no_answer(tmp_path: Path) -> None:
    async with serving(tmp_path), ControlClient(tmp_path) as client:
        text = (await client.audit_proof(0)).encode()
        with pytest.raises(Damaged, match="another root"):
            await client.audit_verify_proof(text, "00" * 32)
        root = (await client.audit_root()).root
        with pytest.raises(Damaged, match="somebody changed it"):
            await client.audit_verify_proof(text + " ", root)
        with pytest.raises(UsageError, match="is no root"):
            await client.audit_verify_proof(text, "0x12")


async def test_the_root_of_a_linked_peer_is_the_one_that_it_signed(tmp_path: Path) -> None:
    async with serving_pair(tmp_path) as (alice, bob), ControlClient(tmp_path / "alice") as client:
        await alice.send(bob.did, b"hello")  # Now there is a session.
        head = await client.audit_root(bob.did)
        assert head.origin.startswith(f"talos/audit/{bob.peer_id}/")
        text = (await bob.audit.proof(0, since=head.size)).encode()
        assert (await client.audit_verify_proof(text, head.root)).peer == bob.did
        known = await client.peers()
        with pytest.raises(NotReachable, match=f"no link to {did_of(CLEO)}") as caught:
            await client.audit_root(did_of(CLEO))
        assert caught.value.fix == f"talos ping {did_of(CLEO)}"
        with pytest.raises(Refused, match="no peer of its own"):
            await client.audit_root(alice.did)
        assert await client.peers() == known


def test_an_answer_of_the_largest_entries_fits_a_line() -> None:
    huge = replace(ENTRY, peer=did_of(BOB), details={"evidence": "f" * 2 * BODY_SIZE_MAX})
    line = success(2**53 - 1, {"entries": [write_entry(huge)] * ENTRIES_MAX})
    assert b'"error"' not in line
    assert len(line) <= LINE_SIZE_MAX


def answering(*pages: list[AuditEntry]) -> Any:
    async def script(stream: Stream) -> None:
        for page in pages:
            (request,) = await requests(stream, 1)
            await say(stream, {"id": request["id"], "ok": {"entries": [write_entry(entry) for entry in page]}})
        await requests(stream, 1)

    return script


def entries(*indexes: int) -> list[AuditEntry]:
    return [replace(ENTRY, index=index) for index in indexes]


FULL: Final = entries(*range(100, 100 + ENTRIES_MAX))


@pytest.mark.parametrize(
    "pages",
    [
        [entries(2, 1)],
        [entries(1, 1)],
        [entries(*range(ENTRIES_MAX + 1))],
        [FULL, FULL],
        [FULL, entries(99, 100)],
        [FULL, entries(500)],
    ],
)
async def test_pages_out_of_order_are_refused_and_not_asked_for_for_ever(
    tmp_path: Path, pages: list[list[AuditEntry]]
) -> None:
    async with speaking_to(tmp_path, answering(*pages)) as client:
        with pytest.raises(MalformedMessage, match="out of order"):
            await client.audit_query()


HEAD: Final[dict[str, object]] = {"origin": "o", "size": 1, "root": "0" * 64, "checkpoint": "c", "vkey": "v"}
WRITTEN: Final = dict(write_entry(ENTRY))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"index": -1}, "index"),
        ({"index": "7"}, "index"),
        ({"type": "GOSSIP"}, "type"),
        ({"type": 32}, "type"),
        ({"time_ms": 2**63}, "time_ms"),
        ({"id": "ab" * 15}, "id"),
        ({"id": "AB" * 16}, "id"),
        ({"lease_epoch": None}, "lease_epoch"),
        ({"peer": 5}, "peer"),
        ({"details": []}, "details"),
        ({"details": {"seq": -1}}, "seq"),
        ({"details": {"seq": None}}, "seq"),
        ({"details": {"seq": True}}, "seq"),
        ({"details": {"event": ["sent"]}}, "event"),
        ({"details": {"reason": "x" * 40_000}}, "reason"),
        ({"details": {"x" * 5_000: 1}}, "details"),
        ({"details": {str(at): at for at in range(100)}}, "details"),
    ],
)
async def test_an_entry_that_is_none_is_refused_by_the_name_of_its_field(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    async with speaking_to(tmp_path, _once(WRITTEN | change)) as client:
        with pytest.raises(MalformedMessage, match=named):
            await client.audit_show(7)


@pytest.mark.parametrize("name", sorted(WRITTEN.keys() - {"peer", "details"}))
async def test_a_field_that_an_entry_lacks_is_named(tmp_path: Path, name: str) -> None:
    async with speaking_to(tmp_path, _once({key: WRITTEN[key] for key in WRITTEN.keys() - {name}})) as client:
        with pytest.raises(MalformedMessage, match=name):
            await client.audit_show(7)


@pytest.mark.parametrize(
    "change", [{"origin": 1}, {"size": -1}, {"root": "0" * 63}, {"root": "x" * 64}, {"checkpoint": None}, {"vkey": []}]
)
async def test_a_head_that_is_none_is_refused_by_the_name_of_its_field(
    tmp_path: Path, change: dict[str, object]
) -> None:
    async with speaking_to(tmp_path, _once(HEAD | change)) as client:
        with pytest.raises(MalformedMessage, match=next(iter(change))):
            await client.audit_root()


@pytest.mark.parametrize("answer", [{}, {"proof": 1}, {"proof": "{}"}, {"proof": "x" * 300_000}])
async def test_a_proof_that_is_none_is_refused(tmp_path: Path, answer: Mapping[str, object]) -> None:
    async with speaking_to(tmp_path, _once(answer)) as client:
        with pytest.raises(MalformedMessage, match="proof"):
            await client.audit_proof(0)


async def test_what_the_node_writes_is_what_the_client_reads(tmp_path: Path) -> None:
    for entry in (ENTRY, replace(ENTRY, peer=None, details=None), replace(ENTRY, type=EntryType.REDACTED.name)):
        async with speaking_to(tmp_path, _once(write_entry(entry))) as client:
            assert await client.audit_show(7) == entry
    async with speaking_to(tmp_path, _once(HEAD)) as client:
        assert (await client.audit_root()).size == 1


def _once(answer: Mapping[str, object]) -> Any:
    async def script(answer: Mapping[str, object], stream: Stream) -> None:
        (request,) = await requests(stream, 1)
        await say(stream, {"id": request["id"], "ok": answer})

    return partial(script, answer)
