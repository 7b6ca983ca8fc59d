"""Frames: what was not sealed by the peer is refused, and a refusal changes nothing."""

from __future__ import annotations

import pytest

from talos_ratchet import (
    COUNTER_END,
    FRAME_SIZE_MAX,
    OVERHEAD,
    PLAINTEXT_SIZE_MAX,
    Duplicate,
    Exhausted,
    Forged,
    Lane,
    Malformed,
    OutOfTurn,
    RatchetError,
    Session,
)
from talos_ratchet.chain import Chain
from talos_ratchet.frame import HEADER
from talos_ratchet.keys import FIELD_PRIME, LOW_ORDER
from talos_ratchet.ratchet import Ratchet
from tests.ratchet.people import NOW_MS, deliver, dice, flipped, reload, sessions, stored

ENTROPY = dice("frames")
MESSAGE = Lane.MESSAGE


def lane_of(session: Session, lane: Lane = MESSAGE) -> Ratchet:
    ratchet = session.lane(lane)
    assert ratchet is not None
    return ratchet


def sending(session: Session) -> Chain:
    chain = lane_of(session).sending
    assert chain is not None
    return chain


def seal(session: Session, plaintext: bytes = b"text", lane: Lane = MESSAGE) -> bytes:
    return session.seal(lane, plaintext, entropy=ENTROPY)


def refused(session: Session, frame: bytes, error: type[RatchetError], lane: Lane = MESSAGE) -> None:
    """Assert that `frame` is refused with `error`, and that nothing that would be stored has changed."""
    before = session.rows()
    with pytest.raises(error):
        session.open(lane, frame, now_ms=NOW_MS)
    assert session.rows() == before
    assert session.changes().rows == []


def forge(sender: Session, *, public: bytes | None = None, number: int = 0, previous: int = 0, extra: int = 0) -> bytes:
    """Return a frame whose header the sender's own keys seal, saying what the sender's code would never say."""
    ratchet = lane_of(sender)
    assert ratchet.ours is not None
    nonce = ENTROPY(12)
    header = HEADER.pack(public or ratchet.ours.public, previous, number, 0, extra, 0)
    return (
        bytes([0x10 + MESSAGE])
        + nonce
        + ratchet.suite.header_aead(ratchet.send_header).encrypt(nonce, header, ratchet.ad)
        + bytes(16)
    )


@pytest.fixture
def ends() -> tuple[Session, Session]:
    """Alice and bob, with all rows of theirs written."""
    alice, bob = sessions()
    alice.changes()
    bob.changes()
    return alice, bob


def test_a_frame_is_96_bytes_longer_than_its_plaintext(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    for size in (0, 1, 1_000):
        frame = seal(alice, bytes(size))
        assert len(frame) == size + OVERHEAD == size + 96
        assert deliver(bob, MESSAGE, frame) == bytes(size)


def test_every_bit_of_a_first_frame_counts(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    frame = seal(alice)
    for bit in range(8 * len(frame)):
        refused(bob, flipped(frame, bit), Malformed if bit < 8 else Forged)
    assert deliver(bob, MESSAGE, frame) == b"text"


def test_every_bit_of_a_later_frame_counts(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    deliver(bob, MESSAGE, seal(alice))
    bob.changes()
    frame = seal(alice)
    for bit in range(8 * len(frame)):
        refused(bob, flipped(frame, bit), Malformed if bit < 8 else Forged)
    assert deliver(bob, MESSAGE, frame) == b"text"


def test_every_bit_of_a_late_frame_counts(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    late = seal(alice, b"late")
    deliver(bob, MESSAGE, seal(alice))
    bob.changes()
    for bit in range(8 * len(late)):
        refused(bob, flipped(late, bit), Malformed if bit < 8 else Forged)
    assert deliver(bob, MESSAGE, late) == b"late"


def test_every_truncation_is_refused(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    frame = seal(alice)
    for size in range(len(frame)):
        refused(bob, frame[:size], Malformed if size < OVERHEAD else Forged)
    refused(bob, frame + b"\x00", Forged)


def test_a_frame_of_one_lane_is_none_of_another(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    frame = seal(alice)
    refused(bob, frame, Malformed, Lane.BULK)
    refused(bob, bytes([0x10 + Lane.BULK]) + frame[1:], Forged, Lane.BULK)


def test_a_frame_of_another_session_is_refused(ends: tuple[Session, Session]) -> None:
    _, bob = ends
    stranger, _ = sessions("others")
    refused(bob, seal(stranger), Forged)


def test_a_frame_is_refused_by_its_own_sender(ends: tuple[Session, Session]) -> None:
    alice, _ = ends
    frame = seal(alice)
    alice.changes()
    refused(alice, frame, Forged)


def test_a_replay_is_a_duplicate_on_its_chain_and_on_later_ones(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    first = seal(alice)
    deliver(bob, MESSAGE, first)
    bob.changes()
    refused(bob, first, Duplicate)
    for _ in range(5):
        deliver(alice, MESSAGE, seal(bob))
        deliver(bob, MESSAGE, seal(alice))
        bob.changes()
        refused(bob, first, Duplicate)
    refused(reload_quietly(bob), first, Duplicate)


def test_a_replay_from_before_the_chains_that_are_remembered_fits_nothing(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    first = seal(alice)
    deliver(bob, MESSAGE, first)
    for _ in range(6):
        deliver(alice, MESSAGE, seal(bob))
        deliver(bob, MESSAGE, seal(alice))
    bob.changes()
    refused(bob, first, Forged)


@pytest.mark.parametrize("point", sorted(LOW_ORDER), ids=lambda point: point.hex()[:8])
def test_a_ratchet_key_of_low_order_is_refused(ends: tuple[Session, Session], point: bytes) -> None:
    alice, bob = ends
    refused(bob, forge(alice, public=point), Malformed)


@pytest.mark.parametrize("u", [FIELD_PRIME + 9, 2**255 + 9])
def test_a_second_encoding_of_a_ratchet_key_is_refused(ends: tuple[Session, Session], u: int) -> None:
    alice, bob = ends
    refused(bob, forge(alice, public=u.to_bytes(32, "little")), Malformed)


def test_flags_of_no_meaning_are_refused(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    refused(bob, forge(alice, extra=1), Malformed)
    deliver(bob, MESSAGE, seal(alice))
    bob.changes()
    refused(bob, forge(alice, number=1, extra=1), Malformed)


def test_a_header_that_names_another_key_than_its_chain_is_refused(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    deliver(bob, MESSAGE, seal(alice))
    bob.changes()
    refused(bob, forge(alice, number=1, public=(9).to_bytes(32, "little")), Malformed)


def test_a_header_that_takes_back_messages_already_taken_is_refused(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    for _ in range(3):
        deliver(bob, MESSAGE, seal(alice))
    deliver(alice, MESSAGE, seal(bob))
    seal(alice)  # Turns, so that the keys of her next chain are there to forge with.
    bob.changes()
    refused(bob, forge(alice, previous=2), Malformed)


def test_the_peer_cannot_turn_twice_before_we_have_turned(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    deliver(bob, MESSAGE, seal(alice))
    bob.changes()
    ratchet = lane_of(alice)
    ratchet.send_header = ratchet.next_send_header
    refused(bob, forge(alice), Forged)


def test_a_counter_ends_before_it_could_repeat_a_nonce(ends: tuple[Session, Session]) -> None:
    alice, _ = ends
    sending(alice).number = COUNTER_END - 1
    seal(alice)
    before = alice.rows()
    with pytest.raises(Exhausted):
        seal(alice)
    assert alice.rows() == before


def test_a_message_number_past_the_end_is_refused(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    deliver(bob, MESSAGE, seal(alice))
    receiving = lane_of(bob).receiving
    assert receiving is not None
    receiving.number = COUNTER_END
    bob.changes()
    refused(bob, forge(alice, number=COUNTER_END), Exhausted)


@pytest.mark.parametrize("lease_epoch", [-1, 2**64])
def test_a_lease_epoch_is_a_u64(ends: tuple[Session, Session], lease_epoch: int) -> None:
    alice, _ = ends
    before = alice.rows()
    with pytest.raises(Malformed):
        alice.seal(MESSAGE, b"text", entropy=ENTROPY, lease_epoch=lease_epoch)
    assert alice.rows() == before


@pytest.mark.parametrize("lease_epoch", [0, 1, 2**64 - 1])
def test_the_lease_epoch_arrives(ends: tuple[Session, Session], lease_epoch: int) -> None:
    alice, bob = ends
    frame = alice.seal(MESSAGE, b"text", entropy=ENTROPY, lease_epoch=lease_epoch)
    assert bob.open(MESSAGE, frame, now_ms=NOW_MS).lease_epoch == lease_epoch


def test_a_frame_of_a_mebibyte_is_the_largest(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    largest = seal(alice, bytes(PLAINTEXT_SIZE_MAX))
    assert len(largest) == FRAME_SIZE_MAX
    assert deliver(bob, MESSAGE, largest) == bytes(PLAINTEXT_SIZE_MAX)
    bob.changes()
    refused(bob, largest + b"\x00", Malformed)
    with pytest.raises(Malformed):
        seal(alice, bytes(PLAINTEXT_SIZE_MAX + 1))


def test_opening_leaves_no_trace_until_the_frame_is_taken(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    frames = [seal(alice, b"%d" % number) for number in range(3)]
    before = stored(bob)
    for frame in reversed(frames):
        bob.open(MESSAGE, frame, now_ms=NOW_MS)
    assert stored(bob) == before
    assert bob.changes().rows == []
    assert [deliver(bob, MESSAGE, frame) for frame in frames] == [b"0", b"1", b"2"]


def test_what_was_opened_before_another_frame_was_taken_is_stale(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    first, second = (bob.open(MESSAGE, seal(alice), now_ms=NOW_MS) for _ in range(2))
    bob.take(MESSAGE, first)
    before = bob.rows()
    for stale in (first, second):
        with pytest.raises(OutOfTurn):
            bob.take(MESSAGE, stale)
    assert bob.rows() == before


def test_sealing_makes_nothing_stale_that_was_opened(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    deliver(bob, MESSAGE, seal(alice))
    opened = bob.open(MESSAGE, seal(alice, b"second"), now_ms=NOW_MS)
    reply = seal(bob, b"reply")  # Turns.
    bob.take(MESSAGE, opened)
    assert deliver(alice, MESSAGE, reply) == b"reply"
    assert deliver(bob, MESSAGE, seal(alice, b"third")) == b"third"


def test_what_was_opened_elsewhere_cannot_be_taken(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    opened = bob.open(MESSAGE, seal(alice), now_ms=NOW_MS)
    for session, lane in ((bob, Lane.BULK), (reload(bob), MESSAGE), (alice, MESSAGE)):
        with pytest.raises(OutOfTurn):
            session.take(lane, opened)


def test_no_repr_shows_plaintext_or_key(ends: tuple[Session, Session]) -> None:
    alice, bob = ends
    opened = bob.open(MESSAGE, seal(alice, b"between us"), now_ms=NOW_MS)
    shown = repr((opened, opened.leap, bob, lane_of(bob)))
    assert opened.leap is not None
    assert opened.leap.turn is not None
    assert "between us" not in shown
    assert opened.leap.chain is not None
    for secret in (opened.leap.chain.key, opened.leap.turn.root, lane_of(bob).root):
        assert repr(secret)[2:-1] not in shown


def reload_quietly(session: Session) -> Session:
    again = reload(session)
    assert again.changes().rows == []
    return again
