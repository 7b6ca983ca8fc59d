"""Sealing everything anew: what was sealed under the old key says the same under the new one, and nothing is left."""

from __future__ import annotations

import pytest

from talos.core import inbox, outbox
from talos.core.inbox import Inbox
from talos.core.outbox import Outbox
from talos.core.step import Put
from talos.core.storage_key import (
    ROWS_MAX,
    SEALED_TABLES,
    SIZE_MAX,
    TURN_MS,
    Resealing,
    is_due,
    is_half_done,
    made_at,
    new_vault,
)
from talos.core.tables import INBOX, OUTBOX, SESSIONS, STATE_TABLES
from talos.core.vault import KEY_SIZE, Vault
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged
from tests.node.core.end import dice

NOW_MS = 1_000 * TURN_MS
PEER = bytes(32)


@pytest.mark.parametrize(
    ("made_ms", "due"),
    [(NOW_MS, False), (NOW_MS - TURN_MS + 1, False), (NOW_MS - TURN_MS, True), (NOW_MS + 1, True), (None, True)],
)
def test_a_key_is_due_after_a_day_or_if_it_comes_from_the_future(made_ms: int | None, due: bool) -> None:
    store = MemoryStore(STATE_TABLES)
    if made_ms is not None:
        store.commit([made_at(made_ms)])
    assert is_due(store, new_vault(dice("vault")), NOW_MS) is due


def test_a_key_that_seals_rows_and_bodies_is_due_at_once() -> None:
    store = MemoryStore(STATE_TABLES)
    store.commit([made_at(NOW_MS)])
    assert is_due(store, Vault({1: bytes(KEY_SIZE)}, 1), NOW_MS)


def test_a_turn_is_half_done_as_long_as_a_key_is_there_that_nothing_needs() -> None:
    vault = new_vault(dice("vault"))
    assert not is_half_done(vault)
    assert not is_half_done(Vault({1: bytes(KEY_SIZE)}, 1))
    vault.turn(3, bytes(KEY_SIZE))
    assert is_half_done(vault)
    vault.retire()
    assert not is_half_done(vault)


def filled(vault: Vault) -> MemoryStore:
    """Return a store with rows of every kind, more of one than a batch holds."""
    entropy, store = dice("rows"), MemoryStore(STATE_TABLES)
    for table, head in SEALED_TABLES.items():
        keys = [number.to_bytes(8, "big") for number in range(3)]
        store.commit([Put(table, key, b"h" * head + vault.seal(table, key, table.encode(), entropy)) for key in keys])
    keys = [b"session" + number.to_bytes(8, "big") for number in range(2 * ROWS_MAX)]
    store.commit([Put(SESSIONS, key, vault.seal(SESSIONS, key, key, entropy)) for key in keys])
    store.commit([Put(OUTBOX, bytes(40), b"h" * outbox.HEAD_SIZE)])  # A message that was given up: no body.
    return store


def opened(store: MemoryStore, vault: Vault) -> dict[tuple[str, bytes], bytes]:
    return {
        (table, key): value[:head] + (vault.open(table, key, value[head:]) if value[head:] else b"")
        for table, head in SEALED_TABLES.items()
        for key, value in store.scan(table)
    }


def test_after_a_pass_all_rows_say_the_same_and_none_is_under_the_old_key() -> None:
    vault = new_vault(dice("vault"))
    store = filled(vault)
    before = opened(store, vault)
    vault.turn(3, bytes(KEY_SIZE))
    resealing, batches = Resealing(store, vault, dice("anew")), 0
    while (writes := resealing.batch()) is not None:
        assert len(writes) <= ROWS_MAX
        store.commit(writes)
        batches += 1
    assert batches >= 3
    vault.retire()
    assert opened(store, vault) == before
    again = Resealing(store, vault, dice("again"))
    while (writes := again.batch()) is not None:
        assert writes == [], "what is under the current key is left as it is"


def test_the_heads_are_those_of_real_rows() -> None:
    vault, entropy = new_vault(dice("vault")), dice("rows")
    box, mail = Outbox.load(PEER, 1, (), {}), Inbox()
    _, (sent,) = box.accept(vault.seal(OUTBOX, box.key(1), b"out", entropy))
    _, received = mail.add(PEER, bytes(16), 1, vault.seal(INBOX, mail.next_key, b"in", entropy), NOW_MS)
    for put, head, body in ((sent, outbox.HEAD_SIZE, b"out"), (received, inbox.HEAD_SIZE, b"in")):
        assert put.value is not None
        assert SEALED_TABLES[put.table] == head
        assert vault.open(put.table, put.key, put.value[head:]) == body


def test_large_rows_make_batches_of_few_of_them() -> None:
    vault, entropy, store = new_vault(dice("vault")), dice("rows"), MemoryStore(STATE_TABLES)
    keys = [number.to_bytes(8, "big") for number in range(5)]
    store.commit([Put(SESSIONS, key, vault.seal(SESSIONS, key, bytes(SIZE_MAX // 2), entropy)) for key in keys])
    vault.turn(3, bytes(KEY_SIZE))
    resealing, sizes = Resealing(store, vault, dice("anew")), list[int]()
    while (writes := resealing.batch()) is not None:
        sizes += [len(writes)] if writes else []
        store.commit(writes)
    assert sizes == [2, 2, 1]


def test_a_row_that_does_not_open_stops_the_pass() -> None:
    vault = new_vault(dice("vault"))
    store = filled(vault)
    key, value = next(store.scan(INBOX))
    store.commit([Put(INBOX, key, value[:-1])])
    vault.turn(3, bytes(KEY_SIZE))
    resealing = Resealing(store, vault, dice("anew"))
    with pytest.raises(Damaged, match="inbox"):
        list(iter(resealing.batch, None))
