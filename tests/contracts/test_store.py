"""What every `talos.host.Store` does. A new store joins by an entry in `STORES` of conftest.py.

How it is read at length, backwards and in snapshots, is in test_store_reads.py.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.core.step import Put
from talos.core.tables import ENTRIES
from talos.drivers.rows import BadRow
from talos.errors import StoreFailed
from talos.host import Store
from tests.contracts.conftest import STORES, TABLES


def test_a_row_that_was_never_written_is_none(store: Store) -> None:
    assert store.get("left", b"key") is None
    assert list(store.scan("left")) == []


def test_a_row_is_what_was_written_last_in_its_own_table(store: Store) -> None:
    store.commit([Put("left", b"key", b"old"), Put("right", b"key", b"other")])
    store.commit([Put("left", b"key", b"new")])
    assert (store.get("left", b"key"), store.get("right", b"key")) == (b"new", b"other")


def test_writes_of_one_commit_apply_in_order(store: Store) -> None:
    store.commit(
        [
            Put("left", b"kept", b"1"),
            Put("left", b"kept", None),
            Put("left", b"kept", b"2"),
            Put("left", b"gone", b"1"),
            Put("left", b"gone", None),
        ]
    )
    assert list(store.scan("left")) == [(b"kept", b"2")]


def test_an_empty_value_is_a_row_and_none_deletes_it(store: Store) -> None:
    store.commit([Put("left", b"key", b"")])
    assert store.get("left", b"key") == b""
    store.commit([Put("left", b"key", None)])
    assert store.get("left", b"key") is None
    assert list(store.scan("left")) == []


def test_a_table_that_is_mostly_appended_to_takes_rows_in_any_order(store: Store) -> None:
    def put(*numbers: int, value: bytes) -> list[Put]:
        return [Put(ENTRIES, bytes([number]), value) for number in numbers]

    store.commit(put(7, 5, value=b"first"))
    store.commit(put(9, 6, 7, 8, 3, value=b"second"))
    store.commit([*put(9, value=b"third" * 300), *put(11, 10, value=b"third"), Put(ENTRIES, b"\x03", None)])
    assert list(store.scan(ENTRIES)) == [
        (b"\x05", b"first"),
        (b"\x06", b"second"),
        (b"\x07", b"second"),
        (b"\x08", b"second"),
        (b"\x09", b"third" * 300),
        (b"\x0a", b"third"),
        (b"\x0b", b"third"),
    ]


def test_deleting_a_row_that_is_not_there_is_fine(store: Store) -> None:
    store.commit([Put("left", b"absent", None), Put("left", b"key", b"value")])
    assert list(store.scan("left")) == [(b"key", b"value")]


def test_an_empty_commit_changes_nothing(store: Store) -> None:
    store.commit([Put("left", b"key", b"value")])
    store.commit([])
    assert list(store.scan("left")) == [(b"key", b"value")]


def test_a_large_value_comes_back_whole(store: Store) -> None:
    value = bytes(range(256)) * 8192
    store.commit([Put("left", b"key", value)])
    assert store.get("left", b"key") == value


def test_a_scan_is_in_byte_order_within_its_prefix_and_from_its_start(store: Store) -> None:
    keys = [b"a", b"b\x00", b"b\x01", b"b\x7f", b"b\xff", b"b\xff\xff", b"c"]
    store.commit([Put("left", key, key) for key in reversed(keys)])

    def found(prefix: bytes = b"", start: bytes = b"") -> list[bytes]:
        return [key for key, _ in store.scan("left", prefix, start=start)]

    assert found() == keys
    assert found(b"b") == keys[1:6]
    assert found(b"b", b"b\x01") == keys[2:6], "a row at `start` is part of the scan"
    assert found(b"b", b"b\x02") == keys[3:6]
    assert found(b"b", b"a") == keys[1:6], "a start before the prefix leaves nothing out"
    assert found(b"b", b"c") == []
    assert found(b"", b"b\xff") == keys[4:]
    assert found(b"d") == []


def test_a_scan_is_one_snapshot_and_does_not_block_commits(store: Store) -> None:
    store.commit([Put("left", bytes([at]), b"old") for at in range(3)])
    rows = store.scan("left")
    first = next(rows)
    writer = Thread(target=store.commit, args=([Put("left", b"\x01", b"new"), Put("left", b"\x02", None)],))
    writer.start()
    writer.join(timeout=30)
    assert not writer.is_alive()
    assert [first, *rows] == [(bytes([at]), b"old") for at in range(3)]
    assert list(store.scan("left")) == [(b"\x00", b"old"), (b"\x01", b"new")]


def test_a_snapshot_is_taken_at_the_first_next(store: Store) -> None:
    rows = store.scan("left")
    store.commit([Put("left", b"key", b"value")])
    assert list(rows) == [(b"key", b"value")]


def test_a_scan_that_was_dropped_half_way_holds_nothing(store: Store) -> None:
    store.commit([Put("left", bytes([at]), b"old") for at in range(3)])
    next(store.scan("left"))
    store.commit([Put("left", bytes([at]), b"new") for at in range(3)])
    assert {value for _, value in store.scan("left")} == {b"new"}


def test_readers_see_whole_commits_only(store: Store) -> None:
    keys = [b"first", b"second", b"third"]
    store.commit([Put("left", key, b"0") for key in keys])
    commits = 100

    def write() -> None:
        for at in range(1, commits):
            store.commit([Put("left", key, b"%d" % at) for key in keys])

    writer = Thread(target=write)
    writer.start()
    torn = 0
    while writer.is_alive():
        torn += len({value for _, value in store.scan("left")}) != 1
    writer.join()
    assert torn == 0
    assert store.get("left", b"first") == b"%d" % (commits - 1)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (Put("left", b"", b"value"), "has 0 bytes"),
        (Put("left", b"k" * 501, b"value"), "has 501 bytes"),
        (Put("left", b"", None), "has 0 bytes"),
        (Put("middle", b"key", b"value"), "no table 'middle'"),
    ],
)
def test_a_row_no_store_takes_is_refused_and_its_whole_commit_with_it(store: Store, bad: Put, complaint: str) -> None:
    with pytest.raises(BadRow, match=complaint):
        store.commit([Put("left", b"key", b"value"), bad])
    assert list(store.scan("left")) == []
    store.commit([Put("left", b"key", b"value")])
    assert store.get("left", b"key") == b"value", "a refusal leaves the store usable"


def test_keys_of_1_and_of_500_bytes_are_taken(store: Store) -> None:
    keys = [b"\x00", b"\xff" * 500]
    store.commit([Put("left", key, key) for key in keys])
    assert [store.get("left", key) for key in keys] == keys


def test_reading_an_unknown_table_or_an_impossible_key_is_refused(store: Store) -> None:
    with pytest.raises(BadRow):
        store.get("middle", b"key")
    with pytest.raises(BadRow):
        store.get("left", b"")
    with pytest.raises(BadRow):
        store.scan("middle")


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreFailed):
        store.get("left", b"key")
    with pytest.raises(StoreFailed):
        list(store.scan("left"))
    with pytest.raises(StoreFailed):
        store.commit([Put("left", b"key", b"value")])
    store.close()


WRITES = st.builds(
    Put,
    st.sampled_from(TABLES),
    st.binary(min_size=1, max_size=2),
    st.none() | st.binary(max_size=4),
)


@pytest.mark.parametrize("kind", STORES)
@settings(max_examples=30, deadline=None)
@given(commits=st.lists(st.lists(WRITES, max_size=20), max_size=5), prefix=st.binary(max_size=1))
def test_any_commits_leave_what_a_sorted_map_would(kind: str, commits: list[list[Put]], prefix: bytes) -> None:
    model: dict[str, dict[bytes, bytes]] = {table: {} for table in TABLES}
    with TemporaryDirectory() as folder:
        store = STORES[kind](Path(folder))
        for writes in commits:
            store.commit(writes)
            for write in writes:
                if write.value is None:
                    model[write.table].pop(write.key, None)
                else:
                    model[write.table][write.key] = write.value
        for table in TABLES:
            expected = sorted(row for row in model[table].items() if row[0].startswith(prefix))
            assert list(store.scan(table, prefix)) == expected
            assert list(store.scan(table, prefix, reverse=True)) == expected[::-1]
            assert {key: store.get(table, key) for key in model[table]} == model[table]
        store.close()
