"""One application stops taking messages while everybody sends to it fast. Its node says so, and the senders wait."""

from talos_simulations.application import Load
from talos_simulations.story import Sky, Story
from talos_simulations.weather import Kind


def weather(sky: Sky) -> None:
    sky.settings.queue_limit = 50
    sky(Kind.IDLE, "n0", at=1, for_s=22)
    sky(Kind.SLOW, "n0", at=5, for_s=10, amount=0.01)


STORY = Story(weather, nodes=2, storm_s=25, load=Load(period_s=0.02, size=256))
