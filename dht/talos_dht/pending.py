"""Statements that were put before their key log was known: kept until it has come, and dropped beyond a share.

shares    8 of one network; when all are taken, the oldest of the network with most goes
tries     as many as key logs come: one that is too short is no reason to drop what its publisher has put, and makes
          nothing new of it
end       with the statement, looked for whenever any is
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from talos_dht.contact import Contact
from talos_dht.row import Held

PENDING_MAX: Final = 64  # Statements: 64 kB.
PENDING_PER_NET: Final = 8  # Statements that came from one /24 or /48.


@dataclass(frozen=True, slots=True)
class Waiting:
    """`place`, whose it is and who sent it are its name: what one sends displaces nothing of another's."""

    place: bytes
    held: Held
    sender: Contact

    @property
    def name(self) -> bytes:
        return self.place + self.held.did + self.sender.key


class Pending:
    def __init__(self) -> None:
        self._waiting: dict[bytes, Waiting] = {}  # By name, the oldest in front.

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, one: Waiting, utc_ms: int) -> None:
        """Keep it; what has the same name gives it its place in the order."""
        self._expire(utc_ms)
        self._waiting[one.name] = one
        network = one.sender.network
        alike = [name for name, other in self._waiting.items() if other.sender.network == network is not None]
        if len(alike) > PENDING_PER_NET:
            del self._waiting[alike[0]]
        elif len(self._waiting) > PENDING_MAX:
            [(most, _)] = Counter(other.sender.network for other in self._waiting.values()).most_common(1)
            del self._waiting[next(name for name, other in self._waiting.items() if other.sender.network == most)]

    def of(self, did: bytes, utc_ms: int) -> list[Waiting]:
        """Return what waits for this key log."""
        self._expire(utc_ms)
        return [one for one in self._waiting.values() if one.held.did == did]

    def drop(self, one: Waiting) -> None:
        del self._waiting[one.name]

    def _expire(self, utc_ms: int) -> None:
        for one in [one for one in self._waiting.values() if one.held.expires_ms <= utc_ms]:
            self.drop(one)
