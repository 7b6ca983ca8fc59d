"""Run `talos` with the arguments after the first, and die as by kill -9 at the n-th rename, n being the first.

A rename is where a file or folder gets the name under which the next command finds it, so these are the moments at
which a kill could leave something half-made.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count

from talos.cli import main

fatal = int(sys.argv.pop(1))
renames = count()


def die_at_a_rename(event: str, _arguments: tuple[object, ...]) -> None:
    if event == "os.rename" and next(renames) == fatal:
        os.kill(os.getpid(), signal.SIGKILL)


sys.addaudithook(die_at_a_rename)
main()
