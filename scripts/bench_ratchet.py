"""Measure the ratchet beside two others: `scripts/bench ratchet`.

Thread CPU time, rounds of all contenders interleaved, medians: so what slows the machine slows all alike, and the
ratios hold where the microseconds do not.
"""

from __future__ import annotations

import gc
import sys
from argparse import ArgumentParser
from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from time import thread_time  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

from scripts.bench_figures import Figure, Goal, as_json, table
from scripts.bench_ratchet_floor import Floor
from scripts.bench_ratchet_garbage import FailedOpenings, LiveLink, header_keys_tried, make_garbage
from scripts.bench_ratchet_peers import JUMP, Syndace, Talos, Vodozemac, Work, disagreements

ROUNDS: Final = 15
# What is done, how often per round, how many messages that is each time, and how many times the rate of vodozemac
# and DoubleRatchet is aimed at. The libraries' calls alone are measured too: what they leave is all that Python has.
OPERATIONS: Final = (
    ("in_order", "1 KiB in order: seal, open, take", 1_000, 1, (1.6, 7.0)),
    ("ping_pong", "1 KiB ping-pong", 60, 2, (0.95, 2.2)),
    ("handshake", "handshake and first message", 20, 1, (0.4, 1.6)),
    ("jump", f"jump over {JUMP:,} messages", 1, 1, (None, 3.0)),
)
WITH_FLOOR: Final = ("in_order", "ping_pong")  # What is measured beside the bare calls it makes.
PREPARED: Final = frozenset({"jump"})  # What has to be made ready each time, and can be done once.
READS: Final = 10  # Of garbage, in each round.
PER_KEY_MOST: Final = 1.5  # What one refusal may cost, in failed openings for each header key tried.
KEYS_MOST: Final = 8  # Header keys tried.

Measured = dict[tuple[str, str], list[float]]  # CPU us per message, by operation and contender.


def cpu_us(work: Work, times: int) -> float:
    """Return microseconds of this thread per call."""
    begun = thread_time()
    for _ in range(times):
        work()
    return (thread_time() - begun) / times * 1e6


def measure(contenders: tuple[Talos | Vodozemac | Syndace, ...]) -> Measured:
    """Return what each operation takes, round by round."""
    measured: Measured = defaultdict(list)
    floor = Floor()
    gc.disable()  # Its pauses would fall on whoever is next.
    for _ in range(ROUNDS):
        for operation, _, times, messages, _ in OPERATIONS:
            for contender in contenders:
                work = getattr(contender, operation)
                us = cpu_us(work() if operation in PREPARED else work, times) / messages
                measured[operation, contender.name].append(us)
            if operation in WITH_FLOOR:
                measured[operation, floor.name].append(cpu_us(getattr(floor, operation), times) / messages)
        gc.collect()
    return measured


def measure_garbage(keys: int) -> list[float]:
    """Return medians, in microseconds: the first frame refused on a link, each after it, and so many failed openings.

    To the first one we answer, with a WANT on a new ratchet key; never again on that link.
    """
    link, least = LiveLink(), FailedOpenings(keys)
    taken: list[tuple[float, float, float]] = []
    for _ in range(ROUNDS):
        for _ in range(READS):
            first, *garbage = make_garbage()
            taken.append((link.refuse([first]), link.refuse(garbage), least.of(garbage)))
            link.recover()
        gc.collect()
    return [median(times) * 1e6 for times in zip(*taken, strict=True)]


def figures(measured: Measured, names: list[str]) -> Iterator[Figure]:
    ours, *others = names
    for operation, title, _, _, goals in OPERATIONS:
        rates = {name: 1e6 / median(measured[operation, name]) for name in names}
        for name, goal in zip(others, goals, strict=True):
            aim = None if goal is None else Goal(goal, is_least=True)
            yield Figure(title, "per s", rates[ours], peer=name, theirs=rates[name], goal=aim)
        if operation in WITH_FLOOR:
            floor = 1e6 / median(measured[operation, Floor.name])
            yield Figure(f"{title}: {Floor.name}", "per s", floor, peer=others[0], theirs=rates[others[0]])


def of_garbage() -> Iterator[Figure]:
    tried = header_keys_tried()
    first_us, refusal_us, openings_us = measure_garbage(round(tried))
    yield Figure("header keys tried on garbage, on a live link", "keys", tried, goal=Goal(KEYS_MOST, of_ratio=False))
    yield Figure(
        "garbage refused on a live link",
        "us",
        refusal_us,
        peer="so many failed openings",
        theirs=openings_us,
        goal=Goal(PER_KEY_MOST),
    )
    yield Figure("the first of a link, answered with a WANT", "us", first_us)


def main() -> int:
    parser = ArgumentParser("scripts/bench ratchet", description="Measure the ratchet beside two others, in one run.")
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a goal was not reached")
    asked = parser.parse_args()
    for name in disagreements():
        sys.stdout.write(f"not the same bytes: {name}\n")
        return 1
    contenders = (Talos(), Vodozemac(), Syndace())
    measured = measure(contenders)
    found = [
        *figures(measured, [contender.name for contender in contenders]),
        *of_garbage(),
    ]
    if asked.json:
        sys.stdout.write(as_json({"rounds": ROUNDS}, found))
    else:
        sys.stdout.write(f"{table(found)}\nchain, root and handshake derive the same bytes as theirs\n")
    return 1 if asked.strict and any(figure.holds is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
