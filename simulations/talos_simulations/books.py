"""What the applications of all nodes did and saw. It is kept outside the machines, so no crash takes it away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

FILLER: Final = b"."
SHOWN_MAX: Final = 100  # Checkpoints of one node.


class Act(StrEnum):
    """One thing that an application saw, with one message."""

    TRIED = "tried"  # It called `send`, which has not returned.
    ACCEPTED = "accepted"  # The node promised to deliver it.
    DELIVERED = "delivered"  # The peer's node has it.
    REFUSED = "refused"  # The node said that it did not accept it.
    UNSURE = "unsure"  # The store failed in the act: it may be accepted or not.
    HANDED = "handed"  # The receiving application got it.
    GARBLED = "garbled"  # The receiving application got something that nobody sent, or not from this sender.
    DONE = "done"  # Its acknowledgement has returned: it must never be handed out again.


@dataclass(frozen=True, slots=True)
class Deed:
    act: Act
    sender: str
    receiver: str
    number: int  # Of the message, among those of this sender to this receiver, from 1, in the order of the calls.
    seq: int = 0  # Its number in the sender's node, where that is known.
    redelivered: bool = False  # The node said, when it handed it out, that it may have done so before.

    def __str__(self) -> str:
        return f"message {self.number} from {self.sender} to {self.receiver}"


@dataclass(slots=True)
class Ledger:
    """One sender's messages to one receiver."""

    sender: str
    receiver: str
    tried: int = 0  # Numbers 1 to this.
    accepted: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    handed: dict[int, int] = field(default_factory=dict)  # How often, in the order of the first time.
    done: set[int] = field(default_factory=set)
    newest: int = 0  # The highest number that was handed out.
    seqs: dict[int, int] = field(default_factory=dict)  # Number -> the node's own number, of what was handed out ...
    accepted_seqs: set[int] = field(default_factory=set)  # ... and of what was accepted.

    def missing(self) -> set[int]:
        """Return what was promised, and never handed out."""
        return self.accepted - self.handed.keys()


class Books:
    def __init__(self, tell: Callable[[Deed], None]) -> None:
        self._tell = tell
        self._ledgers: dict[tuple[str, str], Ledger] = {}
        self._shown: dict[str, dict[bytes, None]] = {}

    def ledger(self, sender: str, receiver: str) -> Ledger:
        key = sender, receiver
        if key not in self._ledgers:
            self._ledgers[key] = Ledger(sender, receiver)
        return self._ledgers[key]

    def ledgers(self) -> Iterator[Ledger]:
        return iter(self._ledgers.values())

    def total(self, act: Act) -> int:
        count: dict[Act, Callable[[Ledger], int]] = {
            Act.TRIED: lambda one: one.tried,
            Act.ACCEPTED: lambda one: len(one.accepted),
            Act.REFUSED: lambda one: len(one.refused),
            Act.HANDED: lambda one: len(one.handed),
            Act.DONE: lambda one: len(one.done),
        }
        return sum(map(count[act], self._ledgers.values()))

    def shown(self, name: str, note: str) -> None:
        """Keep a signed checkpoint that a node has shown to another."""
        notes = self._shown.setdefault(name, {})
        if len(notes) < SHOWN_MAX:
            notes[note.encode()] = None

    def notes_of(self, name: str) -> list[bytes]:
        """Return the checkpoints of this node that others have seen."""
        return list(self._shown.get(name, ()))

    def write(
        self, act: Act, sender: str, receiver: str, number: int = 0, seq: int = 0, *, redelivered: bool = False
    ) -> int:
        """Note what happened; return the number of the message, a new one for TRIED."""
        if act is Act.GARBLED:
            self._tell(Deed(act, sender, receiver, number, seq))
            return number
        ledger = self.ledger(sender, receiver)
        if act is Act.TRIED:
            ledger.tried += 1
            number = ledger.tried
        # Before it is in the ledger: whoever checks sees the past.
        self._tell(Deed(act, sender, receiver, number, seq, redelivered))
        match act:
            case Act.ACCEPTED:
                ledger.accepted.add(number)
                ledger.accepted_seqs.add(seq)
            case Act.DELIVERED:
                ledger.delivered.add(number)
            case Act.REFUSED:
                ledger.refused.add(number)
            case Act.HANDED:
                ledger.handed[number] = ledger.handed.get(number, 0) + 1
                ledger.newest = max(ledger.newest, number)
                ledger.seqs[number] = seq
            case Act.DONE:
                ledger.done.add(number)
            case _:
                pass
        return number


def body(sender: str, receiver: str, number: int, size: int) -> bytes:
    """Return a message that says what it is, filled up to `size` bytes."""
    return f"{sender} {receiver} {number} ".encode().ljust(size, FILLER)


def read_body(raw: bytes) -> tuple[str, str, int]:
    """Return sender, receiver and number. Raises `ValueError` for what `body` did not write."""
    sender, receiver, number, filler = raw.split(b" ", 3)
    if filler.strip(FILLER):
        raise ValueError("this is no message of a simulated application")
    return sender.decode(), receiver.decode(), int(number)
