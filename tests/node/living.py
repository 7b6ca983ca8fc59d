"""Nodes that come and go in any order, in one nursery."""

from __future__ import annotations

import trio

from talos import Config, Node
from talos.runtime import open_node
from tests.processes.running import STOP_S


class Lives:
    """Runs nodes in `nursery`; whoever still runs is stopped with it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._ended: dict[str, trio.Event] = {}

    async def begin(self, config: Config) -> Node:
        """Return a node once it runs."""
        node: Node = await self._nursery.start(self._live, config)
        return node

    async def end(self, node: Node) -> None:
        """Stop a node; return once all it had is free for the next."""
        node.stop()
        with trio.fail_after(STOP_S):
            await self._ended[node.did].wait()

    async def _live(self, config: Config, *, task_status: trio.TaskStatus[Node]) -> None:
        with open_node(config) as node:
            ended = self._ended[node.did] = trio.Event()
            async with trio.open_nursery() as nursery:
                await nursery.start(node.run)
                task_status.started(node)
        ended.set()
