"""Write tests/vectors/ratchet/sessions.json: two handshakes and what is said after them, byte for byte.

Run it with the project on the path: `.venv/bin/python -m scripts.make_ratchet_vectors`. The file is part of the
contract: where it would change, nodes in use could no longer talk to new ones, so the suite must change too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import shake_256
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from talos_ratchet import (
    Entropy,
    KemPrekey,
    KeyPair,
    Lane,
    Prekey,
    Prekeys,
    Session,
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

FOLDER: Final = Path(__file__).parent.parent / "tests" / "vectors" / "ratchet"
NOW_MS: Final = 1_700_000_000_000
END_MS: Final = NOW_MS + 86_400_000
ORIGIN: Final = (
    "Made by scripts/make_ratchet_vectors.py from fixed entropy. The KEM key and encapsulation are tcId 2 of "
    "ml_kem_1024.json. All secrets of both ends are given, so that any implementation can follow either."
)
# (who sends: a opens, b answers; lane; plaintext; lease epoch; whether it arrives at once, or after the next one)
TALK: Final = (
    ("a", Lane.CONTROL, b"open", 0, True),
    ("a", Lane.MESSAGE, b"one", 0, True),
    ("a", Lane.MESSAGE, b"two, which comes late", 7, False),
    ("a", Lane.MESSAGE, b"three", 7, True),
    ("b", Lane.MESSAGE, b"", 2**64 - 1, True),
    ("a", Lane.BULK, bytes(range(256)), 0, True),
    ("b", Lane.BULK, b"piece", 0, True),
    ("a", Lane.MESSAGE, b"four", 8, True),
    ("b", Lane.CONTROL, b"ack", 0, True),
    ("a", Lane.CONTROL, b"ping", 0, True),
)

INITIATOR: Final = b"the party that opens"
RESPONDER: Final = b"the party that answers"
REQUESTER: Final = b"whoever asked for the offer ----"  # 32 bytes.
FIRST: Final = b"hello"

Json = dict[str, object]


class End:
    """One end of the session, and the ratchet secrets it has had so far, by lane."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.secrets: dict[str, list[str]] = {}

    def note(self) -> None:
        for lane in Lane:
            ratchet = self.session.lane(lane)
            if ratchet is not None and ratchet.ours is not None:
                secrets = self.secrets.setdefault(str(int(lane)), [])
                if ratchet.ours.secret.hex() not in secrets:
                    secrets.append(ratchet.ours.secret.hex())

    def hear(self, lane: Lane, frame: bytes, plaintext: bytes) -> None:
        opened = self.session.open(lane, frame, now_ms=NOW_MS)
        if opened.plaintext != plaintext:
            raise SystemExit("what was opened is not what was sealed")
        self.session.take(lane, opened)


def dice(seed: str) -> Entropy:
    """Return entropy that is the same in every run."""
    drawn = 0

    def entropy(size: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return shake_256(f"{seed} {drawn}".encode()).digest(size)

    return entropy


def converse(alice: End, bob: End, entropy: Entropy) -> list[Json]:
    """Open the lanes, then say what `TALK` says; return the frames."""
    ends = {"a": (alice, bob), "b": (bob, alice)}
    said = list[Json]()
    held: list[tuple[End, Lane, bytes, bytes]] = []
    keys = bob.session.offer_lanes(entropy)
    bob.note()
    welcome = bob.session.seal(Lane.CONTROL, keys, entropy=entropy)
    said.append(frame_row("b", Lane.CONTROL, keys, 0, welcome, late=False))
    alice.hear(Lane.CONTROL, welcome, keys)
    alice.session.open_lanes(keys, entropy)
    alice.note()
    for who, lane, plaintext, lease_epoch, at_once in TALK:
        sender, receiver = ends[who]
        frame = sender.session.seal(lane, plaintext, entropy=entropy, lease_epoch=lease_epoch)
        sender.note()
        said.append(frame_row(who, lane, plaintext, lease_epoch, frame, late=not at_once))
        if not at_once:
            held.append((receiver, lane, frame, plaintext))
            continue
        receiver.hear(lane, frame, plaintext)
        for late_receiver, late_lane, late_frame, late_plaintext in held:
            late_receiver.hear(late_lane, late_frame, late_plaintext)
        held.clear()
    return said


def frame_row(who: str, lane: Lane, plaintext: bytes, lease_epoch: int, frame: bytes, *, late: bool) -> Json:
    """Return one frame; `late` ones arrive after the next."""
    return {
        "from": who,
        "lane": int(lane),
        "plaintext": plaintext.hex(),
        "lease_epoch": lease_epoch,
        "late": late,
        "frame": frame.hex(),
    }


@dataclass(frozen=True)
class Keys:
    """What the responder holds, and what it hands out."""

    signing: SigningKey
    pair: KeyPair
    prekey: Prekey
    one_time: Prekey
    kem: KemPrekey
    bundle: bytes
    offer: bytes


def make_keys(entropy: Entropy, kem: KemPrekey, *, one_time: bool) -> Keys:
    """Return keys whose only usable KEM key is `kem`: in the offer if `one_time`, else in the bundle."""
    signing, pair = SigningKey(entropy(32)), make_key_pair(entropy)
    signer = bytes(signing.verify_key)
    prekey, one_time_prekey = make_prekey(1, entropy), make_prekey(2, entropy)
    bundle = make_bundle(
        sign=lambda message: signing.sign(message).signature,
        signer=signer,
        agreement=pair.public,
        prekey=prekey,
        last_resort=make_kem_prekey(3, entropy) if one_time else kem,
        not_after_ms=END_MS,
    )
    offer = make_offer(
        sign=lambda message: signing.sign(message).signature,
        signer=signer,
        requester=REQUESTER,
        prekey=one_time_prekey,
        kem_prekey=kem,
        not_after_ms=END_MS,
    )
    return Keys(signing, pair, prekey, one_time_prekey, kem, bundle, offer)


def open_session(
    entropy: Entropy, pair: KeyPair, keys: Keys, encapsulated: tuple[bytes, bytes], *, one_time: bool
) -> tuple[End, End, bytes]:
    """Return both ends of a new session, and the opening."""
    bundle = read_bundle(keys.bundle, now_ms=NOW_MS)
    session, opening = start(
        pair=pair,
        party=INITIATOR,
        peer_party=RESPONDER,
        bundle=bundle,
        offer=read_offer(keys.offer, signer=bundle.signer, requester=REQUESTER, now_ms=NOW_MS) if one_time else None,
        first=FIRST,
        entropy=entropy,
        encapsulate=lambda _: encapsulated,
        now_ms=NOW_MS,
    )
    accepted = accept(
        read_opening(opening),
        pair=keys.pair,
        party=RESPONDER,
        peer_agreement=pair.public,
        prekeys=Prekeys(keys.prekey, keys.one_time if one_time else None, keys.kem),
        entropy=entropy,
        now_ms=NOW_MS,
    )
    return End(session), End(accepted.session), opening


def make_session(*, one_time: bool) -> Json:
    """Return one handshake and conversation; everything binary is in hex."""
    known = json.loads((FOLDER / "ml_kem_1024.json").read_text())["vectors"][1]
    kem_seed, ciphertext, kem_secret = (bytes.fromhex(known[name]) for name in ("seed", "ciphertext", "secret"))
    entropy = dice("one-time" if one_time else "last resort")
    pair = make_key_pair(entropy)
    keys = make_keys(entropy, make_kem_prekey(4, lambda size: kem_seed[:size]), one_time=one_time)
    alice, bob, opening = open_session(entropy, pair, keys, (kem_secret, ciphertext), one_time=one_time)
    frames = converse(alice, bob, entropy)
    return {
        "signing_seed": bytes(keys.signing).hex(),
        "initiator_secret": pair.secret.hex(),
        "responder_secret": keys.pair.secret.hex(),
        "signed_prekey_secret": keys.prekey.pair.secret.hex(),
        "one_time_prekey_secret": keys.one_time.pair.secret.hex() if one_time else None,
        "kem_secret": kem_secret.hex(),
        "requester": REQUESTER.hex(),
        "bundle": keys.bundle.hex(),
        "offer": keys.offer.hex() if one_time else None,
        "initiator_party": INITIATOR.hex(),
        "responder_party": RESPONDER.hex(),
        "opening": opening.hex(),
        "first": FIRST.hex(),
        "transcript": alice.session.transcript.hex(),
        "session_id": alice.session.id.hex(),
        "initiator_ratchet_secrets": alice.secrets,
        "responder_ratchet_secrets": bob.secrets,
        "frames": frames,
    }


def make_vectors() -> Json:
    return {
        "origin": ORIGIN,
        "last_resort": make_session(one_time=False),
        "one_time": make_session(one_time=True),
    }


if __name__ == "__main__":
    (FOLDER / "sessions.json").write_text(json.dumps(make_vectors(), indent=2) + "\n")
