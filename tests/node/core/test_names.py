from __future__ import annotations

import string
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core import names
from talos.errors import UsageError

DID = bytes(range(32))
PEER_ID = "aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"


def test_a_peer_id_is_base32_in_lower_case_without_padding() -> None:
    assert names.peer_id_of(DID) == PEER_ID
    assert names.did_of(DID) == f"did:talos:{PEER_ID}"
    assert len(PEER_ID) == names.PEER_ID_LENGTH


@given(st.binary(min_size=32, max_size=32))
def test_both_names_of_a_peer_are_read_back(did: bytes) -> None:
    assert names.parse_peer(names.peer_id_of(did)) == did
    assert names.parse_peer(names.did_of(did)) == did


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:talos:",
        PEER_ID[:-1],
        PEER_ID + "a",
        PEER_ID.upper(),
        PEER_ID + "====",
        "DID:TALOS:" + PEER_ID,
        "did:talos:did:talos:" + PEER_ID,
        "did:key:" + PEER_ID,
        " " + PEER_ID,
        PEER_ID[:-1] + "r",  # The last character carries one bit; its other four must be zero.
        "1" + PEER_ID[1:],
        "é" + PEER_ID[1:],
    ],
)
def test_only_the_canonical_name_of_a_peer_is_read(text: str) -> None:
    with pytest.raises(UsageError, match="names no peer") as caught:
        names.parse_peer(text)
    assert caught.value.fix is not None


@given(st.text(string.ascii_lowercase + "234567", min_size=52, max_size=52))
def test_one_identity_has_one_name(text: str) -> None:
    try:
        did = names.parse_peer(text)
    except UsageError:
        return
    assert names.peer_id_of(did) == text


@pytest.mark.parametrize(
    ("place", "host", "port"),
    [
        ("node.example:7000", "node.example", 7000),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("[::1]:65535", "::1", 65535),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("h" * 255 + ":80", "h" * 255, 80),
    ],
)
def test_a_peer_address_is_read_and_written_alike(place: str, host: str, port: int) -> None:
    address = names.PeerAddress.parse(f"{PEER_ID}@{place}")
    assert address == names.PeerAddress(DID, host, port)
    assert str(address) == f"did:talos:{PEER_ID}@{place}"
    assert names.PeerAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        PEER_ID,
        f"{PEER_ID}@",
        f"{PEER_ID}@host",
        f"{PEER_ID}@:80",
        f"{PEER_ID}@host:",
        f"{PEER_ID}@host:0",
        f"{PEER_ID}@host:080",
        f"{PEER_ID}@host:65536",
        f"{PEER_ID}@host:+80",
        f"{PEER_ID}@host:8_0",
        f"{PEER_ID}@host:٨٠",
        f"{PEER_ID}@host:99999999999999999999",
        f"{PEER_ID}@::1:80",
        f"{PEER_ID}@[host]:80",
        f"{PEER_ID}@[::1:80",
        f"{PEER_ID}@ho st:80",
        f"{PEER_ID}@ho\x00st:80",
        f"{PEER_ID}@{'h' * 256}:80",
        f"{PEER_ID}@other@host:80",
        "host:80",
        f"{PEER_ID.upper()}@host:80",
    ],
)
def test_whatever_is_no_peer_address_is_refused_with_the_mend(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        names.PeerAddress.parse(text)
    assert caught.value.fix is not None


def test_an_instance_is_named_by_the_hash_of_its_key_under_a_label() -> None:
    key = b"\x07" * 32
    assert names.instance_id(key) == sha256(b"talos/v1/instance\x00" + key).digest()


def test_labels_differ_and_hold_no_zero_byte() -> None:
    labels = [value for name, value in vars(names).items() if name.startswith("LABEL_")]
    assert len(labels) == len(set(labels)) >= 10
    assert all(label.startswith(b"talos/v1/") and 0 not in label for label in labels)
