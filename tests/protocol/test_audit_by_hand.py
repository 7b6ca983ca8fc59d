"""audit.md followed by hand: from the bytes on the page and named secrets alone."""

from __future__ import annotations

import json
from base64 import b32encode, b64decode, b64encode
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.protocol.by_hand import array, ed25519, hashed, hkdf, octets, packed, secret, verify
from tests.protocol.layout import Shown

SHOWN: Final = Shown()
DICE: Final = secret("entry 2", 92)
ENTRY_ID, SUBJECT_SALT, BODY_SALT, NONCE = DICE[:16], DICE[16:48], DICE[48:80], DICE[80:]
NOW_MS: Final = 1_700_003_600_000
PROOF: Final[dict[str, Any]] = json.loads(SHOWN.text("audit-proof"))


def did(person: str) -> bytes:
    return octets(array(SHOWN[f"{person}-party"])[1])


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def leaf_hash() -> bytes:
    return sha256(b"\x00" + SHOWN["audit-leaf"]).digest()


def leaves() -> list[bytes]:
    return [SHOWN.value("audit-tree", f"hash of leaf {index}") for index in range(4)]


def root() -> bytes:
    one, two, three, four = leaves()
    return node(node(one, two), node(three, four))


def origin() -> str:
    names = (did("ada"), hashed("instance", ed25519(secret("ada instance"))))
    peer_id, instance = (b32encode(name).decode().rstrip("=").lower() for name in names)
    return f"talos/audit/{peer_id}/{instance}/1"


def test_the_body_commits_to_the_message_and_does_not_hold_it() -> None:
    commitment = hashed("audit-content", secret("content salt") + b"good morning")
    origin = secret("ada origin", 16)
    assert SHOWN["audit-body"] == packed([1, did("ada"), did("bob"), origin, 1, 1, 12, commitment])


def test_the_body_row_is_salts_subject_content_salt_and_body() -> None:
    salts = SUBJECT_SALT + BODY_SALT
    parts = (salts, b"\x20", did("bob"), b"\x20", secret("content salt"), SHOWN["audit-body"])
    assert SHOWN["audit-body-row"] == b"".join(parts)


def test_the_leaf_commits_to_subject_and_body() -> None:
    subject = hashed("audit-subject", SUBJECT_SALT + did("bob"))
    body = hashed("audit-body", BODY_SALT + SHOWN["audit-body"])
    assert SHOWN["audit-commitments"] == subject + body
    assert SHOWN["audit-leaf"] == packed([1, 32, NOW_MS, ENTRY_ID, 0, subject, body])


def test_the_sealed_row_opens_for_its_leaf_in_its_place() -> None:
    key = hkdf(bytes(32), secret("ada storage key"), b"talos/v1/box/bodies", 32)
    sealed = SHOWN["audit-sealed-row"]
    assert sealed[:16] == b"\x00\x00\x00\x01" + NONCE
    place = (2).to_bytes(8, "big") + leaf_hash()
    assert AESGCM(key).decrypt(NONCE, sealed[16:], place) == SHOWN["audit-body-row"]


def test_the_card_is_signed_by_the_instance_for_the_key_of_the_log() -> None:
    *signed, signature = array(SHOWN["audit-card"])
    instance = ed25519(secret("ada instance"))
    assert signed == [1, did("ada"), instance, 1, ed25519(secret("ada log"))]
    verify("audit-log", instance, octets(signature), packed(signed))


def test_the_checkpoint_is_the_root_over_all_leaves_signed_by_the_log_key() -> None:
    assert leaves()[2] == leaf_hash()
    text = f"{origin()}\n4\n{b64encode(root()).decode()}\n"
    head, _, line = SHOWN.text("audit-checkpoint").partition("\n\n")
    assert head + "\n" == text
    dash, name, encoded = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("\N{EM DASH}", origin())
    key = ed25519(secret("ada log"))
    key_id = sha256(origin().encode() + b"\n\x01" + key).digest()[:4]
    raw = b64decode(encoded)
    assert raw[:4] == key_id
    Ed25519PublicKey.from_public_bytes(key).verify(raw[4:], text.encode())
    typed = b64encode(b"\x01" + key).decode()
    assert SHOWN.text("audit-vkey") == f"{origin()}+{key_id.hex()}+{typed}\n"


def test_the_bundle_has_every_leaf_behind_its_size() -> None:
    raw, hashes = SHOWN["audit-bundle"], list[bytes]()
    while raw:
        size = int.from_bytes(raw[:2], "big")
        hashes.append(sha256(b"\x00" + raw[2 : 2 + size]).digest())
        raw = raw[2 + size :]
    assert hashes == leaves()
    assert b"".join(hashes) == SHOWN["audit-tree"]


def test_the_index_has_a_bit_for_each_entry_of_a_type_or_about_somebody() -> None:
    bundle = bytes(8)
    assert SHOWN.value("audit-lookup", "key: MESSAGE") == b"t" + (32).to_bytes(2, "big") + bundle
    assert SHOWN.value("audit-lookup", "bits: MESSAGE") == bytes([1 << 2]) + bytes(31)
    assert SHOWN.value("audit-lookup", "key: Bob") == b"p" + did("bob")[:16] + bundle
    assert SHOWN.value("audit-lookup", "bits: Bob") == bytes([1 << 1 | 1 << 2]) + bytes(31)


def test_the_sample_of_a_refusal_is_the_hash_of_its_first_frame() -> None:
    sample = hashed("audit-sample", b"\x12" + bytes(96))
    assert SHOWN["audit-refusal-body"] == packed([1, b"", 1, NOW_MS, NOW_MS, sample])


def test_the_answer_to_a_peer_is_card_and_checkpoint() -> None:
    assert SHOWN["audit-log-head"] == packed([SHOWN["audit-card"], SHOWN["audit-checkpoint"]])


def test_the_proof_leads_from_the_leaf_to_the_root_and_from_the_earlier_root() -> None:
    one, two, three, four = leaves()
    path = [four.hex(), node(one, two).hex()]
    assert node(node(one, two), node(leaf_hash(), four)) == root()
    assert (PROOF["format"], PROOF["index"], PROOF["path"]) == ("talos-audit-proof/1", 2, path)
    # The tree of one leaf is that leaf; from it, two and then the other half lead to the root.
    assert PROOF["earlier"] == {"size": 1, "root": one.hex(), "path": [two.hex(), node(three, four).hex()]}
    for name in ("leaf", "card", "key_log"):
        shown = {"leaf": "audit-leaf", "card": "audit-card", "key_log": "ada-key-log"}[name]
        assert PROOF[name] == SHOWN[shown].hex()
    assert PROOF["checkpoint"] == SHOWN.text("audit-checkpoint")


def test_the_proof_opens_the_body_without_its_content_salt() -> None:
    row = SUBJECT_SALT + BODY_SALT + b"\x20" + did("bob") + b"\x00" + SHOWN["audit-body"]
    assert PROOF["opened"] == row.hex()
    assert secret("content salt").hex() not in SHOWN.text("audit-proof")


def test_the_proof_file_is_ascii_indented_by_one_space() -> None:
    assert SHOWN.text("audit-proof") == json.dumps(PROOF, indent=1) + "\n"
    assert SHOWN.text("audit-proof").isascii()


def test_the_tlog_proof_has_the_leaf_the_same_path_and_the_checkpoint() -> None:
    path = [b64encode(bytes.fromhex(one)).decode() for one in PROOF["path"]]
    extra = b64encode(SHOWN["audit-leaf"]).decode()
    lines = ["c2sp.org/tlog-proof@v1", f"extra {extra}", "index 2", *path, "", ""]
    assert SHOWN.text("audit-tlog-proof") == "\n".join(lines) + SHOWN.text("audit-checkpoint")
