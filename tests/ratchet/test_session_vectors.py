"""Our own vectors: recomputed byte for byte, and followed by a second implementation that shares no code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base, crypto_sign_open
from nacl.signing import SigningKey

from scripts.make_ratchet_vectors import make_vectors
from tests.ratchet.textbook import LABEL, Textbook, expand, hkdf, transcript

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "ratchet" / "sessions.json").read_text())

KINDS = ("last_resort", "one_time")


class Handshake:
    """What the vector says, and the handshake secret as README.md has it derived, from the responder's keys."""

    def __init__(self, kind: str) -> None:
        self.vector = VECTORS[kind]
        is_one_time = kind == "one_time"
        opening, bundle = self.unhex("opening"), self.unhex("bundle")
        self.bundle, self.opening = bundle, opening
        party_end = 5 + int.from_bytes(opening[3:5], "big")
        self.ephemeral = opening[party_end + 1 : party_end + 33]
        ids = opening[party_end + 33 : party_end + 45]
        self.ciphertext = opening[party_end + 45 : party_end + 1_613]
        self.first_frame = opening[party_end + 1_613 :]
        initiator = crypto_scalarmult_base(self.unhex("initiator_secret"))
        self.signed_prekey = self.unhex("signed_prekey_secret")
        secrets = [
            crypto_scalarmult(self.signed_prekey, initiator),
            crypto_scalarmult(self.unhex("responder_secret"), self.ephemeral),
            crypto_scalarmult(self.signed_prekey, self.ephemeral),
        ]
        named = ids[:4] + b"\x05" + crypto_scalarmult_base(self.signed_prekey)
        if is_one_time:
            one_time = self.unhex("one_time_prekey_secret")
            secrets.append(crypto_scalarmult(one_time, self.ephemeral))
            named += ids[4:8] + b"\x05" + crypto_scalarmult_base(one_time)
        kem_public = self.unhex("offer")[44:1_612] if is_one_time else bundle[110:1_678]
        parties = [self.unhex("initiator_party"), self.unhex("responder_party")]
        self.transcript = transcript(
            [
                bytes([1, is_one_time]),
                *(len(party).to_bytes(2, "big") + party for party in parties),
                b"\x05" + initiator,
                b"\x05" + crypto_scalarmult_base(self.unhex("responder_secret")),
                b"\x05" + self.ephemeral,
                named,
                ids[8:] + b"\x0a" + kem_public,
                self.ciphertext,
            ]
        )
        ikm = b"\xff" * 32 + b"".join(secrets) + self.unhex("kem_secret")
        self.secret = hkdf(bytes(32), ikm, LABEL + b"pqxdh\x00" + self.transcript, 32)

    def unhex(self, name: str) -> bytes:
        return bytes.fromhex(self.vector[name])

    def lanes(self, lane: int) -> tuple[Textbook, Textbook]:
        """Return both ends of a lane, ready to begin."""
        a = Textbook(lane, self.transcript, self.secret, self.secrets("initiator", lane))
        b_secrets = self.secrets("responder", lane)
        b = Textbook(lane, self.transcript, self.secret, b_secrets)
        b.respond(self.signed_prekey if lane == 1 else next(b_secrets))
        a.initiate(crypto_scalarmult_base(b.own))
        return a, b

    def secrets(self, who: str, lane: int) -> Iterator[bytes]:
        yield from map(bytes.fromhex, self.vector[f"{who}_ratchet_secrets"][str(lane)])
        yield bytes(range(32))  # The book turns when it hears, we when we answer: the last turn may never be seen.


def test_the_vectors_are_made_again_byte_for_byte() -> None:
    assert make_vectors() == VECTORS


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_implementation_derives_the_same_handshake(kind: str) -> None:
    handshake = Handshake(kind)
    assert handshake.transcript == handshake.unhex("transcript")
    assert expand(handshake.secret, LABEL + b"session-id\x00", 16) == handshake.unhex("session_id")


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_implementation_says_and_hears_the_same_frames(kind: str) -> None:
    handshake = Handshake(kind)
    lanes = {lane: handshake.lanes(lane) for lane in (1, 2, 3)}
    a, b = lanes[1]
    first = handshake.unhex("first")
    assert a.seal(first, 0, handshake.first_frame[1:13]) == handshake.first_frame
    assert b.open(handshake.first_frame) == (first, 0)
    held: list[tuple[Textbook, bytes, tuple[bytes, int]]] = []
    for said in handshake.vector["frames"]:
        frame, plaintext, lease_epoch = (
            bytes.fromhex(said["frame"]),
            bytes.fromhex(said["plaintext"]),
            said["lease_epoch"],
        )
        a, b = lanes[said["lane"]]
        sender, receiver = (a, b) if said["from"] == "a" else (b, a)
        assert sender.seal(plaintext, lease_epoch, frame[1:13]) == frame
        held.append((receiver, frame, (plaintext, lease_epoch)))
        if not said["late"]:
            for hearer, heard, expected in reversed(held):
                assert hearer.open(heard) == expected
            held.clear()
    assert not held


@pytest.mark.parametrize("kind", KINDS)
def test_the_signatures_cover_label_and_body(kind: str) -> None:
    handshake = Handshake(kind)
    signer = bytes(SigningKey(handshake.unhex("signing_seed")).verify_key)
    signed = {"bundle": LABEL + b"bundle\x00"}
    if kind == "one_time":
        signed["offer"] = LABEL + b"offer\x00" + signer + handshake.unhex("requester")
    for name, prefix in signed.items():
        raw = handshake.unhex(name)
        assert crypto_sign_open(raw[-64:] + prefix + raw[:-64], signer)
