"""Every link loses three packets in ten, both ways, all the time."""

from itertools import combinations

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

LOSS = 0.3


def weather(sky: Sky) -> None:
    for pair in combinations(sky.nodes, 2):
        sky(Kind.LOSS, *pair, at=0, for_s=sky.storm_s, amount=LOSS)


STORY = Story(weather)
