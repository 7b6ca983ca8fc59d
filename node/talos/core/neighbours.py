"""Who was heard on our own network. Whatever a liar says there, it uses up no more than its share of these places.

A neighbour is an identity at a source host. It is one until its record ends, and what was heard of longest ago makes
room: of a source that has its share already, its own, else that of the source with most. A source can be forged, so a
liar on the network can crowd others out here, until they are heard again.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from talos.core.beacon import Beacon
from talos_dht import Record, rank

NEIGHBOURS_MAX: Final = 512  # Beacons of 1 kB: 0.6 MB.
PER_SOURCE_MAX: Final = 64  # Of one source: more nodes than anybody runs on one machine.
PER_IDENTITY_MAX: Final = 3  # Hosts at which one identity is heard: as many as a record has instances.


@dataclass(frozen=True, slots=True)
class Neighbour:
    beacon: Beacon
    host: str  # The IP address that the beacon says it came from, a link-local one with its interface.
    share: bytes  # Of whose places it takes one: the host, or, on the machine itself, the port.
    is_true: bool  # Its record was checked when it came. Else nobody could tell: the key log was not known.

    @property
    def record(self) -> Record:
        return self.beacon.record

    @property
    def did(self) -> bytes:
        return self.beacon.record.did


class Neighbours:
    """By identity and source host, the one heard longest ago first."""

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[bytes, str], Neighbour] = OrderedDict()
        self._shares: Counter[bytes] = Counter()  # How many each source has.

    def __len__(self) -> int:
        return len(self._heard)

    def hear(self, one: Neighbour) -> bool:
        """Take it; say whether it tells anything new. A true record is not replaced by an older one."""
        known = self._heard.get((one.did, one.host))
        if known is not None and known.is_true and rank(known.record) > rank(one.record):
            return False
        self._drop((one.did, one.host))
        self._heard[one.did, one.host] = one
        self._shares[one.share] += 1
        self._make_room(one)
        return known is None or known.beacon != one.beacon

    def knows(self, beacon: Beacon, host: str) -> Neighbour | None:
        """Return what was heard from there, if it was this very beacon."""
        known = self._heard.get((beacon.record.did, host))
        return known if known is not None and known.beacon == beacon else None

    def of(self, did: bytes, now_ms: int) -> list[Neighbour]:
        """Return where an identity was heard, newest first."""
        found = [one for one in self._heard.values() if one.did == did and one.record.expires_ms > now_ms]
        return found[::-1]

    def expire(self, now_ms: int) -> None:
        """Forget those whose records have ended: `of` passes them over, but they count, and are yielded."""
        for key in [key for key, one in self._heard.items() if one.record.expires_ms <= now_ms]:
            self._drop(key)

    def newest(self) -> Iterator[Neighbour]:
        """Yield all, those heard last first."""
        return reversed(self._heard.values())

    def _make_room(self, newest: Neighbour) -> None:
        """Drop what is too much now that `newest` is here; never itself, which is last."""
        same = [key for key in self._heard if key[0] == newest.did]
        if len(same) > PER_IDENTITY_MAX:
            self._drop(same[0])
        if self._shares[newest.share] > PER_SOURCE_MAX:
            self._drop_oldest(newest.share)
        if len(self._heard) > NEIGHBOURS_MAX:
            [(crowd, _)] = self._shares.most_common(1)
            self._drop_oldest(crowd)

    def _drop_oldest(self, share: bytes) -> None:
        self._drop(next(key for key, one in self._heard.items() if one.share == share))

    def _drop(self, key: tuple[bytes, str]) -> None:
        dropped = self._heard.pop(key, None)
        if dropped is not None:
            self._shares[dropped.share] -= 1
            if not self._shares[dropped.share]:
                del self._shares[dropped.share]
