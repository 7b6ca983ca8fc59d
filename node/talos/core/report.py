"""What a node tells about itself and about one send: plain values, the same for API, control socket and CLI."""

from __future__ import annotations

from collections.abc import Mapping
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
    audit_index: int
    why_queued: str | None = None


@dataclass(frozen=True, slots=True)
class PeerStatus:
    did: str
    addresses: tuple[str, ...]  # HOST:PORT, as given.
    linked: bool
    session: bool  # A confirmed session exists.
    undelivered: int  # Messages of ours that it has not acknowledged.
    reason: str | None  # Why it is not linked, where that is known: the last failure, in words.
    found: tuple[str, ...] = ()  # HOST:PORT, as discovery found it; what was given as well is not here again.
    found_by: str | None = None  # The source that found it: one of `discovery`.


@dataclass(frozen=True, slots=True)
class Ping:
    """One round trip to a peer and back, on its session."""

    did: str
    found: str  # How we know `address`: "static" (it was given), a source of `discovery`, "incoming" (it dialled us).
    address: str  # HOST:PORT of the link: as it was dialled, or where the peer dialled from.
    link_s: float | None  # What it took until there was a link, finding included; None: there was one.
    round_trip_s: float  # From asking to the answer, which came on the session and so is the peer's.


@dataclass(frozen=True, slots=True)
class Offer:
    """Somebody who offers a topic."""

    did: str
    until_ms: int  # ms UTC: when what it has said of it ends, if it does not say so again.


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    name: str
    ok: bool
    what: str  # How it is; where it is not well, why.
    fix: str | None = None  # What mends it, if it is not well and something does.


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
    refused: int  # Links, greetings and frames that were turned down since the start; the audit log has them by kind.
    store_ok: bool
    reason: str | None  # Why something is not well.
    peers: tuple[PeerStatus, ...]


@dataclass(frozen=True, slots=True)
class PeerCard:
    """Who answers at an address: what `peers add HOST:PORT` shows before it asks."""

    did: str
    address: str  # HOST:PORT.


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry of the audit log. `peer` and `details` are None where its body was erased, or is sealed to who asks."""

    index: int
    type: str  # As in SPEC 7: "MESSAGE", "SESSION" ...
    time_ms: int  # UTC, by the clock of the node that wrote it.
    id: str  # 16 random bytes in hex.
    lease_epoch: int  # 0: not replicated.
    peer: str | None  # DID of whom it is about; "" where nobody is known.
    details: Mapping[str, str | int] | None  # The fields of its body, by name; bytes in hex.


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What checking a whole audit log found: it holds. What does not hold raises."""

    origin: str
    size: int  # Entries.
    root: str  # Over all of them, in hex.
    signed_size: int  # So many of them the newest checkpoint covers; the rest are of the last second, or of a crash.
    erased: int  # Entries whose body was erased.
    bodies_checked: bool  # Bodies were opened and compared too, for which the node's passphrase is needed.


@dataclass(frozen=True, slots=True)
class LogHead:
    """A signed checkpoint: how far a log has come."""

    origin: str
    size: int  # Entries.
    root: str  # In hex.
    checkpoint: str  # The C2SP signed note, verbatim.
    vkey: str  # The key that verifies it, as C2SP writes it.
