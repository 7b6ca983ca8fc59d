"""The card of a log: it leads from a checkpoint's key back to a DID, and is believed for no other reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from nacl.signing import SigningKey

from talos.core import codec
from talos.core.keylog import KeyLog
from talos.core.keylog_keys import signer
from talos.core.log_card import CARD_SIZE_MAX, LogCard, make_card
from talos.core.names import LABEL_PARTY_INSTANCE, name_of, parse_peer, peer_id_of
from talos.errors import Damaged, MalformedMessage
from talos_audit import VerifierKey
from tests.node.core.identities import (
    Holder,
    cloned,
    derived,
    fields_of,
    instance,
    instance_key,
    instance_public,
    retired,
)
from tests.node.core.logs import VECTORS, every_flip

ALICE = Holder("alice")
KEY_LOG = ALICE.log(instances=2)
DID = KEY_LOG.state.did
LOG_KEY = SigningKey(derived("log key"))
PUBLIC = bytes(LOG_KEY.verify_key)
CARD = make_card(DID, instance_public(0), 1, PUBLIC, signer(instance_key(0)))


def test_a_card_is_read_as_it_was_written_and_believed() -> None:
    assert LogCard.decode(CARD.encode()) == CARD
    CARD.check(KEY_LOG)


def test_the_known_card_is_the_array_of_its_fields_and_signed_by_its_instance() -> None:
    raw = bytes.fromhex(VECTORS["card"])
    card = LogCard.decode(raw)
    seed, log_seed = (bytes.fromhex(VECTORS[name]) for name in ("instance_seed", "log_seed"))
    did, instance_key = parse_peer(VECTORS["did"]), SigningKey(seed)
    four = b"\x01\xc4\x20" + did + b"\xc4\x20" + bytes(instance_key.verify_key) + b"\x01"
    body = b"\x95" + four + b"\xc4\x20" + bytes(SigningKey(log_seed).verify_key)
    signature = instance_key.sign(b"talos/v1/audit-log\x00" + body).signature
    assert raw == b"\x96" + body[1:] + b"\xc4\x40" + signature
    assert card.encode() == raw
    card.check(KeyLog.decode_and_verify(bytes.fromhex(VECTORS["key_log"])))
    assert (card.origin, card.verifier.encode()) == (VECTORS["origin"], VECTORS["vkey"])


def test_the_origin_names_identity_instance_and_generation() -> None:
    assert CARD.origin == f"talos/audit/{peer_id_of(DID)}/{name_of(instance(0))}/1"
    assert CARD.verifier == VerifierKey(CARD.origin, PUBLIC)
    other_instance = replace(CARD, instance_ed25519=instance_public(1))
    assert len({CARD.origin, replace(CARD, generation=2).origin, other_instance.origin}) == 3


@pytest.mark.parametrize(
    "grown",
    [
        lambda log: ALICE.next(log, retired(0)),
        lambda log: ALICE.next(log, cloned(DID, 0)),
        lambda log: ALICE.rotated(log, 1),
        ALICE.revoked,
    ],
    ids=["retired", "suspended", "not kept by a rotation", "identity revoked"],
)
def test_what_an_instance_wrote_stays_true_after_its_time(grown: Callable[[KeyLog], KeyLog]) -> None:
    CARD.check(grown(KEY_LOG))


def test_a_card_of_another_identity_is_refused() -> None:
    other = Holder("mallory").log(instances=1)
    with pytest.raises(Damaged, match="another identity"):
        CARD.check(other)
    claimed = make_card(other.state.did, instance_public(0), 1, PUBLIC, signer(instance_key(0)))
    with pytest.raises(Damaged, match="another identity"):
        claimed.check(KEY_LOG)


def test_a_card_of_an_instance_that_was_never_certified_is_refused() -> None:
    card = make_card(DID, instance_public(7), 1, PUBLIC, signer(instance_key(7)))
    with pytest.raises(Damaged, match="never certified"):
        card.check(KEY_LOG)


def test_a_card_that_its_instance_did_not_sign_is_refused() -> None:
    for key in (instance_key(1), LOG_KEY, SigningKey(derived("mallory"))):
        card = make_card(DID, instance_public(0), 1, PUBLIC, signer(key))
        with pytest.raises(Damaged, match="not signed by its instance"):
            card.check(KEY_LOG)


def test_a_signature_for_another_purpose_does_not_do() -> None:
    body = codec.pack(*fields_of(CARD.encode())[:5])
    signature = instance_key(0).sign(codec.signed(LABEL_PARTY_INSTANCE, body)).signature
    with pytest.raises(Damaged, match="not signed by its instance"):
        replace(CARD, signature=signature).check(KEY_LOG)


@pytest.mark.parametrize(
    "changed",
    [
        replace(CARD, generation=2),
        replace(CARD, key=derived("another key")),
        replace(CARD, instance_ed25519=instance_public(1)),
        replace(CARD, signature=bytes(64)),
    ],
    ids=["generation", "key", "instance", "signature"],
)
def test_no_field_of_a_signed_card_can_be_changed(changed: LogCard) -> None:
    with pytest.raises(Damaged, match="not signed by its instance"):
        changed.check(KEY_LOG)


def test_every_flipped_bit_of_a_card_is_refused() -> None:
    for raw in every_flip(CARD.encode()):
        with pytest.raises(Damaged):
            LogCard.decode(raw).check(KEY_LOG)


@pytest.mark.parametrize(
    ("at", "name", "values"),
    [
        (0, "version", [0, 2, True]),
        (1, "did", [b"", bytes(31), bytes(33), "did"]),
        (2, "instance", [bytes(31), bytes(33), 1]),
        (3, "generation", [0, -1, 2**32, True]),
        (4, "key", [bytes(31), bytes(33), ""]),
        (5, "signature", [bytes(63), bytes(65), b""]),
    ],
)
def test_a_card_with_a_field_out_of_range_is_refused_by_its_name(at: int, name: str, values: list[object]) -> None:
    fields = fields_of(CARD.encode())
    for value in values:
        fields[at] = cast("codec.Field", value)
        with pytest.raises(MalformedMessage, match=rf"^log card.{name}: "):
            LogCard.decode(codec.pack(*fields))


@pytest.mark.parametrize("raw", [b"", CARD.encode()[:-1], CARD.encode() + b"\x00", b"\x90", bytes(CARD_SIZE_MAX + 1)])
def test_a_card_in_any_other_form_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedMessage, match="log card"):
        LogCard.decode(raw)


def test_the_largest_card_takes_175_bytes() -> None:
    card = make_card(DID, instance_public(0), 2**32 - 1, PUBLIC, signer(instance_key(0)))
    assert LogCard.decode(card.encode()) == card
    assert len(card.encode()) == 175 <= CARD_SIZE_MAX
