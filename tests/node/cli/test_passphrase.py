from __future__ import annotations

from pathlib import Path

import pytest

from talos.cli.passphrase import FILE_SIZE_MAX, ask_passphrase, find_passphrase
from talos.errors import PassphraseNeeded, UsageError


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_each_source_is_used_when_no_stronger_one_speaks(tmp_path: Path) -> None:
    flag = written(tmp_path / "flag", b"from the flag\n")
    file = written(tmp_path / "file", b"from the file\n")
    written(tmp_path / "talos-passphrase", b"from systemd\n")
    environment = {
        "TALOS_PASSPHRASE_FILE": str(file),
        "TALOS_PASSPHRASE": "from the variable",
        "CREDENTIALS_DIRECTORY": str(tmp_path),
    }
    assert find_passphrase(flag, environment) == "from the flag"
    assert find_passphrase(None, environment) == "from the file"
    del environment["TALOS_PASSPHRASE_FILE"]
    assert find_passphrase(None, environment) == "from the variable"
    del environment["TALOS_PASSPHRASE"]
    assert find_passphrase(None, environment) == "from systemd"
    assert find_passphrase(None, {}) is None


def test_a_systemd_unit_without_our_credential_has_no_passphrase(tmp_path: Path) -> None:
    assert find_passphrase(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) is None


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [(b"a", "a"), (b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a \n", " a "), ("ä\n".encode(), "ä")],
)
def test_only_the_last_line_end_is_not_part_of_it(tmp_path: Path, content: bytes, passphrase: str) -> None:
    assert find_passphrase(written(tmp_path / "file", content), {}) == passphrase


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n", b"\xff", b"x" * (FILE_SIZE_MAX + 1)])
def test_a_file_that_holds_no_passphrase_is_an_error_and_not_an_open_door(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        find_passphrase(written(tmp_path / "file", content), {})
    assert str(tmp_path / "file") in caught.value.what


def test_a_source_that_was_named_and_fails_is_not_passed_over(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UsageError, match="cannot read the passphrase"):
        find_passphrase(missing, {"TALOS_PASSPHRASE": "x"})
    with pytest.raises(UsageError, match="cannot read the passphrase"):
        find_passphrase(None, {"TALOS_PASSPHRASE_FILE": str(missing), "TALOS_PASSPHRASE": "x"})
    with pytest.raises(UsageError, match=r"cannot read .*talos-passphrase: "):
        find_passphrase(None, {"CREDENTIALS_DIRECTORY": "x" * 300})  # No folder can be called that.
    with pytest.raises(UsageError, match="TALOS_PASSPHRASE is empty"):
        find_passphrase(None, {"TALOS_PASSPHRASE": ""})
    with pytest.raises(UsageError, match="TALOS_PASSPHRASE is no UTF-8"):
        find_passphrase(None, {"TALOS_PASSPHRASE": "\udcff"})  # What Python makes of the byte FF.


@pytest.mark.parametrize("is_new", [True, False])
def test_without_a_terminal_nobody_is_asked(is_new: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with written(tmp_path / "stdin", b"typed\n").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(PassphraseNeeded) as caught:
            ask_passphrase(is_new=is_new)
    assert caught.value.fix is not None
    assert ("--no-passphrase" in caught.value.fix) is is_new
