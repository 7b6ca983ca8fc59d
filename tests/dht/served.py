"""A server that knows 60 others, and whoever asks it."""

from __future__ import annotations

from random import Random

from talos_dht import Answer, Contact, Kind, Now, Provider, Record, Reply, Request
from talos_dht.server import Server
from talos_dht.shelf import Shelf
from talos_dht.table import Table
from tests.dht.people import contact
from tests.dht.publishers import NOW, KeyLogs, Publisher

OWN, ALICE, BOB = contact(0), contact(1), contact(2)
ADA, EVE = Publisher(1), Publisher(2)
TXID = b"12345678"


class Served:
    """A server with a table of 60, and somebody who asks it."""

    def __init__(self, *known: Publisher) -> None:
        dice = Random(1)
        self.logs = KeyLogs(*known)
        self.table = Table(OWN.id)
        self.shelf = Shelf(OWN.id, {}, NOW)
        self.server = Server(self.table, self.shelf, self.logs.key_of, dice.randbytes)
        for number in range(1, 61):
            self.table.answered(contact(number), number)

    def ask(
        self, kind: Kind, argument: bytes = b"", *, sender: Contact = ALICE, token: bytes = b"", now: Now = NOW
    ) -> Reply:
        request = Request(kind, TXID, argument, token)
        raw = self.server.answer(sender, request, len(request.encode()), now)
        assert raw is not None
        return Reply.decode(raw)

    def token(self, sender: Contact = ALICE, now: Now = NOW) -> bytes:
        return self.ask(Kind.PING, sender=sender, now=now).token

    def put(self, held: Record | Provider, *, sender: Contact = ALICE, now: Now = NOW) -> int:
        """Return the reason why it was refused, 0 if it was not."""
        token = self.token(sender, now)
        if isinstance(held, Provider):
            reply = self.ask(Kind.PUT_PROVIDER, held.encode(), sender=sender, token=token, now=now)
        else:
            reply = self.ask(Kind.PUT_RECORD, b"\x00" + held.encode(), sender=sender, token=token, now=now)
        assert (reply.kind is Answer.STORED) == (reply.reason == 0)
        return reply.reason
