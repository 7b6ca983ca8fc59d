"""Bugs to be planted in the node, to see that a check finds them (DECISIONS 19).

Each replaces one function of the real code, or one limit, while a `with` lasts. The node has no switch for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from talos.errors import UsageError

MODULES: Final = ("believing", "messaging", "storing")  # Beside this file.


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    what: str  # The bug, in a sentence.
    owner: Any  # The class or module whose function is replaced ...
    function: str  # ... and the name of that function.
    make: Callable[[Any], Any]  # real function -> the one with the bug.
    scenario: str  # That finds it.


_KNOWN: Final[dict[str, Mutant]] = {}
_PLANTED: Final[list[tuple[Any, str]]] = []


def mutant(
    owner: Any, function: str, what: str, scenario: str = "chaos"
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Make the decorated function, which turns the real `owner.function` into one with a bug, a mutant of its name."""

    def register(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        name = make.__name__
        _KNOWN[name] = Mutant(name, what, owner, function, make, scenario)
        return make

    return register


def mutants() -> dict[str, Mutant]:
    """Return all of them, by name."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
    return dict(sorted(_KNOWN.items()))


@contextmanager
def planted(name: str) -> Iterator[Mutant]:
    """Let the node have this bug. Raises `UsageError` for an unknown one, or if its function has another already."""
    known = mutants()
    if name not in known:
        raise UsageError(f"there is no mutant {name!r}", fix=f"Known are {', '.join(known)}")
    chosen = known[name]
    place = chosen.owner, chosen.function
    if place in _PLANTED:
        raise UsageError(f"{chosen.function} has a bug already")
    real = chosen.owner.__dict__[chosen.function]  # As it is written there: a method, a property, a plain function.
    _PLANTED.append(place)
    setattr(chosen.owner, chosen.function, chosen.make(real))
    try:
        yield chosen
    finally:
        setattr(chosen.owner, chosen.function, real)
        _PLANTED.remove(place)
