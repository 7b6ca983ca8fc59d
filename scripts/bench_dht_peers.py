"""A town of bare `kademlia` nodes, in one asyncio process, over UDP: what our DHT is measured against."""

from __future__ import annotations

import asyncio
import logging
from itertools import islice
from multiprocessing.connection import Connection
from time import perf_counter, process_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Any

from kademlia.crawling import NodeSpiderCrawl
from kademlia.network import Server
from kademlia.node import Node

from scripts.bench_dht_town import ALPHA, K, Looked, errands, host_of, mortals, nearest


def kademlia_town(pipe: Connection, count: int) -> None:
    """Answer as `bench_dht_nodes.talos_town` does."""
    logging.disable(logging.CRITICAL)  # Of each that does not answer it would tell.
    asyncio.run(_serve(pipe, count))


async def _serve(pipe: Connection, count: int) -> None:
    town = _Town()
    await town.settle(count)
    pipe.send(count)
    while (question := await _next_question(pipe)) is not None:
        match question:
            case "look", int(seed), int(many):
                pipe.send(await town.look(seed, many))
            case "die", int(percent):
                town.die(percent)
                pipe.send(len(town.living))
            case "all look", int(seed):
                pipe.send(await town.all_look(seed))
    for server in town.living.values():
        server.stop()


class _Town:
    def __init__(self) -> None:
        self.living: dict[int, Server] = {}

    async def settle(self, count: int) -> None:
        for number in range(count):
            self.living[number] = server = Server(ksize=K, alpha=ALPHA)
            await server.listen(0, interface=host_of(number))
            if number:
                way_in: tuple[str, int] = self.living[0].protocol.transport.get_extra_info("sockname")
                await server.bootstrap([way_in])

    async def look(self, seed: int, many: int) -> Looked:
        asked = list(islice(errands(seed, list(self.living)), many))
        began = process_time()
        found = [await self._lookup(asker, target) for asker, target in asked]
        return self._looked(asked, found, process_time() - began)

    async def all_look(self, seed: int) -> Looked:
        asked = [(asker, target) for asker, (_, target) in zip(self.living, errands(seed, [0]), strict=False)]
        began = process_time()
        found = await asyncio.gather(*(self._lookup(*one) for one in asked))
        return self._looked(asked, found, process_time() - began)

    def die(self, percent: int) -> None:
        for number in mortals(len(self.living), percent):
            self.living.pop(number).stop()

    async def _lookup(self, asker: int, target: bytes) -> tuple[float, list[Node]]:
        protocol = self.living[asker].protocol
        began, node = perf_counter(), Node(target)
        found = await NodeSpiderCrawl(protocol, node, protocol.router.find_neighbors(node), K, ALPHA).find()
        return perf_counter() - began, found

    def _looked(self, asked: list[tuple[int, bytes]], found: list[tuple[float, list[Node]]], cpu_s: float) -> Looked:
        ids = {number: server.node.long_id for number, server in self.living.items()}
        right = sum(
            bool(nodes) and nodes[0].long_id == ids[nearest(target, ids, asker)]
            for (asker, target), (_, nodes) in zip(asked, found, strict=True)
        )
        return Looked(cpu_s, [took for took, _ in found], right, 0)


async def _next_question(pipe: Connection) -> tuple[Any, ...] | None:
    """As `bench_processes.next_question`, for asyncio."""
    readable, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), readable.set)
    try:
        await readable.wait()
        question: tuple[Any, ...] = pipe.recv()
    except EOFError:
        return None
    finally:
        loop.remove_reader(pipe.fileno())
    return question
