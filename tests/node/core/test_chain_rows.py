"""Checking a whole log, row by row: whatever single row is changed, moved, planted or lost, it is found and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from talos.core.chain import check_chain
from talos.core.entry_types import EntryType
from talos.core.log_index import INDEXED_KEY
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, LOOKUP, META, TREE, entry_key, tree_key
from talos.errors import Damaged
from tests.node.core.logs import BOB, CLEO, Log, erase, flipped, leaf, mark, note, places, put, row, short_log, told

SIZE: Final = 300  # Entries: rows of three levels, the last of each partial.
Damage = Callable[[Log], None]


def without(table: str, key: bytes) -> Damage:
    return lambda log: put(log, table, key, None)


def flip(table: str, key: bytes, bit: int = 0) -> Damage:
    return lambda log: put(log, table, key, flipped(row(log, table, key), bit))


def copy(table: str, source: bytes, target: bytes) -> Damage:
    return lambda log: put(log, table, target, row(log, table, source))


def cut(table: str, key: bytes, size: int = 1) -> Damage:
    return lambda log: put(log, table, key, row(log, table, key)[:-size])


def longer(table: str, key: bytes, by: bytes = b"\x00") -> Damage:
    return lambda log: put(log, table, key, row(log, table, key) + by)


def plant(table: str, key: bytes, value: bytes = b"") -> Damage:
    return lambda log: put(log, table, key, value)


def swap(table: str, one: bytes, other: bytes) -> Damage:
    def swapped(log: Log) -> None:
        first, second = row(log, table, one), row(log, table, other)
        log.store.commit([Put(table, one, second), Put(table, other, first)])

    return swapped


def found(log: Log, *, names: str | None = None) -> None:
    """Anybody finds it, with the passphrase or without."""
    for vault in (None, log.vault):
        with pytest.raises(Damaged, match=names):
            check_chain(log.store, vault)


# Leaves


@pytest.mark.parametrize("index", [0, 7, 15, 16, 255, 256, SIZE - 1])
def test_a_missing_entry_is_named(index: int) -> None:
    log = short_log(SIZE)
    without(ENTRIES, entry_key(index))(log)
    found(log, names=f"{SIZE} entries were signed for" if index == SIZE - 1 else f"audit entry {index} is missing")


LEAVES: Final[dict[str, Damage]] = {
    "a bit was changed": flip(ENTRIES, entry_key(7), 200),
    "a bit of the last was changed": flip(ENTRIES, entry_key(SIZE - 1), 300),
    "it is cut short": cut(ENTRIES, entry_key(7)),
    "it has more bytes": longer(ENTRIES, entry_key(7)),
    "it is empty": plant(ENTRIES, entry_key(7)),
    "it is another entry": copy(ENTRIES, entry_key(8), entry_key(7)),
    "two neighbours are swapped": swap(ENTRIES, entry_key(7), entry_key(8)),
    "an entry was put after the last": copy(ENTRIES, entry_key(7), entry_key(SIZE)),
    "an entry was put far after the last": copy(ENTRIES, entry_key(7), entry_key(2**40)),
    "an entry has a key that is too long": copy(ENTRIES, entry_key(7), entry_key(7) + b"\x00"),
    "an entry has a key that is too short": copy(ENTRIES, entry_key(7), bytes(7)),
    "an entry has a key of one byte": copy(ENTRIES, entry_key(7), b"\x01"),
}


@pytest.mark.parametrize("damage", LEAVES.values(), ids=LEAVES.keys())
def test_a_leaf_is_found_if(damage: Damage) -> None:
    log = short_log(SIZE)
    damage(log)
    found(log)


# Hashes

ROWS: Final = [(0, 0), (0, 7), (0, SIZE // 16), (4, 0), (4, 1), (8, 0)]
HASHES: Final[dict[str, Callable[[bytes], Damage]]] = {
    "gone": lambda key: without(TREE, key),
    "changed at its start": lambda key: flip(TREE, key),
    "changed at its end": lambda key: flip(TREE, key, -1),
    "cut by a byte": lambda key: cut(TREE, key),
    "cut by a hash": lambda key: cut(TREE, key, 32),
}


@pytest.mark.parametrize("damage", HASHES.values(), ids=HASHES.keys())
@pytest.mark.parametrize(("level", "at"), ROWS)
def test_a_row_of_hashes_is_found_if_it_is(level: int, at: int, damage: Callable[[bytes], Damage]) -> None:
    log = short_log(SIZE)
    damage(tree_key(level, at))(log)
    found(log)


@pytest.mark.parametrize("by", [1, 512])
@pytest.mark.parametrize(("level", "at"), [(0, 0), (4, 1)])
def test_a_row_of_hashes_that_is_longer_than_any_can_be_is_found(level: int, at: int, by: int) -> None:
    log = short_log(SIZE)
    longer(TREE, tree_key(level, at), bytes(by))(log)
    found(log)


def test_two_rows_of_hashes_that_changed_places_are_found() -> None:
    log = short_log(SIZE)
    swap(TREE, tree_key(0, 3), tree_key(0, 4))(log)
    found(log, names="entries from 48 on, or their hashes of level 0,")


# Bodies

BODIES_OF: Final[dict[str, Damage]] = {
    "a bit of it was changed": flip(BODIES, entry_key(7), 300),
    "it is cut short": cut(BODIES, entry_key(7)),
    "it is another's": copy(BODIES, entry_key(8), entry_key(7)),
    "two are swapped": swap(BODIES, entry_key(7), entry_key(8)),
    "it is another's, sealed anew": lambda log: log.store.commit([log.seal(7, leaf(log, 7), told(log)[9].opened)]),
    "it is empty": plant(BODIES, entry_key(7)),
}


@pytest.mark.parametrize("damage", BODIES_OF.values(), ids=BODIES_OF.keys())
def test_whoever_has_the_passphrase_finds_a_body_if(damage: Damage) -> None:
    log = short_log(SIZE)
    damage(log)
    with pytest.raises(Damaged, match="bod"):
        check_chain(log.store, log.vault)


def test_whoever_has_the_passphrase_finds_a_body_that_its_type_does_not_have_though_the_log_itself_wrote_it() -> None:
    log = short_log(SIZE)
    log.write(replace(note(1), type=EntryType.LEASE_LOST))
    log.sign()
    check_chain(log.store)
    with pytest.raises(Damaged):
        check_chain(log.store, log.vault)


def test_a_body_under_no_entrys_key_does_not_hide_the_bodies_after_it() -> None:
    log = short_log(SIZE)
    plant(BODIES, entry_key(5) + b"\x00")(log)
    flip(BODIES, entry_key(7), 300)(log)
    with pytest.raises(Damaged):
        check_chain(log.store, log.vault)


def test_a_body_under_no_entrys_key_does_not_stand_in_for_one_that_was_erased() -> None:
    log = short_log(SIZE)
    erase(log, 7)
    assert check_chain(log.store).erased == 1
    plant(BODIES, entry_key(0) + b"\x07")(log)
    with pytest.raises(Damaged):
        check_chain(log.store)


# The index


def by_type(index: int) -> bytes:
    """Return where the index by type tells of an entry of `short_log`."""
    return places(index, EntryType.LEASE_LOST if index % 4 == 0 else EntryType.PREKEY_ROTATE, b"")[0]


def by_peer(index: int, peer: bytes) -> bytes:
    return places(index, 0, peer)[1]


def marked(place: bytes, index: int) -> Damage:
    return lambda log: mark(log, place, index)


INDEX: Final[dict[str, Damage]] = {
    "an entry is not in it": marked(by_type(7), 7),
    "the last entry is not in it": marked(by_type(SIZE - 1), SIZE - 1),
    "an entry is in it under two types": marked(by_type(8), 7),
    "an entry is in it under a type that no entry has": marked(places(7, EntryType.ANCHOR, b"")[0], 7),
    "an entry is in it under a type that does not exist": marked(places(7, 0xFFFF, b"")[0], 7),
    "a row of it is gone": without(LOOKUP, by_type(7)),
    "the last row of it is gone": without(LOOKUP, by_type(SIZE - 1)),
    "a row of it is cut short": cut(LOOKUP, by_type(7)),
    "a row of it is too long": longer(LOOKUP, by_type(7)),
    "a row of it is empty": plant(LOOKUP, by_type(7)),
    "two rows of it are swapped": swap(LOOKUP, by_type(7), by_type(SIZE - 1)),
    "a row of it has a key that is too long": plant(LOOKUP, by_type(7) + b"\x00", bytes(32)),
    "a row of it has a key that is too short": plant(LOOKUP, by_type(7)[:-1], bytes(32)),
}


@pytest.mark.parametrize("damage", INDEX.values(), ids=INDEX.keys())
def test_the_index_by_type_is_found_wrong_if(damage: Damage) -> None:
    log = short_log(SIZE)
    damage(log)
    found(log, names="index")


@pytest.mark.parametrize("reaches", [SIZE - 1, 0, SIZE + 1, SIZE + 9, 2**40])
def test_an_index_that_reaches_less_or_further_than_the_log_is_signed_is_found(reaches: int) -> None:
    log = short_log(SIZE)
    log.write(*[note(1, BOB)] * 9)
    assert check_chain(log.store).signed_size == SIZE
    put(log, META, INDEXED_KEY, reaches.to_bytes(8, "big"))
    found(log, names="index")


@pytest.mark.parametrize(
    "damage",
    [
        marked(by_peer(7, CLEO), 7),
        marked(by_peer(7, BOB), 7),
        marked(by_peer(8, BOB), 8),
        marked(by_peer(8, b"nobody" * 6), 8),
        without(LOOKUP, by_peer(7, CLEO)),
        cut(LOOKUP, by_peer(7, CLEO)),
    ],
    ids=["it is not in it", "under another", "if about nobody", "under a stranger", "a row is gone", "a row is cut"],
)
def test_whoever_has_the_passphrase_finds_the_index_by_peer_wrong_if(damage: Damage) -> None:
    log = short_log(SIZE)
    assert (told(log)[7].opened.subject, told(log)[8].opened.subject) == (CLEO, b"")
    damage(log)
    with pytest.raises(Damaged, match="index"):
        check_chain(log.store, log.vault)


def test_where_a_body_was_erased_the_index_by_peer_still_tells_of_the_others() -> None:
    log = short_log(SIZE)
    erase(log, 7)
    assert check_chain(log.store, log.vault).erased == 1
    mark(log, by_peer(10, CLEO), 10)
    with pytest.raises(Damaged, match="index"):
        check_chain(log.store, log.vault)


def test_a_log_that_nobody_touched_is_good() -> None:
    log = short_log(SIZE)
    put(log, ENTRIES, entry_key(7), leaf(log, 7))
    assert check_chain(log.store, log.vault).erased == 0


def test_the_last_entry_is_missed_even_if_nothing_was_signed_for_it() -> None:
    for left in (BODIES, TREE):
        log = short_log(SIZE)
        before = {table: dict(log.store.scan(table)) for table in (BODIES, TREE)}
        log.write(note(1))
        without(ENTRIES, entry_key(SIZE))(log)
        for table in {BODIES, TREE} - {left}:  # One of them is put back as it was, too.
            changed = {key for key, value in log.store.scan(table) if before[table].get(key) != value}
            log.store.commit([Put(table, key, before[table].get(key)) for key in changed])
        with pytest.raises(Damaged, match="cut short"):
            check_chain(log.store)
