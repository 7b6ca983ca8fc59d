"""How a command ends: exit codes for everything that can be raised, and what is said about it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import pytest
import trio
from click.testing import CliRunner, Result

from talos import errors
from talos.cli.perform import columns, perform
from talos.errors import DeliveryFailed, NotReachable, Refused, TalosError
from tests.node.cli.commands import LATE_S

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TalosError)]
OTHERS = [kind for kind in KINDS if kind is not DeliveryFailed]

FULL: Final = Path("/dev/full")  # Linux: takes no byte, as a full disk.
NO_DISK: Final = "error: the answer was not all written: the disk is full\nfix: Free space on it, then ask again\n"
ANSWERING: Final = """
from talos.cli.perform import perform, show
from talos.errors import Refused

async def answer():
    show({"answer": "x" * SIZE})

async def refuse():
    raise Refused("no", fix="ask")

perform(WORK, as_json=AS_JSON)
"""
AGAIN_S: Final = 2.0  # Longer than it takes to end: a second one then would be told as Python tells it.
ASKING: Final = """
import click
from talos.cli.perform import perform

async def ask():
    click.QUESTION

perform(ask, as_json=False)
"""


def outcome(failure: BaseException | None, *, as_json: bool = False) -> Result:
    """Run a command that raises `failure`."""

    @click.command()
    def command() -> None:
        async def work() -> None:
            if failure is not None:
                raise failure

        perform(work, as_json=as_json)

    return CliRunner().invoke(command)


def test_a_command_that_works_exits_with_0_and_says_nothing() -> None:
    result = outcome(None)
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("kind", OTHERS)
def test_an_error_of_ours_is_told_with_its_mend_and_its_exit_code(kind: type[TalosError]) -> None:
    result = outcome(kind("it went wrong", fix="Mend it"))
    assert result.exit_code == kind.exit_code
    assert (result.stdout, result.stderr) == ("", "error: it went wrong\nfix: Mend it\n")


def test_a_failed_delivery_exits_with_6() -> None:
    assert outcome(DeliveryFailed("no", may_have_arrived=True)).exit_code == 6


def test_an_error_without_a_mend_gives_none() -> None:
    assert outcome(Refused("no")).stderr == "error: no\n"


def test_with_json_the_error_is_an_answer_too() -> None:
    result = outcome(Refused("no", fix="ask"), as_json=True)
    assert json.loads(result.stdout) == {"error": {"type": "Refused", "what": "no", "fix": "ask", "exit_code": 5}}
    assert result.stderr == "error: no\nfix: ask\n"


@pytest.mark.parametrize("failure", [KeyError("x"), ZeroDivisionError(), OSError(errno.EIO, "broken")])
def test_a_bug_is_one_line_and_70_and_no_traceback(failure: Exception) -> None:
    result = outcome(failure)
    assert result.exit_code == 70
    assert f"error: a bug in Talos: {type(failure).__name__}" in result.stderr
    assert "test_perform.py:" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_lone_error_out_of_nurseries_is_still_that_error(depth: int) -> None:
    failure: Exception = NotReachable("gone")
    for _ in range(depth):
        failure = ExceptionGroup("nursery", [failure])
    assert outcome(failure).exit_code == 4


def test_among_several_failures_ours_is_the_one_that_tells() -> None:
    assert outcome(ExceptionGroup("nursery", [KeyError("x"), NotReachable("gone")])).exit_code == 4
    assert outcome(ExceptionGroup("nursery", [KeyError("x"), ValueError("y")])).exit_code == 70


def test_an_interrupt_exits_as_shells_expect_even_out_of_a_nursery() -> None:
    assert outcome(KeyboardInterrupt()).exit_code == 130
    assert outcome(BaseExceptionGroup("nursery", [KeyboardInterrupt()])).exit_code == 130


@pytest.mark.slow  # Starts processes.
@pytest.mark.parametrize("question", ["prompt('Passphrase', err=True)", "confirm('Passphrase', abort=True, err=True)"])
def test_an_interrupt_at_a_question_is_one_too(question: str) -> None:
    command = [sys.executable, "-c", ASKING.replace("QUESTION", question)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
        assert asked.stderr is not None
        assert asked.stderr.read(len("Passphrase")) == b"Passphrase"
        while asked.poll() is None:  # One that comes just before Python waits for the answer is seen after it.
            asked.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                asked.wait(AGAIN_S)
        assert asked.returncode == 130


def test_what_click_raises_keeps_its_meaning() -> None:
    assert outcome(click.exceptions.Exit(6)).exit_code == 6
    assert outcome(click.Abort()).exit_code == 1
    assert outcome(click.UsageError("no")).exit_code == 2


def test_a_reader_that_went_away_is_no_bug() -> None:
    assert "bug" not in outcome(BrokenPipeError(errno.EPIPE, "Broken pipe")).output


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_below_the_answer_is_no_bug(code: int) -> None:
    result = outcome(OSError(code, "full"))
    assert (result.exit_code, result.stdout, result.stderr) == (8, "", NO_DISK)


def into(stdout: Path, stderr: Path, *, work: str, size: int = 1, as_json: bool = False) -> int:
    """Run a command in a process of its own, whose streams are these files; return its exit code."""
    code = ANSWERING.replace("WORK", work).replace("SIZE", str(size)).replace("AS_JSON", str(as_json))
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code]
    with stdout.open("wb") as out, stderr.open("wb") as err:
        return subprocess.run(command, env=buffered, stdout=out, stderr=err, timeout=LATE_S).returncode


@pytest.mark.slow  # Starts processes.
@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("work", "size", "exit_code", "told"),
    [("answer", 1, 8, NO_DISK), ("answer", 100_000, 8, NO_DISK), ("refuse", 1, 5, "error: no\nfix: ask\n")],
)
def test_an_output_that_takes_nothing_changes_neither_the_exit_code_nor_what_is_told(
    tmp_path: Path, *, work: str, size: int, exit_code: int, told: str, as_json: bool
) -> None:
    said = tmp_path / "stderr"
    if work == "answer" or as_json:
        assert into(FULL, said, work=work, size=size, as_json=as_json) == exit_code
        assert said.read_text("utf-8") == told
    assert into(FULL, FULL, work=work, size=size, as_json=as_json) == exit_code


@pytest.mark.slow  # Starts processes.
@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("as_json", [False, True])
def test_an_error_that_cannot_be_told_does_not_change_the_exit_code(tmp_path: Path, *, as_json: bool) -> None:
    assert into(tmp_path / "stdout", FULL, work="refuse", as_json=as_json) == 5


def test_the_work_runs_under_trio() -> None:
    seen: list[float] = []

    async def work() -> None:
        seen.append(trio.current_time())

    perform(work, as_json=False)
    assert len(seen) == 1


def test_columns_are_as_wide_as_their_widest() -> None:
    assert columns([("a", "bb", ""), ("ccc", "d", "e")], indent=" ") == " a    bb\n ccc  d   e"
