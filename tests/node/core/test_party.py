"""Whom a party record convinces, and whom it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos.core import codec, names
from talos.core.keylog import KeyLog, merge
from talos.core.keylog_event import SEQ_MAX
from talos.core.keylog_keys import signer
from talos.core.keylog_kinds import TIME_MS_MAX, Role
from talos.core.keylog_rank1 import Rotation
from talos.core.party import PARTY_SIZE_MAX, KeyLogBehind, Party, check_party, make_party
from talos.errors import Damaged, MalformedMessage, Refused
from tests.node.core.identities import (
    DAY_MS,
    START_MS,
    Holder,
    certificate,
    cloned,
    fields_of,
    ids,
    instance_key,
    instance_public,
    key_number,
    retired,
    x25519_public,
)

ALICE = Holder("alice")
LOG = ALICE.log(2)
UNTIL_MS = START_MS + 100 * DAY_MS
NAMES = [
    "version",
    "did",
    "ed25519",
    "x25519",
    "seq",
    "digest",
    "role",
    "not_after_ms",
    "identity_signature",
    "instance_signature",
]


def party_of(log: KeyLog, number: int = 0, *, n: int | None = None, role: Role = Role.LEADER_FOLLOWER) -> Party:
    return make_party(
        log,
        ed25519=instance_public(number),
        x25519=x25519_public(number),
        role=role,
        not_after_ms=UNTIL_MS,
        sign_identity=ALICE.sign(key_number(log) if n is None else n),
        sign_instance=signer(instance_key(number)),
    )


PARTY = party_of(LOG)


def resigned(party: Party) -> Party:
    """Sign a changed record anew, as a holder of all keys could."""
    body = codec.pack(*fields_of(party.encode())[:8])
    return replace(
        party,
        identity_signature=ALICE.sign(0)(codec.signed(names.LABEL_PARTY_IDENTITY, body)),
        instance_signature=signer(instance_key(0))(codec.signed(names.LABEL_PARTY_INSTANCE, body)),
    )


def test_a_record_is_read_as_it_was_written_and_accepted() -> None:
    assert Party.decode(PARTY.encode()) == PARTY
    check_party(PARTY, LOG, START_MS)
    assert PARTY.still_good(LOG, START_MS)
    assert PARTY.instance == names.instance_id(instance_public(0))


def test_the_largest_record_fits_its_limit() -> None:
    largest = replace(PARTY, seq=SEQ_MAX, not_after_ms=TIME_MS_MAX)
    assert Party.decode(largest.encode()) == largest
    assert len(largest.encode()) == 285 < PARTY_SIZE_MAX


@pytest.mark.parametrize("at", range(10))
def test_every_wrong_field_is_refused_by_name(at: int) -> None:
    good = fields_of(PARTY.encode())
    wrongs: list[codec.Field] = [[], "x", -1, 2**64 - 1, b"", bytes(31), bytes(33), bytes(63), bytes(65), True]
    for wrong in wrongs:
        fields = [*good[:at], wrong, *good[at + 1 :]]
        with pytest.raises(MalformedMessage, match=f"^{NAMES[at]}: "):
            Party.decode(codec.pack(*fields))


def test_a_record_beyond_its_size_or_with_another_number_of_fields_is_refused() -> None:
    fields = fields_of(PARTY.encode())
    for wrong in (codec.pack(*fields[:-1]), codec.pack(*fields, 0), codec.pack(*fields, bytes(512))):
        with pytest.raises(MalformedMessage, match=r"^party: "):
            Party.decode(wrong)


def test_every_flipped_bit_is_refused() -> None:
    raw = PARTY.encode()
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        with pytest.raises((Damaged, Refused)):
            check_party(Party.decode(bytes(flipped)), LOG, START_MS)


def test_a_record_of_another_identity_is_refused() -> None:
    with pytest.raises(Damaged, match="another identity"):
        check_party(PARTY, Holder("bob").log(2), START_MS)
    assert not PARTY.still_good(Holder("bob").log(2), START_MS)


def test_a_signature_by_another_key_is_refused() -> None:
    with pytest.raises(Damaged, match="wrong signature of the identity"):
        check_party(party_of(LOG, n=1), LOG, START_MS)
    swapped = replace(PARTY, instance_signature=party_of(LOG, 1).instance_signature)
    with pytest.raises(Damaged, match="wrong signature of the instance"):
        check_party(swapped, LOG, START_MS)
    crossed = replace(PARTY, instance_signature=PARTY.identity_signature)
    with pytest.raises(Damaged, match="wrong signature of the instance"):
        check_party(crossed, LOG, START_MS)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"x25519": x25519_public(1)}, "another key or role"),
        ({"role": Role.SOLE}, "another key or role"),
        ({"digest": LOG.events[1].digest}, "not on the key log"),
        ({"seq": 1}, "not on the key log"),
        ({"not_after_ms": START_MS}, "was good until"),
    ],
)
def test_a_genuine_record_that_does_not_hold_is_refused(change: dict[str, object], why: str) -> None:
    with pytest.raises(Refused, match=why):
        check_party(resigned(replace(PARTY, **change)), LOG, START_MS)  # type: ignore[arg-type]  # One field each.


def test_a_record_ahead_of_our_key_log_asks_for_more_of_it() -> None:
    with pytest.raises(KeyLogBehind, match="needs event 3"):
        check_party(party_of(ALICE.certified(LOG, 2)), LOG, START_MS)


def test_an_older_record_holds_while_its_key_is_current() -> None:
    check_party(PARTY, ALICE.certified(LOG, 2), START_MS)


def test_an_uncertified_instance_is_refused() -> None:
    with pytest.raises(Refused, match="not certified"):
        check_party(party_of(LOG, 7), LOG, START_MS)


def test_a_record_ends_with_its_time_and_with_its_certificate() -> None:
    check_party(PARTY, LOG, UNTIL_MS - 1)
    with pytest.raises(Refused, match="was good until"):
        check_party(PARTY, LOG, UNTIL_MS)
    assert (PARTY.still_good(LOG, UNTIL_MS - 1), PARTY.still_good(LOG, UNTIL_MS)) == (True, False)
    short = ALICE.next(LOG, certificate(0, not_after_ms=START_MS + DAY_MS))
    with pytest.raises(Refused, match="certified until"):
        check_party(PARTY, short, START_MS + DAY_MS)


def test_a_retired_suspended_or_disputed_instance_is_refused() -> None:
    gone = ALICE.next(LOG, retired(0))
    suspended = ALICE.next(LOG, cloned(LOG.state.did, 0))
    disputed = merge(gone, ALICE.certified(LOG, 2))
    for log, why in ((gone, "is retired"), (suspended, "is suspended"), (disputed, "is suspended")):
        with pytest.raises(Refused, match=why):
            check_party(PARTY, log, START_MS)
        assert not PARTY.still_good(log, START_MS)


def test_a_dispute_between_others_leaves_a_party_alone() -> None:
    left = ALICE.certified(LOG, 2)
    disputed = merge(left, ALICE.certified(LOG, 3))
    for party in (PARTY, party_of(left)):
        check_party(party, disputed, START_MS)
        assert party.still_good(disputed, START_MS)


def test_a_frozen_or_revoked_identity_is_refused() -> None:
    frozen = merge(ALICE.rotated(LOG, 0), ALICE.rotated(LOG, 1))
    for log, why in ((frozen, "is frozen"), (ALICE.revoked(LOG), "is revoked")):
        with pytest.raises(Refused, match=why):
            check_party(PARTY, log, START_MS)
        assert not PARTY.still_good(log, START_MS)


def test_in_a_migration_an_old_record_keeps_sessions_and_opens_none() -> None:
    ends_ms = START_MS + 7 * DAY_MS
    log = ALICE.rotated(LOG, 0, ends_ms=ends_ms)
    with pytest.raises(Refused, match="replaced"):
        check_party(PARTY, log, START_MS)
    assert (PARTY.still_good(log, ends_ms - 1), PARTY.still_good(log, ends_ms)) == (True, False)
    check_party(party_of(log), log, START_MS)


def test_an_emergency_ends_sessions_at_once() -> None:
    log = ALICE.next(LOG, Rotation(ALICE.reveal(1), ids(0), is_emergency=True))
    assert not PARTY.still_good(log, START_MS)
    assert party_of(log).still_good(log, START_MS)
