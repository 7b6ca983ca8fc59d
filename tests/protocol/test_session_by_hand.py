"""handshake.md, ratchet.md, link.md and content.md, followed by hand: from the bytes on the pages and named secrets."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PrivateKey

from tests.protocol.by_hand import (
    LABEL,
    array,
    dh,
    expand,
    hashed,
    hkdf,
    message_key,
    numbered,
    octets,
    open_frame,
    opened,
    packed,
    root_step,
    secret,
    sized,
    verify,
    x25519,
)
from tests.protocol.layout import Shown

SHOWN: Final = Shown()
ADA_ORIGIN: Final = secret("ada origin", 16)
BOB_ORIGIN: Final = secret("bob origin", 16)
NOBODY: Final = bytes(16)


def party_x25519(person: str) -> bytes:
    return octets(array(SHOWN[f"{person}-party"])[3])


def transcript() -> bytes:
    """From the opening, the bundle and the offer on their pages, as handshake.md says."""
    opening, bundle, offer = SHOWN["opening"], SHOWN["bob-bundle"], SHOWN["bob-offer"]
    size = int.from_bytes(opening[3:5], "big")
    assert opening[5 : 5 + size] == SHOWN["ada-party"]
    at = 5 + size
    assert opening[at + 33 : at + 45] == bytes.fromhex("000000010000000700000007")
    return hashed(
        "transcript",
        opening[1:3]
        + sized(SHOWN["ada-party"])
        + sized(SHOWN["bob-party"])
        + b"\x05"
        + party_x25519("ada")
        + b"\x05"
        + bundle[36:68]
        + opening[at : at + 33]
        + numbered(1, "05", bundle[73:105])
        + numbered(7, "05", offer[7:39])
        + numbered(7, "0a", offer[44:1_612])
        + opening[at + 45 : at + 1_613],
    )


def ephemeral() -> bytes:
    at = 5 + int.from_bytes(SHOWN["opening"][3:5], "big")
    return SHOWN["opening"][at + 1 : at + 33]


def agreed() -> list[bytes]:
    """DH1 to DH4 as the responder has them."""
    signed = secret("bob signed prekey")
    return [
        dh(signed, party_x25519("ada")),
        dh(secret("bob agreement"), ephemeral()),
        dh(signed, ephemeral()),
        dh(secret("bob one-time prekey"), ephemeral()),
    ]


def kem_secret() -> bytes:
    at = 5 + int.from_bytes(SHOWN["opening"][3:5], "big") + 45
    key = MLKEM1024PrivateKey.from_seed_bytes(SHOWN.value("bob-kem-seeds", "seed of the one-time KEM prekey"))
    return key.decapsulate(SHOWN["opening"][at : at + 1_568])


@cache
def handshake_secret() -> bytes:
    ikm = b"\xff" * 32 + b"".join(agreed()) + kem_secret()
    return hkdf(bytes(32), ikm, LABEL + b"pqxdh\x00" + transcript(), 32)


def lane_seed(lane: int) -> tuple[bytes, bytes, bytes]:
    out = expand(handshake_secret(), LABEL + b"lane\x00" + bytes([lane]), 96)
    return out[:32], out[32:64], out[64:]


def test_the_initiator_s_secrets_agree_with_the_responder_s() -> None:
    mine, once = secret("ada agreement"), secret("ada ephemeral")
    assert x25519(once) == ephemeral()
    bundle, offer = SHOWN["bob-bundle"], SHOWN["bob-offer"]
    signed, agreement, one_time = bundle[73:105], bundle[36:68], offer[7:39]
    assert agreed() == [dh(mine, signed), dh(once, agreement), dh(once, signed), dh(once, one_time)]


def test_the_handshake_gives_every_key_on_the_page() -> None:
    derived = {
        **{f"DH{number}": shared for number, shared in enumerate(agreed(), 1)},
        "KEM secret": kem_secret(),
        "transcript": transcript(),
        "handshake secret": handshake_secret(),
        "session id": expand(handshake_secret(), LABEL + b"session-id\x00", 16),
        "control lane: root": lane_seed(1)[0],
        "control lane: header key of the initiator's": lane_seed(1)[1],
        "control lane: header key of the responder's": lane_seed(1)[2],
        "message lane": b"".join(lane_seed(2)),
        "bulk lane": b"".join(lane_seed(3)),
    }
    assert {name: SHOWN.value("handshake-secrets", name) for name in derived} == derived
    assert len(derived) == len(SHOWN.pieces("handshake-secrets"))


def shown_turn(name: str) -> tuple[bytes, bytes, bytes]:
    return (
        SHOWN.value(name, "next root"),
        SHOWN.value(name, "chain key 0"),
        SHOWN.value(name, "header key"),
    )


def test_the_control_lane_is_followed_by_hand_through_three_turns() -> None:
    root, header_out, header_back = lane_seed(1)
    signed = SHOWN["bob-bundle"][73:105]
    first = root_step(root, secret("ada control 1"), signed)
    assert first == shown_turn("keys-first")
    assert first == root_step(root, secret("bob signed prekey"), x25519(secret("ada control 1")))
    frame = SHOWN["frame-first"]
    marks = b"\x11" + packed([ADA_ORIGIN, NOBODY, 0, b""])
    assert SHOWN["opening"].endswith(frame)
    assert open_frame(frame, transcript(), header_out, first[1]) == (x25519(secret("ada control 1")), 0, 0, marks)
    second = root_step(first[0], secret("bob control 1"), x25519(secret("ada control 1")))
    assert second == shown_turn("keys-welcome")
    welcome = SHOWN["content-welcome"]
    heard = open_frame(SHOWN["frame-welcome"], transcript(), header_back, second[1])
    assert heard == (x25519(secret("bob control 1")), 0, 0, welcome)
    third = root_step(second[0], secret("ada control 2"), x25519(secret("bob control 1")))
    assert third == shown_turn("keys-proof")
    # Under the header key that her first root step gave; the chain before had one frame.
    proof = open_frame(SHOWN["frame-proof"], transcript(), first[2], third[1])
    assert proof == (x25519(secret("ada control 2")), 1, 0, SHOWN["content-proof"])
    resume = octets(array(SHOWN["greeting-resume"])[4])
    said = open_frame(resume, transcript(), first[2], third[1])
    assert said == (x25519(secret("ada control 2")), 1, 1, b"\x11" + packed([ADA_ORIGIN, BOB_ORIGIN, 0, b""]))


def test_the_other_lanes_begin_on_the_keys_of_the_welcome() -> None:
    assert SHOWN["lane-keys"] == x25519(secret("bob message 0")) + x25519(secret("bob bulk 0"))
    assert octets(array(SHOWN["content-welcome"][1:])[0]) == SHOWN["lane-keys"]
    root, header_key, _ = lane_seed(2)
    turn = root_step(root, secret("ada message 1"), SHOWN["lane-keys"][:32])
    assert turn == shown_turn("keys-message")
    key = x25519(secret("ada message 1"))
    assert open_frame(SHOWN["frame-open-message"], transcript(), header_key, turn[1]) == (key, 0, 0, b"\x03")
    message = b"\x01" + ADA_ORIGIN + (1).to_bytes(8, "big") + b"good morning"
    assert SHOWN["content-message"] == message
    assert open_frame(SHOWN["frame-message"], transcript(), header_key, turn[1]) == (key, 0, 1, message)
    assert SHOWN.value("keys-message", "message key 1") == message_key(turn[1], 1)
    assert SHOWN["header-message"] == key + bytes.fromhex("0000000000000001" + "0000" + "00" + "0000000000000000")
    root, header_key, _ = lane_seed(3)
    turn = root_step(root, secret("ada bulk 1"), SHOWN["lane-keys"][32:])
    key = x25519(secret("ada bulk 1"))
    assert open_frame(SHOWN["frame-open-bulk"], transcript(), header_key, turn[1]) == (key, 0, 0, b"\x03")


def test_the_hello_channel_is_opened_by_hand_in_both_directions() -> None:
    static = party_x25519("bob")
    public = x25519(secret("ada hello"))
    keys = hkdf(bytes(32), dh(secret("ada hello"), static), b"talos/v1/hello" + public + static, 64)
    out, back = keys[:32], keys[32:]

    def greeting(frame: bytes, kind: int, key: bytes, count: int) -> bytes:
        assert frame[:5] == (len(frame) - 4).to_bytes(4, "big") + bytes([kind])
        sealed = frame[37:] if kind == 3 else frame[5:]
        return opened(key, sealed[:12], count.to_bytes(8, "big"), sealed[12:])

    assert SHOWN["frame-hello"][5:37] == public
    assert greeting(SHOWN["frame-hello"], 3, out, 0) == SHOWN["greeting-resume"]
    assert greeting(SHOWN["frame-no-session"], 4, back, 0) == SHOWN["greeting-no-session"]
    assert greeting(SHOWN["frame-ask"], 4, out, 1) == SHOWN["greeting-ask"]


def test_no_session_is_signed_over_both_names_the_link_and_the_frame() -> None:
    frame = octets(array(SHOWN["greeting-resume"])[4])
    bobs_key, adas_did = octets(array(SHOWN["bob-party"])[2]), array(SHOWN["ada-party"])[1]
    body = packed([1, hashed("instance", bobs_key), adas_did, x25519(secret("ada hello")), sha256(frame).digest()])
    assert SHOWN["no-session-body"] == body
    verify("no-session", bobs_key, octets(array(SHOWN["greeting-no-session"])[2]), body)


def test_greetings_and_cards_are_arrays_of_what_other_pages_show() -> None:
    bob = [SHOWN["bob-party"], SHOWN["bob-bundle"]]
    session_id = SHOWN.value("handshake-secrets", "session id")
    ada_did, bob_did = (array(SHOWN[f"{person}-party"])[1] for person in ("ada", "bob"))
    frame = array(SHOWN["greeting-resume"])[4]
    assert SHOWN["greeting-resume"] == packed([1, 1, ada_did, session_id, frame])
    assert SHOWN["greeting-ask"] == packed([1, 2, SHOWN["ada-party"]])
    assert SHOWN["greeting-offered"] == packed([1, 3, *bob, SHOWN["bob-offer"]])
    assert SHOWN["greeting-open"] == packed([1, 4, SHOWN["opening"], SHOWN["ada-key-log"]])
    assert SHOWN["greeting-refusal"] == packed([1, 6, 1])
    for name, kind, fields in (("fetch", 1, [1, bob_did]), ("card", 2, [1, SHOWN["bob-key-log"], *bob])):
        body = bytes([kind]) + packed(fields)
        assert SHOWN[f"frame-{name}"] == len(body).to_bytes(4, "big") + body


def test_contents_are_a_kind_byte_and_the_fields_of_the_table() -> None:
    lane_keys = SHOWN["lane-keys"]
    expected = {
        "welcome": b"\x10" + packed([lane_keys, BOB_ORIGIN, NOBODY, 0, sha256(SHOWN["opening"]).digest()]),
        "marks": b"\x11" + packed([ADA_ORIGIN, BOB_ORIGIN, 5, b""]),
        "proof": b"\x12" + packed([sha256(SHOWN["frame-welcome"]).digest()]),
        "ack": b"\x13" + packed([ADA_ORIGIN, 1]),
        "want": b"\x14" + packed([ADA_ORIGIN, 300, 1]),
        "busy": b"\x15" + packed([ADA_ORIGIN, 2]),
        "ping": b"\x16",
        "pong": b"\x17",
        "goaway": b"\x18",
        "open": b"\x03",
        "void": b"\x02" + ADA_ORIGIN + (2).to_bytes(8, "big") + (3).to_bytes(4, "big"),
        "request": b"\x20" + packed([3, 1, b""]),
        "reply": b"\x21" + packed([3, 0, b"short"]),
        "cancel": b"\x22" + packed([3]),
        "piece": b"\x23" + packed([3, 1, b"the end"]),
    }
    assert {name: SHOWN[f"content-{name}"] for name in expected} == expected
