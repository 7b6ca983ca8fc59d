"""What every `talos.host.Store` does for its readers: scans in both directions, and snapshots."""

from __future__ import annotations

from itertools import product
from threading import Thread

import pytest

from talos.core.step import Put
from talos.core.tables import Rows
from talos.drivers.rows import BadRow, SnapshotEnded
from talos.errors import StoreFailed
from talos.host import Store

KEYS = [b"\x00", b"a", b"b", b"b\x00", b"b\x01", b"b\xff", b"b\xff\xff", b"b\xff\xff\x00", b"c", b"\xff", b"\xff\xff"]


def fill(store: Store, keys: list[bytes] = KEYS) -> None:
    store.commit([Put("left", key, b"=" + key) for key in keys])


def found(rows: Rows, prefix: bytes = b"", start: bytes = b"", *, reverse: bool = True) -> list[bytes]:
    rows_found = list(rows.scan("left", prefix, start=start, reverse=reverse))
    assert all(value == b"=" + key for key, value in rows_found)
    return [key for key, _ in rows_found]


def test_a_scan_in_reverse_begins_at_the_last_row_of_the_table(store: Store) -> None:
    fill(store)
    assert found(store) == KEYS[::-1]


def test_a_scan_in_reverse_begins_at_the_last_key_that_is_not_after_its_start(store: Store) -> None:
    fill(store, [b"b", b"d", b"d\x00", b"f"])
    assert found(store, start=b"d") == [b"d", b"b"], "a row at `start` is part of the scan"
    assert found(store, start=b"c") == [b"b"]
    assert found(store, start=b"b") == [b"b"]
    assert found(store, start=b"e") == [b"d\x00", b"d", b"b"]
    assert found(store, start=b"g") == [b"f", b"d\x00", b"d", b"b"]
    assert found(store, start=b"a") == []


def test_a_scan_in_reverse_stays_within_its_prefix(store: Store) -> None:
    fill(store)
    assert found(store, b"b") == [b"b\xff\xff\x00", b"b\xff\xff", b"b\xff", b"b\x01", b"b\x00", b"b"]
    assert found(store, b"b\xff") == [b"b\xff\xff\x00", b"b\xff\xff", b"b\xff"]
    assert found(store, b"\xff") == [b"\xff\xff", b"\xff"], "no key comes after a prefix of only ff"
    assert found(store, b"\xff\xff") == [b"\xff\xff"]
    assert found(store, b"\xff\xff\xff") == []
    assert found(store, b"bb") == []
    assert found(store, b"b", b"b\x02") == [b"b\x01", b"b\x00", b"b"]
    assert found(store, b"b", b"c") == found(store, b"b"), "a start after the prefix leaves nothing out"
    assert found(store, b"b", b"a") == []


def test_a_scan_of_an_empty_table_is_empty_in_both_directions(store: Store) -> None:
    store.commit([Put("right", b"key", b"value")])
    for prefix, start, reverse in product((b"", b"key", b"\xff"), (b"", b"key"), (False, True)):
        assert found(store, prefix, start, reverse=reverse) == []


def test_every_scan_is_the_rows_of_its_prefix_cut_at_its_start(store: Store) -> None:
    fill(store)
    places = [b"", *KEYS, b"\x00\x00", b"b\xfe", b"b\xff\xff\xff", b"bb", b"d", b"\xff\x00", b"\xff" * 600]
    for prefix, start in product(places, places):
        within = [key for key in KEYS if key.startswith(prefix)]
        assert found(store, prefix, start, reverse=False) == [key for key in within if key >= start]
        up_to = [key for key in within if not start or key <= start]
        assert found(store, prefix, start, reverse=True) == up_to[::-1]


def test_a_scan_in_reverse_is_one_snapshot_and_does_not_block_commits(store: Store) -> None:
    fill(store, [b"a", b"b", b"c"])
    rows = store.scan("left", reverse=True)
    first = next(rows)
    store.commit([Put("left", b"b", b"new"), Put("left", b"a", None), Put("left", b"d", b"new")])
    assert [first, *rows] == [(b"c", b"=c"), (b"b", b"=b"), (b"a", b"=a")]


def test_a_snapshot_is_one_state_while_commits_go_on(store: Store) -> None:
    store.commit([Put("left", b"changed", b"old"), Put("left", b"gone", b"old"), Put("right", b"key", b"old")])
    with store.snapshot() as rows:
        writes = [Put("left", b"changed", b"new"), Put("left", b"gone", None), Put("left", b"made", b"new")]
        writer = Thread(target=store.commit, args=([*writes, Put("right", b"key", b"new")],))
        writer.start()
        writer.join(timeout=30)
        assert not writer.is_alive()
        for _ in range(2):
            assert [rows.get("left", key) for key in (b"changed", b"gone", b"made")] == [b"old", b"old", None]
            assert list(rows.scan("left")) == [(b"changed", b"old"), (b"gone", b"old")]
            assert list(rows.scan("right", reverse=True)) == [(b"key", b"old")]
            assert store.get("left", b"made") == b"new"
            store.commit([Put("left", b"changed", b"newer")])
    assert list(store.scan("left")) == [(b"changed", b"newer"), (b"made", b"new")]


def test_a_snapshot_is_taken_on_entry(store: Store) -> None:
    snapshot = store.snapshot()
    store.commit([Put("left", b"key", b"before")])
    with snapshot as rows:
        store.commit([Put("left", b"key", b"after")])
        assert rows.get("left", b"key") == b"before"


def test_each_snapshot_keeps_its_own_state(store: Store) -> None:
    store.commit([Put("left", b"key", b"1")])
    with store.snapshot() as first:
        store.commit([Put("left", b"key", b"2")])
        with store.snapshot() as second:
            store.commit([Put("left", b"key", b"3")])
            assert (first.get("left", b"key"), second.get("left", b"key")) == (b"1", b"2")
        store.commit([Put("left", b"key", b"4")])
        assert first.get("left", b"key") == b"1"
    assert store.get("left", b"key") == b"4"


def test_scans_of_one_snapshot_may_go_on_side_by_side(store: Store) -> None:
    fill(store)
    with store.snapshot() as rows:
        up, down = rows.scan("left"), rows.scan("left", reverse=True)
        pairs = [(next(up)[0], next(down)[0]) for _ in KEYS]
    assert pairs == list(zip(KEYS, KEYS[::-1], strict=True))


def test_a_snapshot_that_has_ended_is_refused_and_no_other_is_read_in_its_place(store: Store) -> None:
    fill(store, [b"a", b"b", b"c"])
    with store.snapshot() as rows:
        begun, not_begun = rows.scan("left"), rows.scan("left", reverse=True)
        next(begun)
    with store.snapshot() as another:
        for use in (lambda: rows.get("left", b"a"), lambda: list(begun), lambda: list(not_begun)):
            with pytest.raises(SnapshotEnded, match="has ended"):
                use()
        with pytest.raises(SnapshotEnded):
            list(rows.scan("left"))
        assert found(another, reverse=False) == [b"a", b"b", b"c"]
    store.commit([Put("left", b"a", b"new")])
    assert store.get("left", b"a") == b"new"


def test_an_error_in_its_body_ends_a_snapshot_too(store: Store) -> None:
    held: list[Rows] = []
    with pytest.raises(ZeroDivisionError), store.snapshot() as rows:  # noqa: PT012  Its body is what fails.
        held.append(rows)
        raise ZeroDivisionError
    with pytest.raises(SnapshotEnded):
        held[0].get("left", b"key")


def test_a_snapshot_refuses_the_tables_and_keys_that_its_store_does(store: Store) -> None:
    with store.snapshot() as rows:
        for table, key in (("middle", b"key"), ("left", b""), ("left", b"k" * 501)):
            with pytest.raises(BadRow):
                rows.get(table, key)
        with pytest.raises(BadRow):
            rows.scan("middle")
        assert rows.get("left", b"k" * 500) is None


def test_a_snapshot_of_a_closed_store_is_refused(store: Store) -> None:
    fill(store)
    with store.snapshot() as rows:
        begun = rows.scan("left")
        next(begun)
        store.close()
        with pytest.raises(StoreFailed):
            rows.get("left", b"a")
        with pytest.raises(StoreFailed):
            next(begun)
    with pytest.raises(StoreFailed), store.snapshot():
        pass
