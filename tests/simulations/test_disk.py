"""What the simulated disk does beyond the contract of all stores (tests/contracts)."""

from __future__ import annotations

import random

import pytest

from talos.core.step import Put
from talos.drivers.rows import BadRow
from talos.errors import StoreFailed, StoreFull
from talos_simulations.dice import stream
from talos_simulations.disk import RESERVE, Disk, Mount
from talos_simulations.power import Power

TABLES = ("left", "right")


def put(key: bytes = b"key", value: bytes = b"value", table: str = "left") -> list[Put]:
    return [Put(table, key, value)]


def disk(seed: int = 1) -> Disk:
    return Disk(TABLES, stream(seed, "disk"))


def test_a_commit_whose_flush_failed_is_sometimes_there_after_reopening_and_sometimes_not() -> None:
    found = set[bool]()
    for seed in range(20):
        one = disk(seed)
        one.flush_fails = True
        with pytest.raises(StoreFailed):
            Mount(one, Power()).commit(put())
        assert one.rows.get("left", b"key") is None
        one.mend()
        found.add(Mount(one, Power()).get("left", b"key") is not None)
    assert found == {True, False}


def test_a_commit_turns_up_at_the_first_reopening_or_never() -> None:
    for seed in range(20):
        one = disk(seed)
        one.flush_fails = True
        with pytest.raises(StoreFailed):
            Mount(one, Power()).commit(put())
        one.mend()
        there = one.rows.get("left", b"key")
        one.mend()
        assert one.rows.get("left", b"key") == there


def test_reopening_mends_a_flush_that_has_not_failed_yet() -> None:
    one = disk()
    one.flush_fails = True
    one.mend()
    Mount(one, Power()).commit(put())


def test_a_dead_process_writes_nothing_and_is_not_told_so() -> None:
    one, power = disk(), Power()
    mount = Mount(one, power)
    mount.commit(put(b"before"))
    power.is_gone = True
    mount.commit(put(b"after"))
    assert list(one.rows.scan("left")) == [(b"before", b"value")]
    assert mount.commits == 1


def test_the_dead_do_not_use_up_a_fault_that_the_living_were_to_meet() -> None:
    one, power = disk(), Power()
    one.flush_fails, one.room = True, 100
    power.is_gone = True
    Mount(one, power).commit(put())
    assert (one.flush_fails, one.room) == (True, 100)


def test_a_row_that_no_store_takes_uses_up_neither_room_nor_a_fault() -> None:
    one = disk()
    one.flush_fails, one.room = True, 100
    with pytest.raises(BadRow):
        Mount(one, Power()).commit([*put(), *put(table="middle")])
    assert (one.flush_fails, one.room) == (True, 100)
    one.mend()
    assert one.rows.get("left", b"key") is None


def test_what_does_not_fit_uses_up_neither_room_nor_a_fault() -> None:
    one = disk()
    one.flush_fails, one.room = True, 5
    with pytest.raises(StoreFull):
        Mount(one, Power()).commit(put(value=bytes(RESERVE + 100)))
    assert (one.flush_fails, one.room) == (True, 5)


def test_a_disk_takes_what_fits_and_not_a_byte_more() -> None:
    one = disk()
    mount = Mount(one, Power())
    one.room = 10 - RESERVE
    mount.commit(put(b"a", bytes(4)))
    with pytest.raises(StoreFull):
        mount.commit(put(b"b", bytes(5)))
    mount.commit(put(b"b", bytes(4)))
    assert one.room == -RESERVE
    mount.commit([])
    with pytest.raises(StoreFull):
        mount.commit(put(b"c", b""))
    assert mount.failure is None, "a full disk is no broken one"


def test_on_a_full_disk_rows_can_be_deleted_and_changed_for_others_of_their_size() -> None:
    one = disk()
    mount = Mount(one, Power())
    mount.commit(put(b"a", bytes(4)))
    one.room = -RESERVE
    mount.commit(put(b"a", b"else"))
    with pytest.raises(StoreFull):
        mount.commit(put(b"a", b"longer"))
    mount.commit([Put("left", b"a", None)])
    assert (one.room, mount.room().left) == (5 - RESERVE, 5 - RESERVE)
    mount.commit(put(b"b", b"four"))


def test_a_copy_goes_its_own_way_on_hardware_of_the_same_kind() -> None:
    one = disk()
    one.flush_s = 0.5
    one.rows.commit(put())
    copy = one.copy()
    one.rows.commit(put(value=b"one"))
    copy.rows.commit(put(value=b"copy", table="right"))
    assert copy.rows.get("left", b"key") == b"value"
    assert one.rows.get("right", b"key") is None
    assert copy.flush_s == 0.5


@pytest.mark.parametrize("place", [0.0, 0.3, 0.5, 0.99, 1.0])
def test_rot_turns_one_bit_of_one_row(place: float) -> None:
    one = disk()
    dice = random.Random(1)
    before = {(table, bytes([number])): dice.randbytes(20) for table in TABLES for number in range(5)}
    one.rows.commit([Put(table, key, value) for (table, key), value in before.items()])
    table, key = one.rot(place).split()
    after = {(table, key): value for table in TABLES for key, value in one.rows.scan(table)}
    changed = [row for row in before if before[row] != after[row]]
    assert changed == [(table, bytes.fromhex(key))]
    was, now = (int.from_bytes(rows[changed[0]], "big") for rows in (before, after))
    assert (was ^ now).bit_count() == 1


def test_an_empty_disk_has_nothing_that_could_rot() -> None:
    one = disk()
    one.rows.commit(put(value=b""))
    assert one.rot(0.5) == "nothing"
