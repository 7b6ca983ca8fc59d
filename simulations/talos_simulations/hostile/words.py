"""What a liar says in datagrams that open. Each character has lies of its own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, TypeAlias

from talos.core.dice import Entropy
from talos.core.identity import Identity
from talos.core.whereabouts import own_provider, own_record
from talos_dht import Address, Answer, Contact, K, Kind, Malformed, Reason, Record, Reply, Request
from talos_dht.contact import ID_SIZE, IP_SIZE, KEY_SIZE
from talos_dht.messages import TOKEN_SIZE, TXID_SIZE
from talos_dht.record import SALTS, places_of
from talos_dht.statement import DID_SIZE
from talos_simulations.hostile.loot import Victim
from talos_simulations.machine import PORT

Items: TypeAlias = "tuple[Answer, Sequence[bytes]]"


@dataclass(frozen=True, slots=True)
class Liar:
    """Who lies, to whom, and with which dice."""

    me: Identity
    contact: Contact
    victims: Sequence[Victim]
    friends: list[Contact]  # All liars of the run.
    dice: random.Random
    entropy: Entropy
    now_ms: Callable[[], int]
    did: Callable[[str], None]  # Writes down what it has done.


class Plausible:
    """It answers as every node does, and holds what it is brought: so it is asked. What lies are its streams."""

    LIES: ClassVar[tuple[str, ...]] = ()
    PERIOD_S: ClassVar[float] = 1.0  # Between two times that it asks somebody.

    def __init__(self, liar: Liar) -> None:
        self.liar = liar
        self.dice = liar.dice
        self.entropy = liar.entropy
        self.host = liar.contact.host
        self._held: dict[bytes, bytes] = {}  # Record, by place.
        self._victim_of = {place: victim for victim in liar.victims for place in places_of(victim.did)}

    # What it answers

    def replies(self, request: Request, sender: Contact) -> Iterator[bytes]:
        """Yield what it sends back, unsealed."""
        yield self.reply(request, sender, self.answer(request))

    def reply(self, request: Request, sender: Contact, answer: Items) -> bytes:
        kind, items = answer
        return Reply(kind, request.txid, self.entropy(TOKEN_SIZE), sender.place, items).encode() or b""

    def answer(self, request: Request) -> Items:
        match request.kind:
            case Kind.PING:
                return Answer.PONG, ()
            case Kind.PUT_RECORD:
                self._hold(request.argument[1:])
                return Answer.REFUSED, [bytes((Reason.KEY_LOG,))]  # So its publisher comes to show it.
            case Kind.PUT_PROVIDER:
                return Answer.STORED, ()
            case Kind.GET if request.argument in self._held:
                return Answer.RECORD, [self._held[request.argument]]
            case _:
                return Answer.CONTACTS, [victim.contact.raw for victim in self.liar.victims][:K]

    def _hold(self, raw: bytes) -> None:
        with suppress(Malformed):
            self._held |= dict.fromkeys(Record.decode(raw).places, raw)

    def lie(self) -> str:
        """Draw a lie to tell, and write it down."""
        name = self.dice.choice(self.LIES)
        self.liar.did(name)
        return name

    def victim_at(self, place: bytes) -> Victim:
        """Return whose record lies there; of a place where none does, anybody's."""
        return self._victim_of.get(place) or self.dice.choice(self.liar.victims)

    # What it asks

    def asks(self, token: bytes) -> Iterator[bytes]:
        """Yield what it asks one victim at a time: where it is itself, so that it is known, and anything."""
        for target in (self.liar.contact.id, self.entropy(ID_SIZE)):
            yield self.request(Kind.FIND, target, token)

    def asks_for_another(self, token: bytes) -> Iterator[bytes]:
        """Yield what it asks that one in the name of a machine that it is not: what is answered goes there."""
        yield from ()

    def request(self, kind: Kind, argument: bytes, token: bytes) -> bytes:
        return Request(kind, self.entropy(TXID_SIZE), argument, token).encode()

    def put(self, record: Record, token: bytes) -> bytes:
        return self.request(Kind.PUT_RECORD, bytes((self.dice.randrange(SALTS),)) + record.encode(), token)

    def own_record(self) -> Record:
        """Return what is true of itself, for once. Nobody knows its key log."""
        now_ms = self.liar.now_ms()
        return own_record(self.liar.me, b"", [Address(self.host, PORT)], now_ms, now_ms)


class Forger(Plausible):
    """It answers for everybody: with what they never said, or say no more. It stores nothing, and says that it does."""

    LIES = ("forged", "signed_by_itself", "of_an_hour_ago", "of_last_week", "of_itself", "another_kind")

    def answer(self, request: Request) -> Items:
        if request.kind is Kind.PUT_RECORD:
            return Answer.STORED, ()
        if request.kind is not Kind.GET:
            return super().answer(request)
        if (lie := self.lie()) == "another_kind":
            return Answer.PROVIDERS, [own_provider(self.liar.me, "anything", 1, self.liar.now_ms()).encode()]
        return Answer.RECORD, [self._record(lie, self.victim_at(request.argument)).encode()]

    def asks(self, token: bytes) -> Iterator[bytes]:
        yield from super().asks(token)
        yield self.put(self._record(self.dice.choice(self.LIES), self.dice.choice(self.liar.victims)), token)

    def _record(self, lie: str, victim: Victim) -> Record:
        match lie:
            case "forged":
                return victim.forged(self.host)
            case "signed_by_itself":
                return victim.signed_by(self.liar.me, self.host)
            case "of_an_hour_ago":
                return victim.said(1, self.host)
            case "of_last_week":
                return victim.said(168, self.host)
            case _:
                return self.own_record()


class Colluder(Plausible):
    """It tells of others of its kind, of nobody, and of honest nodes where they are not."""

    LIES = ("friends", "nobody", "elsewhere", "at_the_honest", "nowhere")

    def answer(self, request: Request) -> Items:
        if request.kind not in (Kind.FIND, Kind.GET):
            return super().answer(request)
        lie = self.lie()
        if lie == "friends":
            return Answer.CONTACTS, [friend.raw for friend in self.liar.friends][:K]
        return Answer.CONTACTS, [*islice(self._invented(lie), K)]

    def _invented(self, lie: str) -> Iterator[bytes]:
        """Yield contacts, as written, without end."""
        while True:
            victim, drawn = self.dice.choice(self.liar.victims), self.dice.randrange(1, 250)
            match lie:
                case "nobody":
                    yield Contact.at(self.entropy(KEY_SIZE), f"10.9.9.{drawn}", PORT).raw
                case "elsewhere":
                    yield Contact.at(victim.contact.key, self.dice.choice(self.liar.friends).host, drawn).raw
                case "at_the_honest":
                    yield Contact.at(self.entropy(KEY_SIZE), victim.contact.host, PORT).raw
                case _:
                    yield self.entropy(KEY_SIZE) + b"\xff" * IP_SIZE + bytes(2)


class Flooder(Plausible):
    """It asks, and asks, and asks: each time whatever costs most. It draws whom, and now and then says who asks."""

    ASKED: ClassVar[tuple[str, ...]] = ("finds", "gets", "puts", "unknown", "pings")
    PERIOD_S = 20.0
    BURST: ClassVar[int] = 300  # Requests at a time: more than a host is heard.
    SHORT: ClassVar[int] = 40  # In the name of another, each a tenth of what its answer would be.

    def asks(self, token: bytes) -> Iterator[bytes]:
        self.liar.did("flood")
        records = [victim.forged(self.host) for victim in self.liar.victims]
        for _ in range(self.BURST):
            record = self.dice.choice(records)
            match self.dice.choice(self.ASKED):
                case "finds":
                    yield self.request(Kind.FIND, self.entropy(ID_SIZE), token)
                case "gets":
                    yield self.request(Kind.GET, record.places[0], token)
                case "puts":
                    yield self.put(record, token)
                case "unknown":
                    yield self.put(replace(record, did=self.entropy(DID_SIZE)), token)
                case _:
                    yield self.request(Kind.PING, b"", token)

    def asks_for_another(self, token: bytes) -> Iterator[bytes]:
        for _ in range(self.SHORT):  # With a token, of whatever worth, a request need not be as long as its answer.
            yield self.request(Kind.FIND, self.entropy(ID_SIZE), token or self.entropy(TOKEN_SIZE))
