"""Half of the nodes lose sight of the other half for half a minute, and find together again.

Meanwhile each half talks on within itself; what is said across waits, and arrives in order afterwards.
"""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    sky(Kind.PARTITION, *sky.half(), at=sky.between(5, 20), for_s=30)


STORY = Story(weather)
