"""The index of the log: one bit per entry, and no entry more or less than belongs in it, over restarts too."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.entry_types import EntryType
from talos.core.log_index import BUNDLE, INDEXED_KEY, Index, bundle_key, indexed, listed, of_subject, of_type
from talos.core.step import Put
from talos.core.tables import LOOKUP, META, STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged
from tests.node.core.logs import BOB, CLEO, VECTORS, Log, note, places, put

NOTES: Final = of_type(EntryType.PREKEY_ROTATE)
PREFIXES: Final = (NOTES, of_type(EntryType.LEASE_LOST), of_subject(BOB), of_subject(CLEO))


def mark(index: Index, at: int, *prefixes: bytes) -> None:
    """Say that entry `at` belongs under these."""
    index.mark(at // BUNDLE, dict.fromkeys(prefixes, 1 << at % BUNDLE))


def written(*indexes: int, prefix: bytes = NOTES) -> MemoryStore:
    """Return a store whose index has these under one prefix."""
    store = MemoryStore(STATE_TABLES)
    index = Index(store)
    for one in indexes:
        mark(index, one, prefix)
    store.commit(index.changed())
    return store


def test_a_row_has_a_bit_for_each_of_256_entries_the_lowest_first() -> None:
    store = written(0, 1, 9, 255, 256, 1_000)
    assert dict(store.scan(LOOKUP)) == {
        b"t\x00\x03" + bytes(8): b"\x03\x02" + bytes(29) + b"\x80",
        b"t\x00\x03" + bytes(7) + b"\x01": b"\x01" + bytes(31),
        b"t\x00\x03" + bytes(7) + b"\x03": bytes(29) + b"\x01" + bytes(2),  # 1000 = 3 * 256 + 29 * 8.
    }
    assert list(dict(written(3, prefix=of_subject(BOB)).scan(LOOKUP))) == [b"p" + BOB[:16] + bytes(8)]


def test_the_known_log_has_the_known_index() -> None:
    index, store = dict[str, int](), MemoryStore(STATE_TABLES)
    for at, told in enumerate(VECTORS["entries"]):
        for place in places(at, told["type"], bytes.fromhex(told["subject"])):
            index[place.hex()] = index.get(place.hex(), 0) | 1 << at
    assert VECTORS["lookup"] == {place: bits.to_bytes(32, "little").hex() for place, bits in index.items()}
    store.commit([Put(LOOKUP, bytes.fromhex(key), bytes.fromhex(row)) for key, row in VECTORS["lookup"].items()])
    assert list(listed(store, of_type(EntryType.MESSAGE))) == [5, 4, 3, 2]


@given(
    st.lists(st.tuples(st.integers(1, 90), st.sets(st.sampled_from(PREFIXES)), st.sampled_from("ncfr")), max_size=30),
    st.integers(-1, 2_800),
)
def test_what_is_listed_is_what_was_marked_whatever_was_committed_when(
    marked: list[tuple[int, set[bytes], str]], before: int
) -> None:
    store = MemoryStore(STATE_TABLES)
    index, at = Index(store), 0
    expected = dict[bytes, list[int]]()
    for step, prefixes, then in marked:
        at += step
        mark(index, at, *prefixes)
        for prefix in prefixes:
            expected.setdefault(prefix, []).insert(0, at)
        rows = index.changed() if then != "n" else []
        if then in "cr":  # With "f" the commit fails, and what was to be written still is.
            store.commit(rows)
            index.written()
        if then == "r":
            index = Index(store)
    store.commit(index.changed())
    for prefix in PREFIXES:
        assert list(listed(store, prefix)) == expected.get(prefix, [])
        assert list(listed(store, prefix, before=before)) == [one for one in expected.get(prefix, []) if one < before]


@pytest.mark.parametrize("before", [0, -1, 1, 255, 256, 257, 511, 512, 513, 10_000])
def test_only_entries_below_a_bound_are_listed_at_every_edge_of_a_row(before: int) -> None:
    indexes = [0, 1, 254, 255, 256, 257, 511, 512]
    found = list(listed(written(*indexes), NOTES, before=before))
    assert found == [one for one in reversed(indexes) if one < before]
    assert all(one > other for one, other in pairwise(found))


def test_the_index_reaches_as_far_as_the_log_is_signed() -> None:
    log = Log()
    log.write(note(1, BOB))
    assert (indexed(log.store), list(listed(log.store, of_subject(BOB)))) == (1, [])
    log.sign()
    assert (indexed(log.store), list(listed(log.store, of_subject(BOB)))) == (2, [1])


def test_what_was_written_before_a_restart_is_in_the_index_after_the_next_checkpoint() -> None:
    log = Log()
    for number in range(1, 2 * BUNDLE):
        log.write(note(number, (BOB, CLEO, b"")[number % 3]))
    log.diary = log.opened()
    log.write(note(0, BOB))
    log.sign()
    assert list(listed(log.store, NOTES)) == list(range(2 * BUNDLE, 0, -1))
    assert list(listed(log.store, of_subject(BOB))) == [2 * BUNDLE, *range(2 * BUNDLE - 2, 0, -3)]


def test_entries_of_one_transaction_are_in_the_index_across_the_edge_of_a_row() -> None:
    log = Log()
    log.write(*(note(number, (BOB, CLEO, b"")[number % 3]) for number in range(1, 600)))
    log.sign()
    assert list(listed(log.store, NOTES)) == list(range(599, 0, -1))
    assert list(listed(log.store, of_subject(CLEO))) == list(range(598, 0, -3))


def test_what_did_not_reach_the_disk_is_not_in_the_index() -> None:
    log = Log()
    log.diary.append([note(1, BOB)])
    log.diary.changed()
    log.diary.reload()
    log.write(note(2, CLEO))
    log.sign()
    assert list(listed(log.store, of_subject(BOB))) == []
    assert list(listed(log.store, of_subject(CLEO))) == [1]
    assert list(listed(log.store, NOTES)) == [1]


def test_an_index_that_does_not_say_how_far_it_reaches_is_damaged() -> None:
    for value in (None, b"", bytes(7), bytes(9)):
        log = Log()
        put(log, META, INDEXED_KEY, value)
        with pytest.raises(Damaged):
            indexed(log.store)


def test_only_rows_that_changed_are_written_again() -> None:
    store = written(1, prefix=of_subject(BOB))
    index = Index(store)
    assert index.changed() == []
    mark(index, 2, NOTES)
    mark(index, 3, NOTES)
    assert [one.key for one in index.changed()] == [bundle_key(NOTES, 0)]
    assert [one.key for one in index.changed()] == [bundle_key(NOTES, 0)], "until it is on disk"
    index.written()
    assert index.changed() == []


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_row_of_another_size_is_damaged_and_not_built_upon(size: int) -> None:
    log = Log()
    log.write(note(1))
    log.sign()
    put(log, LOOKUP, bundle_key(NOTES, 0), b"\x01" * size)
    with pytest.raises(Damaged):
        list(listed(log.store, NOTES))
    log.write(note(2))
    with pytest.raises(Damaged):
        log.sign()
