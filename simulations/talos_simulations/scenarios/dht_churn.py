"""Lookups over links of 5 to 50 ms that lose 2 in 100; then 30 nodes in 100 die at once; lookups go on, and reads."""

from talos_simulations.stage import Stage
from talos_simulations.town_checks import (
    DeathIsOutwaited,
    LookupsAreQuick,
    LookupsFindTheNearest,
    RecordsOutlive,
    TheLivingAreFound,
)
from talos_simulations.town_story import TownStory


def play(stage: Stage) -> None:
    town = stage.settle()
    stage.look("calm", 2 * stage.nodes)
    records = stage.publish(stage.nodes // 20)
    town.kill(stage.dice("death").sample(range(stage.nodes), stage.nodes * 3 // 10))
    stage.look_and_read("churn", "wills", records, stage.nodes // 2)


CHECKS = (LookupsAreQuick, LookupsFindTheNearest, DeathIsOutwaited, TheLivingAreFound, RecordsOutlive)
STORY = TownStory(play, CHECKS)
