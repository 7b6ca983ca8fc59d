"""Known answers: the bytes of version 1, computed here a second way, without the code under test."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from nacl.signing import SigningKey, VerifyKey

from scripts.make_identity_vectors import vectors
from talos.core import names
from talos.core.keylog import KeyLog
from talos.core.keylog_event import Event
from talos.core.keylog_kinds import Kind
from talos.core.keylog_state import Phase
from talos.core.party import Party, check_party
from tests.protocol.layout import Shown

ROOT: Final = Path(__file__).parent.parent.parent.parent
VECTORS: Final[dict[str, Any]] = json.loads((ROOT / "tests/vectors/identity/keylog.json").read_text())
EVENTS: Final[list[dict[str, Any]]] = VECTORS["events"]
RANK_1: Final = {kind.name for kind in Kind if kind.is_rank_1}


def test_the_script_still_makes_the_committed_vectors() -> None:
    assert vectors() == VECTORS


def test_there_is_a_vector_of_every_kind() -> None:
    assert {event["kind"] for event in EVENTS} == {kind.name for kind in Kind}


def test_rotation_keys_follow_rfc_5869_with_label_and_number_as_info() -> None:
    extracted = hmac.digest(bytes(32), bytes.fromhex(VECTORS["seed"]), "sha256")
    for n, key in enumerate(VECTORS["rotation_keys"]):
        info = b"talos/v1/rotation-key" + n.to_bytes(4, "big")
        seed = hmac.digest(extracted, info + b"\x01", "sha256")
        assert bytes(SigningKey(seed).verify_key).hex() == key


def test_commitments_digests_and_the_did_are_labelled_hashes() -> None:
    for key, commitment in zip(VECTORS["rotation_keys"], VECTORS["commitments"], strict=True):
        assert sha256(b"talos/v1/next-key\x00" + bytes.fromhex(key)).hexdigest() == commitment
    for event in EVENTS:
        body = bytes.fromhex(event["body"])
        assert sha256(b"talos/v1/event-digest\x00" + body).hexdigest() == event["digest"]
    inception = bytes.fromhex(EVENTS[0]["body"])
    assert names.parse_peer(VECTORS["did"]) == sha256(b"talos/v1/inception\x00" + inception).digest()


def test_every_event_points_at_the_one_before() -> None:
    for before, event in pairwise(EVENTS):
        assert bytes.fromhex(before["digest"]) in bytes.fromhex(event["body"])


def test_every_signature_is_of_the_expected_rotation_key() -> None:
    n = -1
    for event in EVENTS:
        n += event["kind"] in RANK_1
        key = VerifyKey(bytes.fromhex(VECTORS["rotation_keys"][n]))
        message = b"talos/v1/event\x00" + bytes.fromhex(event["body"])
        assert key.verify(message, bytes.fromhex(event["signature"])) == message


@pytest.mark.parametrize("told", EVENTS, ids=lambda told: f"{told['seq']}-{told['kind']}")
def test_every_event_is_read_as_told(told: dict[str, Any]) -> None:
    [event] = [event for event in KeyLog.decode_and_verify(log_bytes()).events if event.seq == told["seq"]]
    assert (event.content.kind.name, event.body.hex(), event.digest.hex()) == (
        told["kind"],
        told["body"],
        told["digest"],
    )
    assert Event.decode(event.encode()) == event


def log_bytes() -> bytes:
    return bytes.fromhex(VECTORS["log"])


def test_the_whole_log_leads_to_a_revoked_identity() -> None:
    log = KeyLog.decode_and_verify(log_bytes())
    assert names.did_of(log.state.did) == VECTORS["did"]
    assert log.state.phase is Phase.REVOKED
    assert log.encode() == log_bytes()


def test_the_party_record_is_good_against_the_first_two_events() -> None:
    party = Party.decode(bytes.fromhex(VECTORS["party"]))
    whole = KeyLog.decode_and_verify(log_bytes())
    young = KeyLog.decode_and_verify(KeyLog(whole.events[:2], (), whole.state).encode())
    check_party(party, young, party.not_after_ms - 1)
    assert not party.still_good(whole, party.not_after_ms - 1)


def test_the_inception_of_the_protocol_page_is_that_of_the_vector() -> None:
    shown = Shown()
    assert shown["inception"].hex() == EVENTS[0]["body"]
    assert shown.value("rotation-keys", "rotation key 1").hex() == VECTORS["rotation_keys"][1]
