"""What keeps secrets on the disk and hides greetings gives the answers of the standards, and of a second computation.

The primitives of the ratchet are in tests/ratchet/test_known_answers.py.
"""

from __future__ import annotations

import json
from hashlib import sha256
from hmac import digest
from pathlib import Path
from struct import pack

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_scalarmult,
    crypto_scalarmult_base,
)
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from talos.core.channel import Channel
from talos.core.keylog_keys import is_signed, rotation_key
from talos.drivers.sealed_file import Cost, Purpose, seal
from talos_simulations.dice import entropy

VECTORS = Path(__file__).parent.parent / "vectors" / "store"
ORDER = 2**252 + 27742317777372353535851937790883648493  # Of the group of Ed25519 (RFC 8032, section 5.1).

Vector = dict[str, str]


def known(name: str) -> list[Vector]:
    vectors = json.loads((VECTORS / name).read_text())["vectors"]
    assert isinstance(vectors, list)
    return vectors


def unhex(vector: Vector) -> dict[str, bytes]:
    return {name: bytes.fromhex(value) for name, value in vector.items() if isinstance(value, str) and name != "name"}


def named(vector: Vector) -> str:
    return vector["name"]


def hkdf_64(ikm: bytes, info: bytes) -> bytes:
    """RFC 5869, sections 2.2 and 2.3: no salt is 32 zeros."""
    prk = digest(bytes(32), ikm, "sha256")
    first = digest(prk, info + b"\x01", "sha256")
    return first + digest(prk, first + info + b"\x02", "sha256")


# Primitives


@pytest.mark.parametrize("vector", known("xchacha20_poly1305.json"), ids=named)
def test_xchacha20_poly1305_answers_as_its_draft(vector: Vector) -> None:
    given = unhex(vector)
    plaintext, aad, nonce, key = given["plaintext"], given["aad"], given["nonce"], given["key"]
    assert crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, aad, nonce, key) == given["sealed"]
    assert crypto_aead_xchacha20poly1305_ietf_decrypt(given["sealed"], aad, nonce, key) == plaintext
    with pytest.raises(CryptoError):
        crypto_aead_xchacha20poly1305_ietf_decrypt(given["sealed"], aad + b"\x00", nonce, key)


@pytest.mark.parametrize("vector", known("aes_256_gcm.json"), ids=named)
def test_aes_256_gcm_answers_as_its_authors(vector: Vector) -> None:
    given = unhex(vector)
    cipher, nonce, aad = AESGCM(given["key"]), given["nonce"], given["aad"]
    assert cipher.encrypt(nonce, given["plaintext"], aad) == given["sealed"]
    assert cipher.decrypt(nonce, given["sealed"], aad) == given["plaintext"]
    with pytest.raises(InvalidTag):
        cipher.decrypt(nonce, given["sealed"], aad + b"\x00")


@pytest.mark.parametrize("vector", known("argon2id.json"), ids=named)
def test_argon2id_answers_as_libsodium_publishes(vector: Vector) -> None:
    given, out = unhex(vector), bytes.fromhex(vector["out"])
    passes, memory = int(vector["passes"]), int(vector["memory"])
    assert argon2id.kdf(len(out), given["passphrase"], given["salt"], passes, memory) == out


def test_the_second_argon2id_answers_as_rfc_9106_section_5_3() -> None:
    """libsodium cannot be given a secret or associated data; what can is held against the RFC, and then against it."""
    second = Argon2id(
        salt=b"\x02" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\x04" * 12, secret=b"\x03" * 8
    )
    assert second.derive(b"\x01" * 32).hex() == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"


@pytest.mark.parametrize(
    ("message", "hashed"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ],
)
def test_sha_256_answers_as_fips_180(message: bytes, hashed: str) -> None:
    assert sha256(message).hexdigest() == hashed


def test_a_signature_has_one_form_only() -> None:
    """RFC 8032, section 5.1.7: S is below the group's order, or there would be two signatures of one thing."""
    key, label, body = rotation_key(bytes(32), 0), b"talos/v1/event", b"body"
    signature = key.sign(label + b"\x00" + body).signature
    assert is_signed(bytes(key.verify_key), label, body, signature)
    other = (int.from_bytes(signature[32:], "little") + ORDER).to_bytes(32, "little")
    assert not is_signed(bytes(key.verify_key), label, body, signature[:32] + other)


# Constructions of ours


@pytest.mark.parametrize("cost", [Cost(1, 8), Cost(3, 64)])
def test_a_second_computation_makes_the_same_sealed_file(cost: Cost) -> None:
    salt, nonce = bytes(range(16)), bytes(range(24))
    dice = {16: salt, 24: nonce}
    derived = Argon2id(salt=salt, length=32, iterations=cost.passes, lanes=1, memory_cost=cost.memory_kib)
    key = derived.derive("öffne dich".encode())
    header = b"TALOSKEY" + pack(">BBBII", 1, 2, 1, cost.passes, cost.memory_kib) + salt + nonce
    body = header + crypto_aead_xchacha20poly1305_ietf_encrypt(b"keys", header, nonce, key)
    sealed = seal(Purpose.UNLOCK, b"keys", "öffne dich", dice.__getitem__, cost)
    assert sealed == body + sha256(body).digest()


def test_a_second_computation_makes_the_same_open_file() -> None:
    nonce = bytes(range(24))
    header = b"TALOSKEY" + pack(">BBBII", 1, 1, 0, 0, 0) + bytes(16) + nonce
    key = sha256(b"talos/v1/no-passphrase").digest()
    body = header + crypto_aead_xchacha20poly1305_ietf_encrypt(b"seed", header, nonce, key)
    sealed = seal(Purpose.ROOT, b"seed", None, {16: bytes(16), 24: nonce}.__getitem__)
    assert sealed == body + sha256(body).digest()


def test_a_second_computation_opens_both_directions_of_a_greeting() -> None:
    """docs/protocol/link.md, HELLO: the first half of the keys seals from the dialler, the second back."""
    secret = bytes(range(32))
    static = crypto_scalarmult_base(secret)
    dialler = Channel.dial(static, entropy(0, "dialler"))
    said = [dialler.seal(b"first"), dialler.seal(b"second")]
    shared = crypto_scalarmult(secret, dialler.ephemeral)
    keys = hkdf_64(shared, b"talos/v1/hello" + dialler.ephemeral + static)
    out, back = ChaCha20Poly1305(keys[:32]), ChaCha20Poly1305(keys[32:])
    for count, (sealed, greeting) in enumerate(zip(said, (b"first", b"second"), strict=True)):
        assert out.decrypt(sealed[:12], sealed[12:], pack(">Q", count)) == greeting
    nonce = bytes(range(12))
    assert dialler.open(nonce + back.encrypt(nonce, b"answer", pack(">Q", 0))) == b"answer"
    assert dialler.open(nonce + back.encrypt(nonce, b"more", pack(">Q", 1))) == b"more"
