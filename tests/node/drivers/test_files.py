from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest

from talos.drivers.files import atomic_write, make_folder
from talos.errors import StoreFailed


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_is_written_whole_for_its_owner_alone(tmp_path: Path) -> None:
    atomic_write(tmp_path / "secret", b"content")
    assert (tmp_path / "secret").read_bytes() == b"content"
    assert mode(tmp_path / "secret") == 0o600
    assert names(tmp_path) == ["secret"]


def test_content_is_flushed_before_it_gets_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the first a power cut leaves an empty file under the name; without the second, perhaps no name."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flush(file: int) -> None:
        about = os.fstat(file)
        done.append("folder flushed" if stat.S_ISDIR(about.st_mode) else f"{about.st_size} bytes flushed")
        fsync(file)

    def rename(source: Path, target: Path) -> None:
        done.append("named")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    atomic_write(tmp_path / "file", b"content")
    assert done == ["7 bytes flushed", "named", "folder flushed"]


def test_the_mode_is_the_one_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        atomic_write(tmp_path / "public", b"", 0o644)
    finally:
        os.umask(before)
    assert mode(tmp_path / "public") == 0o644


def test_a_rewrite_replaces_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    path.chmod(0o666)
    atomic_write(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)


def test_what_a_crash_left_behind_is_taken_over_with_our_mode(tmp_path: Path) -> None:
    left = tmp_path / ".file.new"
    left.write_bytes(b"half")
    left.chmod(0o666)
    atomic_write(tmp_path / "file", b"whole")
    assert ((tmp_path / "file").read_bytes(), mode(tmp_path / "file")) == (b"whole", 0o600)
    assert not left.exists()


def test_a_link_planted_for_the_new_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    (tmp_path / ".file.new").symlink_to(victim)
    atomic_write(tmp_path / "file", b"content")
    assert victim.read_bytes() == b"untouched"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(StoreFailed, match=r"cannot write .*file: File too large"):
            atomic_write(tmp_path / "file", bytes(4096))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_what_cannot_be_cleared_away_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / ".file.new").mkdir()
    with pytest.raises(StoreFailed, match=r"cannot write .*file: "):
        atomic_write(tmp_path / "file", b"content")


def test_a_file_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="No such file"):
        atomic_write(tmp_path / "absent" / "file", b"")


def test_every_folder_made_is_its_owners_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "outer" / "inner")
    assert (mode(tmp_path / "outer"), mode(tmp_path / "outer" / "inner")) == (0o700, 0o700)


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    make_folder(tmp_path / "shared")
    assert mode(tmp_path / "shared") == 0o755


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreFailed, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "folder")
