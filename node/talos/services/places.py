"""Who is being greeted: so many at once, and no network has all the places while another has none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import trio

from talos.core.budgets import Source

STRANGERS_MAX: Final = 64  # Inbound links that are not bound yet: each may hold a frame of 16 KiB.
STRANGERS_PER_HOST: Final = 8  # Of them, from one IP address (IPv6: one /64).
STRANGERS_PER_NET: Final = 16  # Of them, from one /24 (IPv4) or /48 (IPv6).
RELAYED_PER_HOST: Final = 32  # Of them, through one relay: half of what it calls us to, whoever its callers are.
FAMILIAR_PLACES: Final = 16  # Beside them, for hosts that peers have come from: a crowd elsewhere cannot take these.


@dataclass(eq=False, slots=True)
class Place:
    """One greeting that is under way. `scope` is cancelled if it has to make room."""

    source: Source
    familiar: bool
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Places:
    """All places, oldest first."""

    def __init__(self) -> None:
        self._taken: dict[Place, None] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def enter(self, source: Source, *, familiar: bool, is_relayed: bool = False) -> Place | None:
        """Return a place, or None if this source has its share already, or nobody has more than that.

        A relay is many callers, each of whom it gives no more than a share of its calls.

        At the limit of all, the oldest greeting of the network that has most places makes room for one that has at
        least two fewer: otherwise whoever says nothing, from a few networks, would keep everybody else out.
        """
        hosts = Counter(place.source.host for place in self._taken)
        nets = Counter(place.source.net for place in self._taken)
        per_host = RELAYED_PER_HOST if is_relayed else STRANGERS_PER_HOST
        per_net = RELAYED_PER_HOST if is_relayed else STRANGERS_PER_NET
        if hosts[source.host] >= per_host or nets[source.net] >= per_net:
            return None
        familiar_now = sum(place.familiar for place in self._taken)
        is_familiar = familiar and familiar_now < FAMILIAR_PLACES
        if not is_familiar and len(self._taken) - familiar_now >= STRANGERS_MAX and not self._make_room(source):
            return None
        place = Place(source, is_familiar)
        self._taken[place] = None
        return place

    def leave(self, place: Place) -> None:
        self._taken.pop(place, None)

    def _make_room(self, source: Source) -> bool:
        strangers = [place for place in self._taken if not place.familiar]
        nets = Counter(place.source.net for place in strangers)
        crowd, held = nets.most_common(1)[0]
        if held < nets[source.net] + 2:
            return False
        oldest = next(place for place in strangers if place.source.net == crowd)
        oldest.scope.cancel()
        self.leave(oldest)
        return True
