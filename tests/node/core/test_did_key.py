"""did:key: the vectors of the method, and what is refused."""

from __future__ import annotations

from typing import Final

import pytest

from talos.core.did_document import Use
from talos.core.did_key import did_key_of, document_of_key, parse_did_key
from talos.core.multikey import KeyKind
from talos.errors import UsageError

# w3c-ccg/did-method-key, test-vectors/ed25519-x25519.json: did:key, and the name of its keyAgreement.
PAIRS: Final = (
    ("z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", "z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW"),
    ("z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG", "z6LSrHyXiPBhUbvPUtyUCdf32sniiMGPTAesgHrtEa4FePtr"),
    ("z6MknGc3ocHs3zdPiJbnaaqDi58NGb4pk1Sp9WxWufuXSdxf", "z6LSkkqoZRC34AEpbkhZCqLDcHQVAxuLpQ7kC8XCXMVUfvjE"),
    # The example of section "Create".
    ("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p"),
)
AGREEMENTS: Final = (  # Section "X25519".
    "z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F",
    "z6LStiZsmxiK4odS4Sb6JmdRFuJ6e1SYP157gtiCyJKfrYha",
    "z6LSoMdmJz2Djah2P4L9taDmtqeJ6wwd2HhKZvNToBmvaczQ",
)
NO_POINTS: Final = (bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"\x02" + bytes(31))


@pytest.mark.parametrize(("signing", "agreement"), PAIRS)
def test_the_document_of_a_signing_key_is_that_of_the_vectors(signing: str, agreement: str) -> None:
    did = f"did:key:{signing}"
    written = document_of_key(did).as_json()
    assert written.pop("@context")
    assert written == {
        "id": did,
        "verificationMethod": [
            {"id": f"{did}#{name}", "type": "Multikey", "controller": did, "publicKeyMultibase": name}
            for name in (signing, agreement)
        ],
        **{
            use: [f"{did}#{signing}"]
            for use in ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")
        },
        "keyAgreement": [f"{did}#{agreement}"],
    }


@pytest.mark.parametrize("name", AGREEMENTS)
def test_the_document_of_an_agreement_key_is_for_agreement_alone(name: str) -> None:
    did = f"did:key:{name}"
    [method] = document_of_key(did).methods
    assert (method.kind, method.name, [*method.uses]) == (KeyKind.X25519, name, [Use.AGREEMENT])
    assert document_of_key(did).resolution()["didDocumentMetadata"] == {}


@pytest.mark.parametrize("name", [*AGREEMENTS, *(signing for signing, _ in PAIRS)])
def test_a_key_that_was_read_is_written_the_same(name: str) -> None:
    assert did_key_of(*parse_did_key(f"did:key:{name}")) == f"did:key:{name}"


@pytest.mark.parametrize(
    "text",
    [
        PAIRS[0][0],
        f"did:talos:{PAIRS[0][0]}",
        f"DID:key:{PAIRS[0][0]}",
        f"did:key:1.1:{PAIRS[0][0]}",
        f"did:key:{PAIRS[0][0]}#{PAIRS[0][0]}",
        f"did:key: {PAIRS[0][0]}",
        f"did:key:{PAIRS[0][0]}\n",
        "did:key:",
        "did:key:" + "z6Mk" * 100_000,
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",  # secp256k1: a key, but none that Talos knows.
    ],
    ids=lambda text: text[:60],
)
def test_what_is_no_did_key_of_ours_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        document_of_key(text)


@pytest.mark.parametrize("key", NO_POINTS)
def test_a_key_that_is_no_point_has_no_document(key: bytes) -> None:
    with pytest.raises(UsageError, match="nobody can sign"):
        document_of_key(did_key_of(KeyKind.ED25519, key))
