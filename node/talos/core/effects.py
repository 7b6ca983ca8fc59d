"""What a conversation wants to happen once its step is on disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from talos.core.content import Cancel, Piece, Reply, Request
from talos.core.entry_types import Refusal
from talos.core.inbox import Arrived


@dataclass(frozen=True, slots=True)
class Send:
    """Put a ratchet frame on the peer's current link. Without one it is dropped: all of it is resent or moot."""

    frame: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rewound:
    """Drop the message frames that still wait on the peer's link: they are stored, and will be sent again."""


@dataclass(frozen=True, slots=True)
class HandUp:
    """A message is on disk and may be handed to the application."""

    row: Arrived


@dataclass(frozen=True, slots=True)
class Kept:
    """A message of ours is on disk."""

    seq: int


@dataclass(frozen=True, slots=True)
class Delivered:
    """The peer has these messages of ours on its disk."""

    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """The peer asks for something, or no longer does."""

    content: Request | Cancel


@dataclass(frozen=True, slots=True)
class Answered:
    """The peer's answer to a request of ours, or a part of it."""

    content: Reply | Piece


@dataclass(frozen=True, slots=True)
class TurnedDown:
    """A frame of the peer's was not taken: to be counted in the audit log."""

    kind: Refusal
    frame: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WentAway:
    """The peer sends nothing more on the link that this came on."""


@dataclass(frozen=True, slots=True)
class Unopened:
    """The peer has proved who it is, and its frames do not open: its session and ours have come apart."""


@dataclass(frozen=True, slots=True)
class WornOut:
    """The session of the link is to be renewed, by us."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What came on the link cannot be: the link it came on must be closed."""

    reason: str


Effect = (
    Send | Rewound | HandUp | Kept | Delivered | Asked | Answered | TurnedDown | WentAway | Unopened | WornOut | Broken
)
