"""What talos_ratchet promises to export, so that no name comes or goes by accident."""

from __future__ import annotations

import talos_ratchet

PUBLIC = {
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
}


def test_the_package_promises_exactly_these_names_and_has_them() -> None:
    assert set(talos_ratchet.__all__) == PUBLIC
    assert [name for name in PUBLIC if not hasattr(talos_ratchet, name)] == []


def test_every_error_is_a_ratchet_error() -> None:
    errors = [one for one in vars(talos_ratchet).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert len(errors) == 10
    assert all(issubclass(error, talos_ratchet.RatchetError) for error in errors)
