"""What both sides of the DHT benchmark share: where nodes are, what is asked of a town of them, what it answers."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

K: Final = 20
ALPHA: Final = 3
ID_SIZE: Final = 20  # Bytes.


@dataclass(frozen=True, slots=True)
class Looked:
    """What a number of lookups took."""

    cpu_s: float  # Of the process, which holds all nodes of the town: who asks and who answers.
    took_s: list[float]  # Each of them, on the clock.
    right: int  # How many found the node that is nearest of all the living.
    datagrams: int  # Sent by all, where that is counted; else 0.


def host_of(number: int) -> str:
    """Return an address for one node alone: all of 127/8 is this machine (on Linux), and limits are by host."""
    return f"127.1.{number >> 8}.{number & 255}"


def errands(seed: int, askers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Yield who is to look up what, without end: equal seeds, equal errands."""
    dice = Random(seed)
    while True:
        yield dice.choice(askers), dice.randbytes(ID_SIZE)


def mortals(count: int, percent: int) -> list[int]:
    """Return which of so many nodes die: never the one that everybody came in by."""
    return Random(count).sample(range(1, count), count * percent // 100)


def nearest(target: bytes, ids: dict[int, int], asker: int) -> int:
    """Return who of the living, given by number with their ids, is nearest to a target, the asker apart."""
    goal = int.from_bytes(target, "big")
    return next(one for one in heapq.nsmallest(2, ids, key=lambda one: ids[one] ^ goal) if one != asker)
