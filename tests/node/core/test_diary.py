"""The log while it grows: what is signed is what is on disk, and what is on disk is what was appended."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.diary import CHECKPOINT_KEY, Diary
from talos.core.entries import Opened
from talos.core.keylog_keys import signer
from talos.core.log_index import INDEXED_KEY
from talos.core.log_rows import leaves, next_index
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, LOOKUP, META, TREE, entry_key, tree_key
from talos.core.vault import KEY_ID_SIZE, NONCE_SIZE
from talos.errors import Damaged, StoreFailed
from talos_audit import (
    Checkpoint,
    VerifierKey,
    consistency_proof,
    leaf_hash,
    open_checkpoint,
    root_of,
    verify_consistency,
)
from tests.node.core.logs import BOB, VECTORS, Log, Recording, flipped, leaf, note, places, put, row, short_log, told

# Growing


def test_an_entry_is_a_leaf_and_a_sealed_body_and_in_the_index_once_it_is_signed() -> None:
    log = Log()
    entry = note(123_456_789, BOB)
    rows = {(one.table, one.key): one.value for one in [*log.diary.append([entry]), *log.diary.changed()]}
    key = entry_key(1)
    assert set(rows) == {(ENTRIES, key), (BODIES, key), (TREE, tree_key(0, 0))}
    assert not [value for value in rows.values() if value is not None and (BOB in value or entry.body in value)]
    log.store.commit([Put(table, at, value) for (table, at), value in rows.items()])
    assert (told(log)[1].opened.subject, told(log)[1].opened.body) == (BOB, entry.body)
    signed = [(one.table, one.key) for one in log.diary.sign()]
    assert set(signed[:-2]) == {(LOOKUP, place) for place in places(1, entry.type, BOB)}
    assert signed[-2:] == [(META, INDEXED_KEY), (META, CHECKPOINT_KEY)]


def test_no_two_bodies_of_one_transaction_are_sealed_under_one_nonce() -> None:
    log = Log()
    log.write(*[note(1, BOB)] * 20)
    nonces = [sealed[KEY_ID_SIZE : KEY_ID_SIZE + NONCE_SIZE] for _, sealed in log.store.scan(BODIES)]
    assert len(nonces) == len(set(nonces)) == 21


def test_an_entry_about_nobody_is_in_the_index_by_type_alone() -> None:
    log = Log()
    log.write(note(1))
    assert [one.key for one in log.diary.sign() if one.table == LOOKUP] == places(1, note(1).type, b"")


def test_a_body_opens_beside_its_own_leaf_only() -> None:
    log = short_log(10)
    key, sealed = entry_key(7), row(log, BODIES, entry_key(7))
    box, hashed = log.vault.box(BODIES), leaf_hash(leaf(log, 7))
    assert Opened.decode(box.open(key + hashed, sealed)) == told(log)[7].opened
    for place in (key + leaf_hash(leaf(log, 8)), entry_key(8) + hashed, key, hashed, b""):
        with pytest.raises(Damaged):
            box.open(place, sealed)


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=12))
def test_hashes_are_those_of_one_tree_however_entries_are_grouped(transactions: list[list[int]]) -> None:
    log = Log()
    for appended in transactions:
        rows = [one for count in appended for one in log.diary.append([note(0)] * count)]
        log.store.commit([*rows, *log.diary.changed()])
    hashes = [leaf_hash(raw) for _, raw in leaves(log.store, 0)]
    assert len(hashes) == 1 + sum(map(sum, transactions)) == log.diary.size
    stored = dict(log.store.scan(TREE))
    for level in (0, 4):
        whole = [root_of(hashes[at : at + (1 << level)]) for at in range(0, len(hashes), 1 << level)]
        whole = whole[: len(hashes) >> level]
        for at in range(0, len(whole), 16):
            assert stored.pop(tree_key(level, at // 16)) == b"".join(whole[at : at + 16])
    assert stored == {}


def test_the_known_leaves_have_the_known_rows_of_hashes_and_the_known_checkpoint() -> None:
    hashes = [leaf_hash(bytes.fromhex(told["leaf"])) for told in VECTORS["entries"]]
    assert VECTORS["tree"] == {tree_key(0, 0).hex(): b"".join(hashes).hex()}
    key = VerifierKey.parse(VECTORS["vkey"])
    known = open_checkpoint(VECTORS["checkpoint"].encode(), key)
    assert known == Checkpoint(VECTORS["origin"], len(hashes), root_of(hashes))


# Signing


def test_a_checkpoint_is_over_all_leaves_in_order() -> None:
    log = short_log(37)
    signed = log.checkpoint()
    hashes = [leaf_hash(leaf(log, index)) for index in range(37)]
    assert (signed.origin, signed.size, signed.root) == (log.diary.card.origin, 37, root_of(hashes))
    assert row(log, META, CHECKPOINT_KEY) == log.diary.checkpoint
    assert log.opened().checkpoint == log.diary.checkpoint


def test_a_log_that_has_not_grown_is_not_signed_again() -> None:
    log = short_log(5)
    assert log.diary.sign() == log.opened().sign() == []
    log.write(note(1))
    assert log.diary.sign() != []


def test_every_checkpoint_goes_on_from_all_before_it_over_restarts_too() -> None:
    log, kept = Log(), []
    for number in range(40):
        log.write(*[note(number)] * (number % 3 + 1))
        kept.append(log.sign())
        if number % 7 == 0:
            log.diary = log.opened()
    last = kept[-1]
    for one in kept:
        path = consistency_proof(one.size, last.size, lambda level, at: log.store.get(TREE, tree_key(level, at)))
        verify_consistency(one.size, last.size, one.root, last.root, path)


def recorded() -> tuple[Log, Recording]:
    """Return a log over a store that writes down what happens to it, signatures among it."""
    store = Recording()
    log = Log(store=store)
    sign = signer(log.log_key())

    def told(message: bytes) -> bytes:
        store.events.append(("sign", frozenset()))
        return sign(message)

    log.diary = Diary(store, log.diary.card, told, log.vault, log.entropy)
    store.events.clear()
    return log, store


def test_entries_are_durable_and_read_back_before_they_are_signed_and_signed_before_they_are_shown() -> None:
    log, store = recorded()
    before = log.diary.checkpoint
    log.write(note(1))
    assert log.diary.checkpoint == before
    writes = log.diary.sign()
    assert store.events == [
        ("commit", frozenset({ENTRIES, BODIES, TREE})),
        ("read", frozenset({ENTRIES})),
        ("sign", frozenset()),
    ]
    assert (log.diary.checkpoint, log.diary.signed_size) == (before, 1)
    store.commit(writes)
    log.diary.signed(writes)
    assert (log.diary.checkpoint, log.diary.signed_size) == (row(log, META, CHECKPOINT_KEY), 2)


def test_what_is_not_on_disk_is_never_signed() -> None:
    log, store = recorded()
    log.diary.append([note(1)])
    with pytest.raises(Damaged, match="signs nothing more"):
        log.diary.sign()
    assert ("sign", frozenset()) not in store.events


def test_after_a_failed_commit_the_log_goes_on_where_the_disk_is() -> None:
    log, store = recorded()
    log.write(note(1))
    log.sign()
    store.fails = StoreFailed("the disk is full")
    with pytest.raises(StoreFailed):
        log.write(note(2), note(3))
    assert log.diary.size == 4
    log.diary.reload()
    assert (log.diary.size, log.diary.signed_size) == (2, 2)
    assert log.diary.sign() == []
    log.write(note(4))
    assert log.sign().size == 3 == next_index(store)
    assert log.opened().size == 3


def test_a_checkpoint_that_did_not_reach_the_disk_is_not_shown_and_signed_anew() -> None:
    log, store = recorded()
    before = log.diary.checkpoint
    log.write(note(1))
    store.fails = StoreFailed("the disk is full")
    with pytest.raises(StoreFailed):
        log.sign()
    assert log.diary.checkpoint == before
    log.diary.reload()
    log.write(note(2))
    assert log.sign().size == 3


# What is damaged in between


def assert_stands_still(log: Log, store: Recording) -> None:
    """Nothing is signed, and nothing appended to what may not be what it seems."""
    store.events.clear()
    for _ in range(2):
        with pytest.raises(Damaged, match="signs nothing more"):
            log.diary.sign()
        with pytest.raises(Damaged, match="takes and signs nothing more"):
            log.diary.append([note(99)])
    assert ("sign", frozenset()) not in store.events


def flip_a_peak(log: Log, at: int) -> None:
    peaks = log.diary._tree._peaks
    peaks[at] = flipped(peaks[at], 100)


@pytest.mark.parametrize("at", range(3))
def test_a_bit_that_flips_in_memory_is_found_and_healed_from_the_disk(at: int) -> None:
    log, store = recorded()
    log.write(*[note(1)] * 10)
    log.sign()
    log.write(*[note(2)] * 10)
    assert len(log.diary._tree._peaks) == 3  # 21 leaves: three complete subtrees.
    flip_a_peak(log, at)
    assert_stands_still(log, store)
    log.diary.reload()
    log.write(note(3))
    assert log.sign().size == 22
    assert log.opened().size == 22


def test_the_second_flaw_is_for_good() -> None:
    log, store = recorded()
    for _ in range(2):
        log.diary.reload()
        log.write(*[note(1)] * 10)
        flip_a_peak(log, 0)
        assert_stands_still(log, store)
    log.diary.reload()
    assert_stands_still(log, store)


def test_a_bit_that_flips_in_a_row_of_hashes_on_its_way_to_the_disk_is_found_before_it_is_signed_for() -> None:
    log, store = recorded()
    rows = log.diary.append([note(number) for number in range(5)])
    changed = log.diary.changed()
    hashes = next(one for one in changed if one.table == TREE)
    store.commit([*rows, *changed, Put(TREE, hashes.key, flipped(hashes.value or b"", 9))])
    with pytest.raises(Damaged, match="signs nothing more"):
        log.diary.sign()
    assert ("sign", frozenset()) not in store.events


def a_changed_leaf(log: Log) -> None:
    put(log, ENTRIES, entry_key(14), flipped(leaf(log, 14), 300))


def a_missing_leaf(log: Log) -> None:
    put(log, ENTRIES, entry_key(14), None)


def one_leaf_too_few(log: Log) -> None:
    put(log, ENTRIES, entry_key(log.diary.size - 1), None)


def one_leaf_too_many(log: Log) -> None:
    put(log, ENTRIES, entry_key(log.diary.size), leaf(log, 14))


def swapped_leaves(log: Log) -> None:
    one, other = leaf(log, 14), leaf(log, 15)
    put(log, ENTRIES, entry_key(14), other)
    put(log, ENTRIES, entry_key(15), one)


@pytest.mark.parametrize(
    ("damage", "names"),
    [
        (a_changed_leaf, "of level 0 is not what it should be"),
        (a_missing_leaf, "entry 14 is missing"),
        (one_leaf_too_few, "nothing more"),
        (one_leaf_too_many, "nothing more"),
        (swapped_leaves, "nothing more"),
    ],
)
def test_a_leaf_that_changes_on_disk_before_it_is_signed_is_found(damage: Callable[[Log], None], names: str) -> None:
    log, store = recorded()
    log.write(*[note(1)] * 10)
    log.sign()
    log.write(*[note(2)] * 10)
    damage(log)
    with pytest.raises(Damaged, match=names):
        log.diary.sign()
    assert_stands_still(log, store)


def test_a_leaf_written_again_as_it_was_disturbs_nothing() -> None:
    log, _ = recorded()
    log.write(*[note(2)] * 20)
    put(log, ENTRIES, entry_key(14), leaf(log, 14))
    assert log.sign().size == 21
