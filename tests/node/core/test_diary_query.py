"""Asking the log: every query finds what a walk over all entries finds, and reads no more than it must."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from talos.core.diary_read import Query, Reader
from talos.core.entry_types import EntryType
from tests.node.core.end import NOW_MS
from tests.node.core.logs import BOB, CLEO, Counting, Log, lease, long_log, note

TWIN: Final = BOB[:16] + CLEO[16:]  # Its place in the index is Bob's.
PEERS: Final = (BOB, CLEO, TWIN, b"")
SIZE: Final = 80
SIGNED: Final = 60  # Entries of them that the index tells of: those after the last checkpoint are looked through.


@dataclass(frozen=True)
class Written:
    """What the test itself remembers of an entry."""

    index: int
    type: EntryType
    peer: bytes
    time_ms: int


@cache
def many() -> tuple[Log, list[Written]]:
    """Return a log that nobody may change: two types, peers of whom two share a place, times that go back."""
    log = Log("many")
    written = [Written(0, EntryType.IDENTITY_CREATED, log.made.did, NOW_MS)]
    for index in range(1, SIZE):
        peer, time_ms = PEERS[index * 7 % len(PEERS)], NOW_MS + index * 37 % 50
        entry = (lease if index % 3 == 0 else note)(index, peer, time_ms)
        log.write(entry)
        written.append(Written(index, entry.type, peer, time_ms))
        if index == SIGNED - 1:
            log.sign()
    return log, written


def expected(query: Query, written: list[Written]) -> list[int]:
    found = [
        one.index
        for one in written
        if (query.type is None or one.type is query.type)
        and (query.peer is None or one.peer == query.peer)
        and (query.from_ms is None or one.time_ms >= query.from_ms)
        and (query.to_ms is None or one.time_ms < query.to_ms)
        and (query.before is None or one.index < query.before)
    ]
    return found if query.last is None else found[len(found) - min(query.last, len(found)) :]


def or_any(strategy: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | strategy


QUERIES = st.builds(
    Query,
    type=st.none() | st.sampled_from([EntryType.PREKEY_ROTATE, EntryType.LEASE_LOST, EntryType.ANCHOR]),
    peer=st.none() | st.sampled_from([BOB, CLEO, TWIN]),
    from_ms=or_any(st.integers(NOW_MS - 2, NOW_MS + 52)),
    to_ms=or_any(st.integers(NOW_MS - 2, NOW_MS + 52)),
    last=or_any(st.integers(0, SIZE + 2)),
    before=or_any(st.integers(-1, SIZE + 2)),
)


@given(QUERIES)
@example(Query(before=SIZE + 1))
@example(Query(before=SIZE + 1, peer=BOB))
def test_every_query_finds_what_a_walk_over_all_entries_finds_the_oldest_first(query: Query) -> None:
    log, written = many()
    assert [one.index for one in Reader(log.store, log.vault).query(query)] == expected(query, written)


@given(QUERIES)
def test_without_the_passphrase_queries_find_the_same_and_what_may_be_about_the_peer(query: Query) -> None:
    log, written = many()
    found = [one.index for one in Reader(log.store, None).query(query)]
    maybe = [
        one  # Peers that share a place cannot be told apart; after the last checkpoint, none can.
        for one in written
        if query.peer is None or one.index >= SIGNED or one.peer[:16] == query.peer[:16]
    ]
    assert found == expected(replace(query, peer=None), maybe)


def test_pages_asked_for_with_before_give_every_entry_once() -> None:
    log, written = many()
    pages, before = list[int](), None
    while page := Reader(log.store, log.vault).query(Query(type=EntryType.PREKEY_ROTATE, last=7, before=before)):
        before = page[0].index
        pages = [*(one.index for one in page), *pages]
    assert pages == [one.index for one in written if one.type is EntryType.PREKEY_ROTATE]


def test_the_last_entries_of_a_long_log_are_found_without_reading_the_others() -> None:
    log = long_log()
    for query in (Query(last=10), Query(type=EntryType.PREKEY_ROTATE, last=10), Query(peer=BOB, last=10)):
        counting = Counting(log.store)
        assert len(Reader(counting, log.vault).query(query)) == 10
        assert counting.gets <= 10 + 10 + 2
        assert counting.scanned <= 11
