"""Two nodes with little to say, for half a day: sleep, outages, a clock a week ahead, and what is due now and then."""

from talos_simulations.application import Load
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind

HOUR_S = 3_600.0
WEEK_S = 7 * 24 * HOUR_S


def weather(sky: Sky) -> None:
    for hour in (1, 5, 8):
        at = hour * HOUR_S
        sky(Kind.KILL, sky.one(), at=at + sky.between(0, HOUR_S), for_s=sky.between(1, HOUR_S), amount=sky.steps())
        sky(Kind.PARTITION, "n0", at=at + sky.between(1, 2) * HOUR_S, for_s=sky.between(1, HOUR_S))
        sky(Kind.SUSPEND, "n1", at=at + sky.between(1, 3) * HOUR_S, for_s=sky.between(1, HOUR_S))
    sky(Kind.STEP, "n0", at=6 * HOUR_S, for_s=4 * HOUR_S, amount=1.5 * WEEK_S)


STORY = Story(weather, nodes=2, storm_s=12 * HOUR_S, calm_s=HOUR_S, load=Load(period_s=300))
