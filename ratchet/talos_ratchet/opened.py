"""What opening a frame yields: the plaintext, and what taking the frame will change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from talos_ratchet.chain import Chain
from talos_ratchet.late import Place

if TYPE_CHECKING:
    from talos_ratchet.ratchet import Ratchet


@dataclass(slots=True)  # Not frozen: that would take as long again as all the rest of it.
class Turn:
    """The receiving half of a DH turn, worked out but not yet taken."""

    public: bytes  # The peer's new ratchet key.
    root: bytes = field(repr=False)
    next_header: bytes = field(repr=False)  # Header key of the receiving chain after the new one.
    previous: int  # PN: frames of the chain that it ends.


@dataclass(slots=True)
class Leap:
    """What taking a frame changes beyond the next step of the current chain."""

    now_ms: int  # When it was opened.
    gone: list[Place]  # Keys to drop: the one used, those expired, those of a chain forgotten.
    passed: dict[Place, bytes] = field(default_factory=dict, repr=False)  # Keys to keep.
    turn: Turn | None = None
    chain: Chain | None = None  # The receiving chain after the frame; None if the frame was late.
    unread: int = 0  # How many of `gone` are still young, and belong to a chain forgotten.


class Opened:
    """One authentic frame, decrypted; its lane does not know of it until it is taken."""

    __slots__ = ("leap", "lease_epoch", "plaintext", "ratchet", "version")

    def __init__(self, plaintext: bytes, lease_epoch: int, ratchet: Ratchet, leap: Leap | None) -> None:
        self.plaintext = plaintext
        self.lease_epoch = lease_epoch  # 0: the sender is not replicated.
        self.ratchet = ratchet
        self.version = ratchet.version
        self.leap = leap  # None if the frame was the next in order.

    def __repr__(self) -> str:
        return f"Opened({len(self.plaintext)} bytes, lease_epoch={self.lease_epoch})"

    @property
    def passed(self) -> int:
        """How many message keys had to be derived and kept, because the frame was not the next."""
        return 0 if self.leap is None else len(self.leap.passed)

    @property
    def unread(self) -> int:
        """How many kept keys will be dropped unread, because their chain is pushed out."""
        return 0 if self.leap is None else self.leap.unread
