"""What is no answer, in a seal that opens: a liar that breaks every rule of a reply, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from talos_dht import BODY_MAX, Answer, Contact, Reason, Reply, Request
from talos_dht.contact import CONTACT_SIZE, PLACE_SIZE
from talos_dht.messages import TOKEN_SIZE, TXID_SIZE
from talos_simulations.hostile.words import Plausible

JUMBO: Final = 60_000  # Bytes: what UDP carries, and no node sends.


class Babbler(Plausible):
    LIES = (
        "changed",
        "cut",
        "nothing",
        "junk",
        "deep",
        "of_another_question",
        "another_answer",
        "twice",
        "too_long",
        "far_too_long",
        "too_many",
        "no_token",
        "no_reason",
        "seen_nowhere",
        "the_question",
    )

    def replies(self, request: Request, sender: Contact) -> Iterator[bytes]:
        true, lie = self.reply(request, sender, self.answer(request)), self.lie()
        yield self._spoilt(lie, true, request, sender)
        if lie == "twice":
            yield true

    def _spoilt(self, lie: str, true: bytes, request: Request, sender: Contact) -> bytes:
        match lie:
            case "changed":
                raw = bytearray(true)
                for _ in range(1 + self.dice.randrange(5)):
                    raw[self.dice.randrange(len(raw))] = self.dice.randrange(256)
                return bytes(raw)
            case "cut":
                return true[: self.dice.randrange(len(true))]
            case "nothing":
                return b""
            case "junk":
                return true[:13] + self.entropy(self.dice.randrange(1, BODY_MAX))  # With the number of the question.
            case "deep":
                return true[:13] + b"\x91" * 1_000
            case "too_long":
                return true + bytes(BODY_MAX + 1 - len(true))
            case "far_too_long":
                return true + bytes(JUMBO)
            case "the_question":
                return request.encode()
            case _:
                return self._broken(lie, true, request, sender)

    def _broken(self, lie: str, true: bytes, request: Request, sender: Contact) -> bytes:
        """Return what is well-formed, or nearly."""
        txid, token = request.txid, self.entropy(TOKEN_SIZE)
        kind, items = Answer.CONTACTS, [self.liar.contact.raw]
        match lie:
            case "of_another_question":
                txid = self.entropy(TXID_SIZE)
            case "another_answer":
                kind, items = self.dice.choice((Answer.PONG, Answer.STORED)), []
            case "too_many":
                items = [self.entropy(CONTACT_SIZE)] * 21
            case "no_token":
                kind, items = Answer.REFUSED, [bytes((Reason.TOKEN,))]
            case "no_reason":
                kind, items = Answer.REFUSED, [b"\xff"]
            case "seen_nowhere":
                return Reply(kind, txid, token, bytes(PLACE_SIZE), items).encode() or b""
            case _:
                return true
        return Reply(kind, txid, token, sender.place, items).encode() or b""
