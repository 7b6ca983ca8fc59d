"""The room that is kept for bad days: taken, given back, and counted right in between."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from talos.drivers.ballast import Ballast
from talos.errors import StoreFailed

SIZE = 100_000


def test_what_is_held_takes_its_room_from_the_disk_and_gives_it_back_once(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "reserve", SIZE)
    assert (ballast.is_held, ballast.missing) == (False, SIZE)
    ballast.hold()
    ballast.hold()
    status = (tmp_path / "reserve").stat()
    assert status.st_blocks * 512 >= SIZE, "room that is only promised is none"
    assert status.st_mode & 0o777 == 0o600
    assert (ballast.is_held, ballast.missing) == (True, 0)
    assert Ballast(tmp_path / "reserve", SIZE).is_held
    assert ballast.release()
    assert not ballast.release()
    assert (ballast.is_held, ballast.missing, list(tmp_path.iterdir())) == (False, SIZE, [])


def test_a_ballast_that_is_not_wanted_is_held_and_is_no_file(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "reserve", 0)
    ballast.hold()
    assert (ballast.is_held, ballast.missing, ballast.release()) == (True, 0, False)
    assert list(tmp_path.iterdir()) == []


def test_a_ballast_that_is_too_small_is_none(tmp_path: Path) -> None:
    (tmp_path / "reserve").write_bytes(bytes(SIZE - 1))
    ballast = Ballast(tmp_path / "reserve", SIZE)
    assert not ballast.is_held
    ballast.hold()
    assert ballast.is_held
    assert (tmp_path / "reserve").stat().st_size == SIZE


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_no_ballast_and_nothing_is_left_of_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(file: int, offset: int, size: int) -> None:
        os.write(file, b"some")
        raise OSError(code, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    ballast = Ballast(tmp_path / "reserve", SIZE)
    ballast.hold()
    assert (ballast.is_held, list(tmp_path.iterdir())) == (False, [])


def test_a_disk_that_fails_in_another_way_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match=r"cannot keep a reserve at .*: No such file"):
        Ballast(tmp_path / "gone" / "reserve", SIZE).hold()
