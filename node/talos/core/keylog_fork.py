"""What is true when one identity has said two things: one line of events out of a tree of them.

All known events form a tree, each under the one it names as `previous`. Where it branches:

    a branch that ends in a revocation wins;
    else a branch with a rank-1 event overrides those without;
    else, of several with rank-1 events, one whose thaw names another rejects it;
    else the branches stay rivals: of rank 1, and the identity is frozen; or of rank 2, and the
    instances they name are suspended.

The outcome depends on the set of events alone, so it is the same in whatever order they came in. Losers
are dropped, because whoever extends one later shows all of it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, TypeAlias

from talos.core.keylog_event import Event
from talos.core.keylog_kinds import RIVALS_MAX
from talos.core.keylog_rank1 import Revocation, Thaw

Line: TypeAlias = tuple[Event, ...]  # Events that follow one another.


@dataclass(frozen=True, slots=True)
class Outcome:
    line: Line = ()  # What is settled.
    rivals: tuple[Line, ...] = ()  # What may come behind it; none or several.
    has_rank_1: bool = False
    is_revoked: bool = False
    rejects: frozenset[bytes] = frozenset()  # Digests named by thaws on the line.

    @property
    def first(self) -> bytes:
        return self.line[0].digest

    def lines(self) -> list[Line]:
        return [self.line + rival for rival in self.rivals] or [self.line]

    def behind(self, event: Event) -> Outcome:
        content = event.content
        return replace(
            self,
            line=(event, *self.line),
            has_rank_1=self.has_rank_1 or event.is_rank_1,
            is_revoked=self.is_revoked or isinstance(content, Revocation),
            rejects=self.rejects.union(content.rivals) if isinstance(content, Thaw) else self.rejects,
        )


NOTHING: Final = Outcome()


def outcome_of(lines: Iterable[Line]) -> Outcome:
    """Return what all `lines` together come to. Each is verified, and starts with the same inception."""
    events: dict[bytes, Event] = {}
    for event in (event for line in lines for event in line):
        known = events.setdefault(event.digest, event)
        # One body may have been signed twice, by other controllers: everybody keeps the same one.
        events[event.digest] = min(known, event, key=Event.encode)
    children: dict[bytes, list[Event]] = {}
    for _, event in sorted(events.items()):
        children.setdefault(event.previous, []).append(event)
    [inception] = children[b""]
    return _outcome(inception, children)


def _outcome(event: Event, children: Mapping[bytes, list[Event]]) -> Outcome:
    # No deeper than the longest line, which its 8 KiB hold well under a hundred events.
    below = [_outcome(child, children) for child in children.get(event.digest, ())]
    return _settled(below).behind(event)


def _settled(branches: list[Outcome]) -> Outcome:
    """Return the branch that holds of those that start at one place, or what they leave open."""
    for candidates in (
        branches,
        [one for one in branches if one.is_revoked][:1],
        [one for one in branches if one.has_rank_1],
    ):
        if len(candidates) == 1:
            return candidates[0]
    strong = [one for one in branches if one.has_rank_1]
    standing = [one for one in strong if not any(_rejects(other, one) for other in strong)]
    if len(standing) == 1:
        return standing[0]
    contenders = standing or strong or branches
    return Outcome(rivals=_kept(contenders), has_rank_1=bool(strong)) if contenders else NOTHING


def _rejects(one: Outcome, other: Outcome) -> bool:
    """Say whether `one` thaws the identity against `other`, and not the other way round too."""
    return other.first in one.rejects and one.first not in other.rejects


def _kept(contenders: list[Outcome]) -> tuple[Line, ...]:
    """Return at most `RIVALS_MAX` lines, of as many contenders as possible."""
    rounds = zip_longest(*(one.lines() for one in contenders))
    return tuple([line for lines in rounds for line in lines if line is not None][:RIVALS_MAX])
