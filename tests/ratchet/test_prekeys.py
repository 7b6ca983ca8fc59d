"""Bundles and offers: read as they were made, and not otherwise."""

from __future__ import annotations

from dataclasses import replace
from struct import pack

import pytest

from talos_ratchet import (
    BUNDLE_SIZE,
    OFFER_SIZE,
    SUITE_1,
    Expired,
    Forged,
    KemPrekey,
    KeyPair,
    Malformed,
    Prekey,
    RatchetError,
    make_bundle,
    make_kem_prekey,
    make_offer,
    make_prekey,
    read_bundle,
    read_offer,
)
from talos_ratchet.bundle import TIME_MAX_MS
from talos_ratchet.keys import FIELD_PRIME
from tests.ratchet.people import DAY_MS, NOW_MS, Instance, dice, flipped

BOB = Instance("bob")
ALICE = Instance("alice")
BUNDLE = BOB.raw_bundle()
OFFER = BOB.raw_offer(ALICE.signer)
STRIDE = 13  # Bits between those flipped: every 13th of 14,000, so every bit position of a byte comes up.


def resign(raw: bytes, prefix: bytes) -> bytes:
    """Return `raw` with a good signature by bob."""
    return raw[:-64] + BOB.sign(prefix + raw[:-64])


def test_a_bundle_is_read_as_it_was_made() -> None:
    bundle = read_bundle(BUNDLE, now_ms=NOW_MS)
    assert len(BUNDLE) == BUNDLE_SIZE == 1_750
    assert (bundle.signer, bundle.agreement) == (BOB.signer, BOB.pair.public)
    assert (bundle.signed_prekey_id, bundle.signed_prekey) == (1, BOB.prekey.pair.public)
    assert (bundle.last_resort_id, bundle.last_resort) == (2, BOB.last_resort.public)
    assert (bundle.not_after_ms, bundle.flags, bundle.raw) == (NOW_MS + DAY_MS, 0, BUNDLE)


def test_an_offer_is_read_as_it_was_made() -> None:
    offer = read_offer(OFFER, signer=BOB.signer, requester=ALICE.signer, now_ms=NOW_MS)
    assert len(OFFER) == OFFER_SIZE == 1_684
    assert (offer.prekey_id, offer.prekey) == (3, BOB.one_time.pair.public)
    assert (offer.kem_prekey_id, offer.kem_prekey) == (4, BOB.one_time_kem.public)
    assert (offer.not_after_ms, offer.raw) == (NOW_MS + DAY_MS, OFFER)


def test_a_bundle_with_any_bit_flipped_is_refused() -> None:
    for bit in range(0, 8 * BUNDLE_SIZE, STRIDE):
        with pytest.raises((Malformed, Forged)):
            read_bundle(flipped(BUNDLE, bit), now_ms=NOW_MS)


def test_an_offer_with_any_bit_flipped_is_refused() -> None:
    for bit in range(0, 8 * OFFER_SIZE, STRIDE):
        with pytest.raises((Malformed, Forged)):
            read_offer(flipped(OFFER, bit), signer=BOB.signer, requester=ALICE.signer, now_ms=NOW_MS)


@pytest.mark.parametrize("size", [0, 1, BUNDLE_SIZE - 1, BUNDLE_SIZE + 1])
def test_a_bundle_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(Malformed):
        read_bundle((BUNDLE + bytes(1))[:size], now_ms=NOW_MS)


@pytest.mark.parametrize("size", [0, 1, OFFER_SIZE - 1, OFFER_SIZE + 1])
def test_an_offer_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(Malformed):
        read_offer((OFFER + bytes(1))[:size], signer=BOB.signer, requester=ALICE.signer, now_ms=NOW_MS)


def test_an_offer_serves_only_its_requester() -> None:
    with pytest.raises(Forged):
        read_offer(OFFER, signer=BOB.signer, requester=BOB.signer, now_ms=NOW_MS)


def test_an_offer_serves_only_under_its_signer() -> None:
    with pytest.raises(Forged):
        read_offer(OFFER, signer=ALICE.signer, requester=ALICE.signer, now_ms=NOW_MS)


def test_a_bundle_signed_by_another_is_refused() -> None:
    raw = make_bundle(
        sign=ALICE.sign,
        signer=BOB.signer,
        agreement=BOB.pair.public,
        prekey=BOB.prekey,
        last_resort=BOB.last_resort,
        not_after_ms=NOW_MS,
    )
    with pytest.raises(Forged):
        read_bundle(raw, now_ms=NOW_MS)


def test_both_end_after_their_last_millisecond() -> None:
    end = NOW_MS + DAY_MS
    assert read_bundle(BUNDLE, now_ms=end)
    assert read_offer(OFFER, signer=BOB.signer, requester=ALICE.signer, now_ms=end)
    with pytest.raises(Expired):
        read_bundle(BUNDLE, now_ms=end + 1)
    with pytest.raises(Expired):
        read_offer(OFFER, signer=BOB.signer, requester=ALICE.signer, now_ms=end + 1)


def test_without_a_time_an_expired_bundle_is_read() -> None:
    assert read_bundle(BUNDLE, now_ms=None).not_after_ms == NOW_MS + DAY_MS


# Offsets are those of the layout in bundle.py. Each planted field is bad though the signature is good.
BAD_FIELDS = {
    "version": (0, b"\x02"),
    "suite": (1, b"\x02"),
    "flags": (2, b"\x01"),
    "agreement type": (35, b"\x0a"),
    "agreement of low order": (36, bytes(32)),
    "agreement not canonical": (36, (FIELD_PRIME + 9).to_bytes(32, "little")),
    "signed prekey type": (72, b"\x0a"),
    "signed prekey of low order": (73, (1).to_bytes(32, "little")),
    "last resort type": (109, b"\x05"),
    "last resort not reduced": (110, b"\xff" * 1_568),
    "end out of range": (1_678, pack(">Q", TIME_MAX_MS + 1)),
}


@pytest.mark.parametrize(("at", "planted"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_well_signed_bundle_with_a_bad_field_is_refused(at: int, planted: bytes) -> None:
    raw = resign(BUNDLE[:at] + planted + BUNDLE[at + len(planted) :], b"talos/v1/bundle\x00")
    with pytest.raises(Malformed):
        read_bundle(raw, now_ms=NOW_MS)


def test_the_label_separates_bundles_from_whatever_else_is_signed() -> None:
    with pytest.raises(Forged):
        read_bundle(resign(BUNDLE, b"talos/v1/offer\x00"), now_ms=NOW_MS)


@pytest.mark.parametrize("not_after_ms", [-1, TIME_MAX_MS + 1])
def test_an_end_out_of_range_is_not_signed(not_after_ms: int) -> None:
    with pytest.raises(Malformed):
        make_offer(
            sign=BOB.sign,
            signer=BOB.signer,
            requester=ALICE.signer,
            prekey=BOB.one_time,
            kem_prekey=BOB.one_time_kem,
            not_after_ms=not_after_ms,
        )


@pytest.mark.parametrize("id", [-1, 2**32])
def test_a_prekey_id_is_a_u32(id: int) -> None:
    with pytest.raises(Malformed):
        make_prekey(id, dice("id"))
    with pytest.raises(Malformed):
        make_kem_prekey(id, dice("id"))


def test_stored_prekeys_come_back() -> None:
    assert Prekey.decode(BOB.prekey.encode()) == BOB.prekey
    kem = KemPrekey.decode(BOB.last_resort.encode())
    assert (kem.id, kem.seed, kem.public) == (2, BOB.last_resort.seed, BOB.last_resort.public)
    with pytest.raises(RatchetError):
        Prekey.decode(BOB.prekey.encode() + b"\x00")
    with pytest.raises(RatchetError):
        KemPrekey.decode(BOB.last_resort.encode()[:-1])


def test_no_repr_shows_a_secret() -> None:
    shown = repr([BOB.prekey, BOB.last_resort, replace(BOB.prekey, id=9), KeyPair.of(b"s" * 32)])
    for secret in (BOB.prekey.pair.secret, BOB.last_resort.seed, b"s" * 32):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


def test_the_signed_prefix_is_label_name_and_zero() -> None:
    assert SUITE_1.info(b"bundle") == b"talos/v1/bundle\x00"
