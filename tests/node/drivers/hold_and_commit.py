"""A process that holds a data folder as a node does, and for each line it is told commits a row to each of two tables.

It prints `opened`, and then each number once it is durable.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from talos.core.step import Put
from talos.core.tables import MARKS, PEERS
from talos.drivers.data_folder import DataFolder


def say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with DataFolder(Path(sys.argv[1]), 64).open(None) as opened:
        say("opened")
        for number, _ in zip(count(), sys.stdin, strict=False):
            row = number.to_bytes(8, "big")
            opened.host.store.commit([Put(PEERS, row, row * 100), Put(MARKS, row, row * 100)])
            say(number)
