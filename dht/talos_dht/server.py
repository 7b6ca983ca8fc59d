"""The answering side: every request gets one reply or none, at a cost that does not depend on how much is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from talos_dht import meter
from talos_dht.contact import Contact
from talos_dht.errors import BadStatement, KeyLogUnknown, Malformed, NoRoom, Outdated
from talos_dht.messages import BODY_MAX, PROVIDERS_PER_REPLY, Answer, Kind, Reason, Reply, Request, token_of
from talos_dht.meter import Meter
from talos_dht.moment import Now
from talos_dht.pending import Pending, Waiting
from talos_dht.provider import Provider
from talos_dht.record import SALTS, Record
from talos_dht.row import Held
from talos_dht.shelf import Shelf
from talos_dht.statement import KeyOf, check, place_of
from talos_dht.table import K, Table
from talos_dht.tokens import Tokens


class Server:
    def __init__(self, table: Table, shelf: Shelf, key_of: KeyOf, entropy: Callable[[int], bytes]) -> None:
        self._table = table
        self._shelf = shelf
        self._key_of = key_of
        self._entropy = entropy
        self._tokens = Tokens(entropy)
        self._requests = {  # By whether who asks has proved its address.
            proven: Meter(meter.REQUESTS_PER_HOST, meter.REQUESTS_PER_NET, meter.REQUESTS_TOGETHER)
            for proven in (True, False)
        }
        self._puts = Meter(meter.PUTS_PER_HOST, meter.PUTS_PER_NET, meter.PUTS_TOGETHER)  # All are proven.
        self._pending = Pending()
        self.dropped = 0  # Requests beyond what may be asked of us, since the start.

    def admits(self, sender: Contact, body: bytes, now_ms: int) -> bool:
        """Say whether to look at what it sent at all."""
        if self._requests[self.is_proven(sender, body, now_ms)].spend(sender, now_ms):
            return True
        self.dropped += 1
        return False

    def is_proven(self, sender: Contact, body: bytes, now_ms: int) -> bool:
        """Say whether the sender hears what is sent to its address: undecoded, it has a token that we gave it."""
        return self._tokens.holds(token_of(body), sender, now_ms)

    def answer(self, sender: Contact, request: Request, size: int, now: Now) -> bytes | None:
        """Return the reply to a request of `size` bytes."""
        proven = self._tokens.holds(request.token, sender, now.mono_ms)
        is_put = request.kind in (Kind.PUT_RECORD, Kind.PUT_PROVIDER)
        items: Sequence[bytes] = ()
        if request.kind is Kind.PING:
            kind = Answer.PONG
        elif not proven and (is_put or request.token):  # With a token it is too short for a whole answer.
            kind, items = _refused(Reason.TOKEN)
        elif is_put:
            kind, items = self._put(sender, request, now)
        else:
            kind, items = self._found(sender, request, now)
        token = self._tokens.make(sender, now.mono_ms)
        reply = Reply(kind, request.txid, token, sender.place, items)
        return reply.encode(BODY_MAX if proven else size)

    def waits_for(self, did: bytes, now: Now) -> bool:
        return bool(self._pending.of(did, now.utc_ms))

    def key_log_known(self, did: bytes, now: Now) -> None:
        """Try again what was put before its key log was known; it waits on if that is still too short."""
        for one in self._pending.of(did, now.utc_ms):
            if self._store(one, now) != _refused(Reason.KEY_LOG):
                self._pending.drop(one)

    def _found(self, sender: Contact, request: Request, now: Now) -> tuple[Answer, Sequence[bytes]]:
        held = self._shelf.checked(request.argument, self._key_of, now) if request.kind is Kind.GET else []
        if not held:
            near = self._table.closest(request.argument, K, sender.id)
            if sender.network is not None:  # Addresses of our house are of no use outside it.
                near = [one for one in near if one.network is not None]
            return Answer.CONTACTS, [one.raw for one in near]
        raws = [one.encode() for one in held]
        if isinstance(held[0], Record):
            return Answer.RECORD, raws[:1]
        start = int.from_bytes(self._entropy(2), "big") % len(raws)
        return Answer.PROVIDERS, (raws[start:] + raws[:start])[:PROVIDERS_PER_REPLY]

    def _put(self, sender: Contact, request: Request, now: Now) -> tuple[Answer, Sequence[bytes]]:
        if not self._puts.spend(sender, now.mono_ms):
            return _refused(Reason.BUSY)
        try:
            place, held = _read(request)
        except Malformed:
            return _refused(Reason.BAD)
        return self._store(Waiting(place, held, sender), now)

    def _store(self, one: Waiting, now: Now) -> tuple[Answer, Sequence[bytes]]:
        held = one.held
        try:
            if held not in self._shelf.checked(one.place, self._key_of, now):
                check(held, self._key_of, now.utc_ms)
                self._shelf.put(one.place, held, one.sender.network, now)
        except KeyLogUnknown:
            self._pending.add(one, now.utc_ms)
            return _refused(Reason.KEY_LOG)
        except BadStatement:
            return _refused(Reason.BAD)
        except Outdated:
            return _refused(Reason.OUTDATED)
        except NoRoom:
            return _refused(Reason.NO_ROOM)
        return Answer.STORED, ()


def _read(request: Request) -> tuple[bytes, Held]:
    """Return what is to be stored, and where. Nobody else decides where: it follows from what is signed."""
    if request.kind is Kind.PUT_PROVIDER:
        provider = Provider.decode(request.argument)
        return provider.place, provider
    salt, record = request.argument[0], Record.decode(request.argument[1:])
    if salt >= SALTS:
        raise Malformed(f"salt: {salt} is outside 0..{SALTS - 1}")
    return place_of(record.did, salt), record


def _refused(reason: Reason) -> tuple[Answer, Sequence[bytes]]:
    return Answer.REFUSED, [bytes([reason])]
