"""The faults of a run as data: a list that can be saved, edited, replayed and cut down to what matters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from talos.errors import UsageError

VERSION: Final = 1
SIZE_MAX: Final = 16 * 1024 * 1024  # Bytes of a weather file.
FAULTS_MAX: Final = 10_000
TIME_MAX_S: Final = 30 * 86_400.0


class Kind(StrEnum):
    """What can go wrong. `who` and `amount` of each are said here; `for_s` is how long it lasts."""

    # The network
    PARTITION = "partition"  # who: a group that is cut off from all others, both ways.
    ONE_WAY = "one_way"  # who: two nodes; nothing from the first reaches the second.
    LOSS = "loss"  # who: two nodes; each packet between them is lost with probability `amount`.
    DELAY = "delay"  # who: two nodes; every packet between them takes `amount` seconds longer.
    NARROW = "narrow"  # who: two nodes; no more than `amount` bytes a second pass each way.
    JAM = "jam"  # who: two nodes; everything between them is held, and let go at the end.
    DUPLICATE = "duplicate"  # who: two nodes; datagrams between them arrive twice with probability `amount`.
    REORDER = "reorder"  # who: two nodes; datagrams between them overtake each other with probability `amount`.
    RESET = "reset"  # who: two nodes; every stream between them breaks now.
    FORGET = "forget"  # who: two nodes; streams between them are forgotten on the way: all is lost, nobody is told.
    CUT = "cut"  # who: two nodes; the next segment from the first to the second ends half-way, and the stream with it.
    FLIP = "flip"  # who: two nodes; one bit of the next segment from the first to the second is turned.
    NAT = "nat"  # who: one node, that can dial but cannot be dialled.
    # A process and its machine
    KILL = "kill"  # who: one node; its process dies `amount` scheduler steps later, and starts again after `for_s`.
    POWER = "power"  # who: one node; the same, but the whole machine goes, with what was not flushed.
    STOP = "stop"  # who: one node; it is asked to end, and starts again after `for_s`.
    FREEZE = "freeze"  # who: one node; it does nothing, while its clocks run on.
    SUSPEND = "suspend"  # who: one node; it does nothing, and its monotonic clock stands still.
    SLOW = "slow"  # who: one node; everything it asks its host for takes `amount` seconds longer.
    IDLE = "idle"  # who: one node; its application takes no messages.
    # Its disk
    FULL = "full"  # who: one node; its disk takes `amount` bytes more, then 50,000 of a reserve; below 0, fewer of it.
    FLUSH_ERROR = "flush_error"  # who: one node; its next flush fails, and no write succeeds until it is restarted.
    SLOW_DISK = "slow_disk"  # who: one node; a flush takes `amount` seconds.
    ROT = "rot"  # who: one node; a bit turns in the row that is `amount` (0 to 1) of the way through its store.
    # Its clock
    STEP = "step"  # who: one node; its wall clock jumps by `amount` seconds, and back at the end.
    DRIFT = "drift"  # who: one node; its clocks run `amount` times as fast.
    # Its identity
    CLONE = "clone"  # who: two nodes; the second leaves, and comes back as a copy of the first.
    OLD_SNAPSHOT = "old_snapshot"  # who: one node; it is put back to what its disk held `for_s` before.


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Kind
    at: float  # Virtual seconds from the start of the run.
    for_s: float
    who: tuple[str, ...]
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.at:8.3f} s  {self.kind:<12} {','.join(self.who)}  for {self.for_s:g} s  amount {self.amount:g}"


def names_of(nodes: int, *, finds: bool = False) -> tuple[str, ...]:
    """Return what the machines of a run are called: n0, n1, ...; those that find each other, by their IP addresses."""
    if finds:
        return tuple(f"10.0.{number // 250}.{number % 250 + 1}" for number in range(nodes))
    return tuple(f"n{number}" for number in range(nodes))


Weather = tuple[Fault, ...]


def dump(weather: Iterable[Fault]) -> str:
    """Return the text of a weather file: a line for each fault, so that a person can edit it."""
    rows = [
        json.dumps({"kind": one.kind, "at": one.at, "for_s": one.for_s, "who": list(one.who), "amount": one.amount})
        for one in weather
    ]
    return f'{{"version": {VERSION}, "faults": [\n' + ",\n".join(rows) + "\n]}\n"


def parse(text: str) -> Weather:
    """Read a weather file. Raises `UsageError` naming the fault that makes no sense."""
    if len(text) > SIZE_MAX:
        raise UsageError(f"a weather file has at most {SIZE_MAX} bytes")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no weather file: {error}", fix="docs/simulator.md shows one") from error
    if not isinstance(whole, dict) or whole.get("version") != VERSION or not isinstance(whole.get("faults"), list):
        raise UsageError(f'a weather file is {{"version": {VERSION}, "faults": [...]}}')
    if len(whole["faults"]) > FAULTS_MAX:
        raise UsageError(f"a weather file has at most {FAULTS_MAX} faults")
    return tuple(_fault(number, raw) for number, raw in enumerate(whole["faults"], 1))


def _fault(number: int, raw: Any) -> Fault:
    match raw:
        case {"kind": str(kind), "at": int() | float(), "who": [*who]} if all(isinstance(name, str) for name in who):
            pass
        case _:
            raise UsageError(f"fault {number} needs a kind, at (seconds) and who (a list of names)")
    if kind not in set(Kind):
        raise UsageError(f"fault {number} is of no known kind: {kind!r}", fix=f"Known are {', '.join(Kind)}")
    unknown = set(raw) - {"kind", "at", "for_s", "who", "amount"}
    if unknown:
        raise UsageError(f"fault {number} has an unknown field {min(unknown)!r}")
    return Fault(
        Kind(kind),
        _number(number, raw, "at", TIME_MAX_S),
        _number(number, raw, "for_s", TIME_MAX_S),
        tuple(who),
        _number(number, raw, "amount", TIME_MAX_S * 1e6, least=-TIME_MAX_S),
    )


def _number(number: int, raw: Mapping[str, Any], name: str, most: float, least: float = 0.0) -> float:
    value = raw.get(name, 0.0)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not isfinite(value)
        or not least <= value <= most
    ):
        raise UsageError(f"fault {number}: {name} is a number from {least:g} to {most:g}, not {value!r}")
    return float(value)
