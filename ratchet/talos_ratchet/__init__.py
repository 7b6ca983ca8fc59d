"""Two parties, one secret, kept fresh: PQXDH, a Double Ratchet per lane with header encryption, sets of sessions.

Sans-IO: bytes in, bytes out; time is an argument, randomness an injected `entropy(n)`. README.md has the bytes.
"""

from talos_ratchet.bundle import (
    BUNDLE_SIZE,
    OFFER_SIZE,
    Bundle,
    Offer,
    make_bundle,
    make_offer,
    read_bundle,
    read_offer,
)
from talos_ratchet.errors import (
    Duplicate,
    Exhausted,
    Expired,
    Forged,
    Malformed,
    OutOfTurn,
    RatchetError,
    TooFarAhead,
    UnknownPrekey,
    UnknownSession,
)
from talos_ratchet.frame import COUNTER_END, FRAME_SIZE_MAX, OVERHEAD, PLAINTEXT_SIZE_MAX
from talos_ratchet.handshake import Accepted, Prekeys, accept, start
from talos_ratchet.keys import (
    Decapsulates,
    Encapsulate,
    Entropy,
    KemPrekey,
    KeyPair,
    Prekey,
    Sign,
    make_kem_prekey,
    make_key_pair,
    make_prekey,
)
from talos_ratchet.late import JUMP_MAX, LATE_KEY_LIFE_MS, LATE_KEYS_MAX
from talos_ratchet.opened import Opened
from talos_ratchet.opening import FIRST_SIZE_MAX, OPENING_SIZE_MAX, PARTY_SIZE_MAX, Opening, read_opening
from talos_ratchet.ratchet import Ratchet
from talos_ratchet.rows import ID_SIZE, Changes
from talos_ratchet.session import LANE_KEYS_SIZE, Lane, Session
from talos_ratchet.session_set import SESSIONS_MAX, SUPERSEDED_LIFE_MS, SessionSet
from talos_ratchet.suite import SUITE_1, Suite

__all__ = [
    "BUNDLE_SIZE",
    "COUNTER_END",
    "FIRST_SIZE_MAX",
    "FRAME_SIZE_MAX",
    "ID_SIZE",
    "JUMP_MAX",
    "LANE_KEYS_SIZE",
    "LATE_KEYS_MAX",
    "LATE_KEY_LIFE_MS",
    "OFFER_SIZE",
    "OPENING_SIZE_MAX",
    "OVERHEAD",
    "PARTY_SIZE_MAX",
    "PLAINTEXT_SIZE_MAX",
    "SESSIONS_MAX",
    "SUITE_1",
    "SUPERSEDED_LIFE_MS",
    "Accepted",
    "Bundle",
    "Changes",
    "Decapsulates",
    "Duplicate",
    "Encapsulate",
    "Entropy",
    "Exhausted",
    "Expired",
    "Forged",
    "KemPrekey",
    "KeyPair",
    "Lane",
    "Malformed",
    "Offer",
    "Opened",
    "Opening",
    "OutOfTurn",
    "Prekey",
    "Prekeys",
    "Ratchet",
    "RatchetError",
    "Session",
    "SessionSet",
    "Sign",
    "Suite",
    "TooFarAhead",
    "UnknownPrekey",
    "UnknownSession",
    "accept",
    "make_bundle",
    "make_kem_prekey",
    "make_key_pair",
    "make_offer",
    "make_prekey",
    "read_bundle",
    "read_offer",
    "read_opening",
    "start",
]
