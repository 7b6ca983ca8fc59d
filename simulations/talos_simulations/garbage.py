"""Fewer looks for garbage in a run: it makes few cycles, and all that lives is looked through for them each time.

A world is one large cycle. Left to the collector it outlives its run by dozens of others: a sweep grows by 2.5 MB a
seed.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

GARBAGE_MAX: Final = 50_000  # Objects made before the collector looks for cycles: at 700, a tenth of a run is that.


@contextmanager
def few_collections() -> Iterator[None]:
    """For one run, with all that it makes. What is there already is not looked through; what it leaves is cleared away.

    Hold nothing of the world when this ends.
    """
    before = gc.get_threshold()
    gc.set_threshold(GARBAGE_MAX, *before[1:])
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()  # Of what this run has made, and nothing else.
        gc.unfreeze()
        gc.set_threshold(*before)
