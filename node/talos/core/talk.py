"""The state of one conversation: what is on disk, and what holds for the current link only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from talos.core.allowance import Allowance
from talos.core.content import Marks
from talos.core.inbox import Inbox
from talos.core.marks import HighWater
from talos.core.outbox import SESSION_ID_SIZE, Outbox
from talos.core.sessions import Ours, Sessions
from talos.core.tables import FRAMES, NEWCOMERS, OUTBOX, Rows
from talos_ratchet import Lane

TOLD_MAX: Final = 8  # Greetings with one peer: more are not under way at once.


@dataclass(slots=True)
class OnLink:
    """What is remembered for one link only."""

    wanted: tuple[bytes, int] | None = None  # Origin and seq last asked for again, so that one gap is one WANT.
    held_origin: bytes | None = None  # The peer was told BUSY for this origin.
    unreadable: int = 0  # Since the last message that could be opened.
    unreadable_since: int | None = None  # Monotonic ms, if there are any.
    unopened: set[Lane] = field(default_factory=set)  # It counts in `Talk.unopened` once.
    has_taken: bool = False  # A message has been taken since the peer was told, in the greeting, how far we are.


@dataclass(slots=True)
class Talk:
    """The state of a conversation; only its `Draft` changes it."""

    peer: bytes
    ours: Ours
    rows: Rows
    inbox: Inbox
    sessions: Sessions
    high_water: HighWater
    outbox: Outbox
    is_newcomer: bool  # It has proved who it is, and no message was exchanged: see `talos.core.newcomers`.
    linked: bool = False
    allowance: Allowance = field(default_factory=Allowance)
    # Links in a row on which a frame of this lane came that no session opened, and none that one did.
    unopened: dict[Lane, int] = field(default_factory=dict)
    told: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)  # Marks, by the words of ours that they are in.
    on_link: OnLink = field(default_factory=OnLink)

    @classmethod
    def load(cls, peer: bytes, ours: Ours, rows: Rows, inbox: Inbox) -> Talk:
        """Return what is on disk of a peer. Raises `Damaged`."""
        high_water, sessions = HighWater(peer, rows), Sessions(peer, ours, rows)
        is_newcomer = rows.get(NEWCOMERS, peer) is not None
        frames = {key: value[:SESSION_ID_SIZE] for key, value in rows.scan(FRAMES, peer)}
        # Last, for it counts in what all peers share: whoever cannot be read must not.
        outbox = Outbox.load(peer, high_water.next_seq, rows.scan(OUTBOX, peer), frames, inbox.room)
        return cls(peer, ours, rows, inbox, sessions, high_water, outbox, is_newcomer)

    def marks(self, answers: bytes = b"") -> Marks:
        """Who we are as a sender, how far we have the peer's messages, and what we answer."""
        return Marks(self.ours.origin, *self.high_water.newest, answers)

    def told_in(self, name: bytes) -> None:
        """Remember how far we have the peer's messages now, as words of ours tell it: 32 bytes name them."""
        self.told[name] = self.high_water.newest
        while len(self.told) > TOLD_MAX:
            del self.told[next(iter(self.told))]
