"""Lookups over links of 5 to 50 ms that lose 2 in 100; then 30 nodes in 100 die at once, and lookups go on."""

from talos_simulations.stage import Stage
from talos_simulations.town_checks import DeathIsOutwaited, LookupsAreQuick, LookupsFindTheNearest, TheLivingAreFound
from talos_simulations.town_story import TownStory


def play(stage: Stage) -> None:
    town = stage.settle()
    stage.look("calm", 2 * stage.nodes)
    town.kill(stage.dice("death").sample(range(stage.nodes), stage.nodes * 3 // 10))
    stage.look("churn", stage.nodes)


STORY = TownStory(play, (LookupsAreQuick, LookupsFindTheNearest, DeathIsOutwaited, TheLivingAreFound))
