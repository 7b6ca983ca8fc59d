"""What the nodes of a town are asked to do, and whether it was done rightly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from talos_dht import Find, Read, Record
from talos_simulations.discovery import Act, Town, Trial

SPACING_MS: Final = 5.0  # Between two that are begun: 200 a second.
PATIENCE_MS: Final = 40_000.0  # After the last; what is not done by then never is.


def find(target: bytes) -> Act:
    return lambda dht, now: dht.find(target, now)


def read(did: bytes) -> Act:
    return lambda dht, now: dht.read(did, now)


def publish(record: Record) -> Act:
    return lambda dht, now: dht.publish(record, now)


def run(town: Town, acts: Sequence[tuple[int, Act]]) -> list[Trial]:
    """Have citizens, given by number, do these, and wait for all of them."""
    trials = [town.ask(number, act, at * SPACING_MS) for at, (number, act) in enumerate(acts)]
    town.run_for(len(acts) * SPACING_MS + PATIENCE_MS)
    return trials


def drawn(town: Town, acts: Sequence[Act], dice: random.Random) -> list[tuple[int, Act]]:
    """Return these, each with any of the living to do it."""
    living = town.living
    return [(dice.choice(living), act) for act in acts]


def lookups(town: Town, count: int, dice: random.Random) -> list[Trial]:
    """Have any of the living look up so many random targets."""
    return run(town, drawn(town, targets(count, dice), dice))


def targets(count: int, dice: random.Random) -> list[Act]:
    """Return lookups of so many random targets."""
    return [find(dice.randbytes(20)) for _ in range(count)]


def found(town: Town, trial: Trial) -> bool:
    """Say whether a lookup came to the living node that is nearest of all, itself apart; to nobody, if none is left."""
    assert isinstance(trial.job, Find)
    target = trial.job.walks[0].lookup.target
    nearest = [number for number in town.nearest(target, 2) if number != trial.node]
    return trial.job.closest[:1] == [town.contacts[number] for number in nearest[:1]]


def reads(town: Town, records: Sequence[Record], count: int, dice: random.Random) -> list[tuple[Trial, Record]]:
    """Have any of the living read so many of these records; return each with the record that was wanted."""
    wanted = [dice.choice(records) for _ in range(count)]
    return list(zip(run(town, drawn(town, reads_of(wanted), dice)), wanted, strict=True))


def reads_of(wanted: Sequence[Record]) -> list[Act]:
    """Return a read of each of these."""
    return [read(record.did) for record in wanted]


def was_read(trial: Trial) -> Record | None:
    """Return what a read ended with."""
    assert isinstance(trial.job, Read)
    return trial.job.record
