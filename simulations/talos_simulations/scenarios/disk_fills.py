"""A disk fills up for a while. What does not fit is refused in so many words, and nothing that was promised is lost."""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    first, second = sky.two()
    sky(Kind.FULL, first, at=sky.between(5, 15), for_s=sky.between(5, 25), amount=sky.between(0, 20_000))
    sky(Kind.FULL, second, at=sky.between(5, 45), for_s=sky.between(1, 10), amount=0)


STORY = Story(weather)
