"""The ratchets that ours is measured against, each behind the same operations, and ours.

vodozemac (Rust, Olm: 3DH without a signature check) and DoubleRatchet with X3DH (Python). Neither has a
post-quantum handshake or sealed headers. Wire bytes are part of the work where a library defines them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from os import urandom  # noqa: TID251 - Its cost is part of what is measured.
from typing import Any, Final, TypeVar

import doubleratchet
import vodozemac
import x3dh
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey
from doubleratchet.recommended import HashFunction, aead_aes_hmac, kdf_hkdf, kdf_separate_hmacs
from doubleratchet.recommended import diffie_hellman_ratchet_curve25519 as curve25519
from nacl.signing import SigningKey
from x3dh.identity_key_pair import IdentityKeyPairPriv

from talos_ratchet import (
    SUITE_1,
    Lane,
    Prekeys,
    Session,
    accept,
    make_bundle,
    make_kem_prekey,
    make_key_pair,
    make_prekey,
    read_bundle,
    read_opening,
    start,
)

T = TypeVar("T")
Work = Callable[[], object]

PAYLOAD: Final = urandom(1024)
NOW_MS: Final = 1_700_000_000_000
LANE: Final = Lane.MESSAGE
JUMP: Final = 1_000  # Messages that do not come before the one that does.
INFO: Final = b"talos/v1/root\x00"


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    return MLKEM1024PublicKey.from_public_bytes(public).encapsulate()


class Talos:
    """Ours: PQXDH with ML-KEM-1024, sealed headers, a frame opened and then taken."""

    name = "talos_ratchet"

    def __init__(self) -> None:
        self.alice, self.bob, self.signing = make_key_pair(urandom), make_key_pair(urandom), SigningKey(urandom(32))
        self.prekey, self.last_resort = make_prekey(1, urandom), make_kem_prekey(2, urandom)
        self.raw_bundle = make_bundle(
            sign=lambda message: self.signing.sign(message).signature,
            signer=bytes(self.signing.verify_key),
            agreement=self.bob.public,
            prekey=self.prekey,
            last_resort=self.last_resort,
            not_after_ms=NOW_MS,
        )
        self.a, self.b = self.handshake()
        control = Lane.CONTROL
        welcome = self.a.open(
            control, self.b.seal(control, self.b.offer_lanes(urandom), entropy=urandom), now_ms=NOW_MS
        )
        self.a.take(control, welcome)
        self.a.open_lanes(welcome.plaintext, urandom)

    def handshake(self) -> tuple[Session, Session]:
        """Check the bundle, open, accept: both sides, first message included."""
        session, opening = start(
            pair=self.alice,
            party=b"alice",
            peer_party=b"bob",
            bundle=read_bundle(self.raw_bundle, now_ms=NOW_MS),
            offer=None,
            first=PAYLOAD,
            entropy=urandom,
            encapsulate=encapsulate,
            now_ms=NOW_MS,
        )
        accepted = accept(
            read_opening(opening),
            pair=self.bob,
            party=b"bob",
            peer_agreement=self.alice.public,
            prekeys=Prekeys(self.prekey, None, self.last_resort),
            entropy=urandom,
            now_ms=NOW_MS,
        )
        return session, accepted.session

    def send(self, sender: Session, receiver: Session) -> None:
        frame = sender.seal(LANE, PAYLOAD, entropy=urandom)
        receiver.take(LANE, receiver.open(LANE, frame, now_ms=NOW_MS))

    def in_order(self) -> None:
        self.send(self.a, self.b)

    def ping_pong(self) -> None:
        self.send(self.a, self.b)
        self.send(self.b, self.a)

    def jump(self) -> Work:
        """Return the work of taking a message whose `JUMP` predecessors have not come, for one time."""
        sender, receiver = self.handshake()
        lane = Lane.CONTROL  # Open at once; all lanes are alike.
        for _ in range(JUMP):
            sender.seal(lane, b"", entropy=urandom)
        frame = sender.seal(lane, PAYLOAD, entropy=urandom)
        return lambda: receiver.take(lane, receiver.open(lane, frame, now_ms=NOW_MS))


class Vodozemac:
    """Matrix's Olm in Rust, through its Python binding; messages become bytes and come back."""

    name = "vodozemac"

    def __init__(self) -> None:
        self.alice, self.bob = self.account(), self.account()
        self.bob.generate_fallback_key()
        (self.fallback,) = self.bob.fallback_key.values()
        self.a, self.b = self.handshake()
        self.send(self.b, self.a)

    @staticmethod
    def account() -> Any:  # Its stubs know less than it does.
        return vodozemac.Account()

    def handshake(self) -> tuple[Any, Any]:
        session = self.alice.create_outbound_session(self.bob.curve25519_key, self.fallback)
        opening = vodozemac.AnyOlmMessage.from_parts(*session.encrypt(PAYLOAD).to_parts())
        accepted, _ = self.bob.create_inbound_session(self.alice.curve25519_key, opening.to_pre_key())
        return session, accepted

    def send(self, sender: Any, receiver: Any) -> None:
        receiver.decrypt(vodozemac.AnyOlmMessage.from_parts(*sender.encrypt(PAYLOAD).to_parts()))

    def in_order(self) -> None:
        self.send(self.a, self.b)

    def ping_pong(self) -> None:
        self.send(self.a, self.b)
        self.send(self.b, self.a)

    def jump(self) -> Work:
        """As ours. It keeps the newest 40 of the keys passed over, we and DoubleRatchet keep all."""
        sender, receiver = self.handshake()
        self.send(receiver, sender)
        self.send(sender, receiver)
        for _ in range(JUMP):
            sender.encrypt(b"")
        message = vodozemac.AnyOlmMessage.from_parts(*sender.encrypt(PAYLOAD).to_parts())
        return lambda: receiver.decrypt(message)


class RootKdf(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return INFO


class ChainKdf(kdf_separate_hmacs.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256


class Aead(aead_aes_hmac.AEAD):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"bench aead"


class DoubleRatchet(doubleratchet.DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: doubleratchet.Header) -> bytes:
        counts = header.previous_sending_chain_length, header.sending_chain_length
        return associated_data + header.ratchet_pub + b"".join(count.to_bytes(4, "big") for count in counts)


class X3dhState(x3dh.BaseState):
    @staticmethod
    def _encode_public_key(key_format: x3dh.IdentityKeyFormat, pub: bytes) -> bytes:
        return bytes([list(x3dh.IdentityKeyFormat).index(key_format)]) + pub


SETTINGS: Final[dict[str, Any]] = {
    "diffie_hellman_ratchet_class": curve25519.DiffieHellmanRatchet,
    "root_chain_kdf": RootKdf,
    "message_chain_kdf": ChainKdf,
    "message_chain_constant": b"\x02\x01",
    "dos_protection_threshold": 1_000,
    "max_num_skipped_message_keys": 1_000,
    "aead": Aead,
}


def now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise RuntimeError("the coroutine waits for something")


def x3dh_state(identity: bytes) -> X3dhState:
    pair = IdentityKeyPairPriv(identity)
    return X3dhState.create(x3dh.IdentityKeyFormat.CURVE_25519, x3dh.HashFunction.SHA_256, INFO, pair)


class Syndace:
    """DoubleRatchet and X3DH in Python; no wire format is defined, so none is measured."""

    name = "DoubleRatchet"

    def __init__(self) -> None:
        self.alice, self.bob = x3dh_state(urandom(32)), x3dh_state(urandom(32))
        self.bob.generate_pre_keys(1)
        self.bundle = self.bob.bundle
        self.a, self.b = self.handshake()

    def handshake(self) -> tuple[DoubleRatchet, DoubleRatchet]:
        secret, data, header = now(self.alice.get_shared_secret_active(self.bundle))
        session, opening = now(
            DoubleRatchet.encrypt_initial_message(
                **SETTINGS,
                shared_secret=secret,
                recipient_ratchet_pub=self.bundle.signed_pre_key,
                message=PAYLOAD,
                associated_data=data,
            )
        )
        secret, data, signed = now(self.bob.get_shared_secret_passive(header))
        accepted, _ = now(
            DoubleRatchet.decrypt_initial_message(
                **SETTINGS, shared_secret=secret, own_ratchet_priv=signed.priv, message=opening, associated_data=data
            )
        )
        return session, accepted

    def send(self, sender: DoubleRatchet, receiver: DoubleRatchet) -> None:
        message = now(sender.encrypt_message(PAYLOAD, b"data"))
        now(receiver.decrypt_message(message, b"data"))

    def in_order(self) -> None:
        self.send(self.a, self.b)

    def ping_pong(self) -> None:
        self.send(self.a, self.b)
        self.send(self.b, self.a)

    def jump(self) -> Work:
        """As ours."""
        sender, receiver = self.handshake()
        for _ in range(JUMP):
            now(sender.encrypt_message(b"", b"data"))
        message = now(sender.encrypt_message(PAYLOAD, b"data"))
        return lambda: now(receiver.decrypt_message(message, b"data"))


def disagreements() -> Iterator[str]:
    """Yield where our key derivations and theirs, on the same input, part."""
    key, shared = urandom(32), urandom(32)
    if b"".join(SUITE_1.step(key)) != now(ChainKdf.derive(key, b"\x01\x02", 64)):
        yield "chain step, with DoubleRatchet"
    if b"".join(SUITE_1.turn(key, shared)[:2]) != now(RootKdf.derive(key, shared, 64)):  # HKDF: ours has 32 more.
        yield "root step, with DoubleRatchet"
    identity = urandom(32)
    alice, bob = x3dh_state(urandom(32)), x3dh_state(identity)
    bob.generate_pre_keys(1)
    secret, _, header = now(alice.get_shared_secret_active(bob.bundle))
    (one_time,) = bob.model.pre_keys
    signed, ephemeral = bob.model.signed_pre_key.priv, header.ephemeral_key
    secrets = (
        SUITE_1.agree(signed, header.identity_key),
        SUITE_1.agree(identity, ephemeral),
        SUITE_1.agree(signed, ephemeral),
        SUITE_1.agree(one_time, ephemeral),
    )
    if SUITE_1.mix(secrets, INFO) != secret:
        yield "handshake secret, with X3DH"
