"""What must hold of a town, each promise by its name: of what its nodes were asked to do, not of what happened when."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from talos_simulations.discovery import quantile
from talos_simulations.stage import Part, Stage


class TownCheck:
    """Override `looks`; it returns, in words, what it found broken. The class's name is the check's."""

    @property
    def name(self) -> str:
        return type(self).__name__

    def looks(self, stage: Stage) -> Iterable[str]:
        """The run is over."""
        return ()


class LookupsAreQuick(TownCheck):
    """Half of all lookups end within 0.5 s, and 99 in 100 within 2 s."""

    def looks(self, stage: Stage) -> Iterable[str]:
        return _slower(stage.parts["calm"], p50_ms=500, p99_ms=2_000)


class LookupsFindTheNearest(TownCheck):
    """999 lookups in 1,000 find the node that is nearest of all."""

    def looks(self, stage: Stage) -> Iterable[str]:
        return _fewer(stage.parts["calm"], 0.999)


class DeathIsOutwaited(TownCheck):
    """When 30 nodes in 100 have died at once, half of lookups and reads end within 5 s, and 99 in 100 within 12 s."""

    def looks(self, stage: Stage) -> Iterable[str]:
        for part in ("churn", "wills"):
            yield from _slower(stage.parts[part], p50_ms=5_000, p99_ms=12_000)


class TheLivingAreFound(TownCheck):
    """When 30 nodes in 100 have died at once, 99 lookups in 100 find the nearest of those that live."""

    def looks(self, stage: Stage) -> Iterable[str]:
        return _fewer(stage.parts["churn"], 0.99)


class RecordsOutlive(TownCheck):
    """When 30 nodes in 100 have died at once, 99 reads in 100 of what was published before find it."""

    def looks(self, stage: Stage) -> Iterable[str]:
        return _fewer(stage.parts["wills"], 0.99)


class RecordsAreRead(TownCheck):
    """Of records that were published before a fifth of all turned liars, 99 reads in 100 find the one they want."""

    def looks(self, stage: Stage) -> Iterable[str]:
        return _fewer(stage.parts["liars"], 0.99)


class NoLieIsRead(TownCheck):
    """A read ends with the record that was published, or with none."""

    def looks(self, stage: Stage) -> Iterable[str]:
        for part in stage.parts.values():
            if part.lies:
                yield f"{part.lies} of {len(part.took_ms)} reads ended with what nobody published"


TOWN_CHECKS: Final[tuple[type[TownCheck], ...]] = (
    LookupsAreQuick,
    LookupsFindTheNearest,
    DeathIsOutwaited,
    TheLivingAreFound,
    RecordsOutlive,
    RecordsAreRead,
    NoLieIsRead,
)


def _slower(part: Part, *, p50_ms: float, p99_ms: float) -> Iterable[str]:
    for share, most_ms in ((0.5, p50_ms), (0.99, p99_ms)):
        took_ms = quantile(part.took_ms, share)
        if took_ms > most_ms:
            yield f"{share:.0%} took up to {took_ms:,.0f} ms, more than {most_ms:,.0f}"


def _fewer(part: Part, least: float) -> Iterable[str]:
    of = len(part.took_ms)
    if part.right < least * of:
        yield f"{part.right} of {of} were right, fewer than {least:.1%}"
