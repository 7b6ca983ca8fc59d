"""What lies between two machines at this moment: how long a packet takes, and whether it arrives at all.

Each link has dice of its own, for each direction, and the faults that are on are folded into one `Road` per
direction, when they change.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from talos_simulations.dice import chance, stream
from talos_simulations.weather import Fault, Kind

RETRANSMIT_S = 0.2  # RFC 6298 would be 1 s at first; Linux starts at 0.2 s. Doubled for each loss in a row.
RETRANSMIT_MAX_S = 10.0


@dataclass(slots=True)
class Road:
    """One direction of a link. `latency_s` is drawn between the two for each packet."""

    latency_s: tuple[float, float]
    dice: random.Random
    is_blocked: bool = False
    is_jammed: bool = False
    loss: float = 0.0
    delay_s: float = 0.0
    bandwidth: float | None = None  # Bytes a second.
    duplicate: float = 0.0
    reorder: float = 0.0
    will_cut: bool = False  # The next segment or datagram ends half-way.
    will_flip: bool = False  # A bit of the next segment or datagram turns.
    free_at: float = 0.0  # A narrow road carries one packet after the other; then it is done with all so far.
    datagrams_due: float = 0.0  # When the last one arrives; none overtakes another by itself.

    def way_s(self) -> float:
        """Return how long a packet is under way, beside what it waits for a narrow road. Draws."""
        least, most = self.latency_s
        return least + (most - least) * self.dice.random() + self.delay_s

    def travel_s(self, size: int) -> float:
        """Return how long a packet takes that no other is in the way of."""
        taken = self.way_s()
        return taken + size / self.bandwidth if self.bandwidth else taken

    def carry(self, now: float, size: int) -> float:
        """Take a packet in turn, where the road is narrow; return when the last of its bytes is through."""
        self.free_at = max(now, self.free_at) + (size / self.bandwidth if self.bandwidth else 0.0)
        return self.free_at

    def retransmitted_s(self) -> float:
        """Return the time lost until one of a stream's segments gets through."""
        lost, wait = 0.0, RETRANSMIT_S
        while chance(self.dice, self.loss):
            lost += wait
            wait = min(2 * wait, RETRANSMIT_MAX_S)
        return lost

    @property
    def is_shut(self) -> bool:
        return self.is_blocked or self.is_jammed


Latency = Callable[[str, str], tuple[float, float]]


class Roads:
    """All of them, under the faults that are on now."""

    def __init__(self, seed: int, latency: Latency) -> None:
        self._seed = seed
        self._latency = latency
        self._roads: dict[tuple[str, str], Road] = {}
        self._faults: list[Fault] = []

    def between(self, source: str, target: str) -> Road:
        road = self._roads.get((source, target))
        if road is None:
            dice = stream(self._seed, "road", source, target)
            road = self._roads[source, target] = Road(self._latency(source, target), dice)
            self._fold(source, target, road)
        return road

    def begin(self, fault: Fault) -> None:
        self._faults.append(fault)
        self._refold()
        if fault.kind is Kind.CUT:
            self.between(fault.who[0], fault.who[1]).will_cut = True
        elif fault.kind is Kind.FLIP:
            self.between(fault.who[0], fault.who[1]).will_flip = True

    def end(self, fault: Fault) -> None:
        self._faults.remove(fault)
        self._refold()

    def _refold(self) -> None:
        for (source, target), road in self._roads.items():
            self._fold(source, target, road)

    def _fold(self, source: str, target: str, road: Road) -> None:
        before = road.delay_s, road.bandwidth
        road.is_blocked = road.is_jammed = False
        road.loss = road.delay_s = road.duplicate = road.reorder = 0.0
        road.bandwidth = None
        for fault in self._faults:
            match fault.kind:
                case Kind.PARTITION:
                    road.is_blocked |= (source in fault.who) != (target in fault.who)
                case Kind.ONE_WAY:
                    road.is_blocked |= fault.who == (source, target)
                case _ if {source, target} != set(fault.who):
                    pass
                case Kind.LOSS:
                    road.loss = max(road.loss, min(fault.amount, 0.95))
                case Kind.DELAY:
                    road.delay_s += fault.amount
                case Kind.NARROW:
                    road.bandwidth = min(road.bandwidth or fault.amount, max(1.0, fault.amount))
                case Kind.JAM:
                    road.is_jammed = True
                case Kind.DUPLICATE:
                    road.duplicate = max(road.duplicate, fault.amount)
                case Kind.REORDER:
                    road.reorder = max(road.reorder, fault.amount)
                case _:
                    pass
        if before != (road.delay_s, road.bandwidth):
            road.free_at = road.datagrams_due = 0.0  # What comes now does not wait for what was slow before.


def flipped(data: bytes, bit: int) -> bytes:
    """Return the data with one bit turned."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
