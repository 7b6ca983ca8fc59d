"""Since when all has been well between two nodes, as far as faults go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Final

from talos.services.keeper import LOOK_S
from talos_simulations.forces import ROADS
from talos_simulations.pipes import RECOVER_MAX_S
from talos_simulations.weather import Fault, Kind

SETTLES_S: Final = {Kind.FULL: LOOK_S}  # A node may look so late whether its disk has room again.

Pair = tuple[str, str]  # Smaller name first.


class Health:
    """Every fault that begins, begins here too, and ends."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        self._faults: dict[Pair, int] = {}  # That are on, between these two or at one of them.
        self._since: dict[Pair, float] = {}  # When the last one was over, and had been got over.

    def begin(self, fault: Fault) -> None:
        for pair in self._pairs(fault):
            self._faults[pair] = self._faults.get(pair, 0) + 1

    def end(self, fault: Fault, now: float) -> None:
        settles_s = RECOVER_MAX_S if fault.kind in ROADS else SETTLES_S.get(fault.kind, 0.0)
        for pair in self._pairs(fault):
            self._faults[pair] -= 1
            self._since[pair] = max(self._since.get(pair, 0.0), now + settles_s)

    def well_since(self, one: str, other: str) -> float | None:
        """Return since when, in the world's time; it may be in the future. None while there is a fault."""
        pair = (one, other) if one < other else (other, one)
        return None if self._faults.get(pair) else self._since.get(pair, 0.0)

    def _pairs(self, fault: Fault) -> Iterator[Pair]:
        """Yield the pairs that a fault is between, or at one of."""
        who = sorted(fault.who)
        if fault.kind is Kind.PARTITION:
            inside = set(who)
            yield from (pair for pair in combinations(self._names, 2) if (pair[0] in inside) != (pair[1] in inside))
        elif fault.kind in ROADS:
            yield who[0], who[1]
        else:
            yield from (pair for pair in combinations(self._names, 2) if not set(who).isdisjoint(pair))
