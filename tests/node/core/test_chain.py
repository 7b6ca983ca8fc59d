"""Checking a whole log: what no rewriting hides from somebody who kept a checkpoint, and what none hides from anybody.

Three attackers. One edits rows. One knows how the log is stored, and makes hashes and index fit again. The last has
the passphrase too: it signs what it made with the key of the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from talos.core.chain import CHUNK, check_chain, log_head, read_card
from talos.core.diary_read import Reader
from talos.core.entries import Leaf, Opened
from talos.core.entry_types import EntryType, write_body
from talos.core.names import did_of
from talos.core.report import ChainReport, LogHead
from talos.core.step import Put
from talos.core.tables import ENTRIES, KEYLOGS, META, STATE_TABLES, entry_key
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged, NoIdentity, UsageError
from talos_audit import Checkpoint, Tree, leaf_hash
from tests.node.core.end import NOW_MS
from tests.node.core.logs import (
    BOB,
    CLEO,
    LONG,
    Log,
    Told,
    erase,
    forge,
    long_log,
    note,
    put,
    row,
    short_log,
    told,
)

SIZE: Final = 40
KEPT: Final = 30  # Entries of the checkpoint that somebody keeps.


def log_and_kept() -> tuple[Log, Checkpoint]:
    """Return a log of `SIZE` entries, and the checkpoint it had at `KEPT`."""
    log = short_log(KEPT)
    kept = log.checkpoint()
    log.write(*(note(number, BOB, NOW_MS + number) for number in range(KEPT, SIZE)))
    log.sign()
    return log, kept


# A good log


def test_a_good_log_holds_with_and_without_passphrase_and_kept_checkpoints() -> None:
    log, kept = log_and_kept()
    signed = log.checkpoint()
    report = ChainReport(signed.origin, SIZE, signed.root.hex(), SIZE, erased=0, bodies_checked=False)
    assert check_chain(log.store) == report
    assert check_chain(log.store, held=[kept]) == report
    assert check_chain(log.store, held=[signed, kept, kept]) == report
    assert check_chain(log.store, log.vault, held=[kept]) == replace(report, bodies_checked=True)


def test_entries_that_are_not_signed_yet_are_counted_and_checked() -> None:
    log, _ = log_and_kept()
    log.write(*[note(1)] * 5)
    report = check_chain(log.store)
    assert (report.size, report.signed_size) == (SIZE + 5, SIZE)
    log.sign()
    assert report.root == log.checkpoint().root.hex()


def test_erased_bodies_are_counted_and_nothing_else_changes() -> None:
    log, kept = log_and_kept()
    erase(log, 0, 7, SIZE - 1)
    report = check_chain(log.store, log.vault, held=[kept])
    assert (report.size, report.erased, report.bodies_checked) == (SIZE + 3, 3, True)
    assert check_chain(log.store) == replace(report, bodies_checked=False)


def test_with_a_passphrase_every_entry_whose_body_is_there_is_told_of_in_order() -> None:
    log, _ = log_and_kept()
    erase(log, 7)
    seen = list[tuple[int, Leaf, Opened]]()
    check_chain(log.store, log.vault, seen=lambda *entry: seen.append(entry))
    assert [index for index, _, _ in seen] == [index for index in range(SIZE + 1) if index != 7]
    reader = Reader(log.store, log.vault)
    assert all((leaf.encode(), opened) == reader.raw_entry(index) for index, leaf, opened in seen)
    seen.clear()
    check_chain(log.store, seen=lambda *entry: seen.append(entry))
    assert seen == []


def test_a_body_that_is_gone_and_was_not_erased_is_damage() -> None:
    log, _ = log_and_kept()
    erase(log, 7)
    put(log, "bodies", entry_key(8), None)
    for vault in (None, log.vault):
        with pytest.raises(Damaged, match="2 bodies are gone, and 1 "):
            check_chain(log.store, vault)


def test_a_long_log_is_checked_in_parts_and_tells_how_far_it_is() -> None:
    log, told = long_log(), list[tuple[int, int]]()
    middle = log_at(log, LONG // 2 + 7)
    report = check_chain(log.store, held=[middle], progress=lambda done, of: told.append((done, of)))
    assert report.size == LONG
    done = [one for one, _ in told]
    assert done == sorted(done)
    assert {of for _, of in told} == {LONG}
    assert (done[0], done[-1]) == (0, LONG)
    assert set(range(0, LONG, CHUNK)) <= set(done)


def log_at(log: Log, size: int) -> Checkpoint:
    """Return the checkpoint that the log would have had at `size`."""

    tree = Tree()
    tree.extend([leaf_hash(row(log, ENTRIES, entry_key(index))) for index in range(size)])
    return Checkpoint(log.diary.card.origin, size, tree.root())


def test_a_log_that_grows_while_it_is_checked_holds_as_far_as_it_was() -> None:
    log, kept = log_and_kept()

    def grow(done: int, of: int) -> None:
        log.write(*[note(done, BOB)] * 20)
        log.sign()

    report = check_chain(log.store, log.vault, held=[kept], progress=grow)
    assert (report.size, report.signed_size) == (SIZE, SIZE)
    assert log.diary.size > SIZE + 20
    assert check_chain(log.store, log.vault, held=[kept]).size == log.diary.size


# Rewriting

Change = Callable[[list[Told]], list[Told]]


def edited(change: Callable[[Told], Told], at: int = 7) -> Change:
    return lambda entries: [*entries[:at], change(entries[at]), *entries[at + 1 :]]


def leaf_with(at: int = 7, **changes: object) -> Change:
    return edited(lambda one: replace(one, leaf=replace(one.leaf, **changes)), at)  # type: ignore[arg-type]  # Any field.


def added(at: int) -> Change:
    return lambda entries: [*entries[:at], entries[9].saying(subject=CLEO), *entries[at:]]


INSIDE: Final[dict[str, Change]] = {
    "the last kept entry is gone": lambda entries: [*entries[: KEPT - 1], *entries[KEPT:]],
    "an entry is gone": lambda entries: [*entries[:7], *entries[8:]],
    "the first entry is gone": lambda entries: entries[1:],
    "two neighbours are swapped": lambda entries: [*entries[:7], entries[8], entries[7], *entries[9:]],
    "all are reversed": lambda entries: entries[::-1],
    "an entry is added at the start": added(0),
    "an entry is added in the middle": added(7),
    "an entry is written twice": lambda entries: [*entries[:8], *entries[7:]],
    "its type was changed": leaf_with(type=EntryType.ANCHOR),
    "its time was changed": leaf_with(time_ms=NOW_MS),
    "its id was changed": leaf_with(id=bytes(16)),
    "its lease epoch was changed": leaf_with(lease_epoch=1),
    "its subject commitment was changed": leaf_with(subject_commitment=bytes(32)),
    "its body commitment was changed": leaf_with(body_commitment=bytes(32)),
}
SAYING: Final[dict[str, Change]] = {  # Only who has the passphrase can make a body that fits.
    "it is about another": edited(lambda one: one.saying(subject=BOB)),
    "it is about nobody": edited(lambda one: one.saying(subject=b"")),
    "it says something else": edited(lambda one: one.saying(body=write_body(EntryType.PREKEY_ROTATE, 8))),
    "it has another salt": edited(lambda one: one.saying(body_salt=bytes(32))),
}
CUT: Final[dict[str, Change]] = {
    "the log is cut at the checkpoint that was kept, less one": lambda entries: entries[: KEPT - 1],
    "the log is cut to one entry": lambda entries: entries[:1],
    "the log is empty": lambda entries: [],
}
EVERYTHING: Final = {**INSIDE, **SAYING, **CUT}


@pytest.mark.parametrize("change", EVERYTHING.values(), ids=EVERYTHING.keys())
def test_whoever_kept_a_checkpoint_finds_what_was_rewritten_and_signed_with_the_key_of_the_log(change: Change) -> None:
    log, kept = log_and_kept()
    forge(log, change(told(log)), resign=True)
    check_chain(log.store)  # It agrees with itself: who kept nothing cannot tell.
    with pytest.raises(Damaged, match=r"not those that were signed for|cut short"):
        check_chain(log.store, held=[kept])
    with pytest.raises(Damaged):
        check_chain(log.store, log.vault, held=[kept])


def test_what_comes_after_a_kept_checkpoint_is_only_as_good_as_the_key_of_the_log() -> None:
    log, kept = log_and_kept()
    entries = told(log)
    forge(log, [*entries[:-1], entries[-1].saying(subject=CLEO)], resign=True)
    assert check_chain(log.store, log.vault, held=[kept]).size == SIZE


@pytest.mark.parametrize("change", [*INSIDE.values(), *CUT.values()], ids=[*INSIDE, *CUT])
def test_whoever_kept_nothing_finds_what_somebody_rewrote_who_has_no_key(change: Change) -> None:
    log, _ = log_and_kept()
    forge(log, change(told(log)), resign=False)
    with pytest.raises(Damaged, match=r"not those that were signed for|cut short"):
        check_chain(log.store)


def test_whoever_kept_a_checkpoint_finds_too_what_somebody_without_a_key_did_after_it() -> None:
    log, kept = log_and_kept()
    entries = told(log)
    forge(log, leaf_with(35, time_ms=NOW_MS)(entries), resign=False)
    with pytest.raises(Damaged):
        check_chain(log.store, held=[kept])


@pytest.mark.parametrize("left", [SIZE - 1, 2, 1, 0])
def test_who_has_no_key_cannot_rewrite_a_log_by_taking_its_checkpoint_away(left: int) -> None:
    log, _ = log_and_kept()
    forge(log, told(log)[:left], resign=False, unsigned=True)
    with pytest.raises(Damaged):
        check_chain(log.store)


# Whose log


def test_a_kept_checkpoint_of_another_log_is_refused() -> None:
    log, kept = log_and_kept()
    other = replace(kept, origin=kept.origin[:-1] + "2")
    with pytest.raises(Damaged, match="of another log"):
        check_chain(log.store, held=[other])


def test_a_kept_checkpoint_of_a_larger_log_says_that_this_one_was_cut_short() -> None:
    log, kept = log_and_kept()
    with pytest.raises(Damaged, match=f"cut short: {SIZE + 1} entries were signed for, {SIZE} are there"):
        check_chain(log.store, held=[replace(kept, size=SIZE + 1)])


def test_a_card_that_our_key_log_does_not_bear_out_is_refused() -> None:
    log, mallory = short_log(), Log("mallory")
    put(log, META, b"log", row(mallory, META, b"log"))
    with pytest.raises(Damaged, match="another identity"):
        check_chain(log.store)
    for table, key in ((META, b"log"), (KEYLOGS, log.made.did)):
        gone = short_log()
        put(gone, table, key, None)
        with pytest.raises(Damaged, match="lost the card"):
            read_card(gone.store)


def test_a_store_without_an_identity_has_no_log() -> None:
    with pytest.raises(NoIdentity):
        check_chain(MemoryStore(STATE_TABLES))


def test_the_head_is_what_the_newest_checkpoint_says() -> None:
    log, _ = log_and_kept()
    signed, note = log.checkpoint(), log.diary.checkpoint
    assert note is not None
    vkey = log.diary.card.verifier.encode()
    assert log_head(log.store) == LogHead(signed.origin, SIZE, signed.root.hex(), note.decode(), vkey)
    assert did_of(log.made.did).removeprefix("did:talos:") in signed.origin
    log.store.commit([Put(META, b"checkpoint", None)])
    with pytest.raises((UsageError, Damaged)):
        log_head(log.store)
