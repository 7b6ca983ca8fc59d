"""Two processes that talk are killed from outside, one or both, at no moment in particular, round after round."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from tests.conftest import Report, Rounds
from tests.processes.child import Nature
from tests.processes.journal import Read, offences
from tests.processes.pair import Side, finish, two_sides
from tests.processes.test_kill import written_down

SEED: Final = 7
LIFE_MAX_S: Final = 0.4  # Of a victim, after it came up. Real seconds: a kill from outside comes at a real moment.
BIRTH_MAX_S: Final = 0.2  # Of one that is killed while it comes up, which takes about as long.
BORN_DEAD: Final = 0.25  # The share of victims that is killed like that before it may live.
STORE_SIZE_MIB: Final = 512  # The logs of 200 rounds fit.
PER_ROUND_MIN: Final = 2  # Messages done, on the average, on either side: proof that they did talk.


def test_processes_killed_from_outside_lose_nothing_do_nothing_twice_use_no_key_twice_and_keep_their_logs(
    tmp_path: Path, rounds: Rounds, report: Report
) -> None:
    dice, count, kills = random.Random(SEED), rounds(3, 200), 0
    with two_sides(tmp_path, Nature(store_size_mib=STORE_SIZE_MIB)) as sides:
        for side, other in (sides, sides[::-1]):
            side.start(other)
        for _ in range(count):
            for side in sides:
                side.comes_up()
            victims, life_s = dice.choice(((0,), (1,), (0, 1))), dice.uniform(0, LIFE_MAX_S)
            for victim in victims:
                sides[victim].kill_after(life_s)
                life_s = 0
            for victim in victims:
                kills += 1 + start_again(sides[victim], sides[1 - victim], dice)
        finish(*sides)
    ada, bob = (side.journal for side in sides)
    report(f"{count} rounds, {kills} kills, {summary(ada, bob)}; {summary(bob, ada)}")
    assert not offences(ada, bob)
    written_down(*sides)
    assert min(len(ada.all("done")), len(bob.all("done"))) >= count * PER_ROUND_MIN


def start_again(victim: Side, other: Side, dice: random.Random) -> int:
    """Check what a kill left, and start the process anew; return how often it was killed before it was up."""
    victim.check_log()
    killed = 0
    while dice.random() < BORN_DEAD:
        victim.start(other)
        victim.kill_after(dice.uniform(0, BIRTH_MAX_S))
        victim.check_log()
        killed += 1
    victim.start(other)
    return killed


def summary(sender: Read, receiver: Read) -> str:
    """Return what became of the messages of one direction, in numbers."""
    handed = receiver.all("handed")
    again = sum(again == "1" for _, _, again in handed)
    return (
        f"{len(sender.all('sent'))} accepted, {len(receiver.all('done'))} done, {again} handed out again before that, "
        f"lost={len(sender.lost_by(receiver))}, handed out after done={len(receiver.handed_again())}, "
        f"keys reused={len(sender.keys_reused(receiver))}"
    )
