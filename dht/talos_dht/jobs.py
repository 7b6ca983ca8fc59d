"""What a node asks others for: each job is one or more walks towards a target, and what to make of the replies.

    Find      who is nearest to a target
    Read      the newest record of an identity, from one of its places after another
    Publish   a record at its three places, or a provider at its one: a walk, then a PUT to each of the nearest 20
    Browse    the providers of a topic, each checked

A job only says what to ask and takes what comes; `Dht` sends, waits and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from talos_dht.contact import Contact
from talos_dht.errors import BadStatement, KeyLogUnknown, Malformed
from talos_dht.lookup import Lookup, Report
from talos_dht.messages import Answer, Kind, Reason, Reply
from talos_dht.provider import Provider
from talos_dht.record import SALTS, Record, places_of
from talos_dht.row import Held
from talos_dht.shelf import PER_TOPIC_MAX
from talos_dht.statement import rank
from talos_dht.unchecked import Unchecked

Begin: TypeAlias = Callable[[bytes], Lookup]  # Returns a lookup of a target, beginning with whom we know.
Check: TypeAlias = Callable[[Held], None]  # `statement.check`, now.


class Ask(NamedTuple):
    contact: Contact
    kind: Kind
    argument: bytes


class Walk:
    """One lookup, asking `kind`; then, if there is something to `put`, that to each of the nearest."""

    def __init__(self, lookup: Lookup, kind: Kind, put: tuple[Kind, bytes] | None = None) -> None:
        self.lookup = lookup
        self.put = put
        self.answers: list[int] = []  # To PUTs: 0 stored, else a `Reason`.
        self.wanting: list[Contact] = []  # Who keeps what was put until it knows the key log.
        self._kind = kind
        self._putting: set[bytes] | None = None  # Contacts, as written, whose answer to a PUT is awaited; None before.

    @property
    def is_done(self) -> bool:
        return self.lookup.is_done if self.put is None else self._putting is not None and not self._putting

    def asks(self) -> list[Ask]:
        """Return what to ask now; each is returned once."""
        if self._putting is not None:
            return []
        found = [Ask(contact, self._kind, self.lookup.target) for contact in self.lookup.next()]
        if self.put is None or found or not self.lookup.is_done:
            return found
        self._putting = {contact.raw for contact in self.lookup.closest}
        return [Ask(contact, *self.put) for contact in self.lookup.closest]

    def answered(self, contact: Contact, reply: Reply, told: Iterable[Contact]) -> None:
        if self._putting is None:
            self.lookup.answered(contact, told)
        elif contact.raw in self._putting:
            self._putting.remove(contact.raw)
            if reply.reason == Reason.KEY_LOG:
                self.wanting.append(contact)
            self.answers.append(0 if reply.kind is Answer.STORED else reply.reason or Reason.BAD)

    def late(self, contact: Contact) -> None:
        self.lookup.late(contact)

    def lost(self, contact: Contact) -> None:
        self.lookup.lost(contact)
        if self._putting is not None:
            self._putting.discard(contact.raw)


class Job:
    """`walks` are under way together. What it found is in its own fields once it is done."""

    def __init__(self, walks: list[Walk]) -> None:
        self.walks = walks

    def asks(self) -> list[tuple[Walk, Ask]]:
        """Return what to ask now, and for which walk."""
        return [(walk, ask) for walk in self.walks for ask in walk.asks()]

    def heard(self, contact: Contact, reply: Reply, check: Check) -> None:
        """Take what a reply brought, beside contacts."""

    @property
    def is_done(self) -> bool:
        return all(walk.is_done for walk in self.walks)

    @property
    def reports(self) -> list[Report]:
        """What each walk took."""
        return [walk.lookup.report for walk in self.walks]


class Find(Job):
    def __init__(self, lookup: Lookup) -> None:
        super().__init__([Walk(lookup, Kind.FIND)])

    @property
    def closest(self) -> list[Contact]:
        return self.walks[0].lookup.closest


class Read(Job):
    """`record` is the newest that is true, of the place where one was found first; the places in order from `first`."""

    def __init__(self, did: bytes, begin: Begin, first: int, places: int = SALTS) -> None:
        super().__init__([])
        self.did = did
        self.record: Record | None = None
        self.holders: list[Contact] = []  # Who holds just that.
        self.repairs: list[Ask] = []  # For who holds an older one.
        self._unchecked = Unchecked[Record]()
        salted = list(enumerate(places_of(did)[:places]))
        self._begin = begin
        self._left = [*salted[first:], *salted[:first]]
        self._salt = first

    def asks(self) -> list[tuple[Walk, Ask]]:
        found = super().asks()
        while not found and self._left and super().is_done and (self.record is None or not self.walks):
            self._salt, place = self._left.pop(0)
            self.walks.append(Walk(self._begin(place), Kind.GET))
            found = super().asks()
        return found

    def known(self, held: Held) -> None:
        """Begin with what we hold ourselves, which was checked just now."""
        if (
            isinstance(held, Record)
            and held.did == self.did
            and (self.record is None or rank(held) > rank(self.record))
        ):
            self.record = held

    def heard(self, contact: Contact, reply: Reply, check: Check) -> None:
        if reply.kind is not Answer.RECORD:
            return
        try:
            record = Record.decode(reply.items[0])
            if record.did != self.did:
                return
            if record != self.record:
                check(record)
        except (Malformed, BadStatement):
            return  # A lie has no vote.
        except KeyLogUnknown:
            self._unchecked.add(record, contact)
            return
        if self.record is None or rank(record) > rank(self.record):
            self.record, older, self.holders = record, self.holders, []
        else:
            older = [] if record == self.record else [contact]
        self.holders += [contact] if record == self.record else []
        put = bytes([self._salt]) + self.record.encode()
        self.repairs = [Ask(ask.contact, Kind.PUT_RECORD, put) for ask in self.repairs]
        self.repairs += [Ask(one, Kind.PUT_RECORD, put) for one in older]

    @property
    def unchecked(self) -> list[tuple[Record, tuple[Contact, ...]]]:
        """Up to four whose key log must be fetched first, from any who holds them; the likeliest in front."""
        return self._unchecked.shown

    @property
    def is_done(self) -> bool:
        # All of the nearest are asked: who was away at the last change holds the old one, and so may most of them.
        return super().is_done and (self.record is not None or not self._left)


class Publish(Job):
    """At `again_ms`, on the monotonic clock, its publisher is to publish a newer one, with a later end."""

    def __init__(self, held: Held, begin: Begin, again_ms: int, places: int = SALTS) -> None:
        self.held = held
        self.again_ms = again_ms
        raw = held.encode()
        if isinstance(held, Record):
            puts = [(place, (Kind.PUT_RECORD, bytes([salt]) + raw)) for salt, place in enumerate(held.places[:places])]
        else:
            puts = [(held.place, (Kind.PUT_PROVIDER, raw))]
        super().__init__([Walk(begin(place), Kind.FIND, put) for place, put in puts])

    @property
    def wanting(self) -> list[Contact]:
        """To whom the key log is to be shown: then they hold it too. Each once."""
        return list(dict.fromkeys(contact for walk in self.walks for contact in walk.wanting))

    @property
    def stored(self) -> list[int]:
        """How many hold it now, at each place."""
        return [walk.answers.count(0) for walk in self.walks]


class Browse(Job):
    def __init__(self, topic: bytes, lookup: Lookup) -> None:
        self.topic = topic
        self.providers: dict[bytes, Provider] = {}  # By DID hash.
        self._unchecked = Unchecked[Provider]()
        super().__init__([Walk(lookup, Kind.GET)])

    def heard(self, contact: Contact, reply: Reply, check: Check) -> None:
        for raw in reply.items if reply.kind is Answer.PROVIDERS else ():
            try:
                provider = Provider.decode(raw)
                if provider.topic == self.topic and provider != self.providers.get(provider.did):
                    check(provider)
                    self._add(provider)
            except (Malformed, BadStatement):
                continue
            except KeyLogUnknown:
                self._unchecked.add(provider, contact)

    @property
    def unchecked(self) -> list[tuple[Provider, tuple[Contact, ...]]]:
        """As of a `Read`."""
        return self._unchecked.shown

    def _add(self, provider: Provider) -> None:
        old = self.providers.get(provider.did)
        has_room = len(self.providers) < PER_TOPIC_MAX
        if has_room if old is None else rank(provider) > rank(old):
            self.providers[provider.did] = provider
