"""A town of DHT nodes: the real cores and the real bytes, over a wire that is slow and loses; no node, no seal.

What the Box would prove, who sent a datagram, is here a field of the packet. A settled town begins as if everybody had
been there for long, which saves the joining of ten thousand.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import inf
from typing import Final, NamedTuple, TypeAlias

from nacl.signing import SigningKey

from talos_dht import (
    BODY_MAX,
    Address,
    Answer,
    Contact,
    Dht,
    Done,
    Effect,
    Instance,
    Job,
    K,
    Kind,
    Malformed,
    Now,
    Record,
    Reply,
    Request,
    Send,
    is_reply,
)
from talos_simulations.cores import Core, Field, Out, Wire
from talos_simulations.dice import entropy, stream

UTC_MS: Final = 1_700_000_000_000  # When a run begins.
LIFE_MS: Final = 10_800_000  # Three hours, of a record.
PORT: Final = 4_000

Act: TypeAlias = Callable[[Dht, Now], tuple[Job, list[Effect]]]


class Packet(NamedTuple):
    sender: Contact
    body: bytes


class Tick(NamedTuple):
    """The node's own timer."""


@dataclass(slots=True)
class Trial:
    """One thing that a node was asked to do."""

    node: int
    act: Act
    job: Job | None = None
    began_ms: float = inf
    ended_ms: float = inf

    @property
    def took_ms(self) -> float:
        return self.ended_ms - self.began_ms


TICK: Final = Tick()


class Citizen:
    """An honest node. One that is not `alive` hears and says nothing."""

    def __init__(self, town: Town, number: int) -> None:
        self.alive = True
        self.sent = 0  # Datagrams.
        self._town = town
        self._number = number
        self.contact = town.contacts[number]
        self._trials: list[Trial] = []  # Under way.
        self._wakes_at_ms = inf
        self.dht = Dht(
            self.contact.key,
            key_of=town.key_of,
            entropy=entropy(town.seed, "citizen", number),
            rows={},
            now=Now(0, UTC_MS),
        )

    def handle(self, event: object, now_ms: float) -> Iterable[Out]:
        if not self.alive:
            return ()
        now = Now(int(now_ms), UTC_MS + int(now_ms))
        if isinstance(event, Packet):
            effects = self.dht.receive(event.sender, event.body, now)
        elif isinstance(event, Trial):
            event.began_ms = now_ms
            event.job, effects = event.act(self.dht, now)
            self._trials.append(event)
        else:
            self._wakes_at_ms = inf
            effects = self.dht.tick(now)
        return self._carried_out(effects, now_ms)

    def _carried_out(self, effects: list[Effect], now_ms: float) -> list[Out]:
        outs = list[Out]()
        for effect in effects:
            if isinstance(effect, Send):
                self.sent += 1
                outs += self._town.packet(effect.to, Packet(self.contact, effect.body))
            elif isinstance(effect, Done):
                for trial in [trial for trial in self._trials if trial.job is effect.job]:
                    trial.ended_ms = now_ms
                    self._trials.remove(trial)
        if self.dht.wakes_at_ms < self._wakes_at_ms:
            self._wakes_at_ms = self.dht.wakes_at_ms
            outs.append(Out(self._number, TICK, max(self._wakes_at_ms - now_ms, 0.0)))
        return outs


class Colluder:
    """It answers whatever it is asked with others of its kind, says that it stores, and stores nothing."""

    def __init__(self, town: Town, number: int) -> None:
        self._town = town
        self._contact = town.contacts[number]

    def handle(self, event: object, now_ms: float) -> Iterable[Out]:
        if not isinstance(event, Packet) or is_reply(event.body):
            return ()
        try:
            request = Request.decode(event.body)
        except Malformed:
            return ()
        return self._town.packet(event.sender, Packet(self._contact, self.reply(request, event.sender)))

    def reply(self, request: Request, sender: Contact) -> bytes:
        answer, items = self.answer(request)
        return Reply(answer, request.txid, bytes(8), sender.place, items).encode(BODY_MAX) or b""

    def answer(self, request: Request) -> tuple[Answer, Sequence[bytes]]:
        if request.kind is Kind.PING:
            return Answer.PONG, ()
        if request.kind in (Kind.FIND, Kind.GET):
            target = int.from_bytes(request.argument, "big")
            nearest = heapq.nsmallest(K, self._town.colluding, key=lambda contact: contact.number ^ target)
            return Answer.CONTACTS, [contact.raw for contact in nearest]
        return Answer.STORED, ()


class Turncoat(Citizen):
    """It is honest until the attack, and a colluder from then on."""

    def __init__(self, town: Town, number: int) -> None:
        super().__init__(town, number)
        self._liar = Colluder(town, number)

    def handle(self, event: object, now_ms: float) -> Iterable[Out]:
        return self._liar.handle(event, now_ms) if self._town.is_attacked else super().handle(event, now_ms)


class Town:
    """`count` honest nodes, numbered from 0, each in a /24 of its own; then those at `colluding`."""

    def __init__(
        self,
        seed: int,
        count: int,
        *,
        colluding: Sequence[Contact] = (),
        wire: Wire | None = None,
        liar: Callable[[Town, int], Core] = Colluder,
        watched: Callable[[Town, int, Core], Core] = lambda town, number, core: core,
    ) -> None:
        self.seed = seed
        self.contacts = [*(contact_of(seed, number) for number in range(count)), *colluding]
        self.colluding = colluding
        self._numbers = {contact.place: number for number, contact in enumerate(self.contacts)}
        self._keys: dict[bytes, bytes] = {}  # DID -> what verifies its records.
        self.is_attacked = False
        self.citizens = [Citizen(self, number) for number in range(count)]
        self._liars = [liar(self, count + at) for at in range(len(colluding))]
        cores: list[Core] = [*self.citizens, *self._liars]
        self.field = Field(seed, [watched(self, *one) for one in enumerate(cores)], wire or Wire(loss=0.02))

    @property
    def living(self) -> list[int]:
        """The numbers of the citizens that live."""
        return [number for number, citizen in enumerate(self.citizens) if citizen.alive]

    def name_of(self, contact: Contact) -> str:
        """Return what a node is called in a trace."""
        return f"n{self._numbers[contact.place]}"

    def packet(self, to: Contact, packet: Packet) -> tuple[Out, ...]:
        number = self._numbers.get(to.place)
        return () if number is None else (Out(number, packet),)

    def key_of(self, did: bytes, log_seq: int, log_digest: bytes) -> bytes | None:
        return self._keys.get(did) if (log_seq, log_digest) == (0, did) else None

    def record(self, number: int, seq: int = 1) -> Record:
        """Return the record of the identity at citizen `number`, signed, good for three hours from now."""
        pair = SigningKey(sha256(f"{self.seed} {number}".encode()).digest())
        did = sha256(b"did" + bytes(pair.verify_key)).digest()
        self._keys[did] = bytes(pair.verify_key)
        contact = self.contacts[number]
        record = Record(
            did=did,
            log_seq=0,
            log_digest=did,
            instances=(Instance(bytes(pair.verify_key), 0, (Address(contact.host, contact.port),)),),
            bundle=bytes(32),
            seq=seq,
            expires_ms=UTC_MS + int(self.field.now_ms) + LIFE_MS,
        )
        return record.signed(lambda message: pair.sign(message).signature)

    def settle(self) -> None:
        """Give everybody the table of one who has been there for long: of each part, 20 of the living at random."""
        dice = stream(self.seed, "settle")
        living = [self.contacts[number] for number, citizen in enumerate(self.citizens) if citizen.alive]
        sorted_contacts = sorted([*living, *self.colluding], key=lambda contact: contact.number)
        numbers = [contact.number for contact in sorted_contacts]
        for citizen in (*self.citizens, *(liar for liar in self._liars if isinstance(liar, Citizen))):
            own = citizen.contact
            bit, low, high = 160, 0, len(numbers)
            while bit and high - low > 1:
                bit -= 1
                middle = bisect_left(numbers, (own.number >> bit | 1) << bit, low, high)
                is_high = own.number >> bit & 1
                others = range(low, middle) if is_high else range(middle, high)
                low, high = (middle, high) if is_high else (low, middle)
                for at in dice.sample(others, min(K, len(others))):
                    citizen.dht.table.answered(sorted_contacts[at], 0)

    def ask(self, number: int, act: Act, delay_ms: float = 0.0) -> Trial:
        """Have citizen `number` do something; the trial says how long it took."""
        trial = Trial(number, act)
        self.field.post(Out(number, trial, delay_ms))
        return trial

    def run_for(self, ms: float) -> None:
        self.field.run(self.field.now_ms + ms)

    def nearest(self, target: bytes, count: int = K) -> list[int]:
        """Return the numbers of the living citizens nearest to `target`, nearest first."""
        goal = int.from_bytes(target, "big")
        living = (number for number, citizen in enumerate(self.citizens) if citizen.alive)
        return heapq.nsmallest(count, living, key=lambda number: self.contacts[number].number ^ goal)

    def holders(self, record: Record, salt: int) -> list[int]:
        """Return the numbers of all who hold just this record at one of its places."""
        now_ms, place = int(self.field.now_ms), record.places[salt]
        return [at for at, citizen in enumerate(self.citizens) if record in citizen.dht.shelf.at(place, now_ms)]

    def kill(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.citizens[number].alive = False


def near(target: bytes, count: int, bits: int, host: Callable[[int], str]) -> list[Contact]:
    """Return contacts whose ids begin as `target` does, for so many bits, as who has a processor can make them."""
    goal, found, tried = int.from_bytes(target, "big") >> 160 - bits, list[Contact](), 0
    while len(found) < count:
        contact = Contact.at(sha256(b"ground %d" % tried).digest(), host(len(found)), PORT)
        tried += 1
        if contact.number >> 160 - bits == goal:
            found.append(contact)
    return found


def contact_of(seed: int, number: int) -> Contact:
    key = sha256(f"{seed} key {number}".encode()).digest()
    return Contact.at(key, f"{20 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.7", PORT)


def quantile(values: Iterable[float], part: float) -> float:
    """Return the value that `part` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]
