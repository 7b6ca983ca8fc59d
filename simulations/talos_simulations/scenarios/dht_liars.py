"""Records are published; then a fifth of all nodes store nothing and tell only of each other, and they are read."""

from talos_simulations.stage import Stage
from talos_simulations.town_checks import NoLieIsRead, RecordsAreRead
from talos_simulations.town_story import TownStory


def play(stage: Stage) -> None:
    town = stage.settle(turncoats=stage.nodes // 5)
    records = stage.publish(stage.nodes // 20)
    town.is_attacked = True
    stage.read("liars", records, stage.nodes // 2)


STORY = TownStory(play, (RecordsAreRead, NoLieIsRead))
