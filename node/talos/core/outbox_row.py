"""One row of an outbox: a message that a peer has not acknowledged, and every move that it may make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Final

from talos.errors import TalosError


class Phase(IntEnum):
    WAITING = auto()  # Accepted; no frame yet.
    READY = auto()  # A frame is stored. It is what gets sent, every time.
    VOID = auto()  # Given up. A frame, if there is one, says so to the peer.
    GONE = auto()  # Acknowledged: no row any more.


class Event(IntEnum):
    SEALED = auto()  # A frame was made for it, in the first session or in a new one.
    VOIDED = auto()
    ACKED = auto()


# Every legal move; scripts/draw_machines.py draws docs/machines/outbox.svg from it.
NEXT: Final[Mapping[tuple[Phase, Event], Phase]] = {
    (Phase.WAITING, Event.SEALED): Phase.READY,
    (Phase.READY, Event.SEALED): Phase.READY,
    (Phase.VOID, Event.SEALED): Phase.VOID,
    (Phase.WAITING, Event.VOIDED): Phase.VOID,
    (Phase.READY, Event.VOIDED): Phase.VOID,
    (Phase.READY, Event.ACKED): Phase.GONE,
    (Phase.VOID, Event.ACKED): Phase.GONE,
}


class IllegalMove(TalosError):
    """An event that the row's phase does not allow."""


def after(phase: Phase, event: Event) -> Phase:
    """Raises `IllegalMove`."""
    try:
        return NEXT[phase, event]
    except KeyError:
        raise IllegalMove(f"outbox row: {event.name} while {phase.name}") from None


@dataclass(slots=True)
class Row:
    seq: int
    phase: Phase
    size: int  # Bytes of the sealed body.
    count: int = 1  # Numbers it stands for; only a VOID row stands for more than one.
    was_sealed: bool = False  # A frame has existed, so the peer may have it.
    session_id: bytes | None = None  # The session of the stored frame.
    frame: bytes | None = field(default=None, repr=False)  # Held while in flight, at most WINDOW_BYTES.
    body: bytes | None = field(default=None, repr=False)  # Held until the row is on disk.

    @property
    def last(self) -> int:
        return self.seq + self.count - 1
