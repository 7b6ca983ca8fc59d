"""Who is nearest to a target: asking the nearest known, and those they tell of, until nobody nearer is left to ask.

Values in, values out: `next` says whom to ask now; what became of it comes in as `answered`, `late` or `lost`. At most
`ALPHA` are waited for at a time, and who is late is not waited for: a dead contact costs one wait, not a round. It ends
when the nearest 20 of all who are not lost have answered.

A liar can tell of nobody, or of its friends. It cannot make our list long, have us ask without end, or put more than
two of one network on it; and whoever it tells of must answer with a key that hashes to the place.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final

from talos_dht.contact import Contact, number_of
from talos_dht.table import PER_BUCKET_NETWORK_MAX, K

ALPHA: Final = 3  # Requests waited for at a time: Kademlia, section 2.3.
QUERIES_MAX: Final = 120  # Of one lookup. 40 are usual, 60 where a third of all nodes are dead.
LISTED_MAX: Final = 3 * K  # Contacts listed at a time; the farthest go.


OWED_MAX: Final = K // 2  # Of whom one contact told first and who are late or lost. Where 30% are dead, it is 6 of 20.


class Mark(Enum):
    NEW = auto()
    ASKED = auto()
    LATE = auto()
    ANSWERED = auto()
    LOST = auto()


_ENDS: Final = frozenset({Mark.ANSWERED})
_ENDS_SPENT: Final = frozenset({Mark.ANSWERED, Mark.NEW})  # Nobody is asked any more.


class Lookup:
    """One lookup of `target`, beginning with `start`. `own_id` is never asked."""

    __slots__ = (
        "_confirmed",
        "_listed",
        "_marks",
        "_networks",
        "_owed",
        "_target",
        "_told_by",
        "_waiting",
        "queries",
        "target",
    )

    def __init__(self, target: bytes, start: Iterable[Contact], own_id: bytes) -> None:
        self.target = target
        self._target = number_of(target)
        self._listed = list[tuple[int, Contact]]()  # By distance; nobody who is lost.
        self._marks: dict[bytes, Mark] = {own_id: Mark.LOST}  # Of everybody who is, or was, listed.
        self._networks = Counter[bytes]()  # How many of each are listed.
        self._told_by: dict[bytes, bytes] = {}  # Who told first of whom: id -> id.
        self._confirmed: set[bytes] = set()  # Ids that more than one told of.
        self._owed = Counter[bytes]()  # By teller: how many of whom it told are late or lost.
        self._waiting = 0
        self.queries = 0
        self._add(start, b"")

    def next(self) -> list[Contact]:
        """Return whom to ask now; each is returned once."""
        asked = list[Contact]()
        if self._waiting < ALPHA:
            for _, contact in self._listed[:K]:
                if self._waiting >= ALPHA or self.queries >= QUERIES_MAX:
                    break
                if self._marks[contact.id] is Mark.NEW:
                    self._marks[contact.id] = Mark.ASKED
                    self.queries += 1
                    self._waiting += 1
                    asked.append(contact)
        return asked

    def answered(self, contact: Contact, told: Iterable[Contact]) -> None:
        before = self._leaves(contact, Mark.ANSWERED)
        if before is not None:
            self._owed[self._told_by[contact.id]] -= before is Mark.LATE
            self._add(told, contact.id)

    def late(self, contact: Contact) -> None:
        """It has not answered in time; it still may."""
        if self._marks.get(contact.id) is Mark.ASKED:
            self._leaves(contact, Mark.LATE)
            self._blame(self._told_by[contact.id])

    def lost(self, contact: Contact) -> None:
        before = self._leaves(contact, Mark.LOST)
        if before is not None:
            self._strike(contact)
            if before is Mark.ASKED:
                self._blame(self._told_by[contact.id])

    @property
    def is_done(self) -> bool:
        ends = _ENDS if self.queries < QUERIES_MAX else _ENDS_SPENT
        return all(self._marks[contact.id] in ends for _, contact in self._listed[:K])

    @property
    def closest(self) -> list[Contact]:
        """The nearest that have answered, nearest first: at most 20."""
        return [contact for _, contact in self._listed if self._marks[contact.id] is Mark.ANSWERED][:K]

    def hops(self, contact: Contact) -> int:
        """Return how far it was: 1 if it was known at the start."""
        hops, id = 0, contact.id
        while id:
            hops, id = hops + 1, self._told_by[id]
        return hops

    def _leaves(self, contact: Contact, mark: Mark) -> Mark | None:
        """Mark a contact that was asked; return what it was before, or None if it was not."""
        before = self._marks.get(contact.id)
        if before not in (Mark.ASKED, Mark.LATE):
            return None
        self._waiting -= before is Mark.ASKED
        self._marks[contact.id] = mark
        return before

    def _blame(self, teller: bytes) -> None:
        """Too many of whom it told do not answer: forget whom it alone told of, until somebody else does."""
        self._owed[teller] += 1
        if teller and self._owed[teller] == OWED_MAX:
            for other in [other for _, other in self._listed]:
                alone = self._told_by[other.id] == teller and other.id not in self._confirmed
                if alone and self._marks[other.id] is Mark.NEW:
                    self._strike(other)
                    del self._marks[other.id]

    def _add(self, told: Iterable[Contact], teller: bytes) -> None:
        for contact in told:
            id, network = contact.id, contact.network
            if id in self._marks:
                if self._told_by.get(id) != teller:
                    self._confirmed.add(id)
                continue
            if network and self._networks[network] >= PER_BUCKET_NETWORK_MAX:
                continue
            if network:
                self._networks[network] += 1
            self._marks[id] = Mark.NEW
            self._told_by[id] = teller
            insort(self._listed, (number_of(id) ^ self._target, contact))
        while len(self._listed) > LISTED_MAX:
            self._strike(self._listed[-1][1])

    def _strike(self, contact: Contact) -> None:
        """Take a contact from the list, if it is still there; what it is marked stays."""
        place = (contact.number ^ self._target, contact)
        at = bisect_left(self._listed, place)
        if self._listed[at : at + 1] == [place]:
            del self._listed[at]
            if contact.network:
                self._networks[contact.network] -= 1
