from __future__ import annotations

from pathlib import Path

import pytest

from talos.drivers.network_key import LEAST, MOST, read_network_key
from talos.errors import UsageError


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_without_a_file_there_is_no_key() -> None:
    assert read_network_key(None) == b""


def test_the_same_content_is_the_same_key_and_a_line_end_is_none_of_it(tmp_path: Path) -> None:
    contents = b"k" * 32, b"k" * 32 + b"\n", b"l" * 32
    one, same, other = (read_network_key(written(tmp_path / "key", content)) for content in contents)
    assert one == same != other
    assert len(one) == len(other) == 32


@pytest.mark.parametrize("content", [b"", b"k" * (LEAST - 1), b" " * 99, b"k" * (MOST + 1)])
def test_what_is_too_little_or_too_much_is_no_key(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError, match="no network key"):
        read_network_key(written(tmp_path / "key", content))


@pytest.mark.parametrize("content", [b"k" * LEAST, b"k" * MOST])
def test_the_least_and_the_most_are_keys(tmp_path: Path, content: bytes) -> None:
    assert len(read_network_key(written(tmp_path / "key", content))) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused_with_what_mends_it(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "key", b"k" * 32, mode)
    with pytest.raises(UsageError) as failure:
        read_network_key(path)
    assert failure.value.fix == f"chmod 600 {path}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none"):
        read_network_key(tmp_path / "none")
