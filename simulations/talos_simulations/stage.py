"""Where a story of a town is played: the town, what its nodes were asked in each part of it, and what came of that."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from zlib import crc32

from talos_dht import Record
from talos_simulations.cores import Core, Out
from talos_simulations.dice import stream
from talos_simulations.discovery import Packet, Town, Trial, Turncoat, contact_of, quantile
from talos_simulations.errands import drawn, found, lookups, publish, reads, reads_of, run, targets, was_read
from talos_simulations.trace import Trace


@dataclass(frozen=True, slots=True)
class Part:
    """What became of the errands of one part of a story."""

    at: float  # Virtual seconds when it was over.
    took_ms: list[float]
    right: int
    lies: int = 0

    def figures(self) -> dict[str, float]:
        return {
            "asked": len(self.took_ms),
            "right": self.right,
            "lies": self.lies,
            "p50_ms": round(quantile(self.took_ms, 0.5), 3),
            "p99_ms": round(quantile(self.took_ms, 0.99), 3),
        }


class Stage:
    """One run. Equal seeds and equal stories give equal runs: dice are the seed's."""

    def __init__(self, seed: int, nodes: int, trace: Trace) -> None:
        self.seed = seed
        self.nodes = nodes
        self.trace = trace
        self.parts: dict[str, Part] = {}
        self.town: Town

    def settle(self, *, turncoats: int = 0) -> Town:
        """Build the town, in which everybody has been for long; so many of its nodes lie once it is attacked."""
        honest = self.nodes - turncoats
        liars = [contact_of(self.seed, number) for number in range(honest, self.nodes)]
        self.town = Town(self.seed, honest, colluding=liars, liar=Turncoat, watched=partial(_Watched, self.trace))
        self.town.settle()
        return self.town

    def dice(self, name: str) -> random.Random:
        return stream(self.seed, "stage", name)

    def look(self, part: str, count: int) -> None:
        """Have so many random targets looked up, as one part of the story."""
        trials = lookups(self.town, count, self.dice(part))
        self._over(part, trials, [found(self.town, trial) for trial in trials])

    def publish(self, count: int) -> list[Record]:
        """Have the first so many publish a record each."""
        records = [self.town.record(number) for number in range(count)]
        run(self.town, [(number, publish(record)) for number, record in enumerate(records)])
        return records

    def read(self, part: str, records: list[Record], count: int) -> None:
        """Have so many of these read, as one part of the story."""
        both = reads(self.town, records, count, self.dice(part))
        self._read(part, [trial for trial, _ in both], [wanted for _, wanted in both])

    def look_and_read(self, look: str, read: str, records: list[Record], count: int) -> None:
        """Have so many random targets looked up, and as many of these records read, by turns: two parts of the story at
        one time."""
        dice, other = self.dice(look), self.dice(read)
        wanted = [other.choice(records) for _ in range(count)]
        finds = drawn(self.town, targets(count, dice), dice)
        both = zip(finds, drawn(self.town, reads_of(wanted), other), strict=True)
        trials = run(self.town, [*chain.from_iterable(both)])
        self._over(look, trials[::2], [found(self.town, trial) for trial in trials[::2]])
        self._read(read, trials[1::2], wanted)

    def _read(self, part: str, trials: list[Trial], wanted: list[Record]) -> None:
        told = list(zip(map(was_read, trials), wanted, strict=True))
        lies = sum(record is not None and record != right for record, right in told)
        self._over(part, trials, [record == right for record, right in told], lies)

    def _over(self, part: str, trials: list[Trial], right: list[bool], lies: int = 0) -> None:
        at = self.town.field.now_ms / 1_000
        for trial, is_right in zip(trials, right, strict=True):
            self.trace.note(at, "right" if is_right else "wrong", f"n{trial.node}", text=f"{trial.took_ms:.3f} ms")
        self.parts[part] = Part(at, [trial.took_ms for trial in trials], sum(right), lies)


class _Watched:
    """A core of the town, and the trace of what happens to it."""

    def __init__(self, trace: Trace, town: Town, number: int, core: Core) -> None:
        self._trace = trace
        self._town = town
        self._number = number
        self._name = f"n{number}"
        self._core = core

    def handle(self, event: object, now_ms: float) -> Iterable[Out]:
        if isinstance(event, Packet):
            text = f"{len(event.body)} bytes, {crc32(event.body):08x}"
            self._trace.note(now_ms / 1_000, "arrived", self._town.name_of(event.sender), self._name, text=text)
        elif isinstance(event, Trial):
            self._trace.note(now_ms / 1_000, "asked", self._name)
        else:
            self._trace.step(self._number)
        return self._core.handle(event, now_ms)
