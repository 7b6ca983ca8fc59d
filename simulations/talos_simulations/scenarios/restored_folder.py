"""Somebody puts an old backup of a data folder in its place, and starts the node.

It sends on keys that it has used, and has forgotten what it took: until recovery is built, nobody can tell it so. What
holds all the same is demanded: no node fails, nothing is invented, every limit is kept. The rest is told.
"""

from talos_simulations.checks import NoCrash, NothingInvented, WithinBounds
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    sky(Kind.OLD_SNAPSHOT, sky.one(), at=sky.between(25, 40), for_s=sky.between(1, 20))


STORY = Story(weather, nodes=3, calm_s=60, demanded=(NothingInvented, WithinBounds, NoCrash))
