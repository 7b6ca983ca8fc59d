"""Measure the audit log beside the bare disk and bare LMDB: `scripts/bench audit`.

One log, grown to its size first and read; then rounds in which all who write take turns on one disk, so that what
slows the disk slows all alike, and the ratios hold where the microseconds do not. Wall time, medians over all rounds.
"""

from __future__ import annotations

import gc
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter  # noqa: TID251 - A benchmark measures the real thing.
from typing import Final

import trio

from scripts.bench_audit_log import PEERS, AuditLog, BareLmdb, RawDisk
from scripts.bench_figures import Figure, Goal, as_json, parser, spread, table
from talos.core.chain import check_chain
from talos.core.diary_read import Query, Reader
from talos.core.entry_types import EntryType
from talos.core.proof_file import make_proof
from talos.core.tables import BODIES, ENTRIES, Rows, entry_key

GROUP: Final = 100  # Entries in one transaction.
BUILD_GROUP: Final = 1_000
COUNTED: Final = 1_600  # Entries: a row of hashes is written anew until it has 16, so what a commit writes varies.
PEERS_AT_ONCE: Final = 10  # Whom the entries of one group are about, by turns, unless something else is said.
LAST: Final = 100  # Entries that a query asks for.
OPENINGS: Final = 20
MEMORY_US: Final = 10  # A flush that takes less has reached no disk.

Samples = dict[str, list[float]]  # Seconds of each call, by what was called.
Work = tuple[str, Callable[[Rows], object]]


class NoDisk(Exception):
    """The folder lies in memory: what would be measured there means nothing."""


@dataclass(frozen=True, slots=True)
class Sizes:
    entries: int
    rare: int  # One entry in so many is of the rare type; more than `LAST` are.
    rounds: int
    singles: int  # Commits of one entry in each round.
    groups: int  # Commits of `GROUP` entries in each round.
    reads: int  # Queries of each kind, and proofs, in each round.


FULL: Final = Sizes(entries=300_000, rare=1_000, rounds=20, singles=40, groups=10, reads=15)
QUICK: Final = Sizes(entries=10_000, rare=80, rounds=5, singles=10, groups=4, reads=4)


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def progress(name: str) -> Callable[[int, int], None]:
    """Return what tells how far `name` has come, whenever a tenth more of it is done."""
    told = 0

    def tell(done: int, of: int) -> None:
        nonlocal told
        if 10 * done // of > told:
            told = 10 * done // of
            say(f"{name}: {done:,} of {of:,} entries\n")

    return tell


def works(log: AuditLog, size: int) -> list[Work]:
    """Return what is read, each from a snapshot that a node takes for it."""
    dice = Random(1)

    def asked(query: Callable[[], Query]) -> Callable[[Rows], object]:
        return lambda rows: Reader(rows, log.vault).query(query())

    def proof(*, reveal: bool) -> Callable[[Rows], object]:
        return lambda rows: make_proof(rows, Reader(rows, log.vault), dice.randrange(size), since=None, reveal=reveal)

    def rows_alone(rows: Rows) -> None:
        for index in range(size - LAST, size):
            rows.get(ENTRIES, entry_key(index))
            rows.get(BODIES, entry_key(index))

    return [
        ("query --last 100", asked(lambda: Query(last=LAST))),
        ("query --last 100, of a frequent type", asked(lambda: Query(type=EntryType.MESSAGE, last=LAST))),
        (
            f"query --last 100, of a type that 1 in {log.rare:,} has",
            asked(lambda: Query(type=EntryType.SESSION, last=LAST)),
        ),
        ("query --last 100, about one peer", asked(lambda: Query(peer=dice.choice(log.peers), last=LAST))),
        ("inclusion proof, body sealed", proof(reveal=False)),
        ("inclusion proof, body revealed", proof(reveal=True)),
        ("the newest 100 leaves and bodies, unchecked", rows_alone),
    ]


def reading(log: AuditLog, sizes: Sizes) -> Iterator[Figure]:
    """Queries and proofs by turns, each turn in an order of its own: who follows whom warms or cools the caches."""
    dice, todo = Random(2), works(log, log.committer.size)
    took: Samples = {name: [] for name, _ in todo}
    for _ in range(sizes.rounds * sizes.reads):
        for name, work in dice.sample(todo, len(todo)):
            begun = perf_counter()
            with log.store.snapshot() as rows:
                work(rows)
            took[name].append(perf_counter() - begun)
    *judged, floor = took
    for name in judged:
        yield Figure(name, "ms", *spread(took[name], 1e3), goal=Goal(1, of_ratio=False))
    yield Figure(floor, "ms", *spread(took[floor], 1e3))


def whole(log: AuditLog) -> Iterator[Figure]:
    """What reads the whole log, or opens it."""
    opened = []
    for _ in range(OPENINGS):
        begun = perf_counter()
        log.open()
        opened.append(perf_counter() - begun)
    yield Figure("opening the log (Diary.open)", "ms", *spread(opened, 1e3))
    for name, vault in (("bodies sealed", None), ("bodies opened", log.vault)):
        begun = perf_counter()
        size = check_chain(log.store, vault, progress=progress(f"verify-chain, {name}")).size
        yield Figure(f"verify-chain, {name}", "entries/s", size / (perf_counter() - begun))


async def writing(log: AuditLog, bare: BareLmdb, disk: RawDisk, sizes: Sizes) -> list[Figure]:
    """Commits of one entry and of `GROUP`, beside bare LMDB with as many bytes, and beside one flush."""
    log.peers_at_once = PEERS_AT_ONCE
    rows, size = await log.count(COUNTED, 1)
    group_rows, group_size = await log.count(COUNTED // GROUP, GROUP)
    bare.commits(sizes.entries // BUILD_GROUP, BUILD_GROUP, round(group_size))  # As deep a tree as ours.
    took: Samples = defaultdict(list)
    for _ in range(sizes.rounds):
        took["flush"] += disk.flushes(sizes.singles)
        took["bare"] += bare.commits(sizes.singles, 1, round(size))
        took["one"] += await log.commits(sizes.singles, 1)
        in_worker, in_all = await log.commits_in_trio(sizes.singles, 1)
        took["worker"] += in_worker
        took["awaited"] += in_all
        took["bare group"] += bare.commits(sizes.groups, GROUP, round(group_size))
        took["group"] += await log.commits(sizes.groups, GROUP)
        log.peers_at_once = PEERS
        took["group of all"] += await log.commits(sizes.groups, GROUP)
        log.peers_at_once = PEERS_AT_ONCE
        gc.collect()
    return [
        Figure(f"written by one entry alone, in {rows:.1f} rows", "bytes", size),
        Figure(f"written by one entry of 100, in {group_rows:.1f} rows", "bytes", group_size),
        *singles(took),
        *groups(took),
    ]


def singles(took: Samples) -> Iterator[Figure]:
    bare = median(took["bare"]) * 1e6
    yield Figure("flush: 4 KiB overwritten, fdatasync", "us", *spread(took["flush"], 1e6))
    yield Figure("bare LMDB: one put and commit", "us", *spread(took["bare"], 1e6))
    for name, of, goal in (
        ("one entry: append and commit, no thread hop", "one", Goal(1.5)),
        ("one entry: the same in the worker thread", "worker", None),
        ("one entry: await committer.commit(step)", "awaited", None),
    ):
        yield Figure(name, "us", *spread(took[of], 1e6), "LMDB", bare, goal)


def groups(took: Samples) -> Iterator[Figure]:
    flushes = 1 / median(took["flush"])
    rate, of_all, bare = (GROUP / median(took[name]) for name in ("group", "group of all", "bare group"))
    yield Figure("groups of 100", "entries/s", rate, None, "flushes/s", flushes, Goal(8, is_least=True))
    yield Figure("groups of 100", "entries/s", rate, None, "LMDB", bare)
    yield Figure(
        f"groups of 100, about {PEERS} peers, not {PEERS_AT_ONCE}", "entries/s", of_all, None, "flushes/s", flushes
    )
    yield Figure("bare LMDB, groups of 100", "entries/s", bare, None, "flushes/s", flushes)


async def measure(folder: Path, sizes: Sizes) -> list[Figure]:
    with closing(RawDisk(folder / "raw")) as disk, closing(BareLmdb(folder / "bare")) as bare:
        flush_us = median(disk.flushes(100)) * 1e6
        if flush_us < MEMORY_US:
            raise NoDisk(f"a flush in {folder.parent.absolute()} takes {flush_us:.1f} us, so it reaches no disk")
        with closing(AuditLog(folder, sizes.rare)) as log:
            async with trio.open_nursery() as nursery:
                await nursery.start(log.committer.run)
                rate = await log.build(sizes.entries, BUILD_GROUP, progress("building"))
                gc.collect()
                gc.freeze()  # What the build left behind is not walked again in somebody's turn.
                read = [*reading(log, sizes), *whole(log)]
                written = await writing(log, bare, disk, sizes)
                nursery.cancel_scope.cancel()
            checked_s = log.reopened()
    built = Figure("groups of 1,000, while the log was built", "entries/s", rate)
    return [*written, built, *read, Figure("opening the store: all pages are walked", "s", checked_s)]


def arguments() -> Namespace:
    asked = parser("audit", "Measure the audit log on one disk, in one run.")
    asked.add_argument("--quick", action="store_true", help=f"{QUICK.entries:,} entries, to see that it runs")
    return asked.parse_args()


def main() -> int:
    asked = arguments()
    sizes = QUICK if asked.quick else FULL
    with TemporaryDirectory(prefix=".bench-audit-", dir=asked.dir) as folder:
        try:
            figures = trio.run(measure, Path(folder), sizes)
        except NoDisk as error:
            say(f"{error}; name another folder with --dir\n")
            return 2
    sys.stdout.write(as_json(asdict(sizes), figures) if asked.json else table(figures))
    return 1 if asked.strict and any(figure.holds is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
