"""The examples of handshake.md and ratchet.md."""

from __future__ import annotations

from hmac import digest
from typing import Final

from talos_ratchet import Lane
from tests.protocol.cast import ADA, ONE_TIME_KEM
from tests.protocol.layout import Example, Piece, cut, referring
from tests.protocol.meeting import MEETING, Watched

# The root steps that Ada takes, in order.
ADAS_TURNS: Final = ("first", "welcome heard", "message", "bulk", "proof")


def handshake() -> dict[str, Example]:
    opening, ada = MEETING.opening, MEETING.adas
    party = ADA.party.encode()
    frame = MEETING.frames["frame-first"]
    pieces = cut(
        opening,
        (1, "kind"),
        (1, "suite"),
        (1, "flags: the offer is used"),
        (2, "size of the party"),
        (len(party), "party"),
        (1, "an X25519 key"),
        (32, "ephemeral: of the secret `ada ephemeral`"),
        (4, "id of the signed prekey"),
        (4, "id of the one-time prekey"),
        (4, "id of the KEM prekey"),
        (1568, "KEM ciphertext"),
        (len(frame), "the first control frame"),
    )
    seed = ada.lane(Lane.CONTROL)
    return {
        "handshake-secrets": [
            *(Piece(shared, f"DH{number}") for number, shared in enumerate(ada.agreed[:4], 1)),
            Piece(ONE_TIME_KEM[2], "KEM secret"),
            Piece(MEETING.ada.transcript, "transcript"),
            Piece(ada.mixed[0], "handshake secret"),
            Piece(MEETING.ada.id, "session id"),
            Piece(seed[:32], "control lane: root"),
            Piece(seed[32:64], "control lane: header key of the initiator's first chain"),
            Piece(seed[64:], "control lane: header key of the responder's first chain"),
            Piece(ada.lane(Lane.MESSAGE), "message lane: the same three"),
            Piece(ada.lane(Lane.BULK), "bulk lane: the same three"),
        ],
        "opening": referring(pieces, {"ada-party": party, "frame-first": frame}),
    }


def ratchet() -> dict[str, Example]:
    examples: dict[str, Example] = {name: _frame(name) for name in MEETING.frames}
    ada, bob = MEETING.adas, MEETING.bobs
    examples["keys-first"] = _turned(ada, ADAS_TURNS.index("first"))
    examples["keys-welcome"] = _turned(bob, 1)  # After the turn that he heard in the opening.
    examples["keys-proof"] = _turned(ada, ADAS_TURNS.index("proof"))
    message = _turned(ada, ADAS_TURNS.index("message"))
    second = digest(message[1].raw, b"\x02", "sha256")
    examples["keys-message"] = [
        *message,
        Piece(second, "chain key 1"),
        Piece(digest(second, b"\x01", "sha256"), "message key 1"),
    ]
    examples["lane-keys"] = cut(
        MEETING.welcome.lane_keys,
        (32, "message lane: of the secret `bob message 0`"),
        (32, "bulk lane: of the secret `bob bulk 0`"),
    )
    examples["header-message"] = cut(
        _header("frame-message", MEETING.adas.lane(Lane.MESSAGE)[32:64]),
        (32, "ratchet key: of the secret `ada message 1`"),
        (4, "PN"),
        (4, "N"),
        (2, "pq_epoch"),
        (1, "flags"),
        (8, "lease_epoch"),
    )
    return examples


def _frame(name: str) -> list[Piece]:
    frame = MEETING.frames[name]
    return cut(
        frame,
        (1, f"kind: {Lane(frame[0] & 0x0F).name}"),
        (12, f"nonce: the secret `{name.replace('frame-', 'nonce ').replace('-', ' ')}`"),
        (67, "sealed header"),
        (len(frame) - 80, "sealed body"),
    )


def _turned(suite: Watched, number: int) -> list[Piece]:
    root, chain, header = suite.turned[number]
    return [
        Piece(root, "next root"),
        Piece(chain, "chain key 0"),
        Piece(header, "header key of this side's next chain"),
        Piece(digest(chain, b"\x01", "sha256"), "message key 0"),
    ]


def _header(name: str, key: bytes) -> bytes:
    frame, lane = MEETING.frames[name], MEETING.ada.lane(Lane.MESSAGE)
    if lane is None:
        raise ValueError("the lane is not open")
    found = MEETING.adas.open_header([(key, lane.ad)], frame[1:13], frame[13:80])
    if found is None:
        raise ValueError("the header's key is another")
    return found[1]
