"""What a check is: a promise with a name, that watches a run and says where it is broken."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from talos_simulations.books import Act, Deed

if TYPE_CHECKING:
    from talos_simulations.world import World


@dataclass(frozen=True, slots=True)
class Violation:
    check: str  # The name of the promise.
    at: float  # Virtual seconds.
    text: str


class Check:
    """Override what it needs; each method returns, in words, what it found broken. The class's name is the check's."""

    acts: ClassVar[Collection[Act]] = tuple(Act)  # What `sees` is told of: most happens most often, and breaks nothing.

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def name(self) -> str:
        return type(self).__name__

    def sees(self, deed: Deed) -> Iterable[str]:
        """Something happened in an application; the books do not know it yet."""
        return ()

    def looks(self) -> Iterable[str]:
        """A second has passed."""
        return ()

    def concludes(self) -> Iterable[str]:
        """The run is over, and every node has stopped."""
        return ()
