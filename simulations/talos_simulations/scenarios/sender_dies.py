"""Every node in its turn is killed in the middle of sending, and starts again a moment later.

What it accepted before is sent on; no number and no key is used a second time.
"""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    for turn in range(5):
        for name in sky.nodes:
            at = 4 + 10 * turn + sky.between(0, 9)
            sky(Kind.KILL, name, at=at, for_s=sky.between(0.1, 3), amount=sky.steps())


STORY = Story(weather, nodes=3)
