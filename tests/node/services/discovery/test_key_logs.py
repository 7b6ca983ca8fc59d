"""Key logs of strangers: what may be signed by whom, and what is kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import talos.services.discovery.key_logs as page
from talos import Config, Node
from talos.core.keylog import KeyLog
from talos.core.step import Put
from talos.core.tables import CACHE_TABLES, KEYLOGS, VOUCHERS
from talos.drivers.data_folder import Opened, in_memory
from talos.drivers.memory_store import MemoryStore
from talos.errors import StoreFailed
from talos.services.discovery.kept import Kept
from talos.services.discovery.key_logs import KeyLogs
from talos_dht import BadStatement
from tests.node.core.identities import DAY_MS, Holder

HOLDER = Holder("stranger")
T = TypeVar("T")


@contextmanager
def key_logs() -> Iterator[tuple[KeyLogs, Kept, Opened]]:
    with in_memory("ada") as opened:
        node = Node(Config(discovery=(), lan=False), opened)
        kept = Kept(opened.host, VOUCHERS)
        yield KeyLogs(node._desk, kept), kept, opened


async def test_a_key_counts_from_its_event_until_it_is_replaced() -> None:
    with key_logs() as (logs, _, _):
        log = HOLDER.log()
        did, first = log.state.did, (log.state.seq, log.state.digest)
        assert logs.key_of(did, *first) is None
        await logs.learn(log)
        assert logs.key_of(did, *first) == HOLDER.public(0)
        assert logs.key_of(did, 1, bytes(32)) is None  # So far the log does not go: it must be fetched.
        rotated = HOLDER.rotated(log)
        await logs.learn(rotated)
        assert logs.key_of(did, rotated.state.seq, rotated.state.digest) == HOLDER.public(1)
        with pytest.raises(BadStatement, match="replaced"):
            logs.key_of(did, *first)


async def test_an_old_key_counts_in_its_window_of_migration() -> None:
    with key_logs() as (logs, _, opened):
        log, now_ms = HOLDER.log(), opened.host.clock.wall_ms()
        await logs.learn(HOLDER.rotated(log, ends_ms=now_ms + DAY_MS, now_ms=now_ms))
        assert logs.key_of(log.state.did, log.state.seq, log.state.digest) == HOLDER.public(0)


async def test_another_event_of_that_number_is_a_lie() -> None:
    with key_logs() as (logs, _, _):
        log = HOLDER.log()
        await logs.learn(log)
        with pytest.raises(BadStatement, match="another event 0"):
            logs.key_of(log.state.did, 0, bytes(32))


async def test_nothing_of_a_revoked_identity_is_believed() -> None:
    with key_logs() as (logs, _, _):
        log = HOLDER.revoked(HOLDER.log())
        await logs.learn(log)
        with pytest.raises(BadStatement, match="revoked"):
            logs.key_of(log.state.did, log.state.seq, log.state.digest)


async def test_an_older_log_takes_nothing_back() -> None:
    with key_logs() as (logs, _, _):
        log = HOLDER.log()
        rotated = HOLDER.rotated(log)
        await logs.learn(rotated)
        await logs.learn(log)
        assert logs.known(log.state.did) == rotated


async def test_what_is_kept_outlives_the_node_and_what_is_damaged_is_fetched_again() -> None:
    with key_logs() as (logs, kept, opened):
        log, other = HOLDER.log(), Holder("other").log()
        await logs.learn(log)
        await logs.learn(other)
        await kept.flush()
        opened.host.cache.commit([Put(VOUCHERS, other.state.did, b"\xc1")])
        again = KeyLogs(Node(Config(discovery=(), lan=False), opened)._desk, Kept(opened.host, VOUCHERS))
        assert again.known(log.state.did) == log
        assert again.known(other.state.did) is None
        again.is_held = lambda did: True
        assert again.shown(other.state.did) is None


async def test_a_log_is_shown_while_a_statement_is_held_and_not_because_we_asked_for_it() -> None:
    with key_logs() as (logs, _, _):
        log, held = HOLDER.log(), set[bytes]()
        logs.is_held = held.__contains__
        await logs.learn(log)
        assert logs.shown(log.state.did) is None
        held.add(log.state.did)
        assert logs.shown(log.state.did) == log.encode()


async def test_our_own_log_is_known_and_not_shown_as_somebody_elses() -> None:
    with key_logs() as (logs, _, opened):
        assert logs.known(opened.me.did) == opened.me.key_log
        assert logs.shown(opened.me.did) is None


async def test_a_peer_whose_rows_are_damaged_is_unknown_and_ends_nothing() -> None:
    with key_logs() as (logs, _, opened):
        log = HOLDER.log()
        opened.host.store.commit([Put(KEYLOGS, log.state.did, b"\xc1")])
        assert logs.known(log.state.did) is None
        assert logs.key_of(log.state.did, 0, log.state.digest) is None


async def test_a_log_is_not_verified_again_for_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PARSED_MAX", 1)
    with key_logs() as (logs, kept, opened):
        held = [Holder(str(number)).log() for number in range(3)]
        for log in held:
            await logs.learn(log)
        await kept.flush()
        desk = Node(Config(discovery=()), opened)._desk
        logs, read, verified = KeyLogs(desk, Kept(opened.host, VOUCHERS)), desk.directory.read, list[bytes]()
        logs.is_held = lambda did: True

        def counted(raw: bytes) -> KeyLog:
            verified.append(raw)
            return read(raw)

        monkeypatch.setattr(desk.directory, "read", counted)
        for _ in range(5):
            for log in held:
                assert logs.key_of(log.state.did, log.state.seq, log.state.digest) == log.state.key
                assert logs.shown(log.state.did) == log.encode()
        assert len(verified) == 3
        revoked = Holder("1").revoked(held[1])
        await logs.learn(revoked)
        with pytest.raises(BadStatement, match="revoked"):
            logs.key_of(revoked.state.did, held[1].state.seq, held[1].state.digest)


async def test_so_many_are_kept_verified_however_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PARSED_MAX", 2)
    with key_logs() as (logs, kept, _):
        held = [Holder(str(number)).log() for number in range(5)]
        for log in held:
            await logs.learn(log)
        assert len(logs._parsed) == 2
        assert len(kept) == 5
        for log in held:
            assert logs.known(log.state.did) == log
        assert len(logs._parsed) == 2


async def test_whoever_was_not_asked_for_longest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "LOGS_MAX", 3)
    with key_logs() as (logs, kept, _):
        logs.is_held, dids = lambda did: True, []
        for number in range(4):
            log = Holder(str(number)).log()
            await logs.learn(log)
            dids.append(log.state.did)
            logs.shown(dids[0])
        assert [did in kept for did in dids] == [True, False, True, True]


async def test_all_of_them_together_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(Holder("0").log().encode())
    monkeypatch.setattr(page, "LOGS_BYTES_MAX", 2 * size)
    with key_logs() as (logs, kept, _):
        for number in range(5):
            await logs.learn(Holder(str(number)).log())
        assert sum(map(len, kept.values())) <= 2 * size
        assert len(kept) == 2


class FailsOnce(MemoryStore):
    fails = True

    def commit(self, writes: Sequence[Put]) -> None:
        if self.fails:
            self.fails = False
            raise StoreFailed("the disk said no")
        super().commit(writes)


async def test_a_write_that_fails_is_made_good_by_the_next() -> None:
    with in_memory("ada") as opened:
        host = replace(opened.host, cache=FailsOnce(CACHE_TABLES))
        kept = Kept(host, VOUCHERS)
        kept[b"a"], kept[b"b"] = b"1", b"1"
        with pytest.raises(StoreFailed):
            await kept.flush()
        kept[b"b"] = b"2"
        assert dict(Kept(host, VOUCHERS)) == {}
        await kept.flush()
        assert dict(Kept(host, VOUCHERS)) == {b"a": b"1", b"b": b"2"}
        del kept[b"a"]
        await kept.flush()
        assert dict(Kept(host, VOUCHERS)) == {b"b": b"2"}


async def test_who_flushes_while_another_does_returns_when_all_is_written() -> None:
    with in_memory("ada") as opened:
        may_write, began = trio.Event(), trio.Event()

        async def slowly(work: Callable[[], T]) -> T:
            began.set()
            await may_write.wait()
            return work()

        kept = Kept(replace(opened.host, blocking=slowly), VOUCHERS)
        kept[b"a"] = b"1"
        seen = list[dict[bytes, bytes]]()

        async def flush() -> None:
            await kept.flush()
            seen.append(dict(Kept(opened.host, VOUCHERS)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flush)
            await began.wait()
            nursery.start_soon(flush)
            await wait_all_tasks_blocked()
            assert seen == []
            may_write.set()
        assert seen == [{b"a": b"1"}] * 2
