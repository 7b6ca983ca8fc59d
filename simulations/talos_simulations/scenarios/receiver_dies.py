"""One node is killed again and again while everybody sends to it: at any await, once with the whole machine.

Whatever was acknowledged to a sender is on its disk; whatever was not is sent again.
"""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    victim = sky.one()
    for at in (8, 20, 32):
        sky(Kind.KILL, victim, at=at + sky.between(0, 2), for_s=sky.between(0.5, 6), amount=sky.steps())
    sky(Kind.POWER, victim, at=45, for_s=sky.between(1, 10), amount=sky.steps())


STORY = Story(weather, nodes=3)
