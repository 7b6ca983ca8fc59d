"""The log of a running node: what is written when, when it is signed, and what a peer is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from talos.core import codec
from talos.core.acts import content_commitment
from talos.core.diary_read import Query
from talos.core.entry_types import EntryType
from talos.core.frames import Kind, wrap
from talos.core.log_card import CARD_SIZE_MAX
from talos.core.proof_file import Proof
from talos.core.refusals import AGGREGATE_MS
from talos.core.report import AuditEntry, ReceiptState
from talos.core.step import Put, Step
from talos.core.tables import BODIES, ENTRIES, entry_key
from talos.drivers.real_host import WORKERS_MAX
from talos.errors import Damaged, DeliveryFailed, NotReachable, StoreFailed
from talos.services.audit import HEAD_SIZE_MAX, PUBLISH_S, READS_MAX, STREAM_ENTRIES
from talos_audit import NOTE_SIZE_MAX, Tree
from tests.node.core.logs import flipped, note
from tests.node.services.wire import CLOCK, Running, running, until

MINUTE_S = AGGREGATE_MS / 1000


async def written(node: Running, type: EntryType) -> list[AuditEntry]:
    return await node.node.audit.query(Query(type=type))


def told(entries: list[AuditEntry]) -> list[Mapping[str, str | int]]:
    """Return the bodies, none of which may be sealed or gone."""
    bodies = [entry.details for entry in entries if entry.details is not None]
    assert len(bodies) == len(entries)
    return bodies


async def events(node: Running) -> list[tuple[str, int]]:
    return [(str(one["event"]), int(one["seq"])) for one in told(await written(node, EntryType.MESSAGE))]


async def test_the_first_entry_is_that_of_our_own_creation(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        (entry,) = await written(a, EntryType.IDENTITY_CREATED)
        assert (entry.index, entry.peer) == (0, a.node.did)
        assert told([entry])[0]["did"] == a.node.did


async def test_a_message_leaves_two_entries_in_each_log_that_name_it_and_not_what_it_says(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        receipt = await a.node.send(b.node.did, b"the secret of a")
        await (await b.node.receive()).ack()
        assert receipt.state is ReceiptState.DELIVERED
        assert await events(a) == [("sent", 1), ("delivered", 1)]
        assert await events(b) == [("received", 1), ("done", 1)]
        for node, other in ((a, b), (b, a)):
            assert {entry.peer for entry in await written(node, EntryType.MESSAGE)} == {other.node.did}
            stored = [value for table in (ENTRIES, BODIES) for _, value in node.opened.host.store.scan(table)]
            assert not any(b"secret" in value for value in stored)
        sent, received = [told(await written(node, EntryType.MESSAGE))[0] for node in (a, b)]
        for body in (sent, received):
            assert (body["sender"], body["receiver"]) == (a.node.did, b.node.did)
            opened = content_commitment(bytes.fromhex(str(body["salt"])), b"the secret of a")
            assert body["commitment"] == opened.hex()
        assert sent["commitment"] != received["commitment"], "each has a salt of its own"


async def test_a_receipt_names_the_entry_that_tells_of_the_send(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        for seq in (1, 2, 3):
            receipt = await a.node.send(b.node.did, b"%d" % seq)
            body = told([await a.node.audit.entry(receipt.audit_index)])[0]
            assert (body["event"], body["seq"]) == ("sent", seq)


async def test_a_message_given_up_is_written_down(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await b.leave()
        with pytest.raises(DeliveryFailed):
            await a.node.send(b.node.did, b"x", on_failure="raise", retry_count=0)
        assert await events(a) == [("sent", 1), ("void", 1)]


async def test_a_session_is_written_down_by_both_sides_when_it_is_confirmed(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        of_a, of_b = [told(await written(node, EntryType.SESSION)) for node in (a, b)]
        assert [one["event"] for one in of_a] == [one["event"] for one in of_b] == ["established"]
        assert of_a[0]["session"] == of_b[0]["session"]
        assert (of_a[0]["role"], of_b[0]["role"]) == ("initiator", "responder")


async def test_new_prekeys_are_written_down(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        assert [one["prekey"] for one in told(await written(a, EntryType.PREKEY_ROTATE))] == [1]


async def test_a_busy_log_is_signed_about_once_a_second_and_an_idle_one_not_at_all(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await CLOCK.sleep(3 * PUBLISH_S)
        committer = a.node._committer
        assert not committer.has_unsigned
        signed = committer._diary.signed_size
        await a.node.send(b.node.did, b"x")
        assert committer._diary.signed_size == signed
        await CLOCK.sleep(2 * PUBLISH_S)
        assert not committer.has_unsigned
        assert committer._diary.signed_size > signed


async def test_who_asks_for_the_head_gets_one_of_all_that_is_on_disk(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        receipt = await a.node.send(b.node.did, b"x")
        await a.node._committer.drain()
        head = await a.node.audit.head()
        assert head.size == a.node.audit.size > receipt.audit_index


async def test_a_node_that_ends_leaves_its_log_signed(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        await a.leave()
        await until(lambda: not a.node._committer.has_unsigned)


async def test_a_peer_is_told_how_far_our_log_has_come_and_can_check_it(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        told_to_a = await a.node.audit.peer_head(b.did)
        assert told_to_a == await b.node.audit.head()
        assert b.node.peer_id in told_to_a.origin


async def test_without_a_link_a_peer_is_not_asked(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        with pytest.raises(NotReachable):
            await a.node.audit.peer_head(b.did)


async def test_one_node_is_shown_what_another_received_by_a_root_it_has_held_since_before(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b", "c") as (a, b, c):
        await c.node.send(b.node.did, b"hello")
        held = await c.node.audit.peer_head(b.did)
        await a.node.send(b.node.did, b"for b alone")
        entry = (await b.node.audit.query(Query(type=EntryType.MESSAGE, peer=a.did)))[-1]
        text = (await b.node.audit.proof(entry.index, since=held.size)).encode()
        shown = c.node.audit.check_proof(Proof.decode(text), bytes.fromhex(held.root))
        (kept,) = told([entry])
        assert shown == replace(entry, details={name: value for name, value in kept.items() if name != "salt"})
        assert "salt" in kept, "which is for the receiver to give away"
        assert told([shown])[0]["sender"] == a.node.did
        with pytest.raises(Damaged, match="another root"):
            c.node.audit.check_proof(Proof.decode(text), bytes(32))


async def test_what_follows_comes_in_order_and_once(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        start = a.node.audit.size
        seen: list[AuditEntry] = []

        async def follow() -> None:
            while True:
                seen.extend(await a.node.audit.following(start + len(seen)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            for number in range(20):
                await a.node.send(b.node.did, b"%d" % number)
            await a.node._committer.drain()
            await until(lambda: start + len(seen) == a.node.audit.size)
            nursery.cancel_scope.cancel()
        assert [entry.index for entry in seen] == list(range(start, a.node.audit.size))


async def test_what_follows_comes_in_parts_of_a_bounded_size(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        audit, start = a.node.audit, a.node.audit.size
        await a.desk.post.submit_own(Step(entries=(note(1),) * (STREAM_ENTRIES + 1))).on_disk()
        parts = [await audit.following(index) for index in (start, start + STREAM_ENTRIES)]
        assert [len(part) for part in parts] == [STREAM_ENTRIES, 1]
        assert [entry.index for part in parts for entry in part] == list(range(start, audit.size))


async def test_refusals_of_strangers_are_one_entry_a_minute_for_each_kind(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        for _ in range(7):
            stream = await a.wire.dial(a.address)
            await stream.send_all(wrap(bytes((Kind.MESSAGE,)) + bytes(100)))
            assert await stream.is_cut()
        assert not await written(a, EntryType.REFUSED)
        await CLOCK.sleep(MINUTE_S + 1)
        (body,) = told(await written(a, EntryType.REFUSED))
        assert (body["kind"], body["peer"], body["count"]) == ("malformed", "", 7)
        await CLOCK.sleep(10 * MINUTE_S)
        assert len(await written(a, EntryType.REFUSED)) == 1, "nothing more was refused"


async def test_a_forged_frame_on_a_bound_link_counts_as_its_peers(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        link = a.peer(b).link
        assert link is not None
        link.enqueue(bytes((Kind.CONTROL,)) + bytes(200))
        await CLOCK.sleep(MINUTE_S + 1)
        (entry,) = await written(b, EntryType.SIGNATURE_FAILURE)
        assert (entry.peer, told([entry])[0]["count"]) == (a.node.did, 1)


async def test_a_log_that_was_changed_on_disk_takes_and_signs_nothing_more_and_says_so_in_the_status(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await CLOCK.sleep(3 * PUBLISH_S)
        signed = (await a.node.audit.head()).size
        receipt = await a.node.send(b.node.did, b"x")
        a.opened.host.store.commit([Put(ENTRIES, entry_key(receipt.audit_index), b"\x90")])
        await CLOCK.sleep(3 * PUBLISH_S)
        status = a.node.status()
        assert not status.store_ok
        assert f"audit entry {receipt.audit_index} was changed" in str(status.reason)
        with pytest.raises(StoreFailed, match="was changed"):
            await a.node.audit.head()
        with pytest.raises(StoreFailed, match="was changed"):
            await a.node.send(b.node.did, b"y")
        assert a.node._committer._diary.signed_size == signed


def flip_a_peak(tree: Tree) -> None:
    tree._peaks[-1] = flipped(tree._peaks[-1], 0)


def flip_a_hash_of_a_row(tree: Tree) -> None:
    tree._new[0][0] = flipped(tree._new[0][0], 0)


@pytest.mark.parametrize("flip", [flip_a_peak, flip_a_hash_of_a_row])
@pytest.mark.parametrize("is_written_over", [False, True])
async def test_a_bit_that_flips_in_memory_is_found_before_it_is_signed_for_and_the_disk_heals_it(
    autojump_clock: MockClock, flip: Callable[[Tree], None], is_written_over: bool
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        flip(a.node._committer._diary._tree)
        if is_written_over:
            await a.node.send(b.node.did, b"y")  # The row with the wrong hash goes to disk, over the good one.
        await CLOCK.sleep(3 * PUBLISH_S)
        assert a.node.status().store_ok
        assert not a.node._committer.has_unsigned
        assert (await a.node.audit.verify_chain()).signed_size == a.node.audit.size


def test_long_reads_leave_a_worker_for_the_next_commit() -> None:
    assert READS_MAX < WORKERS_MAX


def test_the_largest_head_of_a_log_that_a_peer_may_show_is_taken() -> None:
    assert len(codec.pack(bytes(CARD_SIZE_MAX), bytes(NOTE_SIZE_MAX))) <= HEAD_SIZE_MAX
