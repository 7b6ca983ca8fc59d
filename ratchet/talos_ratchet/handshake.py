"""PQXDH: from keys and prekeys to a session, with all that was said hashed into it.

    transcript  SHA-256(label "transcript" 00 | suite 1 | flags 1 | size 2, initiator's party | size 2, responder's
                | 05 initiator's key | 05 responder's key | 05 ephemeral | id 4, 05 signed prekey
                | id 4, 05 one-time prekey (if flagged) | id 4, 0a KEM prekey | KEM ciphertext)
    secret      HKDF(salt 0 * 32, FF * 32 | DH1 .. DH4 | KEM secret, label "pqxdh" 00 | transcript)    32 bytes
    lane        HKDF-Expand(secret, label "lane" 00 | lane 1)      root 32 | header keys: initiator's 32, responder's 32
    session id  HKDF-Expand(secret, label "session-id" 00)         16 bytes

Every frame authenticates the transcript, so whoever changes one byte of the handshake has another session.
Sources: Signal, "The X3DH Key Agreement Protocol", section 3; "The PQXDH Key Agreement Protocol", section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from talos_ratchet.bundle import Bundle, Offer
from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.errors import Forged, Malformed, UnknownPrekey
from talos_ratchet.frame import HEADER, cut_head
from talos_ratchet.keys import (
    EC_TYPE,
    KEM_CIPHERTEXT_SIZE,
    KEM_TYPE,
    Decapsulates,
    Encapsulate,
    Entropy,
    KeyPair,
    Prekey,
    check_point,
    make_key_pair,
)
from talos_ratchet.opened import Opened
from talos_ratchet.opening import FIRST_SIZE_MAX, ONE_TIME, PARTY_SIZE_MAX, Opening
from talos_ratchet.ratchet import Ratchet
from talos_ratchet.rows import ID_SIZE
from talos_ratchet.session import LATER_LANES, SEED_SIZE, Lane, Session
from talos_ratchet.suite import SUITE_1, Suite

ID_BYTES: Final = 4  # A prekey id, in the transcript.
SIZE_BYTES: Final = 2  # A party's size, there.


@dataclass(frozen=True, slots=True)
class Prekeys:
    """Exactly the prekeys that one opening names; None where we do not hold it (any more)."""

    signed: Prekey | None
    one_time: Prekey | None  # None too if the opening is not `one_time`.
    kem: Decapsulates | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An authenticated opening. Nothing is used up yet.

    Whoever stores the session deletes the one-time prekeys, and notes the ephemeral key as seen, in one transaction.
    """

    session: Session
    first: bytes = field(repr=False)  # Plaintext of the opening's frame. No application data: it may be a replay.
    one_time: bool  # The opening used one-time prekeys: delete both.


@dataclass(frozen=True, slots=True)
class _Spoken:
    """All public bytes of one handshake, as both ends know them."""

    flags: int
    initiator: bytes
    initiator_key: bytes
    responder: bytes
    responder_key: bytes
    ephemeral: bytes
    signed_prekey: tuple[int, bytes]
    one_time_prekey: tuple[int, bytes] | None
    kem_prekey: tuple[int, bytes]
    ciphertext: bytes

    def transcript(self, suite: Suite) -> bytes:
        parts = [
            suite.info(b"transcript"),
            bytes([suite.id, self.flags]),
            *(len(party).to_bytes(SIZE_BYTES, "big") + party for party in (self.initiator, self.responder)),
            *(EC_TYPE + key for key in (self.initiator_key, self.responder_key, self.ephemeral)),
            _named(EC_TYPE, self.signed_prekey),
            b"" if self.one_time_prekey is None else _named(EC_TYPE, self.one_time_prekey),
            _named(KEM_TYPE, self.kem_prekey),
            self.ciphertext,
        ]
        return sha256(b"".join(parts)).digest()


def start(
    *,
    pair: KeyPair,
    party: bytes,
    peer_party: bytes,
    bundle: Bundle,
    offer: Offer | None,
    first: bytes,
    entropy: Entropy,
    encapsulate: Encapsulate,
    now_ms: int,
    suite: Suite = SUITE_1,
) -> tuple[Session, bytes]:
    """Open a session to the owner of `bundle`; return it, and the opening message to repeat until the first reply.

    `pair` is our static X25519 pair. The parties are opaque records of at most 1024 bytes, the same bytes on both
    ends. `first` is the first control plaintext, at most 4096 bytes, and may be replayed by others: no application
    data. Raises `Malformed`.
    """
    _check_parties(party, peer_party)
    if len(first) > FIRST_SIZE_MAX:
        raise Malformed(f"the first plaintext has {len(first)} bytes; at most {FIRST_SIZE_MAX}")
    ephemeral = make_key_pair(entropy)
    kem_id, kem = (bundle.last_resort_id, bundle.last_resort) if offer is None else _kem_of(offer)
    kem_secret, ciphertext = _encapsulated(encapsulate, kem)
    spoken = _Spoken(
        flags=0 if offer is None else ONE_TIME,
        initiator=party,
        initiator_key=pair.public,
        responder=peer_party,
        responder_key=bundle.agreement,
        ephemeral=ephemeral.public,
        signed_prekey=(bundle.signed_prekey_id, bundle.signed_prekey),
        one_time_prekey=None if offer is None else (offer.prekey_id, offer.prekey),
        kem_prekey=(kem_id, kem),
        ciphertext=ciphertext,
    )
    secrets = [
        suite.agree(pair.secret, bundle.signed_prekey),
        suite.agree(ephemeral.secret, bundle.agreement),
        suite.agree(ephemeral.secret, bundle.signed_prekey),
    ]
    if offer is not None:
        secrets.append(suite.agree(ephemeral.secret, offer.prekey))
    transcript = spoken.transcript(suite)
    secret = suite.mix((*secrets, kem_secret), suite.info(b"pqxdh", transcript))
    seed = _lane_seed(suite, secret, Lane.CONTROL)
    control = Ratchet.initiate(suite, transcript, Lane.CONTROL, seed, bundle.signed_prekey, entropy)
    session = _session(suite, secret, transcript, control, initiated=True, now_ms=now_ms)
    opening = Opening(
        flags=spoken.flags,
        party=party,
        ephemeral=ephemeral.public,
        signed_prekey_id=bundle.signed_prekey_id,
        one_time_id=0 if offer is None else offer.prekey_id,
        kem_prekey_id=kem_id,
        ciphertext=ciphertext,
        frame=session.seal(Lane.CONTROL, first, entropy=entropy),
    )
    return session, opening.encode()


def accept(
    opening: Opening,
    *,
    pair: KeyPair,
    party: bytes,
    peer_agreement: bytes,
    prekeys: Prekeys,
    entropy: Entropy,
    now_ms: int,
    suite: Suite = SUITE_1,
) -> Accepted:
    """Return the session that `opening` asks for, if the holder of `peer_agreement` made it for us.

    `pair` is our static X25519 pair, `party` our record as the initiator was told it, `peer_agreement` the X25519
    key in the initiator's record. Changes nothing anywhere.
    Raises `UnknownPrekey`, `Malformed` or `Forged`.
    """
    signed, one_time, kem = _named_prekeys(opening, prekeys)
    _check_parties(opening.party, party)
    check_point(peer_agreement, "initiator's agreement key")
    spoken = _Spoken(
        flags=opening.flags,
        initiator=opening.party,
        initiator_key=peer_agreement,
        responder=party,
        responder_key=pair.public,
        ephemeral=opening.ephemeral,
        signed_prekey=(signed.id, signed.pair.public),
        one_time_prekey=None if one_time is None else (one_time.id, one_time.pair.public),
        kem_prekey=(kem.id, kem.public),
        ciphertext=opening.ciphertext,
    )
    secrets = [
        suite.agree(signed.pair.secret, peer_agreement),
        suite.agree(pair.secret, opening.ephemeral),
        suite.agree(signed.pair.secret, opening.ephemeral),
    ]
    if one_time is not None:
        secrets.append(suite.agree(one_time.pair.secret, opening.ephemeral))
    transcript = spoken.transcript(suite)
    secret = suite.mix((*secrets, kem.decapsulate(opening.ciphertext)), suite.info(b"pqxdh", transcript))
    control = Ratchet.respond(suite, transcript, Lane.CONTROL, _lane_seed(suite, secret, Lane.CONTROL), signed.pair)
    session = _session(suite, secret, transcript, control, initiated=False, now_ms=now_ms)
    opened = _open_first(control, opening.frame, now_ms)
    session.take(Lane.CONTROL, opened)
    control.turn(entropy)  # At once, so that no row of the session ever holds the signed prekey's secret.
    return Accepted(session, opened.plaintext, opening.one_time)


def _encapsulated(encapsulate: Encapsulate, public: bytes) -> tuple[bytes, bytes]:
    """Raises `Malformed` if what the caller gave us as a KEM is none."""
    secret, ciphertext = encapsulate(public)
    if (len(secret), len(ciphertext)) != (KEY_SIZE, KEM_CIPHERTEXT_SIZE):
        raise Malformed(f"encapsulation yields {len(secret)} and {len(ciphertext)} bytes")
    return secret, ciphertext


def _kem_of(offer: Offer) -> tuple[int, bytes]:
    return offer.kem_prekey_id, offer.kem_prekey


def _named(key_type: bytes, key: tuple[int, bytes]) -> bytes:
    return key[0].to_bytes(ID_BYTES, "big") + key_type + key[1]


def _check_parties(*parties: bytes) -> None:
    for party in parties:
        if len(party) > PARTY_SIZE_MAX:
            raise Malformed(f"a party's record has {len(party)} bytes; at most {PARTY_SIZE_MAX}")


def _named_prekeys(opening: Opening, prekeys: Prekeys) -> tuple[Prekey, Prekey | None, Decapsulates]:
    """Return the prekeys that `opening` names. Raises `UnknownPrekey`."""
    if prekeys.signed is None or prekeys.signed.id != opening.signed_prekey_id:
        raise UnknownPrekey(f"no signed prekey {opening.signed_prekey_id}")
    if prekeys.kem is None or prekeys.kem.id != opening.kem_prekey_id:
        raise UnknownPrekey(f"no KEM prekey {opening.kem_prekey_id}")
    if not opening.one_time:
        return prekeys.signed, None, prekeys.kem
    if prekeys.one_time is None or prekeys.one_time.id != opening.one_time_id:
        raise UnknownPrekey(f"no one-time prekey {opening.one_time_id}")
    return prekeys.signed, prekeys.one_time, prekeys.kem


def _open_first(control: Ratchet, frame: bytes, now_ms: int) -> Opened:
    """Open the frame of an opening. Raises `Forged`; `Malformed`, with nothing derived, if any would come before it."""
    found = control.suite.open_header(control.live, *cut_head(frame, Lane.CONTROL))
    if found is None:
        raise Forged("no header key fits the frame of an opening")
    _, _, number, *_ = HEADER.unpack(found[1])
    if number:
        raise Malformed(f"an opening carries the first frame of its session, not frame {number}")
    return control.open(frame, *found, now_ms)


def _lane_seed(suite: Suite, secret: bytes, lane: Lane) -> bytes:
    return suite.expand(secret, suite.info(b"lane", bytes([lane])), SEED_SIZE)


def _session(
    suite: Suite, secret: bytes, transcript: bytes, control: Ratchet, *, initiated: bool, now_ms: int
) -> Session:
    return Session(
        id=suite.expand(secret, suite.info(b"session-id"), ID_SIZE),
        initiated=initiated,
        created_ms=now_ms,
        transcript=transcript,
        control=control,
        seeds=b"".join(_lane_seed(suite, secret, lane) for lane in LATER_LANES),
        suite=suite,
    )
