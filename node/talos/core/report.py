"""What a node tells about itself and about one send: plain values, the same for API, control socket and CLI."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class ReceiptState(Enum):
    DELIVERED = "delivered"  # On the receiver's disk, and acknowledged.
    QUEUED = "queued"  # On our disk; tried again until it is delivered.


@dataclass(frozen=True, slots=True)
class MessageId:
    """Who sent it, from which origin (16 bytes, new at enrolment and recovery), and the how manieth to us."""

    sender: str  # peer_id.
    origin: bytes
    seq: int  # From 1, without gaps, per origin and receiver.

    def __str__(self) -> str:
        return f"{self.sender}/{self.origin.hex()}/{self.seq}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `send` returns. `why_queued` says why a message waits; `audit_index` is its entry in our log."""

    id: MessageId
    state: ReceiptState
    audit_index: int | None = None  # None until the log records sends.
    why_queued: str | None = None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    did: str
    addresses: tuple[str, ...]  # HOST:PORT, as given.
    linked: bool
    session: bool  # A confirmed session exists.
    undelivered: int  # Messages of ours that it has not acknowledged.
    reason: str | None  # Why it is not linked, where that is known: the last failure, in words.


@dataclass(frozen=True, slots=True)
class NodeStatus:
    did: str
    name: str
    listening: tuple[str, ...]  # HOST:PORT, with real ports.
    uptime_s: float
    links: int
    undelivered: int  # In the outbox, against `queue_limit`.
    queue_limit: int
    inbox: int  # On disk and not done.
    store_ok: bool
    reason: str | None  # Why something is not well.
    peers: tuple[PeerStatus, ...]


@dataclass(frozen=True, slots=True)
class PeerCard:
    """Who answers at an address: what `peers add HOST:PORT` shows before it asks."""

    did: str
    address: str  # HOST:PORT.
