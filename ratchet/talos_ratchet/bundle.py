"""What a responder hands out before a session: a bundle for everybody, and offers made for one requester.

Each carries one Ed25519 signature by the instance key, over label | 00 | (offer: signer 32, requester 32) | body:

    bundle  version 1 | suite 1 | flags 1 | signer 32 | 05 agreement 32 | id 4 | 05 signed prekey 32
            | id 4 | 0a last resort 1568 | not_after_ms 8                        1686 bytes, then signature 64
    offer   version 1 | suite 1 | id 4 | 05 prekey 32 | id 4 | 0a KEM prekey 1568 | not_after_ms 8
                                                                                 1620 bytes, then signature 64

Integers are big endian. Signatures are checked by libsodium alone: two verifiers that differ over odd keys
would split a network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.errors import Expired, Forged, Malformed
from talos_ratchet.keys import EC_TYPE, KEM_TYPE, KemPrekey, Prekey, Sign, check_kem_public, check_point
from talos_ratchet.suite import SUITE_1

VERSION: Final = 1
SIGNATURE_SIZE: Final = 64  # Bytes.
TIME_MAX_MS: Final = 2**63 - 1  # Milliseconds since 1970 UTC; fits the signed integers of every store.

_BUNDLE: Final = Struct(">BBB32sc32sIc32sIc1568sQ")
_OFFER: Final = Struct(">BBIc32sIc1568sQ")
BUNDLE_SIZE: Final = _BUNDLE.size + SIGNATURE_SIZE
OFFER_SIZE: Final = _OFFER.size + SIGNATURE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A checked bundle. It serves any number of initiators until it expires."""

    signer: bytes  # 32 bytes; Ed25519 key of the instance.
    agreement: bytes  # 32 bytes; X25519 key of the instance.
    signed_prekey_id: int
    signed_prekey: bytes  # 32 bytes; X25519.
    last_resort_id: int
    last_resort: bytes  # 1568 bytes; ML-KEM-1024.
    not_after_ms: int  # UTC.
    flags: int  # 0 in version 1.
    raw: bytes = field(repr=False)  # As signed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A checked pair of one-time prekeys, made for one requester."""

    prekey_id: int
    prekey: bytes  # 32 bytes; X25519.
    kem_prekey_id: int
    kem_prekey: bytes  # 1568 bytes; ML-KEM-1024.
    not_after_ms: int  # UTC.
    raw: bytes = field(repr=False)  # As signed.


def make_bundle(
    *, sign: Sign, signer: bytes, agreement: bytes, prekey: Prekey, last_resort: KemPrekey, not_after_ms: int
) -> bytes:
    """Return the signed bundle (1750 bytes). `sign` must belong to `signer`. Raises `Malformed`."""
    if len(signer) != KEY_SIZE:
        raise Malformed(f"an Ed25519 key has {KEY_SIZE} bytes, not {len(signer)}")
    body = _BUNDLE.pack(
        VERSION,
        SUITE_1.id,
        0,
        signer,
        EC_TYPE,
        check_point(agreement, "agreement key"),
        prekey.id,
        EC_TYPE,
        prekey.pair.public,
        last_resort.id,
        KEM_TYPE,
        last_resort.public,
        _check_time(not_after_ms),
    )
    return body + sign(_bundle_prefix() + body)


def read_bundle(raw: bytes, *, now_ms: int | None) -> Bundle:
    """Return the bundle if its own `signer` signed it: whose key that is, the caller must know.

    Raises `Malformed`, `Forged`, or `Expired` if `now_ms` is given and past its end.
    """
    if len(raw) != BUNDLE_SIZE:
        raise Malformed(f"a bundle has {BUNDLE_SIZE} bytes, not {len(raw)}")
    version, suite, flags, signer, type_1, agreement, prekey_id, type_2, prekey, kem_id, type_3, kem, not_after_ms = (
        _BUNDLE.unpack_from(raw)
    )
    if (version, suite, flags, type_1, type_2, type_3) != (VERSION, SUITE_1.id, 0, EC_TYPE, EC_TYPE, KEM_TYPE):
        raise Malformed("bundle of another version, suite or layout")
    _verify(raw, signer, _bundle_prefix(), "bundle")
    _check_unexpired(not_after_ms, now_ms, "bundle")
    return Bundle(
        signer=signer,
        agreement=check_point(agreement, "agreement key"),
        signed_prekey_id=prekey_id,
        signed_prekey=check_point(prekey, "signed prekey"),
        last_resort_id=kem_id,
        last_resort=check_kem_public(kem, "last-resort prekey"),
        not_after_ms=not_after_ms,
        flags=flags,
        raw=raw,
    )


def make_offer(
    *, sign: Sign, signer: bytes, requester: bytes, prekey: Prekey, kem_prekey: KemPrekey, not_after_ms: int
) -> bytes:
    """Return the signed offer (1684 bytes) that only `requester` (32 bytes) can use. Raises `Malformed`."""
    prefix = _offer_prefix(signer, requester)
    body = _OFFER.pack(
        VERSION,
        SUITE_1.id,
        prekey.id,
        EC_TYPE,
        prekey.pair.public,
        kem_prekey.id,
        KEM_TYPE,
        kem_prekey.public,
        _check_time(not_after_ms),
    )
    return body + sign(prefix + body)


def read_offer(raw: bytes, *, signer: bytes, requester: bytes, now_ms: int | None) -> Offer:
    """Return the offer if `signer` made it for `requester`.

    Raises `Malformed`, `Forged`, or `Expired` if `now_ms` is given and past its end.
    """
    if len(raw) != OFFER_SIZE:
        raise Malformed(f"an offer has {OFFER_SIZE} bytes, not {len(raw)}")
    version, suite, prekey_id, type_1, prekey, kem_id, type_2, kem, not_after_ms = _OFFER.unpack_from(raw)
    if (version, suite, type_1, type_2) != (VERSION, SUITE_1.id, EC_TYPE, KEM_TYPE):
        raise Malformed("offer of another version, suite or layout")
    _verify(raw, signer, _offer_prefix(signer, requester), "offer")
    _check_unexpired(not_after_ms, now_ms, "offer")
    return Offer(
        prekey_id=prekey_id,
        prekey=check_point(prekey, "one-time prekey"),
        kem_prekey_id=kem_id,
        kem_prekey=check_kem_public(kem, "one-time KEM prekey"),
        not_after_ms=not_after_ms,
        raw=raw,
    )


def _bundle_prefix() -> bytes:
    return SUITE_1.info(b"bundle")


def _offer_prefix(signer: bytes, requester: bytes) -> bytes:
    if len(signer) != KEY_SIZE or len(requester) != KEY_SIZE:
        raise Malformed(f"signer and requester have {KEY_SIZE} bytes each")
    return SUITE_1.info(b"offer", signer + requester)


def _verify(raw: bytes, signer: bytes, prefix: bytes, name: str) -> None:
    body, signature = raw[:-SIGNATURE_SIZE], raw[-SIGNATURE_SIZE:]
    try:
        crypto_sign_open(signature + prefix + body, signer)
    except BadSignatureError:
        raise Forged(f"{name} is not signed by its signer") from None


def _check_time(not_after_ms: int) -> int:
    if not 0 <= not_after_ms <= TIME_MAX_MS:
        raise Malformed(f"{not_after_ms} is not a time in ms")
    return not_after_ms


def _check_unexpired(not_after_ms: int, now_ms: int | None, name: str) -> None:
    if not_after_ms > TIME_MAX_MS:
        raise Malformed(f"{name}'s end is out of range")
    if now_ms is not None and now_ms > not_after_ms:
        raise Expired(f"{name} ended at {not_after_ms} ms, and it is {now_ms}")
