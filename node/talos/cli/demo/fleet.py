"""The demo's nodes: real processes that the demo starts, kills and starts again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from talos.config import Config
from talos.control.client import ControlClient
from talos.core.names import did_of
from talos.errors import NotReachable
from talos.host import Clock
from talos.runtime import create_identity

ANY_PORT: Final = "127.0.0.1:0"
RETRY_INTERVAL_S: Final = 0.5  # So that a node that comes back is found at once; 30 s is for the wide world.
READY_S: Final = 20.0  # A start takes half a second; this is for a machine that has other things to do.
FOLDERS_FIX: Final = "Let TMPDIR, where the demo makes its folders, be a short path that can be written"
STOP_S: Final = 6.0  # A node stops within 5 s.


class DemoNode:
    """One node, its process, and the demo's connection to it. A kill ends both; `start` brings them back.

    It listens at another port each time, and is told of one node at most, its `way_in`: who wants it must find it.
    """

    def __init__(self, name: str, folder: Path, clock: Clock) -> None:
        self.name = name
        self.address = ""  # Where it listens now.
        self.way_in: DemoNode | None = None
        self.starts = 0
        self.config = Config(name=name, data_dir=folder)
        self._folder = folder
        self._clock = clock
        self._process: trio.Process | None = None
        self._client: ControlClient | None = None
        self._up = trio.Event()
        self.did = did_of(create_identity(self.config, None).did)

    async def start(self) -> None:
        """Return when it is ready. Raises `NotReachable` if it does not get there."""
        command = [sys.executable, "-m", "talos.cli.node", "--json", "--no-passphrase", "--data-dir", str(self._folder)]
        # Nobody else near here need hear of them.
        command += ["--no-lan", "--listen", ANY_PORT, "--retry-interval-s", str(RETRY_INTERVAL_S)]
        if self.way_in is not None:
            command += ["--bootstrap", f"{self.way_in.did}@{self.way_in.address}"]
        with (self._folder / "node.log").open("ab") as log:
            self._process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=log)
        self.address = await self._await_ready(self._process)
        self._client = await ControlClient(self._folder).__aenter__()
        self.starts += 1
        self._up.set()

    async def kill(self) -> None:
        """kill -9: nothing of the node gets to say goodbye. Returns when the process is gone."""
        self._up = trio.Event()
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
        await self._hang_up()

    async def end(self) -> None:
        """Stop it in good order; by force if that takes too long."""
        await self._hang_up()
        if self._process is None:
            return
        with self._clock.move_on_after(STOP_S):
            self._process.terminate()
            await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def client(self) -> ControlClient:
        """Return the connection to it; waits while it is dead."""
        await self._up.wait()
        if self._client is None:
            raise NotReachable(f"{self.name} has ended")
        return self._client

    @property
    def is_killed(self) -> bool:
        return self.starts > 0 and not self._up.is_set()

    def is_current(self, client: ControlClient) -> bool:
        """True unless the node was killed since `client` returned this."""
        return client is self._client and not self.is_killed

    async def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(None, None, None)

    async def _await_ready(self, process: trio.Process) -> str:
        line = b""
        with self._clock.move_on_after(READY_S):
            while process.stdout is not None and not line.endswith(b"\n"):
                data = await process.stdout.receive_some()
                if not data:
                    break
                line += data
        if not line.endswith(b"\n"):
            raise NotReachable(
                f"{self.name} did not get ready", fix=f"Its log is {self._folder / 'node.log'}; try --keep"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise NotReachable(f"{self.name} did not get ready: {answer['error']['what']}", fix=FOLDERS_FIX)
        listening: list[str] = answer["listening"]
        return listening[0]


@asynccontextmanager
async def running_fleet(names: Sequence[str], folder: Path, clock: Clock) -> AsyncIterator[tuple[DemoNode, ...]]:
    """Yield nodes that run, and of which all but the first are told of that one; end them. Raises `NotReachable`."""
    nodes = tuple(DemoNode(name, folder / name, clock) for name in names)
    try:
        await nodes[0].start()
        async with trio.open_nursery() as nursery:
            for node in nodes[1:]:
                node.way_in = nodes[0]
                nursery.start_soon(node.start)
        yield nodes
    finally:
        with trio.CancelScope(shield=True):
            async with trio.open_nursery() as nursery:
                for node in nodes:
                    nursery.start_soon(node.end)
