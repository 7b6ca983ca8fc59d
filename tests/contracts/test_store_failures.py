"""What a `talos.host.Store` still promises when its disk is full, fails, or its process dies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from talos.core.room import PLENTY
from talos.core.step import Put
from talos.errors import StoreFailed, StoreFull
from talos.host import Store
from tests.conftest import Rounds
from tests.contracts.failing_stores import LmdbRig, Rig, SimulatedRig

RIGS: Final[dict[str, Callable[[Path, int], Rig]]] = {"lmdb": LmdbRig, "simulated": SimulatedRig}
PAGES: Final = 8 * 4096  # Bytes, within which a store knows its room.
SEEDS: Final = range(4)  # What is left to chance comes out in more than one way.


@pytest.fixture(
    params=[("lmdb", 0), *(("simulated", seed) for seed in SEEDS)],
    ids=["lmdb", *(f"simulated {seed}" for seed in SEEDS)],
)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    kind, seed = request.param
    return RIGS[kind](tmp_path, seed)


def state(rig: Rig, store: Store) -> list[list[tuple[bytes, bytes]]]:
    return [list(store.scan(table)) for table in rig.tables]


def large(rig: Rig) -> list[Put]:
    """Return writes that change, delete and add, 720 KB in all."""
    left, right = rig.tables
    return [
        Put(left, b"changed", b"new"),
        Put(right, b"deleted", None),
        *(Put(left, b"added%d" % number, bytes(8_000)) for number in range(90)),
        Put(right, b"added", b"new"),
    ]


def begun(rig: Rig) -> Store:
    store = rig.open()
    left, right = rig.tables
    store.commit([Put(left, b"changed", b"old"), Put(right, b"deleted", b"old")])
    return store


def test_a_full_store_writes_nothing_and_shows_what_it_had(rig: Rig) -> None:
    store = begun(rig)
    rig.fill(store)
    before = state(rig, store)
    with store.snapshot() as rows:
        for _ in range(3):
            with pytest.raises(StoreFull, match="nothing was written"):
                store.commit(large(rig))
            assert state(rig, store) == before
        assert [list(rows.scan(table)) for table in rig.tables] == before
    store.close()
    reopened = rig.open()
    assert state(rig, reopened) == before
    reopened.close()


def test_a_full_store_takes_writes_again_once_there_is_room(rig: Rig) -> None:
    store = begun(rig)
    rig.fill(store)
    with pytest.raises(StoreFull):
        store.commit(large(rig))
    rig.make_room(store)
    store.commit(large(rig)[:20])
    assert store.get(rig.tables[0], b"changed") == b"new"
    store.close()
    reopened = rig.open()
    assert reopened.get(rig.tables[0], b"added17") == bytes(8_000)
    reopened.close()


def test_a_store_that_lives_on_its_reserve_says_so_and_takes_what_is_small_until_there_is_room_again(rig: Rig) -> None:
    store = begun(rig)
    assert store.room().left > 0
    rig.fill_to_reserve(store)
    assert store.room().left <= 0
    for number in range(200):
        store.commit([Put(rig.tables[1], b"small%d" % (number % 10), bytes(100))])
        store.commit([Put(rig.tables[0], b"changed", b"%d" % number)])
    assert store.room().left <= 0
    rig.make_room(store)
    assert store.room().left > 0
    store.close()


def test_the_room_that_a_store_says_it_has_can_be_written_and_room_that_is_given_back_counts_again(rig: Rig) -> None:
    store = begun(rig)
    rig.fill_to_reserve(store)
    rig.make_room(store)
    left = store.room().left
    store.commit(large(rig)[:20])
    assert store.room().left < left or left == PLENTY
    store.commit([Put(rig.tables[0], b"added%d" % number, None) for number in range(18)])
    assert store.room().left >= left - PAGES
    store.close()


def test_a_failed_flush_is_no_full_disk_and_readers_see_nothing_of_it(rig: Rig) -> None:
    store = begun(rig)
    before = state(rig, store)
    with rig.failing_flush(), pytest.raises(StoreFailed) as failure:
        store.commit(large(rig))
    assert not isinstance(failure.value, StoreFull)
    assert state(rig, store) == before
    store.close()


def test_after_a_failed_flush_a_store_goes_on_or_says_since_when_it_does_not_until_it_is_opened_anew(rig: Rig) -> None:
    store = begun(rig)
    with rig.failing_flush(), pytest.raises(StoreFailed):
        store.commit(large(rig))
    before, small = state(rig, store), Put(rig.tables[0], b"small", b"row")
    if rig.goes_on_by_itself:
        store.commit([small])
    else:
        for writes in ([small], []):
            with pytest.raises(StoreFailed, match=r"takes no writes since: .*Check the disk, then restart"):
                store.commit(writes)
        assert state(rig, store) == before
    store.close()
    reopened = rig.open()
    reopened.commit([small])
    assert reopened.get(small.table, small.key) == small.value
    reopened.close()


def test_a_commit_whose_flush_failed_is_there_whole_or_not_at_all(rig: Rig) -> None:
    store = begun(rig)
    before = state(rig, store)
    with rig.failing_flush(), pytest.raises(StoreFailed):
        store.commit(large(rig))
    store.close()
    reopened = rig.open()
    found = state(rig, reopened)
    reopened.commit(large(rig)[:1])
    reopened.close()
    if found != before:
        left, right = (dict(rows) for rows in found)
        assert (left[b"changed"], right[b"added"], len(left)) == (b"new", b"new", 91)
        assert b"deleted" not in right


def test_a_process_that_dies_while_it_commits_loses_nothing_it_was_told_and_leaves_no_half(
    rig: Rig, rounds: Rounds
) -> None:
    told = list[int]()
    moments = range(rounds(40, 400)) if isinstance(rig, SimulatedRig) else range(rounds(2, 50))
    for deaths, after in enumerate(moments, 1):
        told += rig.crash(after)
        store = rig.open()
        left, right = state(rig, store)
        store.close()
        assert left == right, "a commit is on disk whole or not at all"
        assert [int.from_bytes(key, "big") for key, _ in left] == list(range(len(left)))
        assert not told or max(told) < len(left)
        assert len(left) - len(told) <= deaths, "each death hides one commit at most"
    if isinstance(rig, SimulatedRig):
        assert told, "a process that is told of nothing proves nothing"
        assert len(left) > len(told), "some died after it was durable, and before they were told"
