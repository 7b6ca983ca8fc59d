"""The life of one session among those with a peer, as a table; `talos.core.sessions` moves by it.

The phase is not stored: it follows from what is (confirmed, superseded since when), and from the peer's link.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final

from talos.errors import TalosError


class Phase(IntEnum):
    OPENING = auto()  # One side has begun it; the other has not proved that it holds it.
    CONFIRMED = auto()  # Both hold it: the next link can be greeted on it.
    IN_USE = auto()  # The peer's link was greeted on it: both ends send on it.
    RECEIVING = auto()  # Given up, or another one is sent on: what is under way still arrives, for a day.
    OVER = auto()  # Forgotten, rows and all.


class Event(IntEnum):
    PROVED = auto()  # The peer has shown that it holds it, now.
    GREETED = auto()  # A link was greeted on it, and is the peer's.
    LINK_ENDED = auto()
    SUPERSEDED = auto()  # Another is in use; or it was reset, renewed, or lost by the peer.
    DAY_ENDED = auto()  # It has received for a day since.
    DROPPED = auto()  # Pushed out by a newer one, or not borne out by the peer's key log any more.


# Every legal move; scripts/draw_machines.py draws docs/machines/session.svg from it.
NEXT: Final[Mapping[tuple[Phase, Event], Phase]] = {
    (Phase.OPENING, Event.PROVED): Phase.CONFIRMED,
    (Phase.OPENING, Event.DROPPED): Phase.OVER,
    (Phase.CONFIRMED, Event.GREETED): Phase.IN_USE,
    (Phase.CONFIRMED, Event.SUPERSEDED): Phase.RECEIVING,
    (Phase.CONFIRMED, Event.DROPPED): Phase.OVER,
    (Phase.IN_USE, Event.GREETED): Phase.IN_USE,
    (Phase.IN_USE, Event.LINK_ENDED): Phase.CONFIRMED,
    (Phase.IN_USE, Event.SUPERSEDED): Phase.RECEIVING,
    (Phase.IN_USE, Event.DROPPED): Phase.OVER,
    (Phase.RECEIVING, Event.GREETED): Phase.IN_USE,  # Two links crossed, and this one stays.
    (Phase.RECEIVING, Event.LINK_ENDED): Phase.RECEIVING,
    (Phase.RECEIVING, Event.SUPERSEDED): Phase.RECEIVING,
    (Phase.RECEIVING, Event.DAY_ENDED): Phase.OVER,
    (Phase.RECEIVING, Event.DROPPED): Phase.OVER,
}


class IllegalMove(TalosError):
    """An event that the session's phase does not allow."""


def after(phase: Phase, event: Event) -> Phase:
    """Raises `IllegalMove`."""
    try:
        return NEXT[phase, event]
    except KeyError:
        raise IllegalMove(f"session: {event.name} while {phase.name}") from None
