"""What a scenario is: a `Story`, told in a module of its own; its docstring says what happens.

A story chooses its faults with a `Sky`, whose dice belong to the seed: equal seeds, equal weather.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from talos_simulations.application import Load
from talos_simulations.check import Check
from talos_simulations.checks import ALL
from talos_simulations.dice import stream
from talos_simulations.weather import Fault, Kind, Weather, names_of
from talos_simulations.world import Plan

KILL_STEPS_MAX: Final = 400  # Scheduler steps: enough for a crash at any await of a few messages.


@dataclass(slots=True)
class Settings:
    """What a swarm varies from seed to seed beside the faults; a story may fix any of it."""

    latency_s: tuple[float, float] = (0.005, 0.05)  # Least and most of a link, one way.
    queue_limit: int = 1_000
    inbox_limit: int = 1_000
    retry_interval_s: float = 30.0
    flush_s: float = 0.0
    away: tuple[str, ...] = ()  # Nodes, fewer than half, that do not come back in the end.
    load: Load | None = None  # None: that of the story.


class Sky:
    """Makes faults. Names are those of the nodes: n0, n1, ..."""

    def __init__(self, seed: int, names: tuple[str, ...], storm_s: float) -> None:
        self.dice: random.Random = stream(seed, "sky")
        self.more_dice: random.Random = stream(seed, "more sky")  # For what came later: it leaves the rest as it was.
        self.nodes: tuple[str, ...] = names
        self.storm_s = storm_s
        self.settings = Settings()
        self.faults: list[Fault] = []

    def __call__(self, kind: Kind, *who: str, at: float, for_s: float = 0.0, amount: float = 0.0) -> None:
        """Add a fault; what `who` and `amount` mean is said at `Kind`. Times are rounded to a millisecond."""
        self.faults.append(Fault(kind, round(at, 3), round(for_s, 3), who, round(amount, 6)))

    def half(self) -> tuple[str, ...]:
        """Return one half of the nodes, drawn."""
        return tuple(sorted(self.dice.sample(self.nodes, len(self.nodes) // 2)))

    def one(self) -> str:
        return self.dice.choice(self.nodes)

    def two(self) -> tuple[str, str]:
        first, second = self.dice.sample(self.nodes, 2)
        return first, second

    def between(self, least: float, most: float) -> float:
        return self.dice.uniform(least, most)

    def steps(self) -> int:
        """Return how many scheduler steps after its time a crash comes."""
        return self.dice.randrange(KILL_STEPS_MAX)


@dataclass(frozen=True, slots=True)
class Story:
    weather: Callable[[Sky], None]  # Calls the sky for each fault.
    nodes: int = 4
    nodes_min: int = 2
    storm_s: float = 60.0
    calm_s: float = 300.0
    load: Load = field(default_factory=Load)
    finds: bool = False  # Nodes are told of the first ones only, and find whom they send to. Names are IP addresses.
    relays: int = 0  # The first so many are relays, and all others are reached through them. Needs `finds`.
    liars: int = 0  # Machines beside the nodes that lie to them. Needs `finds`.
    demanded: tuple[type[Check], ...] = ALL  # Any other check is looked at all the same, and told.

    def plan(self, seed: int, nodes: int | None = None, weather: Weather | None = None) -> Plan:
        """Return the run of a seed; with the weather given instead of the story's own, if there is one."""
        sky = Sky(seed, self.names(nodes or self.nodes), self.storm_s)
        self.weather(sky)
        chosen = sky.settings
        return Plan(
            nodes=nodes or self.nodes,
            weather=tuple(sorted(sky.faults, key=lambda fault: fault.at)) if weather is None else weather,
            demanded=self.demanded,
            reported=tuple(check for check in ALL if check not in self.demanded),
            load=chosen.load or self.load,
            storm_s=self.storm_s,
            calm_s=self.calm_s,
            latency_s=chosen.latency_s,
            queue_limit=chosen.queue_limit,
            inbox_limit=chosen.inbox_limit,
            retry_interval_s=chosen.retry_interval_s,
            flush_s=chosen.flush_s,
            away=chosen.away,
            finds=self.finds,
            relays=self.relays,
            liars=self.liars,
        )

    def names(self, nodes: int) -> tuple[str, ...]:
        return names_of(nodes, finds=self.finds)

    def machines(self, nodes: int) -> tuple[str, ...]:
        """Return the names of the nodes, and behind them those of the machines that lie."""
        return names_of(nodes + self.liars, finds=self.finds)
