"""One node of the DHT: datagrams and time in, effects out.

    receive   what came, who sealed it and from where; a datagram that breaks a rule has no effect
    tick      at `wakes_at_ms` at the latest
    effects   Send, Done: do them in order

Only who has answered us from an address has a place in the table; whoever asks us first is asked back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias

from talos_dht.asked_back import Asked, AskedBack, Why
from talos_dht.calls import Call, Calls, Fate, Send
from talos_dht.contact import ID_SIZE, Contact, node_id, number_of
from talos_dht.errors import Malformed, NoRoom, Outdated
from talos_dht.jobs import Browse, Find, Job, Publish, Read, Walk
from talos_dht.lookup import Directly, Lookup
from talos_dht.lost import Earlier, Lost
from talos_dht.messages import Kind, Reason, Reply, Request, is_reply, txid_of
from talos_dht.moment import Now
from talos_dht.provider import TOPIC_SALT, topic_of
from talos_dht.record import SALTS, places_of
from talos_dht.row import Held
from talos_dht.server import Server
from talos_dht.shelf import Rows, Shelf
from talos_dht.statement import REPUBLISH_MS, KeyOf, check, place_of
from talos_dht.table import K, Table
from talos_dht.vantage import Vantage

LOOK_MS: Final = 60_000  # How often to look whether a bucket is due for a lookup, or a row has ended.


@dataclass(frozen=True, slots=True)
class Done:
    job: Job


Effect: TypeAlias = "Send | Done"
_Owner: TypeAlias = "tuple[Job, Walk] | None"  # None: to see whether it answers.


class Dht:
    """The node that holds the X25519 `key`. `rows` is where it keeps what it holds for others.

    `shelf.spoilt` lists those that were kept there and cannot be held any more, and why; they are gone from `rows`.
    """

    def __init__(
        self,
        key: bytes,
        *,
        key_of: KeyOf,
        entropy: Callable[[int], bytes],
        rows: Rows,
        now: Now,
        serves: bool = True,
        is_registry: bool = False,
    ) -> None:
        self.id = node_id(key)
        self.table = Table(self.id)
        self.shelf = Shelf(self.id, rows, now, is_registry=is_registry)
        self._vantage = Vantage(key)
        self._key_of = key_of
        self._entropy = entropy
        self._calls: Calls[_Owner] = Calls(entropy, serves=serves)
        self._server = Server(self.table, self.shelf, key_of, entropy)
        self._asked_back = AskedBack()
        self._lost = Lost(entropy)
        self._earlier = Earlier()
        self._back: list[Contact] = []  # Of those that were lost, whom nobody has been looked for with yet.
        self._refreshes: list[bytes] = []  # Targets.
        self._joining: Job | None = None
        self._refresh: Job | None = None
        self._look_ms = now.mono_ms + LOOK_MS

    @property
    def seen(self) -> bytes | None:
        """Our address and port, as most others see it; None before the first answer."""
        return self._vantage.place

    @property
    def serves(self) -> bool:
        """Whether others are to tell of us."""
        return self._calls.serves

    @serves.setter
    def serves(self, value: bool) -> None:
        self._calls.serves = value

    @property
    def wakes_at_ms(self) -> int:
        """When to call `tick` at the latest, on the monotonic clock."""
        return min(self._calls.wakes_at_ms or self._look_ms, self._look_ms)

    def join(self, contacts: Iterable[Contact], now: Now) -> tuple[Job, list[Effect]]:
        """Begin with these: find our own neighbourhood, then a way into every other part."""
        self._joining = Find(self._lookup(self.id, now, contacts))
        return self._joining, self._go(self._joining, now)

    def join_again(self, saved: Sequence[Contact], more: Iterable[Contact], now: Now) -> tuple[Job, list[Effect]]:
        """Join with those of a dump, and `more`: until somebody beyond our house answers, the former are not let go."""
        self._earlier.begin(saved)
        return self.join([*saved, *more], now)

    def dump(self) -> bytes:
        """Return whom to `load` and join again with after a restart. Where few are left, some that fell silent fill it
        up: a cut may lie between us. It may have done so since before we started."""
        return self.table.dump(dict.fromkeys([*[*self._lost][: max(0, K - len(self.table))], *self._earlier]))

    def find(self, target: bytes, now: Now) -> tuple[Find, list[Effect]]:
        job = Find(self._lookup(target, now))
        return job, self._go(job, now)

    # Each of the next three asks the nearest of all; or, `at` somebody, these and nobody else: a registry holds
    # whatever it is given, and one place there is enough.

    def read(self, did: bytes, now: Now, at: Sequence[Contact] = ()) -> tuple[Read, list[Effect]]:
        """Find the newest record of an identity."""
        first, places = (0, 1) if at else (self._entropy(1)[0] % SALTS, SALTS)
        job = Read(did, lambda place: self._begun(place, now, at), first, places)
        for place in places_of(did):
            for held in self.shelf.checked(place, self._key_of, now):
                job.known(held)
        return job, self._go(job, now)

    def publish(self, held: Held, now: Now, at: Sequence[Contact] = ()) -> tuple[Publish, list[Effect]]:
        """Have a signed record or provider held by the nearest; a newer one is to follow at the job's `again_ms`."""
        earlier_ms = int.from_bytes(self._entropy(4), "big") % (REPUBLISH_MS // 10)  # Not all are published at once.
        again_ms = now.mono_ms + REPUBLISH_MS - earlier_ms
        job = Publish(held, lambda place: self._begun(place, now, at), again_ms, 1 if at else SALTS)
        return job, self._go(job, now)

    def browse(self, topic: str, now: Now, at: Sequence[Contact] = ()) -> tuple[Browse, list[Effect]]:
        """Find who offers a topic: at most 20."""
        name = topic_of(topic)
        job = Browse(name, self._begun(place_of(name, TOPIC_SALT), now, at))
        return job, self._go(job, now)

    def waits_for(self, did: bytes, now: Now) -> bool:
        """Say whether something was put here that cannot be checked without this key log."""
        return self._server.waits_for(did, now)

    def key_log_known(self, did: bytes, now: Now) -> None:
        """A key log has come, or grown: what waited for it is checked and held, or waits on for more of it."""
        self._server.key_log_known(did, now)

    def receive(self, sender: Contact, body: bytes, now: Now) -> list[Effect]:
        """Take what the holder of this key sent from that address."""
        if sender.id == self.id:
            return []
        try:
            if is_reply(body):
                return self._take_reply(sender, body, now)
            return self._take_request(sender, body, now)
        except Malformed:
            return []  # Whoever sent it is known by its key alone, and owes us nothing.

    def tick(self, now: Now) -> list[Effect]:
        again, fates = self._calls.due(now.mono_ms)
        effects: list[Effect] = [*again]
        for call, fate in fates:
            effects += self._missed(call, fate, now)
        if now.mono_ms >= self._look_ms:
            self._look_ms = now.mono_ms + LOOK_MS
            self.shelf.expire(now.mono_ms)
            self._refreshes = self._refreshes or [self._within(*span) for span in self.table.stale(now.mono_ms)]
            effects += self._refresh_next(now)
            # Few at a time: it may be our own line that is cut.
            for contact in [*self.table.owing[:K], *self._lost.turn(), *self._earlier.turn()]:
                effects += self._ask_back(contact, Why.KNOWN, now)
        return effects

    def _take_request(self, sender: Contact, body: bytes, now: Now) -> list[Effect]:
        if not self._server.admits(sender, body, now.mono_ms):
            return []
        request = Request.decode(body)
        reply = self._server.answer(sender, request, len(body), now)
        effects: list[Effect] = [] if reply is None else [Send(sender, reply)]
        if request.serves and self.table.is_wanted(sender):
            proven = self._server.is_proven(sender, body, now.mono_ms)
            effects += self._ask_back(sender, Why.PROVEN if proven else Why.SAID, now)
        return effects

    def _take_reply(self, sender: Contact, body: bytes, now: Now) -> list[Effect]:
        if not self._calls.has(txid_of(body)):
            return []
        reply = Reply.decode(body)
        call = self._calls.heard(sender, reply, now.mono_ms)
        if call is None:
            return []
        self._vantage.told(sender, reply.seen)
        self._asked_back.leave(sender)
        longest = self.table.answered(sender, now.mono_ms)
        effects: list[Effect] = []
        if longest is not None:
            effects += self._ask_back(longest, Why.KNOWN, now)
        is_found = self._earlier.is_back(sender) and call.owner is None  # Else a walk goes on from there.
        if self._lost.is_back(sender) or is_found:
            self._back.append(sender)
            effects += self._refresh_next(now)
        if call.owner is None:
            return effects
        job, walk = call.owner
        if job.is_done:
            return effects
        if reply.reason == Reason.TOKEN and not call.is_second:
            return [*effects, self._calls.again(call, now.mono_ms)]
        job.heard(sender, reply, lambda held: check(held, self._key_of, now.utc_ms))
        walk.answered(sender, reply, self._believed(sender, reply, now))
        return effects + self._go(job, now)

    def _believed(self, sender: Contact, reply: Reply, now: Now) -> list[Contact]:
        """Return whom to ask of those that `sender` tells of: nobody in our house, unless it is in one too."""
        told = reply.contacts
        if sender.network is not None:
            told = [contact for contact in told if contact.network is not None]
        return self._calls.heard_of(told, now.mono_ms)

    def _missed(self, call: Call[_Owner], fate: Fate, now: Now) -> list[Effect]:
        if fate is Fate.LOST:
            if self.table.failed(call.contact):
                self._lost.add(call.contact)
            self._asked_back.leave(call.contact)
        if call.owner is None:
            return []
        job, walk = call.owner
        if job.is_done:
            return []
        (walk.lost if fate is Fate.LOST else walk.late)(call.contact)
        return self._go(job, now)

    def _go(self, job: Job, now: Now) -> list[Effect]:
        """Send what a job asks for, and say when it is done."""
        effects: list[Effect] = [self._calls.start(*ask, (job, walk), now.mono_ms) for walk, ask in job.asks()]
        return effects + self._end(job, now) if job.is_done else effects

    def _end(self, job: Job, now: Now) -> list[Effect]:
        if job is self._refresh:
            self._refresh = None
            return self._refresh_next(now)
        effects: list[Effect] = [Done(job)]
        if job is self._joining:
            self._refreshes = [self._within(*span) for span in self.table.parts]
            effects += self._refresh_next(now)
        elif isinstance(job, Read):
            effects += (self._calls.start(*ask, None, now.mono_ms) for ask in job.repairs)
        elif isinstance(job, Publish):
            self._hold_too(job, now)
        return effects

    def _hold_too(self, job: Publish, now: Now) -> None:
        """Hold what we publish wherever we are among the nearest: others will ask us for it."""
        for walk in job.walks:
            target = number_of(walk.lookup.target)
            nearest = walk.lookup.closest
            if len(nearest) < K or number_of(self.id) ^ target < nearest[-1].number ^ target:
                with suppress(NoRoom, Outdated):
                    self.shelf.put(walk.lookup.target, job.held, None, now)

    def _refresh_next(self, now: Now) -> list[Effect]:
        """Look into one part of the keyspace after another: all at once would be a burst of datagrams.

        Before them, for our own neighbourhood among those whom one knows that is back: it may be a whole network.
        """
        if self._refresh is not None or not (self._back or self._refreshes):
            return []
        more = [self._back.pop()] if self._back else []
        self._refresh = Find(self._lookup(self.id if more else self._refreshes.pop(), now, more))
        return self._go(self._refresh, now)

    def _within(self, low: int, high: int) -> bytes:
        """Return a random id of this span, which is a power of two."""
        drawn = number_of(self._entropy(ID_SIZE)) & (high - low)
        return (low | drawn).to_bytes(ID_SIZE, "big")

    def _begun(self, target: bytes, now: Now, at: Sequence[Contact]) -> Lookup:
        return Directly(target, at, self.id) if at else self._lookup(target, now)

    def _lookup(self, target: bytes, now: Now, more: Iterable[Contact] = ()) -> Lookup:
        self.table.touch(target, now.mono_ms)
        return Lookup(target, [*self.table.closest(target), *more], self.id)

    def _ask_back(self, contact: Contact, why: Why, now: Now) -> list[Effect]:
        """Ask whether it is there, if that is a new question and there is room for it."""
        if contact in self._asked_back or self._calls.is_silent(contact, now.mono_ms):
            return []
        may, victim = self._asked_back.has_room(contact, why, now.mono_ms)
        if not may:
            return []
        if victim is not None:
            self._asked_back.leave(victim.contact)
            self._calls.give_up(victim.txid)
        send = self._calls.start(contact, Kind.PING, b"", None, now.mono_ms)
        late_ms = now.mono_ms + self._calls.round_trips.wait_ms
        self._asked_back.take(Asked(contact, why, Request.decode(send.body).txid, late_ms))
        return [send]
