"""High-water marks: read back as they were written, and never more than so many."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from talos.core.marks import NO_ORIGIN, ORIGINS_MAX, HighWater
from talos.core.step import Put
from talos.core.tables import MARKS, STATE_TABLES
from talos.drivers.memory_store import MemoryStore

PEER, OTHER = bytes(32), b"\x00" * 31 + b"\x01"


def origin(number: int) -> bytes:
    return (number + 1).to_bytes(16, "big")


def store_of(writes: Iterable[Put]) -> MemoryStore:
    store = MemoryStore(STATE_TABLES)
    store.commit(list(writes))
    return store


def facts(marks: HighWater) -> tuple[object, ...]:
    return marks.next_seq, marks.last_origin, [marks.high(origin(number)) for number in range(4)]


def test_a_new_peer_has_taken_nothing_and_is_sent_number_1_next() -> None:
    marks = HighWater(PEER, store_of([]))
    assert (marks.next_seq, marks.last_origin, marks.high(origin(0))) == (1, NO_ORIGIN, 0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2**63 - 1)), max_size=12))
def test_rows_say_what_memory_says(moves: list[tuple[int, int]]) -> None:
    store = store_of([])
    marks = HighWater(PEER, store)
    for number, seq in moves:
        store.commit(marks.took(origin(number), seq) if number else [marks.advanced(seq)])
    assert facts(HighWater(PEER, store)) == facts(marks)


def test_peers_do_not_share_marks() -> None:
    marks = HighWater(PEER, store_of([]))
    store = store_of([*marks.took(origin(0), 7), marks.advanced(9)])
    assert facts(HighWater(OTHER, store)) == facts(HighWater(OTHER, store_of([])))


def test_the_last_origin_is_the_one_that_last_sent() -> None:
    store = store_of([])
    marks = HighWater(PEER, store)
    for number in (0, 1, 0):
        store.commit(marks.took(origin(number), number + 1))
    assert HighWater(PEER, store).last_origin == marks.last_origin == origin(0)


def test_a_peer_has_so_many_origins_and_no_more_but_keeps_those_it_has() -> None:
    store = store_of([])
    marks = HighWater(PEER, store)
    for number in range(ORIGINS_MAX):
        assert marks.has_place(origin(number))
        store.commit(marks.took(origin(number), 1))
    for full in (marks, HighWater(PEER, store)):
        assert not full.has_place(origin(ORIGINS_MAX))
        assert full.has_place(origin(0))
    assert len(list(store.scan(MARKS, PEER))) == ORIGINS_MAX + 1
