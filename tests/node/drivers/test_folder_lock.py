from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from talos.drivers.folder_lock import hold_folder
from talos.errors import Locked, UsageError

HOLD_UNTIL_KILLED = """
import signal, sys
from pathlib import Path
from talos.drivers.folder_lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_a_held_folder_names_its_holder_and_what_to_do(tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path),
        pytest.raises(Locked, match=rf"process {os.getpid()} .*Stop it first, or set TALOS_DATA_DIR"),
        hold_folder(tmp_path),
    ):
        pass


def test_a_folder_can_be_held_again_once_let_go(tmp_path: Path) -> None:
    with hold_folder(tmp_path):
        pass
    with hold_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_two_folders_are_held_side_by_side(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with hold_folder(tmp_path / "one"), hold_folder(tmp_path / "two"):
        assert (tmp_path / "two" / "lock").exists()


def test_the_lock_is_its_owners_alone(tmp_path: Path) -> None:
    with hold_folder(tmp_path):
        assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_holder_that_crashes_lets_go(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", HOLD_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(Locked, match=f"process {child.pid} "), hold_folder(tmp_path):
            pass
        child.send_signal(signal.SIGKILL)
    with hold_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_file_with_nonsense_in_it_still_locks(tmp_path: Path) -> None:
    with hold_folder(tmp_path):
        (tmp_path / "lock").write_bytes(b"")
        with pytest.raises(Locked, match="another process has a node running"), hold_folder(tmp_path):
            pass


def test_a_lock_that_is_no_file_of_ours_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(UsageError, match="cannot lock") as caught, hold_folder(tmp_path):
        pass
    assert str(tmp_path) in str(caught.value.fix)
    with pytest.raises(UsageError, match="cannot lock"), hold_folder(tmp_path / "absent"):
        pass


HOLD_AND_FORK = """
import os, sys
from pathlib import Path
from talos.drivers.folder_lock import hold_folder
folder, read, write = Path(sys.argv[1]), *os.pipe()
with hold_folder(folder):
    child = os.fork()
    if not child:
        os.close(write)
        os.read(read, 1)  # Until the parent has ended.
        os._exit(0)
with hold_folder(folder):
    print("held again")
"""
FORK_THAT_UNWINDS = """
import os, sys
from pathlib import Path
from talos.drivers.folder_lock import hold_folder
from talos.errors import Locked
folder = Path(sys.argv[1])
with hold_folder(folder):
    child = os.fork()
    if not child:
        sys.exit(0)
    os.waitpid(child, 0)
    if not os.fork():
        try:
            with hold_folder(folder):
                print("two hold it")
        except Locked:
            print("still held", flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("program", "said"), [(HOLD_AND_FORK, "held again"), (FORK_THAT_UNWINDS, "still held")], ids=["parent", "child"]
)
def test_a_fork_keeps_no_folder_from_its_holder_nor_lets_go_of_one(tmp_path: Path, program: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (said, "")
