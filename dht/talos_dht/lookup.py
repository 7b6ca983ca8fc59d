"""Who is nearest to a target: asking the nearest known, and those they tell of, until nobody nearer is left to ask.

Values in, values out: `next` says whom to ask now; what became of it comes in as `answered`, `late` or `lost`. At most
`ALPHA` are waited for at a time, and who is late is not waited for: a dead contact costs one wait, not a round. It ends
when the nearest 20 of all who are not lost have answered.

A liar can tell of nobody, of its friends, or of others' keys where they are not. It cannot make our list long, have us
ask without end, or have more than two of one network believed; and whoever it tells of must answer with a key that
hashes to the place.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from typing import Final, NamedTuple

from talos_dht.contact import Contact, number_of
from talos_dht.table import PER_BUCKET_NETWORK_MAX, K

ALPHA: Final = 3  # Requests waited for at a time: Kademlia, section 2.3.
QUERIES_MAX: Final = 120  # Of one lookup. 40 are usual, 60 where a third of all nodes are dead.
LISTED_MAX: Final = 3 * K  # Keys listed at a time; the farthest go.
OWED_MAX: Final = K // 2  # Of whom one contact told first and who are late or lost. Where 30% are dead, it is 6 of 20.


class Mark(Enum):
    NEW = auto()
    ASKED = auto()
    LATE = auto()
    ANSWERED = auto()
    LOST = auto()


_UNDER_WAY: Final = frozenset({Mark.ASKED, Mark.LATE})
_MISSED: Final = frozenset({Mark.LATE, Mark.LOST})


class Report(NamedTuple):
    """What a lookup took."""

    queries: int  # Requests, each of up to three datagrams.
    answered: int
    hops: int  # To the nearest that answered: 1 if it was known at the start, 0 if nobody answered.


class Lookup:
    """One lookup of `target`, beginning with `start`. `own_id` is never asked.

    A key is listed once, with every address that somebody told of it: only its node can answer, wherever it is. So its
    addresses are tried one after the other, those that most told of first, until one answers; a false one costs a wait.
    """

    __slots__ = (
        "_addresses",
        "_answered",
        "_listed",
        "_marks",
        "_networks",
        "_owed",
        "_own_id",
        "_target",
        "_tellers",
        "_waited",
        "queries",
        "target",
    )

    def __init__(self, target: bytes, start: Iterable[Contact], own_id: bytes) -> None:
        self.target = target
        self._target = number_of(target)
        self._own_id = own_id
        self._listed = list[tuple[int, bytes]]()  # Distance and id, nearest first; nobody of whom all is lost.
        self._addresses: dict[bytes, list[Contact]] = {}  # By id: where each of the listed may be.
        self._answered: dict[bytes, Contact] = {}  # By id.
        self._waited: dict[bytes, Contact] = {}  # As written: who is asked and not late.
        self._marks: dict[bytes, Mark] = {}  # Of every contact, as written, that is or was listed.
        self._tellers: dict[bytes, list[bytes]] = {}  # Who told of it, the first in front: b"" is what we knew.
        self._networks = Counter[bytes]()  # How many of each have answered.
        self._owed = Counter[bytes]()  # By teller: how many of whom it told are late or lost.
        self.queries = 0
        self._add(start, b"")

    def next(self) -> list[Contact]:
        """Return whom to ask now; each is returned once."""
        asked = list[Contact]()
        for _, id in self._listed[:K]:
            if len(self._waited) >= ALPHA or self.queries >= QUERIES_MAX:
                break
            contact = None if id in self._answered else self._to_try(id)
            if contact is not None:
                self._marks[contact.raw] = Mark.ASKED
                self._waited[contact.raw] = contact
                self.queries += 1
                asked.append(contact)
        return asked

    def answered(self, contact: Contact, told: Iterable[Contact]) -> None:
        before = self._leaves(contact, Mark.ANSWERED)
        if before is None:
            return
        self._owed[self._tellers[contact.raw][0]] -= before is Mark.LATE
        if contact.id in self._answered or self._is_full(contact.network):
            self._drop(contact)  # It was late, and its place is another's.
            return
        self._answered[contact.id] = contact
        if contact.network:
            self._networks[contact.network] += 1
            if self._is_full(contact.network):
                self._close(contact.network)
        self._add(told, contact.raw)

    def late(self, contact: Contact) -> None:
        """It has not answered in time; it still may."""
        if self._marks.get(contact.raw) is Mark.ASKED:
            self._leaves(contact, Mark.LATE)
            self._blame(self._tellers[contact.raw][0])

    def lost(self, contact: Contact) -> None:
        before = self._leaves(contact, Mark.LOST)
        if before is not None:
            self._drop(contact)
            if before is Mark.ASKED:
                self._blame(self._tellers[contact.raw][0])

    def is_missed(self, contact: Contact) -> bool:
        """Say whether it was asked, and has not answered."""
        return self._marks.get(contact.raw) in _MISSED

    @property
    def is_done(self) -> bool:
        is_spent = self.queries >= QUERIES_MAX
        for _, id in self._listed[:K]:
            if id not in self._answered and not (is_spent and not self._is_under_way(id)):
                return False
        return True

    @property
    def closest(self) -> list[Contact]:
        """The nearest that have answered, nearest first: at most 20."""
        return [self._answered[id] for _, id in self._listed if id in self._answered][:K]

    @property
    def report(self) -> Report:
        return Report(self.queries, len(self._answered), self._hops(self.closest[0]) if self._answered else 0)

    def _hops(self, contact: Contact) -> int:
        hops, raw = 0, contact.raw
        while raw:
            hops, raw = hops + 1, self._tellers[raw][0]
        return hops

    def _to_try(self, id: bytes) -> Contact | None:
        """Return the address of this key, which has not answered, that is to be tried now: none while another is."""
        addresses = self._addresses[id]
        if len(addresses) == 1:  # As nearly all are.
            [only] = addresses
            return only if self._marks[only.raw] is Mark.NEW and self._has_room(only.network) else None
        if any(one.raw in self._waited for one in addresses):
            return None
        new = [one for one in addresses if self._marks[one.raw] is Mark.NEW and self._has_room(one.network)]
        return max(new, key=lambda one: len(self._tellers[one.raw]), default=None)

    def _has_room(self, network: bytes | None) -> bool:
        """Say whether one more of it may be asked: who was only told of, or is late, takes nobody's place."""
        if network is None:
            return True
        waited = sum(one.network == network for one in self._waited.values())
        return self._networks[network] + waited < PER_BUCKET_NETWORK_MAX

    def _is_full(self, network: bytes | None) -> bool:
        return network is not None and self._networks[network] >= PER_BUCKET_NETWORK_MAX

    def _close(self, network: bytes) -> None:
        """So many of it have answered that nobody else of it will be asked."""
        for one in [one for _, id in self._listed for one in self._addresses[id]]:
            if one.network == network and self._marks[one.raw] is Mark.NEW:
                self._forget(one)

    def _is_under_way(self, id: bytes) -> bool:
        return any(self._marks[one.raw] in _UNDER_WAY for one in self._addresses[id])

    def _leaves(self, contact: Contact, mark: Mark) -> Mark | None:
        """Mark a contact that was asked; return what it was before, or None if it was not."""
        before = self._marks.get(contact.raw)
        if before not in _UNDER_WAY:
            return None
        self._waited.pop(contact.raw, None)
        self._marks[contact.raw] = mark
        return before

    def _blame(self, teller: bytes) -> None:
        """Too many of whom it told do not answer: forget whom it alone told of, until somebody else does."""
        self._owed[teller] += 1
        if teller and self._owed[teller] == OWED_MAX:
            for one in [one for _, id in self._listed for one in self._addresses[id]]:
                if self._tellers[one.raw] == [teller] and self._marks[one.raw] is Mark.NEW:
                    self._forget(one)

    def _add(self, told: Iterable[Contact], teller: bytes) -> None:
        shares: dict[bytes, int] = {}
        named: set[bytes] = set()  # One address for each key at one word: else a liar could name a hundred.
        own_id, answered, tellers = self._own_id, self._answered, self._tellers
        for contact in told:
            id = contact.id
            if id in answered or id == own_id or (teller and id in named):
                continue
            named.add(id)
            if contact.raw in self._marks:
                if teller not in tellers[contact.raw]:
                    tellers[contact.raw].append(teller)
                continue
            if teller and contact.network:  # Who is honest knows three of one network at most.
                shares[contact.network] = shares.get(contact.network, 0) + 1
                if shares[contact.network] > PER_BUCKET_NETWORK_MAX:
                    continue
            if not self._is_full(contact.network):
                self._list(contact, teller)
        while len(self._listed) > LISTED_MAX:
            for one in list(self._addresses[self._listed[-1][1]]):
                (self._forget if self._marks[one.raw] is Mark.NEW else self._drop)(one)

    def _list(self, contact: Contact, teller: bytes) -> None:
        self._marks[contact.raw] = Mark.NEW
        self._tellers[contact.raw] = [teller]
        if contact.id in self._addresses:
            self._addresses[contact.id].append(contact)
        else:
            self._addresses[contact.id] = [contact]
            insort(self._listed, (contact.number ^ self._target, contact.id))

    def _drop(self, contact: Contact) -> None:
        """Take an address from the list, if it is still there, and its key with the last; what it is marked stays."""
        addresses = self._addresses.get(contact.id, [])
        if contact not in addresses:
            return
        addresses.remove(contact)
        if not addresses:
            del self._addresses[contact.id]
            del self._listed[bisect_left(self._listed, (contact.number ^ self._target, contact.id))]

    def _forget(self, contact: Contact) -> None:
        """As if nobody had told of it."""
        self._drop(contact)
        del self._marks[contact.raw], self._tellers[contact.raw]


class Directly(Lookup):
    """Asks those it begins with, wherever they are, and nobody that they tell of."""

    __slots__ = ()

    def answered(self, contact: Contact, told: Iterable[Contact]) -> None:
        super().answered(contact, ())

    def _has_room(self, network: bytes | None) -> bool:
        return True

    def _is_full(self, network: bytes | None) -> bool:
        return False
