"""What crosses the control socket as a result: each value with how it is written and read back.

Written by the node, read by a client of the same user; read with care all the same, so that a client of
another version fails with the field's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Final, Self

from talos.control.fields import TEXT_LENGTH_MAX, Fields, pack_octets
from talos.core.report import Diagnosis, MessageId, NodeStatus, Offer, PeerCard, PeerStatus, Ping, Receipt, ReceiptState
from talos.errors import MalformedMessage
from talos.services.messages import OnFailure

TIMEOUT_S: Final = 30.0  # Of `send`, as in the library.
TIMEOUT_MAX_S: Final = 86_400.0  # A day: a request that outlives it was forgotten by who asked.
RETRIES: Final = 3
RETRIES_MAX: Final = 1_000
ON_FAILURE: Final[Mapping[str, OnFailure]] = {"queue": "queue", "raise": "raise"}
ON_FAILURE_DEFAULT: Final[OnFailure] = "queue"
WAIT_MAX_S: Final = 3_600.0  # Of one `receive`; who wants more asks again.
TICKETS_MAX: Final = 1_000  # Messages one connection may hold: as many as one peer may have in the inbox.
PEERS_MAX: Final = 1_000  # In one answer: at 2 KiB each, and most have a tenth of it, they fit a control line.
COUNT_MAX: Final = 2**63 - 1
SECONDS_MAX: Final = 1e12
ORIGIN_SIZE: Final = 16  # Bytes.

Written = dict[str, object]


@dataclass(frozen=True, slots=True)
class Whoami:
    did: str
    peer_id: str
    public_key: bytes
    addresses: tuple[str, ...]  # HOST:PORT where it listens.


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that this connection holds until it acknowledges `ticket` or closes."""

    ticket: int
    id: MessageId
    body: bytes
    redelivered: bool
    received_ms: int  # UTC.


@dataclass(frozen=True, slots=True)
class Peers:
    """The first `PEERS_MAX` peers by DID, and how many more there are."""

    peers: tuple[PeerStatus, ...]
    left_out: int

    @classmethod
    def of(cls, known: tuple[PeerStatus, ...]) -> Self:
        return cls(known[:PEERS_MAX], max(0, len(known) - PEERS_MAX))


@dataclass(frozen=True, slots=True)
class Status(NodeStatus):
    """`peers` are the first `PEERS_MAX` by DID of `peer_count`."""

    peer_count: int

    @classmethod
    def of(cls, value: NodeStatus) -> Self:
        cut = replace(value, peers=value.peers[:PEERS_MAX])
        return cls(**{each.name: getattr(cut, each.name) for each in fields(cut)}, peer_count=len(value.peers))


def write_whoami(value: Whoami) -> Written:
    return asdict(value) | {"public_key": pack_octets(value.public_key)}


def read_whoami(fields: Fields) -> Whoami:
    return Whoami(
        did=fields.text("did"),
        peer_id=fields.text("peer_id"),
        public_key=fields.octets("public_key"),
        addresses=fields.texts("addresses"),
    )


def write_status(value: Status) -> Written:
    return asdict(value) | {"reason": _cut(value.reason), "peers": list(map(write_peer, value.peers))}


def read_status(fields: Fields) -> Status:
    return Status(
        did=fields.text("did"),
        name=fields.text("name"),
        listening=fields.texts("listening"),
        uptime_s=fields.number("uptime_s", most=SECONDS_MAX),
        links=fields.integer("links", least=0, most=COUNT_MAX),
        undelivered=fields.integer("undelivered", least=0, most=COUNT_MAX),
        queue_limit=fields.integer("queue_limit", least=0, most=COUNT_MAX),
        inbox=fields.integer("inbox", least=0, most=COUNT_MAX),
        refused=fields.integer("refused", least=0, most=COUNT_MAX),
        store_ok=fields.yes_or_no("store_ok"),
        reason=fields.optional_text("reason"),
        peers=tuple(map(read_peer, fields.each("peers"))),
        peer_count=fields.integer("peer_count", least=0, most=COUNT_MAX),
    )


def write_peers(value: Peers) -> Written:
    return {"peers": list(map(write_peer, value.peers)), "left_out": value.left_out}


def read_peers(fields: Fields) -> Peers:
    return Peers(
        tuple(map(read_peer, fields.each("peers"))), fields.integer("left_out", least=0, most=COUNT_MAX, default=0)
    )


def write_peer(value: PeerStatus) -> Written:
    return asdict(value) | {"reason": _cut(value.reason)}


def read_peer(fields: Fields) -> PeerStatus:
    return PeerStatus(
        did=fields.text("did"),
        addresses=fields.texts("addresses"),
        linked=fields.yes_or_no("linked"),
        session=fields.yes_or_no("session"),
        undelivered=fields.integer("undelivered", least=0, most=COUNT_MAX),
        reason=fields.optional_text("reason"),
        found=fields.texts("found"),
        found_by=fields.optional_text("found_by"),
    )


def write_ping(value: Ping) -> Written:
    return asdict(value)


def read_ping(fields: Fields) -> Ping:
    return Ping(
        did=fields.text("did"),
        found=fields.text("found"),
        address=fields.text("address"),
        link_s=None if fields.values.get("link_s") is None else fields.number("link_s", most=SECONDS_MAX),
        round_trip_s=fields.number("round_trip_s", most=SECONDS_MAX),
    )


def write_offers(value: tuple[Offer, ...]) -> Written:
    return {"offers": list(map(asdict, value))}


def read_offers(fields: Fields) -> tuple[Offer, ...]:
    return tuple(
        Offer(did=one.text("did"), until_ms=one.integer("until_ms", least=0, most=COUNT_MAX))
        for one in fields.each("offers")
    )


def write_diagnoses(value: tuple[Diagnosis, ...]) -> Written:
    return {"points": list(map(asdict, value))}


def read_diagnoses(fields: Fields) -> tuple[Diagnosis, ...]:
    return tuple(
        Diagnosis(name=one.text("name"), ok=one.yes_or_no("ok"), what=one.text("what"), fix=one.optional_text("fix"))
        for one in fields.each("points")
    )


def write_card(value: PeerCard) -> Written:
    return asdict(value)


def read_card(fields: Fields) -> PeerCard:
    return PeerCard(did=fields.text("did"), address=fields.text("address"))


def write_id(value: MessageId) -> Written:
    return {"sender": value.sender, "origin": value.origin.hex(), "seq": value.seq}


def read_id(fields: Fields) -> MessageId:
    try:
        origin = bytes.fromhex(fields.text("origin"))
    except ValueError:
        origin = b""
    if len(origin) != ORIGIN_SIZE:
        raise MalformedMessage(f"{fields.what}: origin is not {ORIGIN_SIZE} bytes in hex")
    return MessageId(fields.text("sender"), origin, fields.integer("seq", least=1, most=COUNT_MAX))


def write_receipt(value: Receipt) -> Written:
    return {
        "message_id": write_id(value.id),
        "state": value.state.value,
        "audit_index": value.audit_index,
        "why_queued": _cut(value.why_queued),
    }


def read_receipt(fields: Fields) -> Receipt:
    state = fields.text("state")
    if state not in {known.value for known in ReceiptState}:
        raise MalformedMessage(f"{fields.what}: state is {state[:80]!r}")
    return Receipt(
        id=read_id(fields.nested("message_id")),
        state=ReceiptState(state),
        audit_index=fields.integer("audit_index", least=0, most=COUNT_MAX),
        why_queued=fields.optional_text("why_queued"),
    )


def write_handed(value: Handed) -> Written:
    return {
        "ticket": value.ticket,
        "message_id": write_id(value.id),
        "body": pack_octets(value.body),
        "redelivered": value.redelivered,
        "received_ms": value.received_ms,
    }


def read_handed(fields: Fields) -> Handed:
    return Handed(
        ticket=fields.integer("ticket", least=1, most=COUNT_MAX),
        id=read_id(fields.nested("message_id")),
        body=fields.octets("body"),
        redelivered=fields.yes_or_no("redelivered"),
        received_ms=fields.integer("received_ms", least=0, most=COUNT_MAX),
    )


def _cut(reason: str | None) -> str | None:
    """Return as much of it as a client reads: an error's text has whatever was found, and no end of its own."""
    return None if reason is None else reason[:TEXT_LENGTH_MAX]
