"""Bits turn on disks, and nodes restart on them. A node may refuse to work; it never takes a changed row for true."""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    for _ in range(3):
        sky(Kind.ROT, sky.one(), at=sky.between(5, 50), amount=sky.between(0, 1))
    for _ in range(2):
        sky(Kind.KILL, sky.one(), at=sky.between(10, 55), for_s=1, amount=sky.steps())


STORY = Story(weather)
