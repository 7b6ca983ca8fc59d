"""Nothing goes wrong: what a node costs, and the ground that every other scenario stands on."""

from talos_simulations.story import Sky, Story


def weather(sky: Sky) -> None:
    """Fair."""


STORY = Story(weather, nodes=5)
