"""A node in a process of its own that says where it is, at a port that is new in each life, until it is killed.

Its clock is set back by a minute in each life: so that only what is on its disk keeps it from using a number twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import trio

from talos.config import Config
from talos.core.names import PeerAddress
from talos.drivers.clock import RealClock
from talos.runtime import Node, data_folder
from tests.processes.running import RETRY_S

SET_BACK_MS: Final = 60_000


class SetBack(RealClock):
    def __init__(self, by_ms: int) -> None:
        self._by_ms = by_ms

    def wall_ms(self) -> int:
        return super().wall_ms() - self._by_ms


@dataclass(frozen=True, slots=True)
class Spec:
    name: str
    folder: Path
    way_in: PeerAddress
    life: int


def live(spec: Spec, pipe: Connection) -> None:
    """The main function of the process. Says where it listens once it does."""
    config = Config(name=spec.name, data_dir=spec.folder, bootstrap=(spec.way_in,), lan=False, retry_interval_s=RETRY_S)
    with data_folder(config).open(None) as opened:
        clock = SetBack(spec.life * SET_BACK_MS)
        node = Node(config, replace(opened, host=replace(opened.host, clock=clock)))

        async def run() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run)
                pipe.send(node.addresses[0])

        trio.run(run)
