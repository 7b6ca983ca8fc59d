"""Requests under way: each is sent at most three times, answered once, and given up in time.

sent      and after a measured wait sent again, the same bytes; and once more after twice as long
late      so is it called from the second on, and lost a second after the third
answered  only by the same number, from the key and the address that were asked
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, NamedTuple, TypeVar

from talos_dht.contact import Contact
from talos_dht.messages import TXID_SIZE, Kind, Reply, Request
from talos_dht.round_trips import RoundTrips

SENDS_MAX: Final = 3  # Where 2% of datagrams are lost, one request in 16,000 has no answer; with two, one in 600.
GRACE_MS: Final = 1_000  # After the last: a path across the world, or a pause, is no death.
SILENT_MS: Final = 60_000  # Who did not answer is not asked again for so long, whoever tells of it.
SILENT_MAX: Final = 4_096  # Contacts remembered as silent.
TOKENS_MAX: Final = 4_096  # Contacts whose token is remembered.
TOKEN_MS: Final = 240_000  # A token is used for so long; whoever gave it takes it for 300 s at least.

Owner = TypeVar("Owner")


class Send(NamedTuple):
    """Seal `body`, and send it there."""

    to: Contact
    body: bytes


class Fate(Enum):
    LATE = auto()
    LOST = auto()


@dataclass(slots=True)
class Call(Generic[Owner]):
    contact: Contact
    request: Request
    owner: Owner
    sent_ms: int
    sends: int = 1
    is_second: bool = False  # The first was refused, because of its token.

    @property
    def is_late(self) -> bool:
        return self.sends > 1


class Calls(Generic[Owner]):
    """All requests of a node that are under way. Times are ms on the monotonic clock."""

    def __init__(self, entropy: Callable[[int], bytes], *, serves: bool) -> None:
        self.round_trips = RoundTrips()
        self._entropy = entropy
        self.serves = serves  # What requests say of us.
        self._calls: dict[bytes, Call[Owner]] = {}  # By transaction id.
        self._due = list[tuple[int, int, bytes]]()  # A heap: when, the how manieth, whose.
        self._count = 0
        self._silent: OrderedDict[bytes, int] = OrderedDict()  # Contact as written -> until when.
        self._tokens: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()  # The same -> token, until when.

    def __len__(self) -> int:
        return len(self._calls)

    def has(self, txid: bytes) -> bool:
        return txid in self._calls

    @property
    def wakes_at_ms(self) -> int | None:
        """When `due` must be called at the latest; None if nothing is under way."""
        return self._due[0][0] if self._due else None

    def start(self, contact: Contact, kind: Kind, argument: bytes, owner: Owner, now_ms: int) -> Send:
        token, until_ms = self._tokens.get(contact.raw, (b"", now_ms))
        fresh = token if now_ms < until_ms else b""
        request = Request(kind, self._entropy(TXID_SIZE), argument, fresh, self.serves)
        self._calls[request.txid] = Call(contact, request, owner, now_ms)
        self._wake(now_ms + self.round_trips.wait_ms, request.txid)
        return Send(contact, request.encode())

    def again(self, call: Call[Owner], now_ms: int) -> Send:
        """Ask the same with the token that the refusal had: who was asked has forgotten the one it gave before."""
        send = self.start(call.contact, call.request.kind, call.request.argument, call.owner, now_ms)
        self._calls[Request.decode(send.body).txid].is_second = True
        return send

    def give_up(self, txid: bytes) -> None:
        """Wait for it no more, as if it had never been sent."""
        self._calls.pop(txid, None)

    def heard(self, sender: Contact, reply: Reply, now_ms: int) -> Call[Owner] | None:
        """Return the call that this answers; None if there is none, or somebody else was asked."""
        call = self._calls.get(reply.txid)
        if call is None or call.contact != sender:
            return None
        del self._calls[reply.txid]
        if not call.is_late:
            self.round_trips.measured(now_ms - call.sent_ms)
        self._silent.pop(sender.raw, None)
        _remember(self._tokens, sender.raw, (reply.token, now_ms + TOKEN_MS), TOKENS_MAX)
        return call

    def due(self, now_ms: int) -> tuple[list[Send], list[tuple[Call[Owner], Fate]]]:
        """Return what to send again, and what became of which calls."""
        again, fates = list[Send](), list[tuple[Call[Owner], Fate]]()
        while self._due and self._due[0][0] <= now_ms:
            _, _, txid = heapq.heappop(self._due)
            call = self._calls.get(txid)
            if call is None:
                continue
            if call.sends == SENDS_MAX:
                del self._calls[txid]
                _remember(self._silent, call.contact.raw, now_ms + SILENT_MS, SILENT_MAX)
                self._tokens.pop(call.contact.raw, None)
                fates.append((call, Fate.LOST))
                continue
            if not call.is_late:
                fates.append((call, Fate.LATE))
            call.sends += 1
            wait_ms = 2 * self.round_trips.wait_ms if call.sends < SENDS_MAX else GRACE_MS
            self._wake(now_ms + wait_ms, txid)
            again.append(Send(call.contact, call.request.encode()))
        while self._due and self._due[0][2] not in self._calls:
            heapq.heappop(self._due)  # Answered since: nothing to wake up for.
        return again, fates

    def heard_of(self, contacts: list[Contact], now_ms: int) -> list[Contact]:
        """Return those of them that are not silent."""
        if not self._silent:
            return contacts
        return [contact for contact in contacts if not self.is_silent(contact, now_ms)]

    def is_silent(self, contact: Contact, now_ms: int) -> bool:
        """Say whether it did not answer lately, there: who is silent where it never was is not silent elsewhere."""
        return self._silent.get(contact.raw, now_ms) > now_ms

    def _wake(self, at_ms: int, txid: bytes) -> None:
        self._count += 1
        heapq.heappush(self._due, (at_ms, self._count, txid))


Value = TypeVar("Value")


def _remember(notes: OrderedDict[bytes, Value], name: bytes, value: Value, most: int) -> None:
    notes[name] = value
    notes.move_to_end(name)
    if len(notes) > most:
        notes.popitem(last=False)
