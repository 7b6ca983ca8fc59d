"""Measure the simulator: `scripts/bench simulate [--quick] [--json] [--strict]`.

Whole nodes with sessions and audit log, each sending 1 KiB a second to one of at most 8 peers; then cores alone, beside
simpy's event loop with the same number of events and no work in them. One core, processor time of this process, so
that what else the machine does counts little. Every message that a figure rests on has been checked. Each run is a
minute long, and then five, in which the handshakes weigh less. Last, what the bare primitives of one message take, and
how many times that we take for it, among 5 nodes.
"""

from __future__ import annotations

import gc
import json
import sys
from argparse import ArgumentParser
from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from time import process_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

from scripts.bench_primitives import floor_us
from talos_simulations.catalogue import find
from talos_simulations.cores import Field, Out, Wire
from talos_simulations.delivery import SAY, Parcels
from talos_simulations.garbage import few_collections
from talos_simulations.outcome import run_seed
from talos_simulations.story import Story

PEERS: Final = 8
FIELD: Final = 1_000  # Cores.
RUNS: Final = (  # Nodes, virtual seconds, goal. The start of a run, with all its handshakes, weighs less in a long one.
    (5, 60.0, 200.0),
    (100, 60.0, 5.0),
    (5, 300.0, 200.0),
    (100, 300.0, 5.0),
    (1_000, 60.0, None),
)


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    unit: str
    goal: float | None  # At least.
    messages: int  # Checked.
    seconds: float  # Of processor time.

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.value >= self.goal


def whole_nodes(nodes: int, seconds: float, goal: float | None) -> Figure:
    """Run the calm scenario for so many virtual seconds, every check on, from the first handshake to the last check."""
    story = find("calm")
    assert isinstance(story, Story)
    story = replace(story, storm_s=seconds)
    gc.collect()
    began = process_time()
    outcome = run_seed(story, 1, nodes=nodes)
    took = process_time() - began
    if not outcome.held or outcome.done != outcome.sent:
        raise SystemExit(f"{nodes} nodes: {outcome.violations or 'a message did not arrive'}")
    return Figure(f"{nodes} nodes, {seconds:.0f} s", outcome.virtual_s / took, "x real time", goal, outcome.done, took)


def cores(messages: int) -> tuple[Figure, int]:
    """Run the delivery cores over a wire that loses one packet in ten; return how many events that were, too."""
    nodes = [Parcels(1, at, [(at + step) % FIELD for step in range(1, PEERS + 1)], messages) for at in range(FIELD)]
    field = Field(1, list(nodes), Wire(loss=0.1))
    for number in range(FIELD):
        field.post(Out(number, SAY, number % 1_000))
    gc.collect()
    with few_collections():
        began = process_time()
        field.run(until_ms=(messages + 60) * 1_000)
        took = process_time() - began
    handed = sum(len(node.handed) for node in nodes)
    if handed != FIELD * messages:
        raise SystemExit(f"{FIELD * messages - handed} messages did not arrive")
    return Figure(f"{FIELD} cores", field.events / took, "events/s", 200_000, handed, took), field.events


def simpy(events: int) -> Figure:
    """Let simpy pass as many events through as many processes, which do nothing with them."""
    import simpy as peer

    environment = peer.Environment()

    def process(count: int) -> Generator[peer.Event, object, None]:
        for _ in range(count):
            yield environment.timeout(1)

    for _ in range(FIELD):
        environment.process(process(events // FIELD))
    gc.collect()
    began = process_time()
    environment.run()
    took = process_time() - began
    return Figure("simpy, no work", events / took, "events/s", None, 0, took)


def main() -> int:
    parser = ArgumentParser(prog="scripts/bench simulate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out the long runs, and 1,000 nodes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a goal is missed")
    chosen = parser.parse_args()
    figures = []
    for nodes, seconds, goal in RUNS[:2] if chosen.quick else RUNS:
        sys.stderr.write(f"{nodes} nodes, {seconds:.0f} s ...\n")
        figures.append(whole_nodes(nodes, seconds, goal))
    sys.stderr.write("cores ...\n")
    ours, events = cores(60)
    floor, we = floor_us(), 1e6 * figures[0].seconds / figures[0].messages
    figures += [ours, simpy(events), Figure("primitives", floor, "us/message", None, 0, 0.0)]
    if chosen.json:
        sys.stdout.write(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    else:
        for one in figures:
            verdict = "" if one.goal is None else f"goal {one.goal:>9,.0f}  {'met' if one.is_met else 'MISSED'}"
            sys.stdout.write(
                f"{one.name:<18}{one.value:>12,.1f} {one.unit:<12}{one.messages:>8,} messages checked"
                f"{one.seconds:>9.2f} s  {verdict}\n"
            )
        sys.stdout.write(f"bare primitives of one message: {floor:.0f} us; we: {we:.0f} us; ratio {we / floor:.1f}\n")
    return int(chosen.strict and not all(figure.is_met for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
