"""Passed-over keys: bounded before any work, kept seven days, gone when used, forgotten aloud."""

from __future__ import annotations

import pytest

from talos_ratchet import (
    JUMP_MAX,
    LATE_KEY_LIFE_MS,
    LATE_KEYS_MAX,
    Duplicate,
    Expired,
    Forged,
    Lane,
    Malformed,
    OutOfTurn,
    Session,
    TooFarAhead,
)
from talos_ratchet.frame import HEADER
from talos_ratchet.late import LateKeys
from talos_ratchet.receive import OLD_CHAINS_MAX
from tests.ratchet.people import NOW_MS, WatchedSuite, deliver, dice, reload, sessions, stored

ENTROPY = dice("late")
BULK = Lane.BULK


def seal(session: Session, count: int = 1) -> list[bytes]:
    return [session.seal(BULK, b"%d" % number, entropy=ENTROPY) for number in range(count)]


def skip(session: Session, count: int) -> None:
    """Seal and lose `count` frames."""
    ratchet = session.lane(BULK)
    assert ratchet is not None
    assert ratchet.sending is not None
    for _ in range(count):
        ratchet.sending.message_key()
        ratchet.sending.advance()


def kept(session: Session) -> int:
    ratchet = session.lane(BULK)
    assert ratchet is not None
    return len(ratchet.late.kept)


@pytest.fixture
def suite() -> WatchedSuite:
    return WatchedSuite()


@pytest.fixture
def ends(suite: WatchedSuite) -> tuple[Session, Session]:
    """Alice and bob on the bulk lane, one frame each way, all rows written."""
    alice, bob = sessions(suite=suite)
    deliver(bob, BULK, seal(alice)[0])
    deliver(alice, BULK, seal(bob)[0])
    alice.changes()
    bob.changes()
    return alice, bob


def refused_without_work(suite: WatchedSuite, session: Session, frame: bytes) -> None:
    before, derived = session.rows(), suite.counted.__dict__.copy()
    with pytest.raises(TooFarAhead):
        session.open(BULK, frame, now_ms=NOW_MS)
    assert suite.counted.__dict__ == derived
    assert session.rows() == before


def test_the_widest_jump_on_a_chain_is_taken_and_one_more_is_refused_without_work(
    ends: tuple[Session, Session], suite: WatchedSuite
) -> None:
    alice, bob = ends
    skip(alice, JUMP_MAX)
    (reached,) = seal(alice)
    assert bob.open(BULK, reached, now_ms=NOW_MS)
    skip(alice, 1)
    deliver(bob, BULK, reached)
    skip(alice, JUMP_MAX)
    refused_without_work(suite, bob, seal(alice)[0])


def test_the_widest_jump_into_a_new_chain_is_taken_and_one_more_is_refused_without_work(
    ends: tuple[Session, Session], suite: WatchedSuite
) -> None:
    alice, bob = ends
    seal(alice)  # Turns.
    skip(alice, JUMP_MAX - 1)
    (reached,) = seal(alice)
    assert bob.open(BULK, reached, now_ms=NOW_MS)
    refused_without_work(suite, bob, seal(alice)[0])


def test_an_old_chain_longer_than_a_jump_is_refused_without_work(
    ends: tuple[Session, Session], suite: WatchedSuite
) -> None:
    alice, bob = ends
    deliver(bob, BULK, seal(alice)[0])
    skip(alice, JUMP_MAX + 1)
    deliver(alice, BULK, seal(bob)[0])
    refused_without_work(suite, bob, seal(alice)[0])


def test_a_full_store_refuses_one_more_without_work_and_evicts_nothing(
    ends: tuple[Session, Session], suite: WatchedSuite
) -> None:
    alice, bob = ends
    for _ in range(LATE_KEYS_MAX // JUMP_MAX):
        deliver(bob, BULK, seal(alice)[0])
        skip(alice, JUMP_MAX)
    deliver(bob, BULK, seal(alice)[0])
    assert kept(bob) == LATE_KEYS_MAX
    skip(alice, 1)
    refused_without_work(suite, bob, seal(alice)[0])
    assert kept(bob) == LATE_KEYS_MAX


def test_a_new_chain_whose_two_jumps_together_do_not_fit_is_refused_without_work(
    ends: tuple[Session, Session], suite: WatchedSuite
) -> None:
    alice, bob = ends
    deliver(bob, BULK, seal(alice, 2)[-1])
    skip(alice, JUMP_MAX)
    deliver(alice, BULK, seal(bob)[0])
    seal(alice)  # Turns.
    skip(alice, JUMP_MAX - 2)
    fits, reached = seal(alice, 2)
    assert bob.open(BULK, fits, now_ms=NOW_MS)
    assert kept(bob) + JUMP_MAX + JUMP_MAX == LATE_KEYS_MAX + 1
    refused_without_work(suite, bob, reached)


def test_what_is_next_in_order_is_taken_though_the_store_is_full(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    for _ in range(LATE_KEYS_MAX // JUMP_MAX):
        deliver(bob, BULK, seal(alice)[0])
        skip(alice, JUMP_MAX)
    deliver(bob, BULK, seal(alice)[0])
    assert deliver(bob, BULK, seal(alice)[0]) == b"0"


def test_a_jump_derives_one_key_per_message_passed_over_and_one(
    ends: tuple[Session, Session], suite: WatchedSuite
) -> None:
    alice, bob = ends
    deliver(bob, BULK, seal(alice)[0])
    frame = seal(alice, 11)[-1]
    before = suite.counted.steps
    bob.open(BULK, frame, now_ms=NOW_MS)
    assert suite.counted.steps - before == 11


def test_a_frame_that_fits_nothing_derives_nothing(ends: tuple[Session, Session], suite: WatchedSuite) -> None:
    _, bob = ends
    derived = suite.counted.__dict__.copy()
    with pytest.raises(Forged):
        bob.open(BULK, bytes([0x10 + BULK]) + bytes(200), now_ms=NOW_MS)
    assert suite.counted.__dict__ == derived


def test_a_late_frame_opens_to_the_last_millisecond_of_seven_days(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    late, reached = seal(alice, 2)
    deliver(bob, BULK, reached)
    assert bob.open(BULK, late, now_ms=NOW_MS + LATE_KEY_LIFE_MS)
    before = bob.rows()
    with pytest.raises(Expired):
        bob.open(BULK, late, now_ms=NOW_MS + LATE_KEY_LIFE_MS + 1)
    assert bob.rows() == before


def test_expired_keys_go_when_told_and_with_the_next_frame(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    late, reached, after = seal(alice, 3)
    deliver(bob, BULK, reached)
    other = reload(bob)
    past = NOW_MS + LATE_KEY_LIFE_MS + 1
    assert (bob.expire(past - 1), bob.expire(past)) == (0, 1)
    deliver(other, BULK, after, now_ms=past)
    for session in (bob, other):
        assert kept(session) == 0
        assert kept(reload(session)) == 0
        with pytest.raises(Duplicate):
            session.open(BULK, late, now_ms=past)


def test_what_counts_on_a_key_that_has_expired_since_cannot_be_taken(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    late, reached = seal(alice, 2)
    deliver(bob, BULK, reached)
    opened = bob.open(BULK, late, now_ms=NOW_MS)
    bob.expire(NOW_MS + LATE_KEY_LIFE_MS + 1)
    with pytest.raises(OutOfTurn):
        bob.take(BULK, opened)


def test_expired_keys_make_room(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    for _ in range(LATE_KEYS_MAX // JUMP_MAX):
        deliver(bob, BULK, seal(alice)[0])
        skip(alice, JUMP_MAX)
    deliver(bob, BULK, seal(alice)[0])
    skip(alice, 1)
    assert deliver(bob, BULK, seal(alice)[0], now_ms=NOW_MS + LATE_KEY_LIFE_MS + 1) == b"0"
    assert kept(bob) == 1


def test_expired_keys_make_room_for_a_new_chain(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    for _ in range(LATE_KEYS_MAX // JUMP_MAX):
        deliver(bob, BULK, seal(alice)[0])
        skip(alice, JUMP_MAX)
    deliver(bob, BULK, seal(alice)[0])
    deliver(alice, BULK, seal(bob)[0])
    (reached,) = seal(alice, 2)[1:]
    with pytest.raises(TooFarAhead):
        bob.open(BULK, reached, now_ms=NOW_MS)
    assert deliver(bob, BULK, reached, now_ms=NOW_MS + LATE_KEY_LIFE_MS + 1) == b"1"
    assert kept(bob) == 1


def test_a_late_frame_takes_expired_keys_with_it(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    _, reached = seal(alice, 2)
    deliver(bob, BULK, reached)
    late, reached = seal(alice, 2)
    deliver(bob, BULK, reached, now_ms=NOW_MS + 1)
    assert kept(bob) == 2
    assert deliver(bob, BULK, late, now_ms=NOW_MS + LATE_KEY_LIFE_MS + 1) == b"0"
    assert kept(bob) == 0


def test_keys_of_the_sixth_oldest_chain_are_dropped_and_said_to_be(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    late, reached = seal(alice, 2)
    unread = [bob.open(BULK, reached, now_ms=NOW_MS).unread]
    deliver(bob, BULK, reached)
    for _ in range(OLD_CHAINS_MAX + 1):
        assert bob.open(BULK, late, now_ms=NOW_MS)
        deliver(alice, BULK, seal(bob)[0])
        (frame,) = seal(alice)
        unread.append(bob.open(BULK, frame, now_ms=NOW_MS).unread)
        deliver(bob, BULK, frame)
    assert unread == [0] * (OLD_CHAINS_MAX + 1) + [1]
    assert kept(bob) == 0
    with pytest.raises(Forged):
        bob.open(BULK, late, now_ms=NOW_MS)


@pytest.mark.parametrize(("pq_epoch", "flags"), [(1, 0), (0, 1)])
def test_a_late_frame_of_an_old_chain_that_says_what_suite_1_does_not_have_is_refused(
    ends: tuple[Session, Session], pq_epoch: int, flags: int
) -> None:
    alice, bob = ends
    seal(alice)  # Begins a chain; lost for good.
    ratchet = alice.lane(BULK)
    assert ratchet is not None
    assert ratchet.sending is not None
    assert ratchet.ours is not None
    nonce, key = bytes(12), ratchet.sending.message_key()
    header = HEADER.pack(ratchet.ours.public, ratchet.previous, 1, pq_epoch, flags, 0)
    head = (
        bytes([0x10 + BULK]) + nonce + ratchet.suite.header_aead(ratchet.send_header).encrypt(nonce, header, ratchet.ad)
    )
    late = head + ratchet.suite.seal_aead(key).encrypt(nonce, b"late", ratchet.ad + head)
    ratchet.sending.advance()
    deliver(bob, BULK, seal(alice)[0])
    deliver(alice, BULK, seal(bob)[0])
    deliver(bob, BULK, seal(alice)[0])
    before = stored(bob)
    with pytest.raises(Malformed):
        bob.open(BULK, late, now_ms=NOW_MS)
    assert stored(bob) == before


def test_a_used_key_leaves_the_rows(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    late, reached = seal(alice, 2)
    deliver(bob, BULK, reached)
    with_key = stored(bob)
    deliver(bob, BULK, late)
    (gone,) = with_key.keys() - stored(bob).keys()
    assert (gone, None) in bob.changes().rows


def test_a_late_row_is_small(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    deliver(bob, BULK, seal(alice, 2)[-1])
    assert [len(value) for key, value in stored(bob).items() if key[16:17] == b"\x03"] == [40]


def test_keys_come_back_in_the_order_in_which_they_were_kept() -> None:
    late = LateKeys()
    times = {(1, 5): 2, (1, 4): 9, (2, 0): 1}  # place -> kept since, ms
    late.load([(place, bytes(32) + kept_ms.to_bytes(8, "big")) for place, kept_ms in times.items()])
    assert late.expired(LATE_KEY_LIFE_MS + 3) == [(2, 0), (1, 5)]
