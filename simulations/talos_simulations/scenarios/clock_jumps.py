"""Clocks drift and jump: hours ahead, hours back, and on with a machine that wakes after minutes of sleep."""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

HOUR_S = 3_600


def weather(sky: Sky) -> None:
    ahead, back = sky.two()
    sky(Kind.STEP, ahead, at=10, for_s=20, amount=sky.between(1, 48) * HOUR_S)
    sky(Kind.STEP, back, at=sky.between(10, 30), for_s=15, amount=-sky.between(1, 48) * HOUR_S)
    sky(Kind.DRIFT, sky.one(), at=5, for_s=50, amount=sky.dice.choice((0.98, 1.02)))
    sky(Kind.SUSPEND, sky.one(), at=sky.between(20, 40), for_s=sky.between(10, 120))


STORY = Story(weather)
