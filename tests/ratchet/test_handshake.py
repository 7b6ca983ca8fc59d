"""Openings: accepted as they were made; refused, with nothing used up, in every other way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos_ratchet import (
    FIRST_SIZE_MAX,
    OPENING_SIZE_MAX,
    OVERHEAD,
    PARTY_SIZE_MAX,
    Accepted,
    Duplicate,
    Forged,
    Lane,
    Malformed,
    Opening,
    OutOfTurn,
    Prekeys,
    SessionSet,
    UnknownPrekey,
    accept,
    make_kem_prekey,
    make_key_pair,
    make_prekey,
    read_opening,
    start,
)
from talos_ratchet.keys import FIELD_PRIME, LOW_ORDER
from tests.ratchet.people import (
    NOW_MS,
    Instance,
    WatchedSuite,
    answer,
    deliver,
    dice,
    encapsulate,
    flipped,
    knock,
    stored,
)

ALICE, BOB = Instance("alice"), Instance("bob")
EPHEMERAL_AT = 5 + len(ALICE.party) + 1
REFUSALS = (Malformed, Forged, UnknownPrekey)


@pytest.mark.parametrize("one_time", [False, True])
def test_both_ends_of_a_handshake_have_one_session(one_time: bool) -> None:
    session, opening = knock(ALICE, BOB, one_time=one_time)
    accepted = answer(BOB, ALICE, opening, one_time=one_time)
    assert accepted.first == b"first"
    assert accepted.one_time is one_time
    assert (session.id, session.transcript) == (accepted.session.id, accepted.session.transcript)
    assert (session.initiated, accepted.session.initiated) == (True, False)
    assert (session.confirmed, accepted.session.confirmed) == (False, False)
    reply = accepted.session.seal(Lane.CONTROL, b"reply", entropy=BOB.entropy)
    assert deliver(session, Lane.CONTROL, reply) == b"reply"


def test_the_parts_of_an_opening_are_read_as_they_were_written() -> None:
    _, raw = knock(ALICE, BOB, one_time=True)
    opening = read_opening(raw)
    assert (opening.party, opening.one_time) == (ALICE.party, True)
    assert (opening.signed_prekey_id, opening.one_time_id, opening.kem_prekey_id) == (1, 3, 4)
    assert opening.encode() == raw


@pytest.mark.slow
def test_an_opening_with_any_bit_flipped_is_refused_and_the_good_one_still_serves() -> None:
    _, raw = knock(ALICE, BOB, one_time=True)
    prekeys = BOB.prekeys(one_time=True)
    for bit in range(8 * len(raw)):
        with pytest.raises(REFUSALS):
            accept_by_bob(read_opening(flipped(raw, bit)), prekeys)
    assert accept_by_bob(read_opening(raw), prekeys).first == b"first"


def test_a_truncated_opening_is_refused() -> None:
    _, raw = knock(ALICE, BOB)
    for size in range(0, len(raw), 7):
        with pytest.raises(REFUSALS):
            accept_by_bob(read_opening(raw[:size]), BOB.prekeys(one_time=False))
    with pytest.raises(REFUSALS):
        accept_by_bob(read_opening(raw + b"\x00"), BOB.prekeys(one_time=False))


@pytest.mark.parametrize("point", sorted(LOW_ORDER), ids=lambda point: point.hex()[:8])
def test_an_ephemeral_key_of_low_order_is_refused(point: bytes) -> None:
    _, raw = knock(ALICE, BOB)
    with pytest.raises(Malformed):
        read_opening(raw[:EPHEMERAL_AT] + point + raw[EPHEMERAL_AT + 32 :])


@pytest.mark.parametrize("change", ["top bit", "plus prime"])
def test_a_second_encoding_of_the_ephemeral_key_is_refused(change: str) -> None:
    _, raw = knock(ALICE, BOB)
    ephemeral = raw[EPHEMERAL_AT : EPHEMERAL_AT + 32]
    other = flipped(ephemeral, 255) if change == "top bit" else (FIELD_PRIME + 2).to_bytes(32, "little")
    with pytest.raises(Malformed):
        read_opening(raw[:EPHEMERAL_AT] + other + raw[EPHEMERAL_AT + 32 :])


@pytest.mark.parametrize("missing", ["signed", "one_time", "kem"])
def test_an_opening_by_a_missing_prekey_is_refused(missing: str) -> None:
    _, raw = knock(ALICE, BOB, one_time=True)
    prekeys = BOB.prekeys(one_time=True)
    without = Prekeys(**{name: None if name == missing else getattr(prekeys, name) for name in prekeys.__slots__})
    with pytest.raises(UnknownPrekey):
        accept_by_bob(read_opening(raw), without)


GOOD = BOB.prekeys(one_time=True)
OTHERS = {
    "signed": replace(GOOD, signed=make_prekey(9, dice("other"))),
    "one-time": replace(GOOD, one_time=make_prekey(9, dice("other"))),
    "KEM": replace(GOOD, kem=make_kem_prekey(9, dice("other"))),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_prekey_of_another_id_is_not_taken_for_the_one_named(other: str) -> None:
    _, raw = knock(ALICE, BOB, one_time=True)
    with pytest.raises(UnknownPrekey):
        accept_by_bob(read_opening(raw), OTHERS[other])


def test_another_key_under_the_same_id_is_forged() -> None:
    _, raw = knock(ALICE, BOB)
    with pytest.raises(Forged):
        accept_by_bob(read_opening(raw), Prekeys(make_prekey(1, dice("other")), None, BOB.last_resort))


def test_an_opening_does_not_pass_for_one_by_somebody_else() -> None:
    _, raw = knock(ALICE, BOB)
    with pytest.raises(Forged):
        answer(BOB, Instance("mallory"), raw)


def test_an_opening_to_another_party_is_refused() -> None:
    _, raw = knock(ALICE, BOB)
    bob = Instance("bob")
    bob.party = b"party record of somebody else"
    with pytest.raises(Forged):
        answer(bob, ALICE, raw)


def test_another_party_record_in_an_opening_is_refused() -> None:
    _, raw = knock(ALICE, BOB)
    with pytest.raises(Forged):
        accept_by_bob(replace(read_opening(raw), party=b"mallory"), BOB.prekeys(one_time=False))


def test_a_one_time_opening_does_not_pass_without_its_one_time_keys() -> None:
    _, raw = knock(ALICE, BOB, one_time=True)
    opening = replace(read_opening(raw), flags=0, one_time_id=0)
    with pytest.raises(Forged):
        accept_by_bob(opening, Prekeys(BOB.prekey, None, BOB.one_time_kem))


def test_a_replayed_opening_gives_the_same_session_again_so_a_set_refuses_it() -> None:
    _, raw = knock(ALICE, BOB)
    kept = SessionSet()
    kept.add(answer(BOB, ALICE, raw).session)
    with pytest.raises(Duplicate):
        kept.add(answer(BOB, ALICE, raw).session)


def test_a_replayed_opening_confirms_nothing() -> None:
    _, raw = knock(ALICE, BOB)
    replayed = answer(BOB, ALICE, raw).session
    with pytest.raises(Duplicate):
        replayed.open(Lane.CONTROL, read_opening(raw).frame, now_ms=NOW_MS)
    assert not replayed.confirmed


def test_the_signed_prekey_is_not_in_the_rows_of_the_session() -> None:
    _, raw = knock(ALICE, BOB)
    rows = stored(answer(BOB, ALICE, raw).session)
    assert not any(BOB.prekey.pair.secret in value for value in rows.values())


def test_a_replayed_opening_makes_the_responder_answer_under_another_key_each_time() -> None:
    session, raw = knock(ALICE, BOB)
    one, two = (answer(BOB, ALICE, raw).session for _ in range(2))
    frames = [end.seal(Lane.CONTROL, b"reply", entropy=BOB.entropy) for end in (one, two)]
    deliver(session, Lane.CONTROL, frames[0])
    with pytest.raises((Forged, Malformed)):
        session.open(Lane.CONTROL, frames[1], now_ms=NOW_MS)


@pytest.mark.parametrize(("party_size", "first_size"), [(PARTY_SIZE_MAX, FIRST_SIZE_MAX), (0, 0)])
def test_the_largest_and_the_smallest_opening_are_accepted(party_size: int, first_size: int) -> None:
    alice = Instance("alice")
    alice.party = bytes(party_size)
    _, raw = knock(alice, BOB, first=bytes(first_size))
    assert OPENING_SIZE_MAX - len(raw) in (0, PARTY_SIZE_MAX + FIRST_SIZE_MAX)
    assert answer(BOB, alice, raw).first == bytes(first_size)


def test_what_is_larger_is_not_even_sent() -> None:
    alice = Instance("alice")
    with pytest.raises(Malformed):
        knock(alice, BOB, first=bytes(FIRST_SIZE_MAX + 1))
    alice.party = bytes(PARTY_SIZE_MAX + 1)
    with pytest.raises(Malformed):
        knock(alice, BOB)


def test_a_party_size_that_points_past_the_end_is_refused() -> None:
    _, raw = knock(ALICE, BOB)
    for size in (len(ALICE.party) + len(raw), PARTY_SIZE_MAX + 1, 2**16 - 1):
        with pytest.raises(Malformed):
            read_opening(raw[:3] + size.to_bytes(2, "big") + raw[5:])


def test_an_opening_that_breaks_the_layout_is_refused_before_any_work() -> None:
    opening = read_opening(knock(ALICE, BOB)[1])
    for planted in (
        replace(opening, flags=2),
        replace(opening, one_time_id=1),
        replace(opening, party=bytes(PARTY_SIZE_MAX + 1)),
        replace(opening, frame=bytes(OVERHEAD - 1)),
        replace(opening, frame=bytes(OVERHEAD + FIRST_SIZE_MAX + 1)),
    ):
        with pytest.raises(Malformed):
            read_opening(planted.encode())
    raw = opening.encode()
    with pytest.raises(Malformed):
        read_opening(raw[: EPHEMERAL_AT - 1] + b"\x0a" + raw[EPHEMERAL_AT:])


def test_an_opening_of_garbage_costs_no_more_than_four_agreements_and_one_try() -> None:
    _, raw = knock(ALICE, BOB, one_time=True)
    suite = WatchedSuite()
    with pytest.raises(Forged):
        accept_by_bob(read_opening(flipped(raw, 8 * (len(raw) - OVERHEAD))), BOB.prekeys(one_time=True), suite)
    assert suite.counted.agreements == 4
    assert suite.counted.steps == suite.counted.bodies == 0


def test_the_first_frame_cannot_open_a_later_lane() -> None:
    session, _ = knock(ALICE, BOB)
    with pytest.raises(OutOfTurn):
        session.seal(Lane.MESSAGE, b"too early", entropy=ALICE.entropy)


def test_a_bundle_is_used_as_the_peer_party_that_the_caller_believes() -> None:
    """An unknown-key-share attack: mallory hands out bob's bundle as her own; bob must not end up with her mail."""
    _, raw = start(
        pair=ALICE.pair,
        party=ALICE.party,
        peer_party=b"party record of mallory",
        bundle=BOB.bundle(),
        offer=None,
        first=b"dear mallory",
        entropy=ALICE.entropy,
        encapsulate=encapsulate,
        now_ms=NOW_MS,
    )
    with pytest.raises(Forged):
        answer(BOB, ALICE, raw)


def accept_by_bob(opening: Opening, prekeys: Prekeys, suite: WatchedSuite | None = None) -> Accepted:
    return accept(
        opening,
        pair=BOB.pair,
        party=BOB.party,
        peer_agreement=ALICE.pair.public,
        prekeys=prekeys,
        entropy=dice("bob accepts"),
        now_ms=NOW_MS,
        suite=suite or WatchedSuite(),
    )


def test_an_initiator_key_of_low_order_is_refused() -> None:
    _, raw = knock(ALICE, BOB)
    with pytest.raises(Malformed):
        accept(
            read_opening(raw),
            pair=BOB.pair,
            party=BOB.party,
            peer_agreement=bytes(32),
            prekeys=BOB.prekeys(one_time=False),
            entropy=dice("bob accepts"),
            now_ms=NOW_MS,
        )


def test_whoever_lacks_the_initiators_secret_cannot_open_a_session_as_it() -> None:
    mallory = Instance("mallory")
    _, raw = start(
        pair=replace(make_key_pair(mallory.entropy), public=ALICE.pair.public),
        party=ALICE.party,
        peer_party=BOB.party,
        bundle=BOB.bundle(),
        offer=None,
        first=b"I am alice",
        entropy=mallory.entropy,
        encapsulate=encapsulate,
        now_ms=NOW_MS,
    )
    with pytest.raises(Forged):
        answer(BOB, ALICE, raw)


@pytest.mark.parametrize("sizes", [(31, 1_568), (32, 1_567), (1_568, 32)])
def test_an_encapsulation_of_other_sizes_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(Malformed):
        start(
            pair=ALICE.pair,
            party=ALICE.party,
            peer_party=BOB.party,
            bundle=BOB.bundle(),
            offer=None,
            first=b"",
            entropy=ALICE.entropy,
            encapsulate=lambda _: (bytes(sizes[0]), bytes(sizes[1])),
            now_ms=NOW_MS,
        )


def test_an_opening_carries_the_first_frame_of_its_session_and_none_after_it() -> None:
    # Else whoever opens a session would have a thousand keys kept for it that no frame will ever come for.
    session, raw = knock(ALICE, BOB)
    later = session.seal(Lane.CONTROL, b"first", entropy=ALICE.entropy)
    suite = WatchedSuite()
    with pytest.raises(Malformed, match="first frame"):
        answer(BOB, ALICE, replace(read_opening(raw), frame=later).encode(), suite=suite)
    assert suite.counted.steps == 0
    assert answer(BOB, ALICE, raw).session.id == session.id
