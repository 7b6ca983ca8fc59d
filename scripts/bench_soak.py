"""Let two nodes talk at full speed for long, and see that nothing grows but their logs: `scripts/bench soak`.

Each in a process of its own, on the default settings, over loopback TCP. Looked at when both are at rest, now and then:
memory, open files, what the store holds, and how large its file is for each entry of the audit log, which grows with
every message and is to. The most of the second half of the time is held against the most of the first.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

from scripts.bench_figures import Figure, Goal, as_json, parser, table
from scripts.bench_link_nodes import NUMBER_SIZE, Told, receiver, sender
from scripts.bench_processes import workers

SIZE: Final = 1_024  # Bytes of a message.
WINDOW: Final = 64
CHUNK: Final = 500  # Messages between two looks at the clock.
LOOKS: Final = 60
WARM: Final = 6  # Looks at the beginning that do not count: caches fill, prekeys are made.
MINUTES: Final = 30.0
GROWTH_MOST: Final = 1.02  # Of memory: the allocator's pools are never quite the same.
ROWS_GROWTH_MOST: Final = 1.001  # Numbers become longer, by a byte now and then.
NAMES: Final = ("ada", "bob")


@dataclass(frozen=True, slots=True)
class Look:
    """Both nodes, at rest."""

    seconds: float  # Since the start.
    messages: int
    told: tuple[Told, Told]
    file_sizes: tuple[int, int]  # Bytes.


def looks(folder: Path, minutes: float) -> list[Look]:
    body = os.urandom(SIZE - NUMBER_SIZE)  # noqa: TID251 - Only bytes that do not compress.
    files = [folder / name / "store" / "state" / "data.mdb" for name in NAMES]
    with (
        workers((receiver, (folder, WINDOW))) as (bob,),
        workers((sender, (folder, bob.answer(), body))) as (ada,),
    ):
        if ada.answer() is not True:
            raise RuntimeError("the nodes did not connect")
        begun, seen, messages = perf_counter(), list[Look](), 0
        while len(seen) < LOOKS:
            due = minutes * 60 * (len(seen) + 1) / LOOKS
            while True:
                bob.ask(CHUNK)
                ada.ask(CHUNK, WINDOW)
                told = ada.answer(), bob.answer()
                messages += CHUNK
                if perf_counter() - begun >= due:
                    break
            sizes = files[0].stat().st_size, files[1].stat().st_size
            seen.append(Look(perf_counter() - begun, messages, told, sizes))
            sys.stderr.write(f"{line(seen[-1])}\n")
    return seen


def line(look: Look) -> str:
    each = (
        f"{name}: {one.usage.own_mib:.1f} MiB, {one.usage.descriptors} files, {one.entries:,} entries, "
        f"{one.other_size:,} bytes beside them, file {size / 2**20:,.1f} MiB"
        for name, one, size in zip(NAMES, look.told, look.file_sizes, strict=True)
    )
    return f"{look.seconds:6.0f} s, {look.messages:,} messages; {'; '.join(each)}"


def halves(name: str, unit: str, values: Sequence[float], most: float) -> Figure:
    """Hold the most of the second half against the most of the first."""
    middle = (WARM + len(values)) // 2
    before, after = max(values[WARM:middle]), max(values[middle:])
    return Figure(name, unit, after, peer="first half", theirs=before, goal=Goal(most))


def of_node(seen: Sequence[Look], at: int) -> Iterator[Figure]:
    name = NAMES[at]
    told = [look.told[at] for look in seen]
    files = [look.file_sizes[at] / one.entries for look, one in zip(seen, told, strict=True)]
    yield halves(f"{name}: memory of its own", "MiB", [one.usage.own_mib for one in told], GROWTH_MOST)
    yield halves(f"{name}: open files", "files", [one.usage.descriptors for one in told], 1)
    yield halves(f"{name}: rows beside the log", "bytes", [one.other_size for one in told], ROWS_GROWTH_MOST)
    yield halves(f"{name}: file for each entry of the log", "bytes", files, 1)


def figures(seen: Sequence[Look]) -> list[Figure]:
    rate = Figure("messages, durable, acknowledged and done", "per s", seen[-1].messages / seen[-1].seconds)
    return [rate, *(figure for at in range(len(NAMES)) for figure in of_node(seen, at))]


def arguments() -> Namespace:
    asked = parser("soak", "Let two nodes talk, and see that nothing grows.", fails_if="something grew")
    asked.add_argument("--minutes", type=float, default=MINUTES, help=f"how long; {MINUTES:g} unless told")
    return asked.parse_args()


def main() -> int:
    asked = arguments()
    with TemporaryDirectory(prefix=".bench-soak-", dir=asked.dir) as folder:
        found = figures(looks(Path(folder), asked.minutes))
    sys.stdout.write(as_json({"minutes": asked.minutes}, found) if asked.json else table(found))
    return 1 if asked.strict and any(figure.holds is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
