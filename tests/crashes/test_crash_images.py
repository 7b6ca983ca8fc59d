"""A power cut at any moment, over everything it may leave of what was not flushed: no promise of a node is broken.

In place of a device that forgets, the writes and flushes of a real store are recorded, and the files that a cut could
leave are made from them: all that was flushed, and any part of what was not, down to single sectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import lmdb
import pytest

from tests.conftest import Rounds
from tests.crashes.calls import CannotWatch
from tests.crashes.jury import judged
from tests.crashes.workload import Case, record

IMAGES: Final = (150, 900)  # Of each of the seeds: everyday, and long.
SEEDS: Final = (1, 6)
CAUGHT_LEAST: Final = {"metasync": 0.1, "sync": 0.5}  # Of the images. Of 900 it was 0.35 and 0.82.


def recording_of(folder: Path, seed: int) -> Case:
    try:
        return record(folder, seed)
    except CannotWatch as error:
        pytest.skip(f"no crash images: {error}")


@contextmanager
def careless(**settings: bool) -> Iterator[None]:
    """Let stores be opened with settings of LMDB that no store of ours may have."""
    opened: Callable[..., lmdb.Environment] = lmdb.Environment
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lmdb, "Environment", partial(opened, **settings))
        yield


@pytest.mark.slow
def test_whatever_a_power_cut_leaves_nothing_promised_is_lost_or_done_again_and_no_key_serves_twice(
    tmp_path: Path, rounds: Rounds
) -> None:
    for seed in range(rounds(*SEEDS)):
        (folder := tmp_path / f"{seed}").mkdir()
        found = judged(recording_of(folder, seed), seed, rounds(*IMAGES), folder / "images")
        wrong = {number: offences for number, offences in enumerate(found) if offences}
        assert not wrong, f"seed {seed}, by image: {wrong}"


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "least"), CAUGHT_LEAST.items())
def test_a_store_that_does_not_flush_everything_is_caught(
    tmp_path: Path, rounds: Rounds, setting: str, least: float
) -> None:
    with careless(**{setting: False}):
        case = recording_of(tmp_path, 1)
    found = judged(case, 1, rounds(40, 900), tmp_path / "images")
    caught = sum(map(bool, found))
    assert caught >= least * len(found), f"only {caught} of {len(found)} images show it"
