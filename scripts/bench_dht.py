"""Measure our DHT beside bare `kademlia`: `scripts/bench dht [--quick] [--libp2p] [--json] [--strict]`.

Three towns over UDP on loopback, each in a process of its own: kademlia's under asyncio, which seals nothing; ours
under trio as a node runs it, every datagram in a NaCl box; and ours with nothing in place of the box. k = 20,
alpha = 3, the same errands, one after the other; the towns take turns, round after round, so that what slows the
machine slows all alike. What a lookup costs is the processor time of the whole town, who asks and who answers; medians
over the rounds.
Then three nodes of ten end at once, and each that is left looks something up, all at the same moment.

Linux only: each node has an address of its own in 127/8.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

from scripts.bench_dht_nodes import Stored, talos_town
from scripts.bench_dht_others import PEER, NotThere, libp2p_town
from scripts.bench_dht_peers import kademlia_town
from scripts.bench_dht_town import Looked
from scripts.bench_figures import Figure, Goal, as_json, spread, table
from scripts.bench_processes import Worker, workers

SEALED: Final = Goal(1.2)
BARE: Final = Goal(0.7)
DEAD: Final = Goal(0.25)
DIE_PERCENT: Final = 30
STORE_NODES: Final = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    nodes: tuple[int, ...]
    rounds: int
    lookups: int  # In each round.
    values: int  # Put and got, beside libp2p.


FULL: Final = Sizes(nodes=(50, 200), rounds=9, lookups=200, values=20)
QUICK: Final = Sizes(nodes=(50,), rounds=5, lookups=100, values=10)


def ask(worker: Worker, *question: object) -> Looked:
    worker.ask(*question)
    looked: Looked = worker.answer()
    return looked


def town_of(nodes: int, sizes: Sizes) -> list[Figure]:
    each = ((kademlia_town, (nodes,)), (talos_town, (nodes, True)), (talos_town, (nodes, False)))
    with workers(*each) as towns:
        for town in towns:
            town.answer()
        found: list[list[Looked]] = [[] for _ in towns]
        for number in range(1 + sizes.rounds):
            sys.stderr.write(f"{nodes} nodes, round {number} of {sizes.rounds} ...\n")
            for looked, town in zip(found, towns, strict=True):
                looked.append(ask(town, "look", number, sizes.lookups))
        for town in towns:
            town.ask("die", DIE_PERCENT)
            town.answer()
        sys.stderr.write(f"{nodes} nodes, {DIE_PERCENT} in 100 dead ...\n")
        after = [ask(town, "all look", sizes.rounds + 1) for town in towns]
    # The first round warmed everything up: tables, tokens, keys agreed on.
    return [*before_death(nodes, [one[1:] for one in found]), *after_death(nodes, after)]


def before_death(nodes: int, found: list[list[Looked]]) -> list[Figure]:
    theirs, sealed, bare = ([1e3 * one.cpu_s / len(one.took_s) for one in looked] for looked in found)
    right = [100 * sum(one.right for one in looked) / sum(len(one.took_s) for one in looked) for looked in found]
    sent = median(one.datagrams / len(one.took_s) for one in found[1])
    return [
        *(
            Figure(f"{nodes} nodes: processor per lookup, {how}", "ms", ours, None, "kademlia", median(theirs), goal)
            for how, ours, goal in (("sealed", median(sealed), SEALED), ("not sealed", median(bare), BARE))
        ),
        took(f"{nodes} nodes: a lookup, one at a time", "ms", found[1], found[0]),
        Figure(f"{nodes} nodes: datagrams per lookup", "", sent),
        Figure(f"{nodes} nodes: found who is nearest", "%", right[1], peer="kademlia", theirs=right[0]),
    ]


def after_death(nodes: int, found: list[Looked]) -> list[Figure]:
    right = [100 * one.right / len(one.took_s) for one in found]
    return [
        took(f"{nodes} nodes, {DIE_PERCENT}% dead: a lookup", "s", [found[1]], [found[0]], DEAD),
        Figure(f"{nodes} nodes, {DIE_PERCENT}% dead: found who is nearest", "%", right[1], None, "kademlia", right[0]),
    ]


def took(name: str, unit: str, ours: list[Looked], theirs: list[Looked], goal: Goal | None = None) -> Figure:
    scale = {"s": 1.0, "ms": 1e3}[unit]
    both = [[seconds for one in looked for seconds in one.took_s] for looked in (ours, theirs)]
    return Figure(name, unit, *spread(both[0], scale), "kademlia", spread(both[1], scale)[0], goal)


def beside_libp2p(sizes: Sizes) -> list[Figure]:
    """Put and get: what the two mean by it differs, and is said in the names."""
    with workers((talos_town, (STORE_NODES, True))) as (town,):
        town.answer()
        town.ask("store", sizes.values)
        ours: Stored = town.answer()
    sys.stderr.write("libp2p ...\n")
    theirs = libp2p_town(STORE_NODES, sizes.values)
    peer = PEER.replace("==", " ")
    if (ours.found, theirs["found"]) != (sizes.values, sizes.values):
        raise SystemExit(f"not all was found: {ours.found} and {theirs['found']} of {sizes.values}")
    names = (f"{STORE_NODES} nodes: put, ours at three places", f"{STORE_NODES} nodes: get, ours from all 20 holders")
    puts = Figure(names[0], "ms", *spread(ours.puts_s, 1e3), peer, 1e3 * median(theirs["puts_s"]))
    gets = Figure(names[1], "ms", *spread(ours.gets_s, 1e3), peer, 1e3 * median(theirs["gets_s"]))
    return [puts, gets, Figure(f"{STORE_NODES} nodes: memory of one", "KiB", ours.kib, None, peer, theirs["kib"])]


def arguments() -> Namespace:
    asked = ArgumentParser("scripts/bench dht", description="Measure our DHT beside kademlia, over UDP on loopback.")
    asked.add_argument("--quick", action="store_true", help="50 nodes only, to see that it runs")
    asked.add_argument("--libp2p", action="store_true", help=f"beside {PEER} too; it takes 150 MB of packages")
    asked.add_argument("--json", action="store_true", help="write JSON instead of a table")
    asked.add_argument("--strict", action="store_true", help="exit with 1 if a goal was not reached")
    return asked.parse_args()


def main() -> int:
    asked = arguments()
    sizes = QUICK if asked.quick else FULL
    found = [figure for nodes in sizes.nodes for figure in town_of(nodes, sizes)]
    if asked.libp2p:
        try:
            found += beside_libp2p(sizes)
        except NotThere as error:
            sys.stderr.write(f"{PEER} cannot be measured here: {error}\n")
    sys.stdout.write(as_json(asdict(sizes), found) if asked.json else table(found))
    return 1 if asked.strict and any(figure.holds is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
