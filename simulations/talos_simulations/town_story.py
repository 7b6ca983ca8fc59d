"""A scenario of cores alone: a town of DHT nodes, what they are asked, and what must have come of it in the end.

There is no weather: a story says itself who dies or turns, and the wire loses 2 datagrams in 100 in 5 to 50 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from talos_simulations.stage import Stage
from talos_simulations.town_checks import TownCheck
from talos_simulations.weather import names_of


@dataclass(frozen=True, slots=True)
class TownStory:
    play: Callable[[Stage], None]  # One part after the other; what a part asks is decided by its own dice.
    demanded: tuple[type[TownCheck], ...]
    nodes: int = 1_000
    nodes_min: int = 40  # Twice as many as hold a record.

    def names(self, nodes: int) -> tuple[str, ...]:
        return names_of(nodes)
