"""Images are judged in a process of their own: what a store without flushes leaves behind can kill who opens it."""

from __future__ import annotations

import multiprocessing
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from tests.crashes import verdict
from tests.crashes.recording import images
from tests.crashes.workload import Case

PATIENCE_S: Final = 60.0  # For one image, which takes hundredths of a second: a deadline, never a wait.

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([verdict.__name__])


def judged(case: Case, seed: int, count: int, folder: Path) -> list[list[str]]:
    """Return what is wrong with each of the first `count` images; nothing, if all is well."""
    found = list[list[str]]()
    while len(found) < count:
        ours, theirs = _context.Pipe(duplex=False)
        child = _context.Process(target=_judge, args=(case, seed, range(len(found), count), folder, theirs))
        child.start()
        theirs.close()
        try:
            while len(found) < count:
                found.append(ours.recv() if ours.poll(PATIENCE_S) else ["whoever opens it hangs"])
        except EOFError:  # It died over the next one.
            child.join()
            found.append([f"whoever opens it dies: exit code {child.exitcode}"])
        finally:
            child.kill()
            child.join()
            child.close()
            ours.close()
    return found


def _judge(case: Case, seed: int, numbers: range, folder: Path, pipe: Connection) -> None:
    own = folder / f"{numbers.start}"
    own.mkdir(parents=True)
    for image in islice(images(case.recording, seed), numbers.start, numbers.stop):
        pipe.send(verdict.wrong_with(case, image, own))
