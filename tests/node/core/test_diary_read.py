"""Reading the log: what is returned is what was written, or it is not returned; and all of it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final, cast

import pytest

from talos.core import codec
from talos.core.diary_read import Query, Reader
from talos.core.entries import Opened
from talos.core.entry_types import EntryType
from talos.core.log_index import of_type
from talos.core.names import did_of
from talos.core.report import AuditEntry
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, LOOKUP, TREE, entry_key, tree_key
from talos.core.vault import Vault
from talos.errors import Damaged, UsageError
from talos_audit import leaf_hash
from tests.node.core.end import NOW_MS
from tests.node.core.logs import (
    BOB,
    CLEO,
    Log,
    flipped,
    forge,
    leaf,
    lease,
    mark,
    note,
    places,
    put,
    row,
    short_log,
    told,
)


def reader(log: Log, vault: Vault | None = None) -> Reader:
    return Reader(log.store, log.vault if vault is None else vault)


# One entry


def test_an_entry_is_shown_with_everything_it_says() -> None:
    log = Log()
    log.write(lease(9, BOB, NOW_MS + 5))
    entry = reader(log).entry(1)
    assert entry == AuditEntry(
        index=1,
        type="LEASE_LOST",
        time_ms=NOW_MS + 5,
        id=told(log)[1].leaf.id.hex(),
        lease_epoch=9,
        peer=did_of(BOB),
        details={"lease_epoch": 9, "reason": "the term ended"},
    )


def test_an_entry_about_nobody_has_no_peer_and_one_that_is_sealed_an_unknown_one() -> None:
    log = Log()
    log.write(note(1))
    assert reader(log).entry(1).peer == ""
    sealed = Reader(log.store, None).entry(1)
    assert (sealed.peer, sealed.details, sealed.type) == (None, None, "PREKEY_ROTATE")


def test_an_erased_body_leaves_the_entry_and_takes_what_it_said() -> None:
    log = short_log(20)
    put(log, BODIES, entry_key(7), None)
    entry = reader(log).entry(7)
    assert (entry.index, entry.peer, entry.details) == (7, None, None)
    assert [one.index for one in reader(log).query(Query())] == list(range(20))
    assert entry in reader(log).query(Query(peer=CLEO))


@pytest.mark.parametrize("index", [20, 21, 2**63])
def test_an_entry_beyond_the_end_is_a_mistake_of_who_asks(index: int) -> None:
    with pytest.raises(UsageError, match=f"no audit entry {index}"):
        reader(short_log(20)).entry(index)


# Damage

Damage = Callable[[Log], None]


def flip(table: str, key: bytes, bit: int) -> Damage:
    return lambda log: put(log, table, key, flipped(row(log, table, key), bit))


def copy(table: str, source: bytes, target: bytes) -> Damage:
    return lambda log: put(log, table, target, row(log, table, source))


def leaf_and_hash(log: Log) -> None:
    """By one who has no key, and reads how the log is stored."""
    changed = flipped(leaf(log, 7), 8 * 11)  # The last byte of the time.
    hashes = row(log, TREE, tree_key(0, 0))
    row_of_hashes = hashes[: 7 * 32] + leaf_hash(changed) + hashes[8 * 32 :]
    log.store.commit([Put(ENTRIES, entry_key(7), changed), Put(TREE, tree_key(0, 0), row_of_hashes)])


DAMAGES: Final[dict[str, Damage]] = {
    "its type was changed": flip(ENTRIES, entry_key(7), 8 * 2),
    "its time was changed": flip(ENTRIES, entry_key(7), 8 * 11),
    "its id was changed": flip(ENTRIES, entry_key(7), 8 * 20),
    "its body commitment was changed": lambda log: put(log, ENTRIES, entry_key(7), flipped(leaf(log, 7), -8)),
    "it is cut short": lambda log: put(log, ENTRIES, entry_key(7), leaf(log, 7)[:-1]),
    "it has more bytes": lambda log: put(log, ENTRIES, entry_key(7), leaf(log, 7) + b"\x00"),
    "it is another entry": copy(ENTRIES, entry_key(8), entry_key(7)),
    "it is gone": lambda log: put(log, ENTRIES, entry_key(7), None),
    "its body was changed": flip(BODIES, entry_key(7), 8 * 60),
    "the nonce of its body was changed": flip(BODIES, entry_key(7), 8 * 5),
    "its body is cut short": lambda log: put(log, BODIES, entry_key(7), row(log, BODIES, entry_key(7))[:-1]),
    "its body is another's": copy(BODIES, entry_key(8), entry_key(7)),
    "leaf and hash were changed together": leaf_and_hash,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_an_entry_is_never_returned_where(damage: Damage) -> None:
    log = short_log(32)
    assert reader(log).entry(7).index == 7
    damage(log)
    with pytest.raises(Damaged):
        reader(log).entry(7)
    with pytest.raises(Damaged):
        reader(log).query(Query())
    assert [one.index for one in reader(log).query(Query(last=10))] == list(range(22, 32))


HASHES: Final[dict[str, Damage]] = {
    "its hash was changed": flip(TREE, tree_key(0, 0), 8 * 7 * 32),
    "its row of hashes is gone": lambda log: put(log, TREE, tree_key(0, 0), None),
    "its row of hashes is cut short": lambda log: put(log, TREE, tree_key(0, 0), row(log, TREE, tree_key(0, 0))[:250]),
    "its row of hashes is another": copy(TREE, tree_key(0, 1), tree_key(0, 0)),
}


@pytest.mark.parametrize("damage", HASHES.values(), ids=HASHES.keys())
def test_an_entry_that_no_body_vouches_for_is_never_returned_where(damage: Damage) -> None:
    log = short_log(32)
    put(log, BODIES, entry_key(7), None)
    assert reader(log).entry(7).details is None
    assert Reader(log.store, None).entry(8).details is None
    damage(log)
    with pytest.raises(Damaged):
        reader(log).entry(7)
    with pytest.raises(Damaged):
        Reader(log.store, None).entry(8)
    assert reader(log).entry(8).details is not None, "its body has vouched for it"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (places(0, EntryType.PREKEY_ROTATE, b"")[0], bytes(31)),
        (places(0, EntryType.PREKEY_ROTATE, b"")[0], bytes(33)),
        (places(0, EntryType.PREKEY_ROTATE, b"")[0][:-1], bytes(32)),
        (of_type(EntryType.PREKEY_ROTATE), bytes(32)),
    ],
    ids=["short row", "long row", "short key", "no bundle"],
)
def test_an_index_with_a_row_of_another_size_is_damaged(key: bytes, value: bytes) -> None:
    log = short_log(20)
    found = reader(log).query(Query(type=EntryType.PREKEY_ROTATE))
    assert found == [one for one in reader(log).query(Query()) if one.type == "PREKEY_ROTATE"]
    put(log, LOOKUP, key, value)
    with pytest.raises(Damaged):
        reader(log).query(Query(type=EntryType.PREKEY_ROTATE))


@pytest.mark.parametrize("row", [b"\xff" * 32, b"\x01" + bytes(31)], ids=["no such entries", "another's"])
@pytest.mark.parametrize("bundle", [0, 256])
def test_an_index_that_names_too_much_adds_nothing(bundle: int, row: bytes) -> None:
    log = short_log(20)
    found = reader(log).query(Query(type=EntryType.IDENTITY_CREATED))
    put(log, LOOKUP, places(bundle, EntryType.IDENTITY_CREATED, b"")[0], row)
    assert reader(log).query(Query(type=EntryType.IDENTITY_CREATED)) == found


def test_an_index_that_lies_about_type_or_peer_makes_no_entry_something_else() -> None:
    log = Log()
    log.write(note(1, BOB), lease(2, CLEO))
    for place in places(1, EntryType.LEASE_LOST, CLEO):
        mark(log, place, 1)
    assert [one.index for one in reader(log).query(Query(type=EntryType.LEASE_LOST))] == [2]
    assert [one.index for one in reader(log).query(Query(peer=CLEO))] == [2]


@pytest.mark.parametrize("erased", [True, False])
def test_where_no_body_vouches_for_a_leaf_it_is_followed_up_to_the_signed_root(erased: bool) -> None:
    log = short_log(32)
    if erased:
        put(log, BODIES, entry_key(7), None)
    only = Reader(log.store, log.vault if erased else None)
    assert only.entry(7).details is None
    leaf_and_hash(log)
    with pytest.raises(Damaged):
        Reader(log.store, log.vault if erased else None).entry(7)


def test_a_reader_that_stays_open_sees_what_is_written_later() -> None:
    log = Log()
    staying = reader(log)
    assert staying.entry(0).index == 0
    log.write(note(1))
    assert staying.entry(1).index == 1


def test_a_log_rewritten_by_who_has_the_passphrase_can_be_read_so_readers_are_not_enough() -> None:
    log = short_log(20)
    entries = told(log)
    forge(log, [*entries[:7], entries[8], entries[7], *entries[9:]], resign=True)
    assert reader(log).entry(7).id == entries[8].leaf.id.hex()


def test_an_entry_that_nothing_vouches_for_yet_is_not_returned_without_its_body() -> None:
    log = short_log(20)
    log.write(note(1))
    assert reader(log).entry(20).details is not None
    put(log, BODIES, entry_key(20), None)
    with pytest.raises(Damaged, match="lost its body"):
        reader(log).entry(20)
    assert Reader(log.store, None).entry(20).details is None


@pytest.mark.parametrize("newer", ["a type", "fields of the leaf", "fields of the body", "a word"])
def test_an_entry_of_a_newer_talos_is_named_and_crashes_nobody(newer: str) -> None:
    log = Log()
    log.write(note(1, BOB))
    fields = [cast("codec.Field", field) for field in codec.quick_array(leaf(log, 1))]
    opened = Opened(bytes(32), bytes(32), BOB, codec.pack(1))
    match newer:
        case "a type":
            fields[1] = 99
        case "fields of the leaf":
            fields.append(1)
        case "fields of the body":
            opened = replace(opened, body=codec.pack(1, 2))
        case _:
            fields[1] = EntryType.SESSION
            opened = replace(opened, body=codec.pack(9, BOB, bytes(16), 0))
    raw = codec.pack(*fields)
    put(log, ENTRIES, entry_key(1), raw)
    log.store.commit([log.seal(1, raw, opened)])
    with pytest.raises(Damaged, match="audit entry 1 was written by a newer Talos"):
        Reader(log.store, log.vault).query(Query(last=1))
