"""The main promise, over processes that are killed at every kind of moment: nothing lost, nothing twice, in order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import Rounds
from tests.processes.child import QUEUE_LIMIT, Nature
from tests.processes.diaries import disagreements, read_diary
from tests.processes.journal import offences
from tests.processes.pair import Side, finish, two_sides
from tests.processes.spies import Doom, Moment

COUNTS: Final = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89)  # How often the moment comes before it is the last.
DONE_MIN: Final = 20  # Messages, fewer than one side sends in a moment's peace: proof that they did talk.
FEW: Final = (
    100  # Messages undelivered: an inbox smaller than the window makes the sender repeat most of what it sends.
)
REFUSE_EVERY: Final = 20  # Commits: often, but after those of a start.
NEEDS_NOBODY: Final = (Moment.BEFORE_COMMIT, Moment.AFTER_COMMIT)  # What comes to a node that has no link.


def all_well(*sides: Side, gaps: bool = False) -> None:
    ada, bob = (side.journal for side in sides)
    assert not offences(ada, bob, gaps=gaps)
    assert min(len(ada.all("done")), len(bob.all("done"))) >= DONE_MIN
    written_down(*sides)


def written_down(*sides: Side) -> None:
    """No message without its entries in both logs, and no entry without its message."""
    ada, bob = (read_diary(side.folder) for side in sides)
    of_ada, of_bob = (side.journal for side in sides)
    assert not disagreements(ada, bob, of_ada, of_bob)
    assert not disagreements(bob, ada, of_bob, of_ada)


def dooms(dice: random.Random) -> Iterator[Doom]:
    """Yield dooms without end, each moment once before any comes again."""
    moments = list(Moment)
    dice.shuffle(moments)
    for moment in cycle(moments):
        yield Doom(moment, dice.choice(COUNTS))


def rage(sides: tuple[Side, Side], seed: int, count: int, *, loses_sessions: bool = False) -> None:
    """Start both, kill one or the other `count` times in full traffic and as often while it comes up again; finish."""
    dice = random.Random(seed)
    fate = dooms(dice)
    for side, other in (sides, sides[::-1]):
        side.start(other)
    for _ in range(count):
        victim, other = dice.sample(sides, 2)
        victim.arm(next(fate))
        victim.has_died()
        victim.check_log()
        if loses_sessions:
            victim.forget_sessions()
        victim.start(other, next(fate))
        victim.has_died()
        victim.start(other)
    finish(*sides)


@pytest.mark.parametrize("loses_sessions", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_whoever_is_killed_in_full_traffic_nothing_is_lost_or_doubled_or_reordered_and_no_key_serves_twice(
    tmp_path: Path, rounds: Rounds, seed: int, loses_sessions: bool
) -> None:
    with two_sides(tmp_path) as sides:
        rage(sides, seed, rounds(5, 50), loses_sessions=loses_sessions)
    all_well(*sides)


def test_messages_given_up_and_a_full_inbox_change_nothing_of_that(tmp_path: Path, rounds: Rounds) -> None:
    with two_sides(tmp_path, Nature(impatient=True, backlog_max=FEW)) as sides:
        rage(sides, 3, rounds(5, 50))
    all_well(*sides, gaps=True)
    ada, bob = (side.journal for side in sides)
    assert {may for side in (ada, bob) for _, may in side.all("failed")} == {"0", "1"}


def test_a_store_that_refuses_now_and_then_changes_nothing_of_that(tmp_path: Path, rounds: Rounds) -> None:
    with two_sides(tmp_path, Nature(refuse_every=REFUSE_EVERY)) as sides:
        rage(sides, 4, rounds(5, 50))
    all_well(*sides)


@pytest.mark.parametrize("victim_dials_first", [True, False])
def test_whoever_is_killed_while_it_comes_up_nothing_is_lost_or_doubled_or_reordered_and_no_key_serves_twice(
    tmp_path: Path, rounds: Rounds, victim_dials_first: bool
) -> None:
    with two_sides(tmp_path) as sides:
        # The side of the smaller DID wins when both dial.
        victim, other = sorted(sides, key=lambda side: side.did, reverse=not victim_dials_first)
        other.start(victim)
        for nth, moment in product(range(1, rounds(2, 12)), Moment):
            victim.start(other, Doom(moment, nth))
            victim.has_died()
        victim.start(other)
        finish(*sides)
    all_well(*sides)


def test_what_was_queued_for_a_peer_that_is_away_outlives_every_kill(tmp_path: Path, rounds: Rounds) -> None:
    with two_sides(tmp_path, Nature(backlog_max=QUEUE_LIMIT)) as (ada, bob):
        for nth, moment in product(range(1, rounds(8, 40)), NEEDS_NOBODY):
            ada.start(bob, Doom(moment, nth))
            ada.has_died()
        ada.start(bob)
        bob.start(ada)
        finish(ada, bob)
    assert not offences(ada.journal, bob.journal)
    written_down(ada, bob)
    assert len(bob.journal.all("done")) >= DONE_MIN
