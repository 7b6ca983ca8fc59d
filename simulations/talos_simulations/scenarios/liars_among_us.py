"""As many machines lie as are honest: they forge records, invent nodes, babble, flood, and stall whoever dials them.

All know one another's addresses. The honest find each other all the same, and again when one of them was away, and
believe nothing that is not true.
"""

from talos_simulations.application import Load
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

LATE = 2


def weather(sky: Sky) -> None:
    for late in sky.nodes[-LATE:]:  # They know nobody's key log, and read what others hold, liars among them.
        sky(Kind.KILL, late, at=0.0, for_s=sky.between(5, 10))
    first, second = sky.two()
    sky(Kind.KILL, first, at=sky.between(11, 14), for_s=sky.between(1, 6), amount=sky.steps())
    sky(Kind.PARTITION, *sky.half(), at=sky.between(15, 18), for_s=5)
    sky(Kind.STOP, second, at=sky.between(20, 24), for_s=sky.between(1, 4))


STORY = Story(
    weather,
    nodes=5,
    nodes_min=LATE + 1,
    storm_s=30.0,
    finds=True,
    liars=5,
    load=Load(period_s=2.0),
)
