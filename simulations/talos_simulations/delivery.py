"""The rules of delivery alone: the node's real outbox, marks and inbox, over a wire that loses, repeats and reorders.

No session and no audit log: a frame is its number. What `core.intake` decides about a frame is said here once more in
small (taken, asked for again, or acknowledged anew), so that a million messages can be checked in half a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from talos.core.inbox import Inbox
from talos.core.marks import HighWater
from talos.core.outbox import Outbox
from talos.core.tables import MARKS
from talos.drivers.memory_store import MemoryStore
from talos_simulations.cores import Out
from talos_simulations.dice import stream

PERIOD_MS: Final = 1_000.0  # Each node sends a message a second ...
SIZE: Final = 1_024  # ... of so many bytes.
AGAIN_MS: Final = 2_000.0  # What is not acknowledged by then is sent again, from the first on.
NO_ROWS: Final = MemoryStore((MARKS,))


class Say(NamedTuple):
    """The application sends."""


class Again(NamedTuple):
    """The timer of a peer."""

    peer: int


class Frame(NamedTuple):
    sender: int
    seq: int


class Ack(NamedTuple):
    sender: int
    high: int


class Want(NamedTuple):
    sender: int
    seq: int


SAY: Final = Say()


@dataclass(slots=True)
class _Towards:
    outbox: Outbox
    is_timed: bool = False


class Parcels:
    """One node's delivery core. `handed` is what its application was given: sender and number, in order."""

    def __init__(self, seed: int, number: int, peers: Sequence[int], messages: int) -> None:
        self._number = number
        self._did = number.to_bytes(32, "big")
        self._peers = peers
        self._left = messages
        self._dice = stream(seed, "parcels", number)
        self._towards: dict[int, _Towards] = {}
        self._marks: dict[int, HighWater] = {}
        self._wanted: dict[int, int] = {}  # By sender: what was asked for again.
        self._inbox = Inbox()
        self._body = bytes(SIZE)
        self.handed: list[tuple[int, int]] = []
        self.accepted: dict[int, int] = {}  # How many messages, by receiver.
        self._handlers: dict[type, Callable[[Any, float], Sequence[Out]]] = {
            Say: self._say,
            Frame: self._take,
            Ack: self._acked,
            Want: self._wanted_again,
            Again: self._again,
        }

    @property
    def undelivered(self) -> int:
        return sum(towards.outbox.undelivered for towards in self._towards.values())

    def handle(self, event: Say | Frame | Ack | Want | Again, now_ms: float) -> Sequence[Out]:
        return self._handlers[type(event)](event, now_ms)

    def _acked(self, ack: Ack, now_ms: float) -> Sequence[Out]:
        sender, high = ack
        towards = self._towards[sender]
        towards.outbox.acked(high)
        return self._pump(sender, towards) if towards.outbox.rows else ()

    def _wanted_again(self, want: Want, now_ms: float) -> Sequence[Out]:
        sender, seq = want
        towards = self._towards[sender]
        towards.outbox.rewind(seq)
        return self._pump(sender, towards)

    def _again(self, again: Again, now_ms: float) -> Sequence[Out]:
        towards = self._towards[again.peer]
        towards.is_timed = False
        if not towards.outbox.rows:
            return ()  # As nearly always: it was acknowledged long ago.
        towards.outbox.restart()
        return self._pump(again.peer, towards)

    def _say(self, say: Say, now_ms: float) -> list[Out]:
        peer = self._peers[self._dice.randrange(len(self._peers))]
        towards = self._towards.get(peer)
        if towards is None:
            towards = self._towards[peer] = _Towards(Outbox(peer.to_bytes(32, "big"), 1))
        towards.outbox.accept(self._body)
        self.accepted[peer] = self.accepted.get(peer, 0) + 1
        outs = self._pump(peer, towards)
        self._left -= 1
        if self._left:
            outs.append(Out(self._number, SAY, PERIOD_MS))
        return outs

    def _pump(self, peer: int, towards: _Towards) -> list[Out]:
        outs = []
        outbox = towards.outbox
        while (row := outbox.next_to_send()) is not None:
            if row.frame is None:
                outbox.sealed(row, b"", b"frame")
            outbox.sent(row)
            outs.append(Out(peer, Frame(self._number, row.seq)))
        if outbox.rows and not towards.is_timed:
            towards.is_timed = True
            outs.append(Out(self._number, Again(peer), AGAIN_MS))
        return outs

    def _take(self, frame: Frame, now_ms: float) -> Sequence[Out]:
        sender, seq = frame
        did = sender.to_bytes(32, "big")
        marks = self._marks.get(sender)
        if marks is None:
            marks = self._marks[sender] = HighWater(did, NO_ROWS)
        high = marks.high(b"")
        if seq > high + 1:
            if self._wanted.get(sender) == high + 1:
                return ()  # One gap is one WANT: else each frame behind it would bring all of them once more.
            self._wanted[sender] = high + 1
            return (Out(sender, Want(self._number, high + 1)),)
        if seq == high + 1 and self._inbox.has_room(did, SIZE):
            high = seq
            marks.took(b"", seq)
            row, _ = self._inbox.add(did, b"", seq, self._body, int(now_ms))
            self._inbox.arrived(row)
            self._read()
        return (Out(sender, Ack(self._number, high)),)

    def _read(self) -> None:
        """The application takes what is there, and is done with it."""
        row = self._inbox.hand_out()
        if row is not None:
            self._inbox.done(row)
            self._inbox.forget(row)
            self.handed.append((int.from_bytes(row.sender, "big"), row.seq))
