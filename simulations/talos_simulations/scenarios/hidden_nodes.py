"""Most nodes can dial and cannot be dialled, as behind a NAT. Whoever wants to answer them waits for their call."""

from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    for name in sky.nodes[1:]:
        sky(Kind.NAT, name, at=0, for_s=sky.storm_s)
    for _ in range(4):
        sky(Kind.RESET, *sky.two(), at=sky.between(5, 55))


STORY = Story(weather)
