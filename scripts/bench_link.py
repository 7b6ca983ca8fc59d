"""Measure two nodes that talk over loopback TCP, each in a process of its own: `scripts/bench link`.

Messages of 1 KiB, each on both disks, in both audit logs, acknowledged, handed out and done before it counts. Beside
them plaintext frames over TCP under trio, also in two processes, and bare LMDB on the same disk. All take turns, round
after round, so that what slows the machine slows all alike; medians over the rounds.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

from scripts.bench_audit_log import BareLmdb
from scripts.bench_figures import Figure, Goal, as_json, parser, spread, table
from scripts.bench_link_nodes import NUMBER_SIZE, Told, receiver, sender
from scripts.bench_link_peers import plain_receiver, plain_sender
from scripts.bench_processes import Usage, Worker, workers

SIZE: Final = 1_024  # Bytes of a message.
WINDOW: Final = 64  # Messages under way.
RATE_LEAST: Final = 0.15  # Of plaintext TCP.
COMMITS: Final = 1.5  # What one message alone may take, in times two bare commits ...
BESIDE_MS: Final = 2.0  # ... and in milliseconds beside them.


@dataclass(frozen=True, slots=True)
class Sizes:
    rounds: int
    plain: int  # Plaintext messages in each round.
    many: int  # Messages in each round, `WINDOW` at once.
    singles: int  # Messages in each round, one at a time.


FULL: Final = Sizes(rounds=12, plain=20_000, many=3_000, singles=40)
QUICK: Final = Sizes(rounds=3, plain=10_000, many=1_000, singles=15)


class Pair:
    """Two processes, one of which sends to the other; what both have used so far."""

    def __init__(self, sending: Worker, receiving: Worker) -> None:
        self.sending = sending
        self.receiving = receiving
        self._cpu_s = [0.0, 0.0]

    def used(self, *both: Usage) -> list[float]:
        """Return the seconds of processor that both have used since the last time."""
        since = [now.cpu_s - before for now, before in zip(both, self._cpu_s, strict=True)]
        self._cpu_s = [now.cpu_s for now in both]
        return since


@dataclass(slots=True)
class Found:
    plain_rate: list[float] = field(default_factory=list)  # Messages per second, one of each round.
    rate: list[float] = field(default_factory=list)
    plain_cpu_us: list[list[float]] = field(default_factory=list)  # Of the sender and the receiver, per message.
    cpu_us: list[list[float]] = field(default_factory=list)
    single_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)
    row_sizes: tuple[int, int] = (0, 0)  # Bytes that one message writes, with what goes with it: there and here.
    peaks_mib: tuple[float, float] = (0, 0)


def plain_round(pair: Pair, count: int, found: Found) -> None:
    begun = perf_counter()
    pair.sending.ask(count)
    ada: Usage = pair.sending.answer()
    found.plain_rate.append(count / (perf_counter() - begun))
    pair.receiving.ask()
    bob: Usage = pair.receiving.answer()
    found.plain_cpu_us.append([used / count * 1e6 for used in pair.used(ada, bob)])


def nodes_round(pair: Pair, count: int, window: int, found: Found) -> None:
    begun = perf_counter()
    pair.receiving.ask(count)
    pair.sending.ask(count, window)
    ada: Told = pair.sending.answer()
    bob: Told = pair.receiving.answer()
    took, used = perf_counter() - begun, pair.used(ada.usage, bob.usage)
    found.peaks_mib = ada.usage.peak_mib, bob.usage.peak_mib
    if window == 1:
        found.single_s += ada.spent
        found.row_sizes = round(median(ada.row_sizes)), round(median(bob.row_sizes))
    else:
        found.rate.append(count / took)
        found.cpu_us.append([seconds / count * 1e6 for seconds in used])


def bare_round(bare: BareLmdb, count: int, found: Found) -> None:
    """Two commits, one after the other, as one message needs them: on the one disk and then on the other."""
    for _ in range(count):
        found.bare_s.append(sum(bare.commits(1, 1, size)[0] for size in found.row_sizes))


def measure(folder: Path, sizes: Sizes) -> Found:
    body = os.urandom(SIZE - NUMBER_SIZE)  # noqa: TID251 - Only bytes that do not compress.
    with (
        closing(BareLmdb(folder / "bare")) as bare,
        workers((plain_receiver, ()), (receiver, (folder, WINDOW))) as (plain_bob, bob),
        workers((plain_sender, (plain_bob.answer(), bytes(SIZE))), (sender, (folder, bob.answer(), body))) as (
            plain_ada,
            ada,
        ),
    ):
        plain_ada.answer()
        if ada.answer() is not True:
            raise RuntimeError("the nodes did not connect")
        plain, nodes = Pair(plain_ada, plain_bob), Pair(ada, bob)
        found = Found()
        for number in range(1 + sizes.rounds):
            if number == 1:
                found = Found()  # The first round warmed everything up.
            sys.stderr.write(f"round {number} of {sizes.rounds} ...\n")
            plain_round(plain, sizes.plain, found)
            nodes_round(nodes, sizes.many, WINDOW, found)
            nodes_round(nodes, sizes.singles, 1, found)
            bare_round(bare, sizes.singles, found)
    return found


def figures(found: Found) -> list[Figure]:
    allowed_ms = COMMITS * median(found.bare_s) * 1e3 + BESIDE_MS
    one, two = found.row_sizes
    cpu = [
        Figure(
            f"processor of the {who}, per message",
            "us",
            median(each[at] for each in found.cpu_us),
            peer="plain TCP",
            theirs=median(each[at] for each in found.plain_cpu_us),
        )
        for at, who in enumerate(("sender", "receiver"))
    ]
    peaks = [
        Figure(f"peak memory of the {who}", "MiB", mib)
        for who, mib in zip(("sender", "receiver"), found.peaks_mib, strict=True)
    ]
    return [
        Figure(
            f"1 KiB, durable, acknowledged and done, {WINDOW} at once",
            "per s",
            median(found.rate),
            peer="plain TCP",
            theirs=median(found.plain_rate),
            goal=Goal(RATE_LEAST, is_least=True),
        ),
        *cpu,
        Figure(
            "1 KiB, one at a time: send to acknowledged",
            "ms",
            *spread(found.single_s, 1e3),
            peer=f"{COMMITS:g} x LMDB + {BESIDE_MS:g} ms",
            theirs=allowed_ms,
            goal=Goal(1),
        ),
        Figure(f"bare LMDB: two commits, {one:,} and {two:,} bytes", "ms", *spread(found.bare_s, 1e3)),
        *peaks,
    ]


def arguments() -> Namespace:
    asked = parser("link", "Measure two nodes that talk, in two processes.")
    asked.add_argument("--quick", action="store_true", help="three short rounds, to see that it runs")
    return asked.parse_args()


def main() -> int:
    asked = arguments()
    sizes = QUICK if asked.quick else FULL
    with TemporaryDirectory(prefix=".bench-link-", dir=asked.dir) as folder:
        found = figures(measure(Path(folder), sizes))
    sys.stdout.write(as_json(asdict(sizes), found) if asked.json else table(found))
    return 1 if asked.strict and any(figure.holds is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
