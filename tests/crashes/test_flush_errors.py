"""A disk that fails to flush, goes on, and is cut off: what a commit promised is there, and of the others nothing.

After such an error the kernel may hold pages for clean that are not on the disk, and never write them again. So going
on needs a proof: here everything that a failed flush was for is lost, or is not, whatever is flushed later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from talos.core.step import Put
from talos.drivers.lmdb_rows import DATA_FILE
from talos.drivers.lmdb_store import LmdbStore
from talos.errors import StoreFailed
from tests.conftest import Rounds
from tests.crashes.calls import CannotWatch
from tests.crashes.recording import FailingRecorder, Image, Mark, Recording, images, recorded

COMMITS: Final = 60
ROWS: Final = 7  # Per commit, over rows of earlier ones: pages become free and are used again.
KEYS: Final = 30
EVERY: Final = 5  # Of so many calls one fails.
SIZE_MIB: Final = 16
TABLES: Final = ("left", "right")

State = dict[tuple[str, bytes], bytes]


@contextmanager
def opened(folder: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(folder, SIZE_MIB, TABLES)
    try:
        yield store
    finally:
        store.close()


def rows(store: LmdbStore) -> State:
    return {(table, key): value for table in TABLES for key, value in store.scan(table)}


def writes_of(number: int) -> list[Put]:
    return [
        Put(TABLES[at % 2], b"%d" % ((number * ROWS + at * 11) % KEYS), b"%d " % number * (300 + 40 * at))
        for at in range(ROWS)
    ]


def record(folder: Path, kind: str) -> Recording:
    """Commit over and over while the disk fails now and then; mark the state that each commit which returned made.

    One that failed may be there after all if it was the page that makes it count. Then the store is opened anew, as a
    node that is started again opens it.
    """
    with opened(folder) as store:
        store.commit(writes_of(0))
        before = rows(store)
    failed = 0
    try:
        with recorded(folder / DATA_FILE, partial(FailingRecorder, kind=kind, every=EVERY)) as recording:
            recording.mark("kept", before)
            number = 1
            while number < COMMITS:
                with opened(folder) as store:
                    recording.mark("kept", rows(store))
                    while number < COMMITS:
                        number += 1
                        after = rows(store) | {(put.table, put.key): put.value or b"" for put in writes_of(number)}
                        recording.mark("begun", after)
                        try:
                            store.commit(writes_of(number))
                        except StoreFailed:
                            failed += 1
                            if kind == "meta":
                                break
                        else:
                            recording.mark("kept", after)
    except CannotWatch as error:
        pytest.skip(f"nothing can be made to fail: {error}")
    assert failed >= COMMITS // EVERY // 2
    return recording


def is_well(image: Image, recording: Recording, folder: Path) -> bool:
    """Say whether the image opens, and shows what the last commit that returned made, or the one that was under way."""
    marks = [event.what for event in recording.events[: image.at] if isinstance(event, Mark)]
    kept = max(at for at, (word, _) in enumerate(marks) if word == "kept")
    allowed = [state for _, state in marks[kept:]]
    folder.mkdir()
    (folder / DATA_FILE).write_bytes(image.file)
    with opened(folder) as store:
        found = rows(store)
        store.commit(writes_of(COMMITS + 1))
    return found in allowed


@pytest.mark.parametrize("kind", ["flush", "meta"])
def test_whatever_a_failed_flush_has_lost_a_store_that_goes_on_keeps_what_it_promised(
    tmp_path: Path, rounds: Rounds, kind: str
) -> None:
    recording = record(tmp_path / "store", kind)
    for image in islice(images(recording, 1), rounds(40, 1_000)):
        assert is_well(image, recording, tmp_path / f"image{image.number}"), f"image {image.number}"
