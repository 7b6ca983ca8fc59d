"""Prints the digest of one seed of every scenario, as JSON: `python -m tests.simulations.digests SEED`."""

from __future__ import annotations

import json
import sys

from talos_simulations.catalogue import find, words
from talos_simulations.outcome import run_seed
from talos_simulations.town_story import TownStory

TOWN_NODES = 100  # Of a thousand: two processes run each.


def main() -> None:
    seed = int(sys.argv[1])
    stories = {word: find(word) for word in words()}
    nodes = {word: TOWN_NODES if isinstance(story, TownStory) else None for word, story in stories.items()}
    outcomes = {word: run_seed(story, seed, nodes=nodes[word]) for word, story in stories.items()}
    sys.stdout.write(json.dumps({word: outcome.as_json() for word, outcome in outcomes.items()}))


if __name__ == "__main__":
    main()
