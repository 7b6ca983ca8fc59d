"""The recorder misses nothing, images are what a cut can leave, and the verdict sees each promise that is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from talos.core.step import Put
from talos.drivers.lmdb_rows import DATA_FILE
from talos.drivers.lmdb_store import LmdbStore
from tests.crashes.calls import CannotWatch
from tests.crashes.recording import SECTOR, Event, Flush, Image, Mark, Recording, Synced, Write, images, recorded
from tests.crashes.verdict import wrong_with
from tests.crashes.workload import Case, record

PAGE: Final = 4096  # Bytes.
OLD_MOMENTS: Final = 12  # Of the run, spread over it.


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    with closing(LmdbStore(tmp_path / "store", 16, ("left", "right"))) as opened:
        yield opened


def record_commits(folder: Path, store: LmdbStore, count: int) -> Recording:
    try:
        with recorded(folder / "store" / DATA_FILE) as recording:
            for number in range(count):
                store.commit([Put("left", b"%d" % number, bytes(3_000)), Put("right", b"%d" % (number // 2), b"row")])
                recording.mark(number)
    except CannotWatch as error:
        pytest.skip(f"nothing recorded: {error}")
    return recording


def test_the_writes_that_were_seen_are_all_that_made_the_file(tmp_path: Path, store: LmdbStore) -> None:
    recording = record_commits(tmp_path, store, 20)
    store.commit([Put("left", b"not seen", b"any more")])
    file = (tmp_path / "store" / DATA_FILE).read_bytes()
    assert recording.whole() != file
    assert len(recording.whole()) <= len(file)
    again = record_commits(tmp_path, store, 20)
    assert again.base == file
    assert again.whole() == (tmp_path / "store" / DATA_FILE).read_bytes()


def test_a_commit_is_flushed_twice_first_all_data_then_the_page_that_makes_it_count(
    tmp_path: Path, store: LmdbStore
) -> None:
    kinds = "".join(
        {Write: "w", Synced: "s", Flush: "f", Mark: "|"}[type(e)] for e in record_commits(tmp_path, store, 9).events
    )
    assert {commit.lstrip("w") for commit in kinds.split("|")[:-1]} == {"fws"}
    assert kinds.count("|") == 9


def test_the_calls_are_as_they_were_once_it_is_over(tmp_path: Path, store: LmdbStore) -> None:
    recording = record_commits(tmp_path, store, 2)
    seen = len(recording.events)
    store.commit([Put("left", b"key", b"value")])
    assert len(recording.events) == seen


def test_of_two_stores_only_the_one_that_is_meant_is_recorded(tmp_path: Path, store: LmdbStore) -> None:
    with closing(LmdbStore(tmp_path / "other", 16, ("left",))) as other:
        try:
            with recorded(tmp_path / "store" / DATA_FILE) as recording:
                other.commit([Put("left", b"key", b"value")])
        except CannotWatch as error:
            pytest.skip(f"nothing recorded: {error}")
        assert not recording.events
        assert other.get("left", b"key") == b"value"


OLD: Final = b"o" * PAGE
NEW: Final = b"n" * PAGE


def left_by(*events: Event) -> set[bytes]:
    """Return the files that a cut after these events may leave, of a file that was one old page."""
    recording = Recording(OLD, list(events))
    return {image.file for image in images(recording, 1) if image.at == len(events)}


def sectors(file: bytes) -> list[bytes]:
    return [file[at : at + SECTOR] for at in range(0, len(file), SECTOR)]


@pytest.mark.parametrize("flushed", [Flush(), Synced()])
def test_what_was_flushed_is_there_whole(flushed: Event) -> None:
    assert left_by(Write(0, NEW), flushed) == {NEW}
    assert left_by(Write(0, NEW), flushed, Mark(("promised",))) == {NEW}


def test_what_was_not_flushed_is_there_or_is_not_or_some_sectors_of_it_are() -> None:
    files = left_by(Write(0, NEW))
    assert {OLD, NEW} < files
    assert {sector for file in files for sector in sectors(file)} == {OLD[:SECTOR], NEW[:SECTOR]}
    assert {len(file) for file in files} == {PAGE}
    assert len(files) > 50, "there are 2 ** 8 ways to tear a page"


def test_a_later_write_may_be_there_and_an_earlier_one_not() -> None:
    files = left_by(Write(PAGE, NEW), Write(2 * PAGE, NEW))
    assert {OLD, OLD + NEW, OLD + bytes(PAGE) + NEW, OLD + NEW + NEW} < files


def test_a_write_that_flushed_itself_says_nothing_of_those_before_it() -> None:
    files = left_by(Write(PAGE, NEW), Write(0, NEW), Synced())
    assert {NEW, NEW + NEW} < files
    assert all(file.startswith(NEW) for file in files)


def test_a_cut_may_come_before_every_call_and_after_the_last() -> None:
    events: list[Event] = [Write(0, NEW), Mark(("a",)), Flush(), Mark(("b",)), Write(0, OLD), Synced(), Mark(("c",))]
    assert {image.at for image in images(Recording(OLD, events), 1)} == {0, 2, 4, 5, 7}


def test_the_same_seed_gives_the_same_images() -> None:
    recording = Recording(OLD, [Write(0, NEW), Write(PAGE, NEW), Flush()])
    one, again, other = ([image.file for image in islice(images(recording, seed), 50)] for seed in (1, 1, 2))
    assert one == again
    assert one != other


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    try:
        return record(tmp_path_factory.mktemp("recording"), 1)
    except CannotWatch as error:
        pytest.skip(f"nothing recorded: {error}")


def test_the_file_as_it_is_in_the_end_keeps_every_promise(case: Case, tmp_path: Path) -> None:
    assert wrong_with(case, Image(0, len(case.recording.events), case.recording.whole()), tmp_path) == []


def test_an_old_file_breaks_every_promise_there_is(case: Case, tmp_path: Path) -> None:
    events = case.recording.events
    commits = [at for at, event in enumerate(events, 1) if isinstance(event, Mark) and event.what[0] == "kept"]
    offences = set[str]()
    for at in commits[1 :: len(commits) // OLD_MOMENTS]:
        old = Recording(case.recording.base, events[:at]).whole()
        assert wrong_with(case, Image(0, at, old), tmp_path) == []
        offences |= {re.sub(r"\d+|\[.*?\]", "N", one) for one in wrong_with(case, Image(0, len(events), old), tmp_path)}
    assert offences >= {
        "accepted N is lost",
        "N messages that were delivered to us are lost",
        "message N is done, and would be handed out again",
        "N keys that have sealed what went out would seal again",
        "the rows are neither those of the last commit nor those of the one under way",
        "the log has N entries of N",
    }
