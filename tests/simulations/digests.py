"""Prints the digest of one seed of every scenario, as JSON: `python -m tests.simulations.digests SEED`."""

from __future__ import annotations

import json
import sys

from talos_simulations.catalogue import find, words
from talos_simulations.outcome import run_seed


def main() -> None:
    seed = int(sys.argv[1])
    sys.stdout.write(json.dumps({word: run_seed(find(word), seed).as_json() for word in words()}))


if __name__ == "__main__":
    main()
