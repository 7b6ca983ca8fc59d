"""Ada and Bob, whose every secret follows from its name: anybody can make the examples of docs/protocol again."""

from __future__ import annotations

import json
from functools import cached_property
from hashlib import shake_256
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from talos.core.dice import Entropy
from talos.core.keylog import KeyLog, incept, verify, write
from talos.core.keylog_keys import Sign, commitment_of, rotation_key, signer
from talos.core.keylog_kinds import Reveal, Role
from talos.core.keylog_rank1 import Inception
from talos.core.keylog_rank2 import Instance
from talos.core.party import Party, make_party
from talos_ratchet import (
    Bundle,
    KemPrekey,
    KeyPair,
    Offer,
    Prekey,
    make_bundle,
    make_kem_prekey,
    make_offer,
    make_prekey,
    read_bundle,
    read_offer,
)

START_MS: Final = 1_700_000_000_000  # 2023-11-14, 22:13:20 UTC.
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
NOW_MS: Final = START_MS + HOUR_MS  # When all of it happens.

VECTORS: Final = Path(__file__).parent.parent / "vectors" / "ratchet" / "ml_kem_1024.json"


def secret(name: str, size: int = 32) -> bytes:
    """Return SHAKE256("talos example: " and the name): what stands for dice."""
    return shake_256(f"talos example: {name}".encode()).digest(size)


def drawn(*names: str) -> Entropy:
    """Return entropy that yields the secrets of these names, in this order, and then no more."""
    left = list(names)
    return lambda size: secret(left.pop(0), size)


def kem(number: int) -> tuple[bytes, bytes, bytes]:
    """Return seed, ciphertext and secret of one vector of Project Wycheproof: its encapsulation cannot be repeated."""
    vector = json.loads(VECTORS.read_text())["vectors"][number]
    seed, ciphertext, shared = (bytes.fromhex(vector[name]) for name in ("seed", "ciphertext", "secret"))
    return seed, ciphertext, shared


ONE_TIME_KEM: Final = kem(1)
LAST_RESORT_KEM: Final = kem(2)


def encapsulate(_public: bytes) -> tuple[bytes, bytes]:
    """Stand for the dice of ML-KEM, to Bob's one-time key."""
    _, ciphertext, shared = ONE_TIME_KEM
    return shared, ciphertext


class Person:
    """One identity with one instance."""

    def __init__(self, name: str, seed: bytes) -> None:
        self.name = name
        self.seed = seed
        self.instance_seed = secret(f"{name} instance")
        self.pair = KeyPair.of(secret(f"{name} agreement"))

    @property
    def sign(self) -> Sign:
        return signer(SigningKey(self.instance_seed))

    @property
    def ed25519(self) -> bytes:
        return bytes(SigningKey(self.instance_seed).verify_key)

    @property
    def did(self) -> bytes:
        return self.key_log.state.did

    @cached_property
    def key_log(self) -> KeyLog:
        current, following = (rotation_key(self.seed, n) for n in (0, 1))
        reveal = Reveal(bytes(current.verify_key), commitment_of(bytes(following.verify_key)))
        log = verify([incept(Inception(reveal), now_ms=START_MS, sign=signer(current))])
        certificate = Instance(self.ed25519, self.pair.public, Role.SOLE, START_MS + 366 * DAY_MS)
        return log.extended(write(log, certificate, now_ms=NOW_MS, sign=signer(current)))

    @cached_property
    def party(self) -> Party:
        return make_party(
            self.key_log,
            ed25519=self.ed25519,
            x25519=self.pair.public,
            role=Role.SOLE,
            not_after_ms=START_MS + 366 * DAY_MS,
            sign_identity=signer(rotation_key(self.seed, 0)),
            sign_instance=self.sign,
        )


ADA: Final = Person("ada", bytes(range(32)))
BOB: Final = Person("bob", bytes(range(32, 64)))


class Pantry:
    """Bob's prekeys."""

    signed: Prekey = make_prekey(1, drawn("bob signed prekey"))
    last_resort: KemPrekey = make_kem_prekey(1, lambda _: LAST_RESORT_KEM[0])
    one_time: Prekey = make_prekey(7, drawn("bob one-time prekey"))
    one_time_kem: KemPrekey = make_kem_prekey(7, lambda _: ONE_TIME_KEM[0])

    @cached_property
    def raw_bundle(self) -> bytes:
        return make_bundle(
            sign=BOB.sign,
            signer=BOB.ed25519,
            agreement=BOB.pair.public,
            prekey=self.signed,
            last_resort=self.last_resort,
            not_after_ms=NOW_MS + 21 * DAY_MS,
        )

    @cached_property
    def raw_offer(self) -> bytes:
        return make_offer(
            sign=BOB.sign,
            signer=BOB.ed25519,
            requester=ADA.did,
            prekey=self.one_time,
            kem_prekey=self.one_time_kem,
            not_after_ms=NOW_MS + 600_000,
        )

    @property
    def bundle(self) -> Bundle:
        return read_bundle(self.raw_bundle, now_ms=NOW_MS)

    @property
    def offer(self) -> Offer:
        return read_offer(self.raw_offer, signer=BOB.ed25519, requester=ADA.did, now_ms=NOW_MS)


PANTRY: Final = Pantry()
