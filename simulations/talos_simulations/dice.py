"""Where every random choice of a run comes from: one seed, and a stream of its own for each who and what.

Streams are independent, so that one more draw in one place leaves every other place as it was. Nothing depends on
`hash()`, which differs from process to process.
"""

from __future__ import annotations

import random
from hashlib import blake2b

from talos.core.dice import Entropy


def stream(seed: int, *path: str | int) -> random.Random:
    """Return the stream of random numbers that belongs to `path` under this seed: equal arguments, equal stream."""
    name = "\x00".join(map(str, (seed, *path)))
    return random.Random(int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "big"))


def entropy(seed: int, *path: str | int) -> Entropy:
    """Return an entropy source that is the same in every run."""
    bits = stream(seed, *path).getrandbits
    return lambda size: bits(size * 8).to_bytes(size, "little")  # As `randbytes`, which takes twice as long.


def chance(dice: random.Random, probability: float) -> bool:
    """Draw only where there is something to decide."""
    return probability > 0 and dice.random() < probability
