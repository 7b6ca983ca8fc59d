"""Somebody copies a data folder to another machine, and both copies run.

Until leases fence such a copy off, order and completeness cannot be had, and a message may reach both. What holds
all the same is demanded: no node fails, nothing is invented, every limit is kept. The rest is told.
"""

from talos_simulations.checks import NoCrash, NothingInvented, WithinBounds
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    sky(Kind.CLONE, *sky.two(), at=sky.between(10, 30))


STORY = Story(weather, calm_s=60, demanded=(NothingInvented, WithinBounds, NoCrash))
