"""Refusals: all of them are counted, and however many there are, the log stays small."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.entry_types import EntryType, Refusal, read_body
from talos.core.names import did_of
from talos.core.refusals import AGGREGATE_MS, PEERS_MAX, STRANGER, STRANGER_ENTRIES_MAX, Refusals
from talos.core.step import Put, Step
from talos.core.tables import META, STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged
from tests.node.core.end import NOW_MS
from tests.node.core.identities import derived
from tests.node.core.logs import BOB, CLEO

DAY_MS: Final = 24 * 3_600_000
NOON_MS: Final = NOW_MS // DAY_MS * DAY_MS + DAY_MS // 2
FRAME: Final = b"a frame that does not authenticate"
Told = tuple[str, str, int, int, int, str]  # Type, peer, count, first, last, sample.


class Office:
    """Refusals over a store; what is due is committed, or fails."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = MemoryStore(STATE_TABLES) if store is None else store
        self.refusals = Refusals(self.store)

    def refuse(self, kind: Refusal, peer: bytes, now_ms: int, *, times: int = 1, sample: bytes = FRAME) -> None:
        for _ in range(times):
            self.refusals.refuse(kind, peer, sample, now_ms)

    def written(self, now_ms: int, *, fails: bool = False) -> list[Told]:
        """Commit what is due; return the entries."""
        step = self.refusals.due(now_ms)
        if step is None:
            return []
        if not fails:
            self.store.commit(step.writes)
        self.refusals.settle(written=not fails)
        return told(step)


def told(step: Step) -> list[Told]:
    entries = []
    for entry in step.entries:
        says = read_body(entry.type, entry.body)
        assert says["peer"] == (did_of(entry.subject) if entry.subject else "")
        count, first, last = (cast("int", says[name]) for name in ("count", "first_ms", "last_ms"))
        entries.append((str(says["kind"]), str(says["peer"]), count, first, last, str(says["sample"])))
    return entries


def counts(entries: list[Told]) -> dict[tuple[str, str], int]:
    assert len({one[:2] for one in entries}) == len(entries), "two entries of one kind and peer"
    return {(kind, peer): count for kind, peer, count, *_ in entries}


SAMPLE: Final = sha256(b"talos/v1/audit-sample\x00" + FRAME).hexdigest()


# What is written


def test_where_nothing_was_refused_nothing_is_written() -> None:
    office = Office()
    assert office.refusals.due(NOON_MS) is None
    office.refuse(Refusal.REPLAY, BOB, NOON_MS)
    assert len(office.written(NOON_MS)) == 1
    assert office.refusals.due(NOON_MS + AGGREGATE_MS) is None
    assert office.refusals.due(NOON_MS + 40 * DAY_MS) is None


def test_many_refusals_of_one_kind_and_peer_are_one_entry_with_their_number_and_times() -> None:
    office = Office()
    for second in range(60):
        office.refuse(Refusal.SIGNATURE, BOB, NOON_MS + second * 1_000, times=50)
    assert office.written(NOON_MS + 60_000) == [
        ("signature", did_of(BOB), 3_000, NOON_MS, NOON_MS + 59_000, SAMPLE),
    ]


def test_every_kind_and_every_peer_is_counted_apart() -> None:
    office, expected = Office(), dict[tuple[str, str], int]()
    for at, kind in enumerate(Refusal):
        for peer in (BOB, CLEO, STRANGER):
            times = 1 + at + 10 * len(expected)
            office.refuse(kind, peer, NOON_MS, times=times)
            expected[kind.name.lower(), did_of(peer) if peer else ""] = times
    assert counts(office.written(NOON_MS)) == expected
    assert office.refusals.total == sum(expected.values())


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        (Refusal.SIGNATURE, EntryType.SIGNATURE_FAILURE),
        (Refusal.REPLAY, EntryType.REPLAY_DROPPED),
        (Refusal.MALFORMED, EntryType.REFUSED),
        (Refusal.NOT_ACCEPTED, EntryType.REFUSED),
        (Refusal.GAVE_UP, EntryType.REFUSED),
        (Refusal.OVER_BUDGET, EntryType.REFUSED),
    ],
)
def test_every_kind_is_written_as_its_type_about_its_peer(kind: Refusal, type: EntryType) -> None:
    office = Office()
    office.refuse(kind, BOB, NOON_MS)
    step = office.refusals.due(NOON_MS + 5)
    assert step is not None
    [entry] = step.entries
    assert (entry.type, entry.subject, entry.time_ms) == (type, BOB, NOON_MS + 5)
    assert step.effects == ()


def test_the_sample_is_the_hash_of_the_first_frame_and_never_a_frame() -> None:
    office = Office()
    for frame in (FRAME, b"another frame", FRAME * 100):
        office.refuse(Refusal.MALFORMED, STRANGER, NOON_MS, sample=frame)
    step = office.refusals.due(NOON_MS)
    assert step is not None
    assert told(step)[0][5] == SAMPLE
    assert FRAME[:8] not in step.entries[0].body


def test_where_no_frame_came_the_sample_is_zeros() -> None:
    office = Office()
    office.refuse(Refusal.GAVE_UP, STRANGER, NOON_MS, sample=b"")
    assert office.written(NOON_MS)[0][5] == "00" * 32


# Strangers


def flood(office: Office, start_ms: int, minutes: int) -> int:
    """Refuse strangers of two kinds in each minute; return how many entries that made."""
    entries = 0
    for minute in range(minutes):
        now_ms = start_ms + minute * 1_000
        for kind in (Refusal.SIGNATURE, Refusal.GAVE_UP):
            office.refuse(kind, STRANGER, now_ms)
        entries += len(office.written(now_ms))
    return entries


def test_strangers_get_a_thousand_entries_a_day_and_what_is_over_waits_counted() -> None:
    office = Office()
    assert flood(office, NOON_MS, 600) == STRANGER_ENTRIES_MAX == 1_000
    assert office.refusals.due(NOON_MS + 700_000) is None
    late = counts(office.written(NOON_MS + DAY_MS))
    assert late == {("signature", ""): 100, ("gave_up", ""): 100}


def test_peers_are_written_down_however_many_strangers_there_were() -> None:
    office = Office()
    flood(office, NOON_MS, 600)
    for minute in range(600):
        office.refuse(Refusal.REPLAY, BOB, NOON_MS + minute)
        assert len(office.written(NOON_MS + minute)) == 1


def test_peers_use_nothing_up_of_the_strangers_day() -> None:
    office = Office()
    for minute in range(600):
        office.refuse(Refusal.GAVE_UP, STRANGER, NOON_MS + minute)
        office.refuse(Refusal.REPLAY, BOB, NOON_MS + minute)
        assert len(office.written(NOON_MS + minute)) == 2
    assert flood(office, NOON_MS + 1_000, 600) == STRANGER_ENTRIES_MAX - 600


def test_days_after_a_clock_that_was_far_ahead_are_counted_one_by_one() -> None:
    office = Office()
    assert flood(office, NOON_MS + 365 * DAY_MS, 600) == STRANGER_ENTRIES_MAX
    assert flood(office, NOON_MS + DAY_MS, 20) == 0, "the day it believes in has what that one had left"
    for day in (2, 3):
        assert flood(office, NOON_MS + day * DAY_MS, 600) == STRANGER_ENTRIES_MAX


def test_the_last_entry_of_a_day_is_written_and_the_next_is_not() -> None:
    office = Office()
    flood(office, NOON_MS, 499)
    office.refuse(Refusal.SIGNATURE, STRANGER, NOON_MS)
    assert len(office.written(NOON_MS)) == 1
    for kind in (Refusal.SIGNATURE, Refusal.REPLAY, Refusal.GAVE_UP):
        office.refuse(kind, STRANGER, NOON_MS)
    assert len(office.written(NOON_MS)) == 1
    assert office.written(NOON_MS) == []


def test_a_restart_gives_strangers_no_second_day() -> None:
    office = Office()
    flood(office, NOON_MS, 300)
    again = Office(office.store)
    assert flood(again, NOON_MS + 3_600_000, 300) == STRANGER_ENTRIES_MAX - 600
    assert flood(Office(office.store), NOON_MS + 3_600_000, 10) == 0
    assert office.store.get(META, b"strangers") == (NOON_MS // DAY_MS).to_bytes(8, "big") + (1_000).to_bytes(8, "big")


def test_every_day_begins_anew_at_midnight_utc() -> None:
    office = Office()
    flood(office, NOON_MS, 600)
    midnight_ms = (NOON_MS // DAY_MS + 1) * DAY_MS
    assert office.written(midnight_ms - 1) == []
    assert len(office.written(midnight_ms)) == 2
    assert flood(office, midnight_ms, 600) == STRANGER_ENTRIES_MAX - 2
    assert flood(Office(office.store), midnight_ms + DAY_MS, 10) == 20


def test_a_clock_that_goes_back_gives_strangers_no_second_day() -> None:
    office = Office()
    flood(office, NOON_MS, 600)
    for restarted in (office, Office(office.store)):
        assert flood(restarted, NOON_MS - DAY_MS, 20) == 0
        assert flood(restarted, NOON_MS, 20) == 0


def test_a_row_of_another_length_is_damaged() -> None:
    for length in (0, 15, 17):
        office = Office()
        office.store.commit([Put(META, b"strangers", bytes(length))])
        with pytest.raises(Damaged):
            Refusals(office.store)


def test_a_row_that_says_more_than_the_limit_leaves_no_room() -> None:
    office = Office()
    day = NOON_MS // DAY_MS
    office.store.commit([Put(META, b"strangers", day.to_bytes(8, "big") + (5_000).to_bytes(8, "big"))])
    assert flood(Office(office.store), NOON_MS, 10) == 0


# Many peers


def test_more_peers_than_are_counted_apart_are_counted_as_strangers() -> None:
    office = Office()
    for number in range(PEERS_MAX + 300):
        office.refuse(Refusal.REPLAY, derived(number), NOON_MS)
    entries = office.written(NOON_MS)
    assert len(entries) == PEERS_MAX + 1
    assert counts(entries)["replay", ""] == 300
    assert sum(count for _, _, count, *_ in entries) == PEERS_MAX + 300
    office.refuse(Refusal.REPLAY, derived(PEERS_MAX + 1), NOON_MS)
    assert len(office.written(NOON_MS)) == 1


def test_peers_that_are_counted_already_are_counted_apart_however_many_came_later() -> None:
    office = Office()
    for _ in range(2):
        for number in range(PEERS_MAX):
            office.refuse(Refusal.REPLAY, derived(number), NOON_MS)
    assert set(counts(office.written(NOON_MS)).values()) == {2}


# Failed commits


def test_a_failed_commit_loses_no_count_and_the_first_time_and_sample_stay() -> None:
    office = Office()
    office.refuse(Refusal.SIGNATURE, BOB, NOON_MS, times=3)
    office.refuse(Refusal.SIGNATURE, STRANGER, NOON_MS, times=4)
    step = office.refusals.due(NOON_MS + 1)
    assert step is not None
    office.refuse(Refusal.SIGNATURE, BOB, NOON_MS + 2, times=5, sample=b"later")  # While it is being written.
    office.refusals.settle(written=False)
    office.refuse(Refusal.SIGNATURE, BOB, NOON_MS + 3, sample=b"later still")
    assert office.written(NOON_MS + 4) == [
        ("signature", did_of(BOB), 9, NOON_MS, NOON_MS + 3, SAMPLE),
        ("signature", "", 4, NOON_MS, NOON_MS, SAMPLE),
    ]


def test_what_is_refused_while_entries_are_written_goes_into_the_next_entry() -> None:
    office = Office()
    office.refuse(Refusal.SIGNATURE, BOB, NOON_MS, times=3)
    assert office.refusals.due(NOON_MS) is not None
    office.refuse(Refusal.SIGNATURE, BOB, NOON_MS + 1, times=5)
    office.refusals.settle(written=True)
    assert office.written(NOON_MS + 2) == [("signature", did_of(BOB), 5, NOON_MS + 1, NOON_MS + 1, SAMPLE)]


def test_peers_counted_apart_stay_few_while_nothing_can_be_written() -> None:
    office = Office()
    for minute in range(4):
        office.refusals.due(NOON_MS)
        for number in range(PEERS_MAX):
            office.refuse(Refusal.REPLAY, derived(minute, number), NOON_MS)
        office.refusals.settle(written=False)
    entries = office.written(NOON_MS)
    assert len(entries) <= PEERS_MAX + 1
    assert sum(count for _, _, count, *_ in entries) == 4 * PEERS_MAX


def test_a_clock_that_was_far_ahead_for_a_minute_does_not_silence_strangers_until_then() -> None:
    office = Office()
    for day in (0, 365, 1, 2, 3):
        office.refuse(Refusal.GAVE_UP, STRANGER, NOON_MS + day * DAY_MS)
        assert len(office.written(NOON_MS + day * DAY_MS)) == 1, f"day {day}"


def test_entries_that_did_not_reach_the_disk_do_not_use_up_the_day() -> None:
    office = Office()
    for minute in range(STRANGER_ENTRIES_MAX + 10):
        office.refuse(Refusal.GAVE_UP, STRANGER, NOON_MS + minute)
        office.written(NOON_MS + minute, fails=True)
    assert counts(office.written(NOON_MS + 2_000)) == {("gave_up", ""): STRANGER_ENTRIES_MAX + 10}


def test_what_is_on_its_way_to_the_disk_is_not_due_again() -> None:
    office = Office()
    office.refuse(Refusal.REPLAY, BOB, NOON_MS)
    assert office.refusals.due(NOON_MS) is not None
    office.refuse(Refusal.REPLAY, BOB, NOON_MS)
    assert office.refusals.due(NOON_MS) is None
    office.refusals.settle(written=False)
    assert [count for _, _, count, *_ in office.written(NOON_MS)] == [2]


@given(st.lists(st.tuples(st.sampled_from(Refusal), st.sampled_from([BOB, CLEO, STRANGER]), st.integers(0, 3))))
def test_every_refusal_is_in_exactly_one_entry_whatever_fails(events: list[tuple[Refusal, bytes, int]]) -> None:
    office, found = Office(), 0
    for at, (kind, peer, what) in enumerate(events):
        office.refuse(kind, peer, NOON_MS + at)
        if what:
            entries = office.written(NOON_MS + at, fails=what == 1)
            found += 0 if what == 1 else sum(count for _, _, count, *_ in entries)
    found += sum(count for _, _, count, *_ in office.written(NOON_MS + len(events)))
    assert found == len(events) == office.refusals.total
