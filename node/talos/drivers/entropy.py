"""The dice of this machine."""

from __future__ import annotations

import os


def entropy(n: int) -> bytes:
    """Return `n` unpredictable bytes from the kernel, which blocks only before its pool is first filled."""
    return os.urandom(n)
