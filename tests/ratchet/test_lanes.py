"""Lanes: none before its time, each in order by itself (docs/decisions/0001-lanes.md)."""

from __future__ import annotations

import pytest

from talos_ratchet import LANE_KEYS_SIZE, Lane, Malformed, OutOfTurn, Session
from talos_ratchet.keys import LOW_ORDER
from tests.ratchet.people import NOW_MS, Instance, answer, deliver, dice, knock, reload, sessions, stored, welcome

ENTROPY = dice("lanes")
LATER = (Lane.MESSAGE, Lane.BULK)


@pytest.fixture
def fresh() -> tuple[Session, Session]:
    """Alice's and bob's ends right after the handshake."""
    alice, bob = Instance("alice"), Instance("bob")
    session, opening = knock(alice, bob)
    return session, answer(bob, alice, opening).session


@pytest.mark.parametrize("lane", LATER)
def test_a_later_lane_is_shut_after_the_handshake(fresh: tuple[Session, Session], lane: Lane) -> None:
    for session in fresh:
        assert session.lane(lane) is None
        assert not session.can_send(lane)
        with pytest.raises(OutOfTurn):
            session.seal(lane, b"early", entropy=ENTROPY)
        with pytest.raises(OutOfTurn):
            session.open(lane, bytes(100), now_ms=NOW_MS)


def test_the_responder_offers_the_same_keys_again_and_after_a_reload(fresh: tuple[Session, Session]) -> None:
    _, bob = fresh
    keys = bob.offer_lanes(ENTROPY)
    assert len(keys) == LANE_KEYS_SIZE == 64
    assert bob.offer_lanes(ENTROPY) == keys
    bob = reload(bob)
    assert bob.offer_lanes(ENTROPY) == keys


def test_the_initiator_opens_once_and_the_same_keys_again_change_nothing(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    keys = bob.offer_lanes(ENTROPY)
    alice.open_lanes(keys, ENTROPY)
    before = stored(alice)
    alice.open_lanes(keys, ENTROPY)
    assert stored(alice) == before
    alice = reload(alice)
    alice.open_lanes(keys, ENTROPY)
    assert stored(alice) == before
    with pytest.raises(OutOfTurn):
        alice.open_lanes(keys[32:] + keys[:32], ENTROPY)


def test_each_end_has_its_own_part(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    with pytest.raises(OutOfTurn):
        alice.offer_lanes(ENTROPY)
    with pytest.raises(OutOfTurn):
        bob.open_lanes(bytes(64), ENTROPY)


@pytest.mark.parametrize("point", sorted(LOW_ORDER), ids=lambda point: point.hex()[:8])
@pytest.mark.parametrize("at", [0, 32])
def test_a_lane_key_of_low_order_is_refused(fresh: tuple[Session, Session], point: bytes, at: int) -> None:
    alice, bob = fresh
    keys = bob.offer_lanes(ENTROPY)
    before = alice.rows()
    with pytest.raises(Malformed):
        alice.open_lanes(keys[:at] + point + keys[at + 32 :], ENTROPY)
    assert alice.rows() == before


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_lane_keys_of_another_size_are_refused(fresh: tuple[Session, Session], size: int) -> None:
    alice, _ = fresh
    with pytest.raises(Malformed):
        alice.open_lanes(bytes(size), ENTROPY)


@pytest.mark.parametrize("lane", LATER)
def test_the_responder_sends_only_after_the_initiator_has(lane: Lane) -> None:
    alice, bob = sessions()
    assert (alice.can_send(lane), bob.can_send(lane)) == (True, False)
    with pytest.raises(OutOfTurn):
        bob.seal(lane, b"early", entropy=ENTROPY)
    deliver(bob, lane, alice.seal(lane, b"first", entropy=ENTROPY))
    assert bob.can_send(lane)
    assert deliver(alice, lane, bob.seal(lane, b"then", entropy=ENTROPY)) == b"then"


def test_the_seeds_of_the_lanes_are_gone_once_they_are_in_use(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    rows = [stored(session)[session.id + b"\x00"] for session in fresh]
    seeds = rows[0][51 : 51 + 192]
    assert seeds == rows[1][51 : 51 + 192]
    roots = seeds[:32], seeds[96:128]
    assert len({*roots, bytes(32)}) == 3  # Not the zeros that stand for none.
    welcome(alice, bob, ENTROPY)
    for lane in LATER:
        deliver(bob, lane, alice.seal(lane, b"first", entropy=ENTROPY))
    for session in fresh:
        written = b"".join(stored(session).values())
        assert not any(root in written for root in roots)
        assert stored(session)[session.id + b"\x00"][51 : 51 + 192] == bytes(192)


def test_lanes_do_not_disturb_each_other() -> None:
    alice, bob = sessions()
    held = [alice.seal(Lane.BULK, b"%d" % number, entropy=ENTROPY) for number in range(3)]
    for number in range(3):
        deliver(bob, Lane.CONTROL, alice.seal(Lane.CONTROL, b"ping", entropy=ENTROPY))
        deliver(alice, Lane.CONTROL, bob.seal(Lane.CONTROL, b"pong", entropy=ENTROPY))
        assert deliver(bob, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"text", entropy=ENTROPY)) == b"text"
        assert deliver(bob, Lane.BULK, held[number]) == b"%d" % number


def test_no_two_lanes_share_a_key() -> None:
    alice, _ = sessions()
    ratchets = [ratchet for ratchet in map(alice.lane, Lane) if ratchet is not None]
    keys = [key for one in ratchets for key in (one.root, one.send_header, one.next_receive_header)]
    keys += [one.sending.key for one in ratchets if one.sending is not None]
    assert len(set(keys)) == len(keys) == 12


def test_the_initiator_is_confirmed_by_the_first_reply(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    assert not alice.confirmed
    deliver(alice, Lane.CONTROL, bob.seal(Lane.CONTROL, b"reply", entropy=ENTROPY))
    assert alice.confirmed
    assert reload(alice).confirmed


def test_the_responder_is_confirmed_by_the_first_frame_that_answers_its_own_key(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    reply = bob.seal(Lane.CONTROL, b"reply", entropy=ENTROPY)
    deliver(bob, Lane.CONTROL, alice.seal(Lane.CONTROL, b"before the reply", entropy=ENTROPY))
    assert not bob.confirmed
    deliver(alice, Lane.CONTROL, reply)
    opened = bob.open(Lane.CONTROL, alice.seal(Lane.CONTROL, b"after it", entropy=ENTROPY), now_ms=NOW_MS)
    assert not bob.confirmed
    bob.take(Lane.CONTROL, opened)
    assert bob.confirmed
    assert reload(bob).confirmed


def test_only_the_control_lane_confirms() -> None:
    alice, bob = Instance("alice"), Instance("bob")
    session, opening = knock(alice, bob)
    responder = answer(bob, alice, opening).session
    session.open_lanes(responder.offer_lanes(ENTROPY), ENTROPY)
    for _ in range(3):
        deliver(responder, Lane.MESSAGE, session.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
        deliver(session, Lane.MESSAGE, responder.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
    assert (session.confirmed, responder.confirmed) == (False, False)


def test_a_session_counts_its_messages_both_ways_whatever_turns_or_is_lost(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    assert (alice.messages, bob.messages) == (0, 0)
    welcome(alice, bob, ENTROPY)
    counts = []
    for turn in range(8):
        sender, receiver = (bob, alice) if turn % 2 else (alice, bob)
        for at in range(3):
            frame = sender.seal(Lane.MESSAGE, b"text", entropy=ENTROPY)
            if at != 1:  # One of three is lost, and counts: its number is used up.
                deliver(receiver, Lane.MESSAGE, frame)
        alice, bob = reload(alice), reload(bob)
        counts.append((alice.messages, bob.messages))
    assert counts == [(3 * turn, 3 * turn) for turn in range(1, 9)]
    deliver(bob, Lane.CONTROL, alice.seal(Lane.CONTROL, b"no message", entropy=ENTROPY))
    assert (alice.messages, bob.messages) == (24, 24)


def test_what_a_first_frame_claims_of_a_chain_before_it_counts_for_nothing(fresh: tuple[Session, Session]) -> None:
    alice, bob = fresh
    welcome(alice, bob, ENTROPY)
    deliver(bob, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
    liar = bob.lane(Lane.MESSAGE)
    assert liar is not None
    liar.turn(ENTROPY)
    liar.previous = 2**31
    deliver(alice, Lane.MESSAGE, bob.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
    assert alice.messages == 2
