"""All but two nodes are behind NATs, and told of those two alone: they find each other, and talk through relays.

One relay dies, with its machine, and comes back; then the other. Whatever was acknowledged arrives, through whichever
is there.
"""

from talos_simulations.checks import ALL, InTime
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

RELAYS = 2


def weather(sky: Sky) -> None:
    first, second = sky.nodes[:RELAYS]
    for name in sky.nodes[RELAYS:]:
        sky(Kind.NAT, name, at=0, for_s=sky.storm_s)
    sky(Kind.POWER, first, at=sky.between(25, 35), for_s=sky.between(5, 15), amount=sky.steps())
    sky(Kind.KILL, second, at=sky.between(70, 80), for_s=sky.between(2, 10), amount=sky.steps())
    sky(Kind.LOSS, *sky.two(), at=sky.between(5, 60), for_s=30, amount=0.1)


# What a message waits for is a lookup as well here, whose time is no promise of the node's own timeouts.
STORY = Story(
    weather,
    nodes=5,
    nodes_min=RELAYS + 2,
    storm_s=120.0,
    finds=True,
    relays=RELAYS,
    demanded=tuple(check for check in ALL if check is not InTime),
)
