"""dht.md, record.md, beacon.md and did.md, followed by hand: from the bytes on the pages and named secrets alone."""

from __future__ import annotations

import json
from base64 import b32encode
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_address
from typing import Any, Final

import pytest

from tests.protocol.by_hand import array, ed25519, hashed, octets, packed, secret, verify, x25519
from tests.protocol.layout import Shown
from tests.protocol.test_identity_by_hand import did, events, rotation_seed

SHOWN: Final = Shown()
BASE_58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
EXPIRES_MS: Final = 1_700_003_600_000 + 3 * 3_600_000


def log_end() -> list[object]:
    newest = events("bob")[-1][1]
    return [1, hashed("event-digest", newest)]


def test_the_record_says_what_the_page_says() -> None:
    addresses = [["bob.example", 4_040, b""], ["ada.example", 443, x25519(secret("ada agreement"))]]
    instances = [[ed25519(secret("bob instance")), 0, addresses]]
    bundle = sha256(SHOWN["bob-bundle"]).digest()
    assert array(SHOWN["dht-record"])[:-1] == [1, did("bob"), *log_end(), instances, bundle, 7, EXPIRES_MS]


def test_the_provider_says_what_the_page_says() -> None:
    topic = hashed("dht-topic", b"translate")
    assert array(SHOWN["dht-provider"])[:-1] == [1, topic, did("bob"), *log_end(), 7, EXPIRES_MS]


@pytest.mark.parametrize("kind", ["record", "provider"])
def test_both_are_signed_by_rotation_key_0_over_all_fields_before(kind: str) -> None:
    *signed, signature = array(SHOWN[f"dht-{kind}"])
    verify(f"dht-{kind}", ed25519(rotation_seed("bob", 0)), octets(signature), packed(signed))


def test_they_lie_where_the_hash_of_subject_and_salt_says() -> None:
    subjects = [did("bob")] * 3 + [hashed("dht-topic", b"translate")]
    places = [hashed("dht-place", subject + bytes([salt]))[:20] for salt, subject in enumerate(subjects)]
    assert SHOWN["dht-places"] == b"".join(places)


def test_the_contact_is_key_address_and_port() -> None:
    ip = bytes(10) + b"\xff\xff" + ip_address("203.0.113.7").packed
    assert SHOWN["dht-contact"] == x25519(secret("bob agreement")) + ip + (4_040).to_bytes(2, "big")


def test_the_requests_and_the_reply_are_arrays_of_what_the_page_says() -> None:
    find_txid, token = secret("txid 2", 8), secret("token", 8)
    place = SHOWN.value("dht-places", "salt 0")
    ping = [1, 1, secret("txid 1", 8), b"", True, b"", bytes(24)]
    assert SHOWN["dht-ping"] == packed(ping)
    assert len(SHOWN["dht-ping"]) == 44
    assert SHOWN["dht-find"] == packed([1, 2, find_txid, token, True, place, b""])
    seen = bytes(10) + b"\xff\xff" + ip_address("198.51.100.9").packed + (4_040).to_bytes(2, "big")
    other = secret("other x25519") + ip_address("2001:db8::7").packed + (4_040).to_bytes(2, "big")
    assert SHOWN["dht-contacts"] == packed([1, 18, find_txid, token, seen, [other]])


def multikey(prefix: str, key: bytes) -> str:
    number = int.from_bytes(bytes.fromhex(prefix) + key, "big")
    return "z" + "".join(BASE_58[number // 58**place % 58] for place in reversed(range(47)))


def test_the_document_has_the_keys_of_the_log_and_the_addresses_of_the_record() -> None:
    resolved: Any = json.loads(SHOWN.text("did-document"))
    name = f"did:talos:{b32encode(did('bob')).decode().lower().rstrip('=')}"
    _, certificate = (fields for fields, _, _ in events("bob"))
    key, instance = (multikey("ed01", one) for one in (ed25519(rotation_seed("bob", 0)), octets(certificate[5])))
    agreement = multikey("ec01", octets(certificate[6]))
    ends_ms = certificate[8]
    assert isinstance(ends_ms, int)
    expires = {"expires": datetime.fromtimestamp(ends_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    relayed = {"uri": "talos://ada.example:443", "relay": multikey("ec01", x25519(secret("ada agreement")))}
    assert resolved["didDocument"] == {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": name,
        "verificationMethod": [
            {"id": f"{name}#{one}", "type": "Multikey", "controller": name, "publicKeyMultibase": one} | until
            for one, until in ((key, {}), (instance, expires), (agreement, expires))
        ],
        "authentication": [f"{name}#{key}", f"{name}#{instance}"],
        "assertionMethod": [f"{name}#{key}"],
        "keyAgreement": [f"{name}#{agreement}"],
        "service": [
            {
                "id": f"{name}#node-{instance}",
                "type": "TalosNode",
                "serviceEndpoint": ["talos://bob.example:4040", relayed],
            }
        ],
    }
    assert resolved["didDocumentMetadata"]["versionId"] == f"1-{octets(log_end()[1]).hex()}"


def test_the_beacon_says_what_the_page_says() -> None:
    said = [1, x25519(secret("bob agreement")), 4_040, True, SHOWN["dht-record"]]
    assert SHOWN["lan-beacon"] == packed(said)
