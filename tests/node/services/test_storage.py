"""The storage key of a running node is turned once a day, and no failure on the way costs a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from trio.testing import MockClock

from talos.core.step import Put, Step
from talos.core.storage_key import FIRST_ID, KEPT_ID, SEALED_TABLES, TURN_MS, made_at
from talos.core.tables import SESSIONS, Rows
from talos.core.vault import KEY_ID_SIZE, Vault
from talos.errors import StoreFailed
from talos.services.storage import ROUND_S, Storage
from tests.node.services.wire import CLOCK, Running, running


def grow_old(one: Running) -> None:
    """Let the storage key be a day old: the clock of these tests moves, but not that of the wall."""
    one.opened.host.store.commit([made_at(one.opened.host.clock.wall_ms() - TURN_MS)])


@dataclass
class Keystore:
    """What is in the keystore; it fails the so-manieth time it is written."""

    fails_at: int = 0
    written: list[tuple[frozenset[int], int]] = field(default_factory=list)
    keys: Mapping[int, bytes] = field(default_factory=dict)
    current: int = 0

    def keep(self, keys: Mapping[int, bytes], current: int) -> None:
        self.written.append((frozenset(keys), current))
        if len(self.written) == self.fails_at:
            raise StoreFailed("the keystore cannot be written")
        self.keys, self.current = dict(keys), current


def key_ids(rows: Rows) -> set[int]:
    """Return under which keys anything is sealed that is not kept for ever."""
    return {
        int.from_bytes(value[head : head + KEY_ID_SIZE], "big")
        for table, head in SEALED_TABLES.items()
        for _, value in rows.scan(table)
        if len(value) > head
    }


def storage_of(one: Running, keystore: Keystore) -> Storage:
    return Storage(one.opened.host, one.node._committer, one.opened.vault, keystore.keep)


async def test_a_day_later_all_is_under_a_new_key_and_the_old_one_is_gone(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"before")
        assert key_ids(b.opened.host.store) == {FIRST_ID}
        await CLOCK.sleep(2 * ROUND_S)
        assert key_ids(b.opened.host.store) == {FIRST_ID}, "it is not due"
        grow_old(b)
        await CLOCK.sleep(2 * ROUND_S)
        assert key_ids(b.opened.host.store) == {FIRST_ID + 1}
        assert set(b.opened.vault.keys) == {KEPT_ID, FIRST_ID + 1}
        assert (await b.node.receive()).body == b"before"
        await a.node.send(b.node.did, b"after")
        assert (await b.node.receive()).body == b"after"
        assert b.node.status().store_ok
        grow_old(b)
        await CLOCK.sleep(2 * ROUND_S)
        assert set(b.opened.vault.keys) == {KEPT_ID, FIRST_ID + 2}


async def test_the_new_key_is_kept_before_it_is_used_and_the_old_one_dropped_when_it_is_not(
    autojump_clock: MockClock,
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        store, keystore = b.opened.host.store, Keystore()
        seen = list[set[int]]()

        def keep(keys: Mapping[int, bytes], current: int) -> None:
            seen.append(key_ids(store))
            keystore.keep(keys, current)

        b.node._storage._keep = keep
        grow_old(b)
        await CLOCK.sleep(2 * ROUND_S)
        assert keystore.written == [(frozenset({KEPT_ID, 2, 3}), 3), (frozenset({KEPT_ID, 3}), 3)]
        assert seen == [{2}, {3}]


@pytest.mark.parametrize("fails_at", [1, 2])
async def test_a_keystore_that_cannot_be_written_leaves_all_readable_and_the_next_round_ends_it(
    autojump_clock: MockClock, fails_at: int
) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        keystore = Keystore(fails_at)
        b.node._storage._keep = keystore.keep
        grow_old(b)
        await CLOCK.sleep(1.5 * ROUND_S)
        status = b.node.status()
        assert not status.store_ok
        assert "the storage key could not be changed: the keystore cannot be written" in str(status.reason)
        assert key_ids(b.opened.host.store) <= set(b.opened.vault.keys)
        await CLOCK.sleep(ROUND_S)
        assert b.node.status().store_ok
        assert set(keystore.keys) == set(b.opened.vault.keys) == {KEPT_ID, keystore.current}
        assert key_ids(b.opened.host.store) == {keystore.current}
        assert (await b.node.receive()).body == b"x"


async def test_a_turn_that_a_crash_has_ended_is_done_by_the_next_process(autojump_clock: MockClock) -> None:
    async with running("a", "b") as (a, b):
        await a.node.send(b.node.did, b"x")
        storage, keystore = storage_of(b, Keystore()), Keystore()
        await storage._make_key()  # ... and here the process ended.
        vault = Vault(b.opened.vault.keys, b.opened.vault.current)
        assert key_ids(b.opened.host.store) == {FIRST_ID}
        await Storage(b.opened.host, b.node._committer, vault, keystore.keep).turn_if_due()
        assert key_ids(b.opened.host.store) == {FIRST_ID + 1}
        assert keystore.written == [(frozenset({KEPT_ID, FIRST_ID + 1}), FIRST_ID + 1)]


async def test_what_waits_to_be_written_under_the_old_key_is_sealed_anew_too(autojump_clock: MockClock) -> None:
    async with running("a") as (a,):
        key, vault = b"k" * 50, a.opened.vault
        storage = storage_of(a, Keystore())
        await storage._make_key()
        old = Vault({KEPT_ID: vault.keys[KEPT_ID], FIRST_ID: vault.keys[FIRST_ID]}, FIRST_ID)
        late = Put(SESSIONS, key, old.seal(SESSIONS, key, b"late", a.opened.host.entropy))
        a.desk.post.submit_own(Step((late,)))
        await storage.turn_if_due()
        value = a.opened.host.store.get(SESSIONS, key)
        assert value is not None
        assert vault.open(SESSIONS, key, value) == b"late"
