"""keylog.md, party.md and bundle.md, followed by hand: from the bytes on the pages and named secrets alone."""

from __future__ import annotations

import json
from base64 import b32encode
from hashlib import sha256
from itertools import pairwise
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from tests.protocol.by_hand import array, ed25519, hashed, hkdf, octets, packed, secret, verify, x25519
from tests.protocol.layout import FOLDER, Shown, pages

SHOWN: Final = Shown()
VECTOR: Final = json.loads((FOLDER.parent.parent / "tests/vectors/identity/keylog.json").read_text())
RECOVERY_SEED: Final = {"ada": bytes(range(32)), "bob": bytes(range(32, 64))}
PEOPLE: Final = tuple(RECOVERY_SEED)


def rotation_seed(person: str, number: int) -> bytes:
    info = b"talos/v1/rotation-key" + number.to_bytes(4, "big")
    return hkdf(bytes(32), RECOVERY_SEED[person], info, 32)


def events(person: str) -> list[tuple[list[object], bytes, bytes]]:
    """Return fields, body and signature of every event of a log without rivals."""
    version, line, rivals = array(SHOWN[f"{person}-key-log"])
    assert (version, rivals) == (1, [])
    assert isinstance(line, list)
    told = []
    for body, signatures in line:
        [(signer, signature)] = signatures
        assert signer == b""
        told.append((array(body), body, signature))
    return told


def did(person: str) -> bytes:
    return hashed("inception", events(person)[0][1])


def test_the_rotation_keys_follow_from_the_recovery_seed() -> None:
    assert SHOWN.value("rotation-keys", "seed of rotation key 0") == rotation_seed("ada", 0)
    for number in (0, 1):
        assert SHOWN.value("rotation-keys", f"rotation key {number}") == ed25519(rotation_seed("ada", number))


@pytest.mark.parametrize("person", PEOPLE)
def test_the_inception_shows_key_0_and_commits_to_key_1(person: str) -> None:
    current, following = (ed25519(rotation_seed(person, number)) for number in (0, 1))
    expected = [1, 0, 0, b"", 1_700_000_000_000, current, hashed("next-key", following), 0, [], 0, [], [], b""]
    assert events(person)[0][0] == expected


@pytest.mark.parametrize("person", PEOPLE)
def test_the_first_certificate_names_the_instance_for_366_days(person: str) -> None:
    start_ms = 1_700_000_000_000
    instance, agreement = ed25519(secret(f"{person} instance")), x25519(secret(f"{person} agreement"))
    until_ms = start_ms + 366 * 86_400_000
    previous = hashed("event-digest", events(person)[0][1])
    assert events(person)[1][0] == [1, 16, 1, previous, start_ms + 3_600_000, instance, agreement, 0, until_ms]


@pytest.mark.parametrize("person", PEOPLE)
def test_every_event_is_signed_by_rotation_key_0_and_points_at_the_one_before(person: str) -> None:
    for _, body, signature in events(person):
        verify("event", ed25519(rotation_seed(person, 0)), signature, body)
    for (_, before, _), (fields, _, _) in pairwise(events(person)):
        assert fields[3] == hashed("event-digest", before)


def test_the_hashes_on_the_page_are_those_of_the_bodies_on_the_page() -> None:
    inception, instance = SHOWN["inception"], SHOWN["instance"]
    assert SHOWN.value("inception-hashes", "DID hash") == hashed("inception", inception)
    assert SHOWN.value("inception-hashes", "digest") == hashed("event-digest", inception)
    assert SHOWN.value("instance-hashes", "digest") == hashed("event-digest", instance)
    named = octets(array(instance)[5])
    assert SHOWN.value("instance-hashes", "instance id") == hashed("instance", named)
    name = b32encode(hashed("inception", inception)).decode().rstrip("=").lower()
    assert f"`did:talos:{name}`" in pages()["keylog.md"]


@pytest.mark.parametrize("person", PEOPLE)
def test_a_party_record_is_signed_twice_over_its_first_eight_fields(person: str) -> None:
    *signed, by_identity, by_instance = array(SHOWN[f"{person}-party"])
    (_, _, _), (certificate, last_body, _) = events(person)
    assert signed == [
        1,
        did(person),
        certificate[5],
        certificate[6],
        1,
        hashed("event-digest", last_body),
        certificate[7],
        certificate[8],
    ]
    verify("party-identity", ed25519(rotation_seed(person, 0)), octets(by_identity), packed(signed))
    verify("party-instance", octets(signed[2]), octets(by_instance), packed(signed))


def kem_public(note: str) -> bytes:
    seed = SHOWN.value("bob-kem-seeds", note)
    return MLKEM1024PrivateKey.from_seed_bytes(seed).public_key().public_bytes_raw()


def test_the_bundle_has_bob_s_keys_at_their_offsets_and_is_signed_by_his_instance() -> None:
    raw = SHOWN["bob-bundle"]
    assert len(raw) == 1_750
    signer = ed25519(secret("bob instance"))
    assert raw[:3] == b"\x01\x01\x00"
    assert raw[3:35] == signer
    assert raw[35:68] == b"\x05" + x25519(secret("bob agreement"))
    assert raw[68:105] == b"\x00\x00\x00\x01\x05" + x25519(secret("bob signed prekey"))
    assert raw[105:1_678] == b"\x00\x00\x00\x01\x0a" + kem_public("seed of the last-resort prekey")
    assert int.from_bytes(raw[1_678:1_686], "big") == 1_700_003_600_000 + 21 * 86_400_000
    verify("bundle", signer, raw[1_686:], raw[:1_686])


def test_the_offer_is_signed_for_ada_by_bob_s_instance() -> None:
    raw = SHOWN["bob-offer"]
    assert len(raw) == 1_684
    signer = ed25519(secret("bob instance"))
    assert raw[:2] == b"\x01\x01"
    assert raw[2:39] == b"\x00\x00\x00\x07\x05" + x25519(secret("bob one-time prekey"))
    assert raw[39:1_612] == b"\x00\x00\x00\x07\x0a" + kem_public("seed of the one-time KEM prekey")
    assert int.from_bytes(raw[1_612:1_620], "big") == 1_700_003_600_000 + 600_000
    verify("offer", signer, raw[1_620:], signer + did("ada") + raw[:1_620])


def test_the_proof_of_a_clone_in_the_vector_is_two_statements_of_one_instance() -> None:
    told = next(event for event in VECTOR["events"] if event["kind"] == "SUSPENDED")
    instance, *halves = array(bytes.fromhex(told["body"]))[5:]
    key = ed25519(sha256(b"instance 1").digest())
    assert instance == hashed("instance", key)
    statements = [octets(one) for one in halves[::2]]
    for raw, signature in zip(statements, halves[1::2], strict=True):
        verify("incarnation", key, octets(signature), raw)
    bodies = VECTOR["events"][0]["body"]
    person = hashed("inception", bytes.fromhex(bodies))
    assert [array(raw) for raw in statements] == [[1, person, instance, 3, bytes([boot]) * 16] for boot in (1, 2)]
