"""What a mutant is: one small bug, written as a change of the source, and the test that must notice it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    why: str  # What the bug would do to somebody.
    file: str  # From the root of the repository.
    old: str  # What is there: exactly once, so that the list cannot rot unseen.
    new: str
    test: str  # Its pytest node id, without parameters: the one test that must fail.
