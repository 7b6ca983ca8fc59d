"""The clock of each node jumps by a day, so its storage key is due, and it is killed while all is sealed anew.

What was sealed under the old key is there after that, and the old key is gone.
"""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

DAY_S = 24 * 3_600.0


def weather(sky: Sky) -> None:
    for name in sky.nodes:
        sky(Kind.STEP, name, at=sky.between(2, 30), for_s=sky.between(5, 60), amount=1.1 * DAY_S)
        for _ in range(8):
            how = sky.dice.choice((Kind.KILL, Kind.POWER))
            sky(how, name, at=sky.between(3, 58), for_s=sky.between(0.1, 1), amount=sky.steps())
        sky(Kind.SLOW_DISK, name, at=sky.between(1, 40), for_s=20, amount=sky.between(0.001, 0.3))


STORY = Story(weather, nodes=3)
