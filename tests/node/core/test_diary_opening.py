"""Opening a log: what a start looks at, how little it reads, and what it does not go on from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from talos.core.chain import check_chain
from talos.core.diary import CARD_KEY, CHECKPOINT_KEY, LOG_KEY, RECHECKED, Diary
from talos.core.keylog_keys import signer
from talos.core.log_index import INDEXED_KEY
from talos.core.log_rows import leaves, next_index
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, META, SECRETS, TREE, entry_key, tree_key
from talos.errors import Damaged
from talos_audit import Checkpoint, leaf_hash, sign_checkpoint
from tests.node.core.logs import (
    LONG,
    Counting,
    Log,
    every_flip,
    flipped,
    forge,
    leaf,
    long_log,
    note,
    put,
    row,
    short_log,
    told,
)

Damage = Callable[[Log], None]
SIZE: Final = 300  # Entries: rows of three levels, the last of each partial, and some entries no opening hashes.


def without_leaves(*indexes: int) -> Damage:
    return lambda log: log.store.commit([Put(ENTRIES, entry_key(index), None) for index in indexes])


def without_rows(table: str) -> Damage:
    return lambda log: log.store.commit([Put(table, key, None) for key, _ in log.store.scan(table)])


def without(table: str, key: bytes) -> Damage:
    return lambda log: put(log, table, key, None)


def flip(table: str, key: bytes, bit: int) -> Damage:
    return lambda log: put(log, table, key, flipped(row(log, table, key), bit))


def cut_row(log: Log) -> None:
    put(log, TREE, tree_key(4, 1), row(log, TREE, tree_key(4, 1))[:-1])


def swap(one: int, other: int) -> Damage:
    def swapped(log: Log) -> None:
        first, second = leaf(log, one), leaf(log, other)
        log.store.commit([Put(ENTRIES, entry_key(one), second), Put(ENTRIES, entry_key(other), first)])

    return swapped


def key_of_another(log: Log) -> None:
    seed = bytes(Log("mallory").log_key())
    put(log, SECRETS, LOG_KEY, log.vault.seal(SECRETS, LOG_KEY, seed, log.entropy))


def key_sealed_elsewhere(log: Log) -> None:
    put(log, SECRETS, LOG_KEY, row(Log("mallory"), SECRETS, LOG_KEY))


def card_of_another(log: Log) -> None:
    put(log, META, CARD_KEY, row(Log("mallory"), META, CARD_KEY))


def card_and_key_of_another(log: Log) -> None:
    key_of_another(log)
    card_of_another(log)


def checkpoint_signed_by_another(log: Log) -> None:
    other, signed = Log("mallory"), log.checkpoint()
    note = sign_checkpoint(signed, other.diary.card.key, signer(other.log_key()))
    put(log, META, CHECKPOINT_KEY, note)


def checkpoint_of_a_larger_log(log: Log) -> None:
    signed = log.checkpoint()
    larger = Checkpoint(signed.origin, signed.size + 1, signed.root)
    put(log, META, CHECKPOINT_KEY, sign_checkpoint(larger, log.diary.card.key, signer(log.log_key())))


DAMAGES: Final[dict[str, Damage]] = {
    "the last entry is gone": without_leaves(SIZE - 1),
    "the last hundred are gone": without_leaves(*range(SIZE - 100, SIZE)),
    "all entries are gone": without_rows(ENTRIES),
    "an entry among the last is gone": without_leaves(SIZE - 20),
    "the last entry was changed": flip(ENTRIES, entry_key(SIZE - 1), 300),
    "an entry among the last was changed": flip(ENTRIES, entry_key(SIZE - RECHECKED), 77),
    "two of the last were swapped": swap(SIZE - 2, SIZE - 100),
    "two neighbours were swapped": swap(SIZE - 2, SIZE - 3),
    "all hashes are gone": without_rows(TREE),
    "a row of leaf hashes is gone": without(TREE, tree_key(0, SIZE // 16 - 3)),
    "the card is gone": without(META, CARD_KEY),
    "the key is gone": without(SECRETS, LOG_KEY),
    "the key was changed": flip(SECRETS, LOG_KEY, 300),
    "the key is another's": key_of_another,
    "the key is another's, as that one sealed it": key_sealed_elsewhere,
    "the card is another's": card_of_another,
    "card and key are another's": card_and_key_of_another,
    "the checkpoint is signed by another": checkpoint_signed_by_another,
    "the checkpoint is of a larger log": checkpoint_of_a_larger_log,
    "the checkpoint is gone": without(META, CHECKPOINT_KEY),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_log_is_not_opened_where(damage: Damage) -> None:
    log = short_log(SIZE)
    assert log.opened().size == SIZE
    damage(log)
    with pytest.raises(Damaged):
        log.opened()


MENDED: Final[dict[str, Damage]] = {
    "the last row of leaf hashes is gone": without(TREE, tree_key(0, SIZE // 16)),
    "the last row of level 4 is gone": without(TREE, tree_key(4, 1)),
    "the row of level 8 is gone": without(TREE, tree_key(8, 0)),
    "the last row of leaf hashes was changed": flip(TREE, tree_key(0, SIZE // 16), 9),
    "the last row of level 4 was changed": flip(TREE, tree_key(4, 1), 0),
    "the row of level 8 was changed": flip(TREE, tree_key(8, 0), 255),
    "a row is cut short": cut_row,
}


@pytest.mark.parametrize("damage", MENDED.values(), ids=MENDED.keys())
@pytest.mark.parametrize("writes", [0, 1, 20])
def test_a_row_of_hashes_that_is_not_full_yet_is_made_anew_from_the_leaves_where(damage: Damage, writes: int) -> None:
    whole, log = short_log(SIZE), short_log(SIZE)
    damage(log)
    log.diary = log.opened()
    for one in (whole, log):
        if writes:
            one.write(*[note(1)] * writes)
        one.sign()
    assert check_chain(log.store, log.vault).size == SIZE + writes
    full = [key for key, value in whole.store.scan(TREE) if len(value) == 16 * 32]
    assert full
    assert [row(log, TREE, key) for key in full][: SIZE // 16] == [row(whole, TREE, key) for key in full][: SIZE // 16]


def test_a_row_of_hashes_that_is_full_is_not_made_anew() -> None:
    log = short_log(SIZE)
    flip(TREE, tree_key(0, SIZE // 16 - 1), 9)(log)
    with pytest.raises(Damaged, match="audit entry 272 was changed"):
        log.opened()


def test_no_bit_of_a_checkpoint_can_be_changed() -> None:
    log = short_log(20)
    for changed in every_flip(row(log, META, CHECKPOINT_KEY)):
        put(log, META, CHECKPOINT_KEY, changed)
        with pytest.raises(Damaged):
            log.opened()


def test_a_log_written_anew_below_its_checkpoint_is_not_opened() -> None:
    log = short_log(SIZE)
    entries = told(log)
    forge(log, [*entries[:5], entries[6], entries[5], *entries[7:]], resign=False)
    with pytest.raises(Damaged, match="not the one that was signed for"):
        log.opened()


def test_entries_after_the_last_checkpoint_are_kept_and_signed_after_a_restart() -> None:
    log = short_log(SIZE)
    log.write(*[note(1)] * 20)
    log.diary = log.opened()
    assert (log.diary.size, log.diary.signed_size) == (SIZE + 20, SIZE)
    assert log.sign().size == SIZE + 20


def test_an_entry_that_is_gone_before_it_was_signed_is_missed_because_its_hash_is_still_there() -> None:
    log = short_log(SIZE)
    log.write(note(1), note(2))
    without_leaves(SIZE + 1)(log)
    with pytest.raises(Damaged):
        log.opened()


def test_opening_a_long_log_reads_little_of_it() -> None:
    log = long_log()
    counting = Counting(log.store)
    diary = Diary.open(counting, log.vault, log.entropy)
    assert (diary.size, diary.signed_size) == (LONG, LONG)
    assert len(counting.places) <= 300
    assert counting.gets <= 300
    assert counting.scanned <= 300


def test_the_index_goes_on_after_the_last_entry_even_if_old_ones_are_gone() -> None:
    log = short_log(SIZE)
    without_leaves(*range(10))(log)
    assert next_index(log.store) == SIZE
    assert [index for index, _ in leaves(log.store, 5)] == list(range(10, SIZE))


def test_a_private_log_key_is_sealed_and_never_shown() -> None:
    log = short_log(20)
    seed = bytes(log.log_key())
    rows = [value for table in (META, SECRETS, ENTRIES) for _, value in log.store.scan(table)]
    assert not [value for value in rows if seed in value or seed.hex().encode() in value]
    assert seed.hex() not in repr(log.diary)


@pytest.mark.parametrize("body", ["stays", "is taken away", "is another's"])
def test_what_somebody_without_keys_wrote_after_the_last_checkpoint_is_never_signed(body: str) -> None:
    log = short_log(SIZE)
    log.write(note(1), note(2))
    changed = flipped(leaf(log, SIZE), 8 * 11)  # The last byte of the time.
    key, at = tree_key(0, SIZE // 16), SIZE % 16 * 32
    hashes = row(log, TREE, key)
    put(log, ENTRIES, entry_key(SIZE), changed)
    put(log, TREE, key, hashes[:at] + leaf_hash(changed) + hashes[at + 32 :])
    if body != "stays":
        other = None if body == "is taken away" else row(log, BODIES, entry_key(SIZE + 1))
        put(log, BODIES, entry_key(SIZE), other)
    with pytest.raises(Damaged):
        log.opened()


def test_an_index_that_says_it_reaches_further_than_the_checkpoint_is_damage() -> None:
    log = Log()
    log.write(note(1))
    log.sign()
    put(log, META, INDEXED_KEY, entry_key(2**62))
    with pytest.raises(Damaged, match="index of the audit log covers"):
        log.opened()
