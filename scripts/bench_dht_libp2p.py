"""Nodes of libp2p's kad-dht in one process, over TCP on loopback: `python bench_dht_libp2p.py NODES VALUES`.

Run by `bench_dht_others` with an interpreter that has libp2p, of which this repository needs nothing else; prints JSON.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from time import perf_counter  # noqa: TID251 - A benchmark measures the real thing.

import trio
from libp2p import new_host
from libp2p.kad_dht.kad_dht import DHTMode, KadDHT
from libp2p.peer.peerinfo import PeerInfo
from libp2p.records.validator import BlankValidator
from libp2p.tools.anyio_service import background_trio_service
from multiaddr import Multiaddr

SPACE = "bench"
VALUE = bytes(500)  # About a record of ours.


def own_kib() -> int:
    """Return what this process holds, pages of files not counted. On Linux."""
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(told["RssAnon"].split()[0])


async def town(stack: AsyncExitStack, count: int) -> list[KadDHT]:
    """Return so many nodes, each of which knows all others, as they would after a few lookups."""
    dhts, known = list[KadDHT](), list[PeerInfo]()
    for _ in range(count):
        host = new_host()
        await stack.enter_async_context(host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]))
        dht = KadDHT(host, DHTMode.SERVER)
        dht.register_validator(SPACE, BlankValidator())
        await stack.enter_async_context(background_trio_service(dht))
        for info in known:
            await host.connect(info)
            await dht.add_peer(info.peer_id)
        for other in dhts:
            await other.add_peer(host.get_id())
        known.append(PeerInfo(host.get_id(), host.get_addrs()))
        dhts.append(dht)
    return dhts


async def measure(count: int, values: int) -> dict[str, object]:
    before_kib = own_kib()
    async with AsyncExitStack() as stack:
        dhts = await town(stack, count)
        kib = (own_kib() - before_kib) / count
        puts, gets, found = [], [], 0
        for number in range(values):
            key, writer, reader = f"/{SPACE}/{number}", dhts[number % count], dhts[(number + count // 2) % count]
            began = perf_counter()
            await writer.put_value(key, VALUE)
            puts.append(perf_counter() - began)
            reader.value_store.remove(key.encode())  # Else it would ask nobody.
            began = perf_counter()
            found += await reader.get_value(key) == VALUE
            gets.append(perf_counter() - began)
    return {"kib": kib, "puts_s": puts, "gets_s": gets, "found": found}


def main() -> None:
    logging.disable(logging.CRITICAL)
    nodes, values = map(int, sys.argv[1:])
    sys.stdout.write(json.dumps(trio.run(measure, nodes, values)))


if __name__ == "__main__":
    main()
