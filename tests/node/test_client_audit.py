"""`client.audit`: asking, proving and following the log of a node in this process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
import trio
import trio.testing

from talos import AuditEntry, NodeStopped, Proof, TalosClient
from talos.core.names import did_of, peer_id_of
from talos.drivers.real_host import Workers
from talos.errors import Damaged, TalosError, UsageError
from tests.node.cli.logs import grow

PATIENCE_S: Final = 20.0  # Real seconds: a deadline for tests that would otherwise hang, never a wait.
BOB: Final = b"\x01" * 32
CLEO: Final = b"\x02" * 32
LONG: Final = 20_000  # Entries that take tens of milliseconds to check.


@asynccontextmanager
async def alone(**options: Any) -> AsyncIterator[TalosClient]:
    """A client whose node talks to nobody: what it sends is written down, and waits."""
    with trio.fail_after(PATIENCE_S):
        async with TalosClient.create("ada", lan=False, offline_mode=True, **options) as client:
            yield client


def at(entry: AuditEntry) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=entry.time_ms)


async def test_what_was_sent_is_in_the_log_at_the_index_of_its_receipt() -> None:
    async with alone() as ada:
        receipt = await ada.send(peer_id_of(BOB), b"hello")
        entries = await ada.audit.query()
        assert [entry.index for entry in entries] == list(range(len(entries)))
        entry = entries[receipt.audit_index]
        assert (entry.type, entry.peer) == ("MESSAGE", did_of(BOB))
        assert entry.details is not None
        assert entry.details["event"] == "sent"


async def test_a_query_takes_types_peers_times_and_the_last_so_many() -> None:
    async with alone() as ada:
        for peer in (BOB, CLEO, BOB):
            await ada.send(peer_id_of(peer), b"x")
        everything = await ada.audit.query()
        messages = await ada.audit.query(type="message")
        assert messages == [entry for entry in everything if entry.type == "MESSAGE"]
        assert await ada.audit.query("MESSAGE", peer_id_of(BOB)) == [messages[0], messages[2]]
        assert await ada.audit.query(peer=did_of(BOB), last=1) == [messages[2]]
        assert await ada.audit.query(last=0) == []
        middle = at(messages[1])
        late = [entry for entry in everything if entry.time_ms >= messages[1].time_ms]
        assert await ada.audit.query(from_time=middle) == late
        assert await ada.audit.query(to_time=middle) == [entry for entry in everything if entry not in late]
        elsewhere = middle.astimezone(timezone(timedelta(hours=-7)))
        assert await ada.audit.query(from_time=elsewhere) == late
        just_after = middle + timedelta(microseconds=1)
        assert await ada.audit.query(from_time=just_after) == [e for e in late if e.time_ms > messages[1].time_ms]
        assert await ada.audit.query(to_time=datetime.min.replace(tzinfo=UTC)) == []
        assert await ada.audit.query(from_time=datetime.min.replace(tzinfo=UTC)) == everything


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"type": "GOSSIP"}, "IDENTITY_CREATED, KEY_ROTATE"),
        ({"peer": "nobody"}, "names no peer"),
        ({"from_time": datetime(2026, 1, 1)}, "no time zone"),
        ({"to_time": datetime(2026, 1, 1)}, "no time zone"),
        ({"last": -1}, "-1"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(wrong: dict[str, Any], named: str) -> None:
    async with alone() as ada:
        with pytest.raises(UsageError, match=named):
            await ada.audit.query(**wrong)


async def test_a_proof_convinces_who_holds_the_root_in_whatever_form() -> None:
    async with alone() as ada, alone() as bob:
        receipt = await ada.send(bob.peer_id, b"hello")
        proof = await ada.audit.get_proof(receipt.audit_index)
        head = await ada.audit.head()
        root = bytes.fromhex(head.root)
        (entry,) = await ada.audit.query(type="MESSAGE")
        assert entry.details is not None
        entry = replace(entry, details={name: value for name, value in entry.details.items() if name != "salt"})
        for client in (ada, bob):
            for given in (proof, proof.encode(), Proof.decode(proof.encode())):
                for held in (root, head.root, f"0x{head.root}", f"0x{head.root.upper()}"):
                    assert await client.audit.verify_proof(given, held) == entry


async def test_a_proof_that_does_not_hold_raises_and_says_why() -> None:
    async with alone() as ada:
        text = (await ada.audit.get_proof(0)).encode()
        root = (await ada.audit.head()).root
        value = json.loads(text)
        value["entry"]["time_ms"] += 1
        for wrong, why in (
            (json.dumps(value, indent=1) + "\n", "somebody changed it"),
            (text.rstrip(), "somebody changed it"),
            ("", "not JSON"),
            (text.replace('"path"', '"way"'), "path"),
        ):
            with pytest.raises(Damaged, match=why):
                await ada.audit.verify_proof(wrong, root)
        with pytest.raises(Damaged, match="another root"):
            await ada.audit.verify_proof(text, bytes(32))


@pytest.mark.parametrize("root", ["", "0x", "0x" + "0" * 63, "0x" + "0" * 66, "00 " * 32, "x" * 64, b"", bytes(31)])
async def test_what_is_no_root_is_refused(root: str | bytes) -> None:
    async with alone() as ada:
        with pytest.raises(UsageError, match="is no root"):
            await ada.audit.verify_proof(await ada.audit.get_proof(0), root)


async def test_a_sealed_proof_proves_the_entry_and_tells_nothing_of_what_it_says() -> None:
    async with alone() as ada:
        receipt = await ada.send(peer_id_of(BOB), b"hello")
        sealed = await ada.audit.get_proof(receipt.audit_index, reveal=False)
        (whole,) = await ada.audit.query(type="MESSAGE")
        entry = await ada.audit.verify_proof(sealed, (await ada.audit.head()).root)
        assert (entry.id, entry.peer, entry.details) == (whole.id, None, None)
        assert peer_id_of(BOB) not in sealed.encode()


async def test_a_proof_since_a_size_convinces_who_holds_the_root_of_then() -> None:
    async with alone() as ada:
        then = await ada.audit.head()
        receipt = await ada.send(peer_id_of(BOB), b"hello")
        plain = await ada.audit.get_proof(receipt.audit_index)
        with pytest.raises(Damaged, match="another root"):
            await ada.audit.verify_proof(plain, then.root)
        grown = await ada.audit.get_proof(receipt.audit_index, since=then.size)
        assert (await ada.audit.verify_proof(grown, then.root)).index == receipt.audit_index


@pytest.mark.parametrize(("index", "since"), [(-1, None), (99, None), (2**63, None), (0, 0), (0, -1), (0, 99)])
async def test_no_proof_is_made_of_what_is_not_there(index: int, since: int | None) -> None:
    async with alone() as ada:
        with pytest.raises(UsageError):
            await ada.audit.get_proof(index, since=since)


async def test_the_whole_chain_is_checked_with_what_the_entries_say(tmp_path: Path) -> None:
    async with alone(data_dir=tmp_path / "a", password="correct horse") as ada:
        await ada.send(peer_id_of(BOB), b"hello")
        head = await ada.audit.head()
        report = await ada.audit.verify_chain()
        assert (report.size, report.signed_size, report.root) == (head.size, head.size, head.root)
        assert (report.origin, report.erased, report.bodies_checked) == (head.origin, 0, True)
        assert head.origin.startswith(f"talos/audit/{ada.peer_id}/")


Call = Callable[[TalosClient], Awaitable[object]]

CALLS: Final[list[Call]] = [
    lambda client: client.audit.query(),
    lambda client: client.audit.get_proof(0),
    lambda client: client.audit.verify_proof("{}", bytes(32)),
    lambda client: client.audit.verify_chain(),
    lambda client: client.audit.head(),
    lambda client: anext(client.audit.stream()),
]


async def test_every_call_says_that_the_node_has_stopped() -> None:
    async with alone() as ada:
        stream = ada.audit.stream()
    calls: list[Call] = [*CALLS, lambda _: anext(stream)]
    for call in calls:
        with pytest.raises(NodeStopped):
            await call(ada)


async def test_the_store_stays_open_until_the_last_thread_that_reads_it_has_ended(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_S):
        ada = await TalosClient.create("ada", lan=False, data_dir=tmp_path / "a", no_passphrase=True)
        host, has_begun, read_late = ada._node._host, trio.Event(), list[bytes | None]()
        token = trio.lowlevel.current_trio_token()

        def read_once_the_node_has_stopped() -> None:
            trio.from_thread.run_sync(has_begun.set, trio_token=token)
            while True:
                try:
                    trio.from_thread.check_cancelled()
                except trio.Cancelled:
                    read_late.append(host.store.get("meta", b"checkpoint"))
                    raise

        async def call() -> None:
            with pytest.raises(NodeStopped):
                await ada._run.call(lambda: Workers()(read_once_the_node_has_stopped))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await has_begun.wait()
            await ada.aclose()
            assert len(read_late) == 1
        assert read_late[0] is not None
        with pytest.raises(TalosError):
            host.store.get("meta", b"checkpoint")


async def test_a_check_of_the_whole_chain_ends_when_it_is_cancelled_and_not_when_it_is_done(tmp_path: Path) -> None:
    folder, is_done = tmp_path / "a", False
    async with alone(data_dir=folder, no_passphrase=True):
        pass
    size = grow(folder, LONG)
    async with alone(data_dir=folder, no_passphrase=True) as ada:

        async def check() -> None:
            nonlocal is_done
            report = await ada.audit.verify_chain()
            is_done = report.size >= size

        async with trio.open_nursery() as nursery:
            nursery.start_soon(check)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert not is_done
        await check()
        assert is_done
