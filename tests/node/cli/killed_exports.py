"""Run `talos audit export` again and again, and kill it each time at its next file: as by kill -9.

Arguments: the data folder; the export to begin with, or "-" for none; where to. The n-th export, n from 0, goes to the
folder of that name there, and is killed when it is about to open or rename its n-th file; the last one is not killed.
Prints how many were. Forks instead of starting anew, because starting takes longer than exporting.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

from talos.cli import main

data_dir, earlier, target = sys.argv[1:]


def export_killed_at(moment: int, folder: Path) -> bool:
    """Return False if the export ended well before its file number `moment`."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, status
        return os.WIFSIGNALED(status)
    files = count()

    def die(event: str, arguments: tuple[object, ...]) -> None:
        is_written = event == "os.rename" or (event == "open" and is_for_writing(arguments[2]))
        if is_written and str(folder) in str(arguments[0]) and next(files) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    sys.argv[1:] = ["audit", "export", "--data-dir", data_dir, "--tlog", str(folder)]
    sys.stdout = sys.stderr
    main()
    raise AssertionError("main returns never")


def is_for_writing(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


for moment in count():
    folder = Path(target, str(moment))
    if earlier != "-":
        shutil.copytree(earlier, folder)
    if not export_killed_at(moment, folder):
        sys.stdout.write(f"{moment}\n")
        break
