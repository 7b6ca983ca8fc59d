"""Prints what came of one seed of every scenario, as JSON: `python -m tests.simulations.digests SEED`."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from talos_simulations.catalogue import find, words
from talos_simulations.outcome import run_seed
from talos_simulations.story import Story
from talos_simulations.town_story import TownStory
from talos_simulations.trace import Trace

TOWN_NODES: Final = 100  # Of a thousand: two processes run each.


def main() -> None:
    seed = int(sys.argv[1])
    stories = {word: find(word) for word in words()}
    nodes = {word: TOWN_NODES if isinstance(story, TownStory) else None for word, story in stories.items()}
    sys.stdout.write(json.dumps({word: told(story, seed, nodes[word]) for word, story in stories.items()}))


def told(story: Story | TownStory, seed: int, nodes: int | None) -> dict[str, Any]:
    trace = Trace(keep=isinstance(story, Story) and story.liars > 0)
    outcome = run_seed(story, seed, nodes=nodes, trace=trace)
    return outcome.as_json() | {"lies": sorted({event.text for event in trace.events if event.kind == "lied"})}


if __name__ == "__main__":
    main()
