"""Swarm weather: each seed turns kinds of faults on and off, and likes their extremes.

Groce et al., "Swarm testing" (ISSTA 2012): a run that has everything in it never has much of anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from talos_simulations.application import Load
from talos_simulations.disk import RESERVE
from talos_simulations.story import Settings, Sky
from talos_simulations.weather import Kind

ON: Final = 0.4  # How likely a seed has any faults of one kind.
LIKELY: Final = {Kind.ROT: 0.1}  # Of a node whose disk lies, little can be demanded.
COUNT_MAX: Final = 4  # Of one kind, in one run.
AWAY: Final = 0.3  # How likely some nodes do not come back.
HICCUPS: Final = 0.3  # How likely a disk has some.
HICCUP_S: Final = 8.0
EXTREME: Final = 0.5  # How often a value is one of the two ends of its range.

Range = tuple[float, float]

# Without DUPLICATE and REORDER, which are of datagrams, for no node sends any yet.
NET: Final[dict[Kind, tuple[Range, Range]]] = {  # Kind -> how long, and how much.
    Kind.ONE_WAY: ((1, 40), (0, 0)),
    Kind.LOSS: ((5, 60), (0.05, 0.6)),
    Kind.DELAY: ((1, 40), (0.1, 15)),
    Kind.NARROW: ((5, 40), (200, 20_000)),
    Kind.JAM: ((0.5, 40), (0, 0)),
    Kind.RESET: ((0, 0), (0, 0)),
    Kind.FORGET: ((0, 0), (0, 0)),
    Kind.CUT: ((0, 0), (0, 0)),
    Kind.FLIP: ((0, 0), (0, 0)),
}
MACHINE: Final[dict[Kind, tuple[Range, Range]]] = {
    Kind.NAT: ((5, 60), (0, 0)),
    Kind.STOP: ((0.1, 20), (0, 0)),
    Kind.KILL: ((0.1, 20), (0, 400)),
    Kind.POWER: ((0.1, 40), (0, 400)),
    Kind.FREEZE: ((0.5, 40), (0, 0)),
    Kind.SUSPEND: ((1, 40), (0, 0)),
    Kind.SLOW: ((1, 30), (0.001, 0.2)),
    Kind.IDLE: ((5, 60), (0, 0)),
    Kind.FULL: ((1, 20), (-RESERVE, 4_000)),
    Kind.FLUSH_ERROR: ((0.5, 20), (0, 0)),
    Kind.SLOW_DISK: ((1, 40), (0.01, 2)),
    Kind.ROT: ((0, 0), (0, 1)),
    Kind.STEP: ((1, 60), (-7_200, 7_200)),
    Kind.DRIFT: ((5, 60), (0.98, 1.02)),
}


def swarm(sky: Sky, kinds: Sequence[Kind] = (Kind.PARTITION, *NET, *MACHINE)) -> None:
    """Choose faults of some of these kinds, and settings."""
    _set(sky)
    chosen = [kind for kind in kinds if sky.dice.random() < LIKELY.get(kind, ON)] or [sky.dice.choice(kinds)]
    for kind in chosen:
        for _ in range(sky.dice.randint(1, COUNT_MAX)):
            _add(sky, kind)
    if sky.more_dice.random() < HICCUPS:
        _hiccup(sky)


def _hiccup(sky: Sky) -> None:
    """A slow disk is full for moments: a commit fails, and those that gathered behind it find room again."""
    dice = sky.more_dice
    name, at, for_s = dice.choice(sky.nodes), dice.uniform(1, sky.storm_s - HICCUP_S), HICCUP_S
    sky(Kind.SLOW_DISK, name, at=at, for_s=for_s, amount=dice.uniform(0.3, 2.0))
    for _ in range(3):
        sky(Kind.FULL, name, at=at + dice.random() * for_s, for_s=dice.uniform(0.05, 1.0), amount=-RESERVE)


def _set(sky: Sky) -> None:
    dice = sky.dice
    sky.settings = Settings(
        latency_s=dice.choice(((0.0005, 0.002), (0.005, 0.05), (0.05, 0.4))),
        queue_limit=dice.choice((3, 20, 1_000, 1_000)),
        inbox_limit=dice.choice((1, 5, 1_000, 1_000)),
        retry_interval_s=dice.choice((1.0, 5.0, 30.0)),
        flush_s=dice.choice((0.0, 0.002, 0.02)),
        load=_load(sky),
        away=_minority(sky) if dice.random() < AWAY else (),
    )


def _load(sky: Sky) -> Load:
    """Mostly the ordinary load; now and then more of it, larger messages, slow readers or impatient senders."""
    dice = sky.dice
    return Load(
        period_s=dice.choice((1.0, 1.0, 1.0, 0.4)),
        size=dice.choice((64, 1_024, 1_024, 40_000)),
        think_s=dice.choice((0.0, 0.0, 0.2, 1.2)),
        impatient=dice.choice((0.0, 0.0, 0.3)),
        asking=dice.choice((0.0, 0.0, 0.2)),
        fetching=sky.more_dice.choice((0.0, 0.0, 0.0, 0.2)),
    )


def _minority(sky: Sky) -> tuple[str, ...]:
    most = (len(sky.nodes) - 1) // 2
    return tuple(sorted(sky.dice.sample(sky.nodes, sky.dice.randint(0, most))))


def _add(sky: Sky, kind: Kind) -> None:
    at = sky.between(1, sky.storm_s - 1)
    if kind is Kind.PARTITION:
        group = sky.dice.choice((sky.half, lambda: (sky.one(),)))()
        sky(kind, *group, at=at, for_s=_value(sky, (1, 40)))
    elif kind in NET:
        lasts, amount = NET[kind]
        sky(kind, *sky.two(), at=at, for_s=_value(sky, lasts), amount=_value(sky, amount))
    else:
        lasts, amount = MACHINE[kind]
        sky(kind, sky.one(), at=at, for_s=_value(sky, lasts), amount=_value(sky, amount))


def _value(sky: Sky, span: Range) -> float:
    least, most = span
    if least == most:
        return least
    return sky.dice.choice(span) if sky.dice.random() < EXTREME else sky.between(least, most)
