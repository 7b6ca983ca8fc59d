"""Two instances, and how their sessions come about: for the tests beside this file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256, shake_256

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey
from nacl.signing import SigningKey

from talos_ratchet import (
    SUITE_1,
    Accepted,
    Bundle,
    Entropy,
    Lane,
    Offer,
    Prekeys,
    Session,
    Suite,
    accept,
    make_bundle,
    make_kem_prekey,
    make_key_pair,
    make_offer,
    make_prekey,
    read_bundle,
    read_offer,
    read_opening,
    start,
)
from talos_ratchet.checked import Trial
from talos_ratchet.suite import Opener, Sealer

NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3_600_000


def dice(seed: str) -> Entropy:
    """Return entropy that is the same in every run."""
    drawn = 0

    def entropy(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return shake_256(f"{seed} {drawn}".encode()).digest(size)

    return entropy


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    return MLKEM1024PublicKey.from_public_bytes(public).encapsulate()


class Instance:
    """One instance with all the keys it needs."""

    def __init__(self, name: str) -> None:
        self.entropy = dice(name)
        self.party = f"party record of {name}".encode()
        self.signing = SigningKey(self.entropy(32))
        self.signer = bytes(self.signing.verify_key)
        self.pair = make_key_pair(self.entropy)
        self.prekey = make_prekey(1, self.entropy)
        self.last_resort = make_kem_prekey(2, self.entropy)
        self.one_time = make_prekey(3, self.entropy)
        self.one_time_kem = make_kem_prekey(4, self.entropy)

    def sign(self, message: bytes) -> bytes:
        return self.signing.sign(message).signature

    def raw_bundle(self) -> bytes:
        return make_bundle(
            sign=self.sign,
            signer=self.signer,
            agreement=self.pair.public,
            prekey=self.prekey,
            last_resort=self.last_resort,
            not_after_ms=NOW_MS + DAY_MS,
        )

    def raw_offer(self, requester: bytes) -> bytes:
        return make_offer(
            sign=self.sign,
            signer=self.signer,
            requester=requester,
            prekey=self.one_time,
            kem_prekey=self.one_time_kem,
            not_after_ms=NOW_MS + DAY_MS,
        )

    def bundle(self) -> Bundle:
        return read_bundle(self.raw_bundle(), now_ms=NOW_MS)

    def offer(self, requester: bytes) -> Offer:
        return read_offer(self.raw_offer(requester), signer=self.signer, requester=requester, now_ms=NOW_MS)

    def prekeys(self, *, one_time: bool) -> Prekeys:
        if one_time:
            return Prekeys(self.prekey, self.one_time, self.one_time_kem)
        return Prekeys(self.prekey, None, self.last_resort)


def knock(
    alice: Instance,
    bob: Instance,
    *,
    one_time: bool = False,
    first: bytes = b"first",
    suite: Suite = SUITE_1,
    now_ms: int = NOW_MS,
) -> tuple[Session, bytes]:
    """Return alice's session and her opening to bob."""
    return start(
        pair=alice.pair,
        party=alice.party,
        peer_party=bob.party,
        bundle=bob.bundle(),
        offer=bob.offer(alice.signer) if one_time else None,
        first=first,
        entropy=alice.entropy,
        encapsulate=encapsulate,
        now_ms=now_ms,
        suite=suite,
    )


def answer(
    bob: Instance,
    alice: Instance,
    opening: bytes,
    *,
    one_time: bool = False,
    suite: Suite = SUITE_1,
    now_ms: int = NOW_MS,
) -> Accepted:
    """Return what bob makes of alice's opening."""
    return accept(
        read_opening(opening),
        pair=bob.pair,
        party=bob.party,
        peer_agreement=alice.pair.public,
        prekeys=bob.prekeys(one_time=one_time),
        entropy=bob.entropy,
        now_ms=now_ms,
        suite=suite,
    )


def deliver(session: Session, lane: Lane, frame: bytes, now_ms: int = NOW_MS) -> bytes:
    """Open and take one frame; return its plaintext."""
    opened = session.open(lane, frame, now_ms=now_ms)
    session.take(lane, opened)
    return opened.plaintext


def welcome(alice: Session, bob: Session, entropy: Entropy) -> None:
    """Open all lanes and confirm both ends: bob's WELCOME, then alice's answer."""
    keys = deliver(alice, Lane.CONTROL, bob.seal(Lane.CONTROL, bob.offer_lanes(entropy), entropy=entropy))
    alice.open_lanes(keys, entropy)
    deliver(bob, Lane.CONTROL, alice.seal(Lane.CONTROL, b"open", entropy=entropy))


def sessions(seed: str = "", suite: Suite = SUITE_1, now_ms: int = NOW_MS) -> tuple[Session, Session]:
    """Return alice's and bob's ends of one session, confirmed, all lanes open for alice to send first."""
    alice, bob = Instance(f"alice {seed}"), Instance(f"bob {seed}")
    session, opening = knock(alice, bob, suite=suite, now_ms=now_ms)
    accepted = answer(bob, alice, opening, suite=suite, now_ms=now_ms)
    welcome(session, accepted.session, dice(f"welcome {seed}"))
    return session, accepted.session


def stored(session: Session) -> dict[bytes, bytes]:
    """Return all rows, as a store would hold them."""
    return {key: value for key, value in session.rows() if value is not None}


def reload(session: Session) -> Session:
    return Session.load(stored(session).items(), session.suite)


def flipped(raw: bytes, bit: int) -> bytes:
    """Return `raw` with one bit changed; bits count from the lowest of the first byte."""
    return raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]


@dataclass
class Counted:
    """What was derived, and a hash of each message key that encrypted."""

    steps: int = 0
    agreements: int = 0
    bodies: int = 0
    handshakes: int = 0  # Started or accepted.


@dataclass
class Tried:
    """Header keys tried on frames, and how many of them did not fit."""

    headers: int = 0
    misfits: int = 0


class WatchedSuite(Suite):
    """Suite 1 that counts what it derives and remembers which keys encrypted."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = Counted()
        self.tried = Tried()
        self.sealing_keys: list[bytes] = []

    def seal_aead(self, key: bytes) -> Sealer:
        self.sealing_keys.append(sha256(key).digest())
        return super().seal_aead(key)

    def open_aead(self, key: bytes) -> Opener:
        self.counted.bodies += 1
        return super().open_aead(key)

    def step(self, chain_key: bytes) -> tuple[bytes, bytes]:
        self.counted.steps += 1
        return super().step(chain_key)

    def agree(self, secret: bytes, public: bytes) -> bytes:
        self.counted.agreements += 1
        return super().agree(secret, public)

    def mix(self, secrets: tuple[bytes, ...], info: bytes) -> bytes:
        self.counted.handshakes += 1
        return super().mix(secrets, info)

    def open_header(self, trials: Sequence[Trial], nonce: bytes, sealed: bytes) -> tuple[int, bytes] | None:
        found = super().open_header(trials, nonce, sealed)
        misfits = len(trials) if found is None else found[0]
        self.tried.misfits += misfits
        self.tried.headers += misfits + (found is not None)
        return found
