"""What the ratchet is built from gives the answers of the standards: a wrong constant passes any round trip."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from hmac import digest
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from nacl.bindings import crypto_scalarmult_base, crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from talos_ratchet import SUITE_1, KemPrekey, KeyPair, Malformed, make_kem_prekey
from talos_ratchet.keys import (
    FIELD_PRIME,
    KEM_PUBLIC_SIZE,
    LOW_ORDER,
    check_kem_public,
    check_point,
)
from tests.conftest import Rounds

Q = 3_329  # FIPS 203, table 2.
COEFFICIENTS_SIZE = 1_536  # Bytes, of a key for ML-KEM-1024.
VECTORS = Path(__file__).parent.parent / "vectors" / "ratchet"

Vector = dict[str, str]


def known(name: str) -> list[Vector]:
    vectors = json.loads((VECTORS / name).read_text())["vectors"]
    assert isinstance(vectors, list)
    return vectors


def unhex(vector: Vector) -> dict[str, bytes]:
    return {name: bytes.fromhex(value) for name, value in vector.items() if name != "name"}


def named(vector: Vector) -> str:
    return vector["name"]


@pytest.mark.parametrize("vector", known("x25519.json"), ids=named)
def test_x25519_answers_as_rfc_7748(vector: Vector) -> None:
    given = unhex(vector)
    assert SUITE_1.agree(given["scalar"], given["u"]) == given["out"]


def test_x25519_answers_as_rfc_7748_after_a_thousand_rounds() -> None:
    scalar = u = (9).to_bytes(32, "little")
    for _ in range(1_000):
        scalar, u = SUITE_1.agree(scalar, u), scalar
    assert scalar.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


@pytest.mark.parametrize("vector", known("hkdf_sha256.json"), ids=named)
def test_hkdf_answers_as_rfc_5869(vector: Vector) -> None:
    given = unhex(vector)
    okm = given["okm"]
    assert HKDF(SHA256(), len(okm), given["salt"], given["info"]).derive(given["ikm"]) == okm
    assert HKDFExpand(SHA256(), len(okm), given["info"]).derive(given["prk"]) == okm
    assert SUITE_1.expand(given["prk"], given["info"], len(okm)) == okm


@pytest.mark.parametrize("vector", known("hmac_sha256.json"), ids=named)
def test_hmac_answers_as_rfc_4231(vector: Vector) -> None:
    given = unhex(vector)
    mac = HMAC(given["key"], SHA256())
    mac.update(given["data"])
    assert mac.finalize() == given["out"]


def test_a_chain_step_is_the_two_hmacs_of_the_double_ratchet() -> None:
    """Signal, "The Double Ratchet Algorithm", section 5.2."""
    key = bytes(range(32))
    assert SUITE_1.step(key) == (digest(key, b"\x01", "sha256"), digest(key, b"\x02", "sha256"))


@pytest.mark.parametrize("vector", known("chacha20_poly1305.json"), ids=named)
def test_chacha20_poly1305_answers_as_rfc_8439(vector: Vector) -> None:
    given = unhex(vector)
    nonce, sealed, aad = given["nonce"], given["sealed"], given["aad"]
    assert SUITE_1.seal_aead(given["key"]).encrypt(nonce, given["plaintext"], aad) == sealed
    assert SUITE_1.open_aead(given["key"]).decrypt(nonce, sealed, aad) == given["plaintext"]
    assert SUITE_1.open_aead(given["key"]).decrypt(nonce, sealed, aad + b"\x00") is None


@pytest.mark.parametrize("vector", known("ed25519.json"), ids=named)
def test_ed25519_answers_as_rfc_8032(vector: Vector) -> None:
    given = unhex(vector)
    assert SigningKey(given["seed"]).sign(given["message"]).signature == given["signature"]
    assert crypto_sign_open(given["signature"] + given["message"], given["public"]) == given["message"]
    with pytest.raises(BadSignatureError):
        crypto_sign_open(given["signature"] + given["message"] + b"\x00", given["public"])


@pytest.mark.parametrize("vector", known("ml_kem_1024.json"), ids=named)
def test_ml_kem_1024_decapsulates_as_wycheproof(vector: Vector) -> None:
    given = unhex(vector)
    key = make_kem_prekey(1, lambda size: given["seed"][:size])
    assert sha256(key.public).digest() == given["public_sha256"]
    assert key.decapsulate(given["ciphertext"]) == given["secret"]
    assert KemPrekey.decode(key.encode()).decapsulate(given["ciphertext"]) == given["secret"]


def test_a_kem_ciphertext_of_another_size_is_refused() -> None:
    key = make_kem_prekey(1, lambda size: bytes(size))
    with pytest.raises(Malformed):
        key.decapsulate(bytes(1_567))


def loads(raw: bytes) -> bool:
    """Say whether OpenSSL takes it for an ML-KEM-1024 key."""
    try:
        MLKEM1024PublicKey.from_public_bytes(raw)
    except ValueError:
        return False
    return True


def is_good(raw: bytes) -> bool:
    try:
        return check_kem_public(raw, "key") == raw
    except Malformed:
        return False


@pytest.mark.parametrize("value", [0, 1, Q - 1, Q, Q + 1, 0xFFF])
def test_a_kem_key_is_good_if_each_coefficient_is_below_q_and_openssl_says_the_same(value: int) -> None:
    public = int.from_bytes(make_kem_prekey(1, lambda size: bytes(range(size))).public, "little")
    for at in range(COEFFICIENTS_SIZE * 8 // 12):
        other = public & ~(0xFFF << 12 * at) | value << 12 * at
        raw = other.to_bytes(KEM_PUBLIC_SIZE, "little")
        assert is_good(raw) == (value < Q), f"coefficient {at}"
        if at % 32 in (0, 31):
            assert loads(raw) == (value < Q)


def test_any_bytes_are_a_good_kem_key_or_none_as_openssl_says(rounds: Rounds) -> None:
    dice, found = random.Random(1), set[bool]()
    for _ in range(rounds(200, 20_000)):
        head = 0
        for _ in range(COEFFICIENTS_SIZE * 8 // 12):
            head = head << 12 | (Q if dice.random() < 0.0007 else dice.randrange(Q))
        raw = head.to_bytes(COEFFICIENTS_SIZE, "little") + dice.randbytes(32)
        found.add(loads(raw))
        assert is_good(raw) == loads(raw)
    assert found == {True, False}


@pytest.mark.parametrize("size", [0, 31, COEFFICIENTS_SIZE, KEM_PUBLIC_SIZE - 1, KEM_PUBLIC_SIZE + 1])
def test_a_kem_key_of_another_size_is_refused(size: int) -> None:
    assert not is_good(bytes(size))


def test_the_public_kem_key_belongs_to_the_seed() -> None:
    key = make_kem_prekey(1, lambda size: bytes(range(size)))
    assert MLKEM1024PrivateKey.from_seed_bytes(key.seed).public_key().public_bytes_raw() == key.public


@pytest.mark.parametrize("point", sorted(LOW_ORDER), ids=lambda point: point.hex()[:8])
def test_a_low_order_point_is_refused_by_look_and_by_agreement(point: bytes) -> None:
    with pytest.raises(Malformed):
        check_point(point, "point")
    with pytest.raises(Malformed):
        SUITE_1.agree(bytes(range(32)), point)


@pytest.mark.parametrize("u", [FIELD_PRIME, FIELD_PRIME + 9, 2**255 - 1, 2**255 + 9, 2**256 - 1])
def test_a_second_encoding_of_a_point_is_refused(u: int) -> None:
    with pytest.raises(Malformed):
        check_point(u.to_bytes(32, "little"), "point")


def test_the_largest_canonical_points_are_not_refused_for_their_size() -> None:
    assert check_point((FIELD_PRIME - 2).to_bytes(32, "little"), "point")


def test_a_key_pair_is_the_secret_and_its_public_key() -> None:
    pair = KeyPair.of(bytes(range(32)))
    assert pair.public == crypto_scalarmult_base(pair.secret)
    with pytest.raises(Malformed):
        KeyPair.of(bytes(31))
