"""What a store's room allows: new messages while there is some, and again only when there is enough."""

from __future__ import annotations

import pytest

from talos.core.frames import MESSAGE_SIZE_MAX
from talos.core.inbox import Inbox
from talos.core.outbox import Outbox
from talos.core.room import COST, LOW_BELOW, PLENTY, WELL_FROM, Room, Space

PEER = bytes(32)


def with_left(left: int) -> Room:
    room = Room()
    room.measured(Space(left, is_disk=False))
    return room


def test_a_room_that_nobody_has_measured_takes_everything() -> None:
    assert Room().takes(MESSAGE_SIZE_MAX * 1_000)
    assert Room().space == Space(PLENTY, is_disk=False)


@pytest.mark.parametrize(("left", "is_low"), [(LOW_BELOW, False), (LOW_BELOW - 1, True), (0, True), (-LOW_BELOW, True)])
def test_new_messages_are_refused_before_the_reserve_is_touched(left: int, is_low: bool) -> None:
    room = with_left(left)
    assert room.is_low is is_low
    assert room.takes(1) is not is_low


def test_the_largest_message_and_its_frame_fit_whatever_is_not_low() -> None:
    assert with_left(LOW_BELOW).takes(2 * MESSAGE_SIZE_MAX)


def test_a_room_that_was_low_is_well_again_only_with_some_to_spare() -> None:
    room = with_left(LOW_BELOW - 1)
    for left in (LOW_BELOW, WELL_FROM - 1):
        room.measured(Space(left, is_disk=False))
        assert not room.takes(1)
    room.measured(Space(WELL_FROM, is_disk=False))
    assert room.takes(1)
    room.measured(Space(LOW_BELOW, is_disk=False))
    assert room.takes(1)


def test_what_is_under_way_to_the_disk_counts_as_if_it_were_there_with_what_its_pages_cost() -> None:
    room = with_left(WELL_FROM)
    room.under_way = (WELL_FROM - COST) // COST
    assert room.takes(1)
    assert not room.takes(2)
    assert room.is_low, "who was refused is told when it is over, and only what is low can be over"
    room.measured(Space(WELL_FROM, is_disk=False))
    assert room.is_low
    room.under_way = 0
    room.measured(Space(WELL_FROM, is_disk=False))
    assert room.takes(2)


def test_frames_that_are_still_to_be_made_count_as_if_they_were_there() -> None:
    room = with_left(WELL_FROM)
    waiting = Outbox(PEER, 1, room=room)
    for _ in range(2):
        waiting.accept(bytes(WELL_FROM // COST // 2 - 1))
    assert room.takes(2)
    assert not room.takes(3), "their peer may come any moment, and then all of it is sealed"


def test_what_is_promised_is_kept_given_up_or_taken_over() -> None:
    room = with_left(PLENTY)
    outbox = Outbox(PEER, 1, room=room)
    rows = [outbox.accept(bytes(size))[0] for size in (10, 200, 3_000)]
    assert room.promised == 3_210
    outbox.sealed(rows[0], bytes(16), bytes(10))
    assert room.promised == 3_200
    outbox.reseal(1)
    outbox.sealed(rows[0], bytes(range(16)), bytes(10))  # In the place of the old one.
    assert room.promised == 3_200
    outbox.void(2)
    assert room.promised == 3_000
    Outbox(PEER, 4, [rows[2]], room=room)
    outbox.leave()
    assert room.promised == 3_000


def test_what_is_undelivered_is_counted_until_it_is_acknowledged_given_up_or_taken_over() -> None:
    room = with_left(PLENTY)
    outbox, other = Outbox(PEER, 1, room=room), Outbox(bytes(32), 1, room=room)
    rows = [outbox.accept(b"body")[0] for _ in range(4)]
    other.accept(b"body")
    assert room.undelivered == 5
    for row in rows[:3]:
        outbox.sealed(row, bytes(16), b"frame")
    outbox.void(2)
    outbox.void(3)  # One row with the other.
    assert room.undelivered == 3
    outbox.sealed(outbox.rows[2], bytes(16), b"void")
    outbox.acked(3)
    assert room.undelivered == 2, "what was given up counts no second time when its number is used up"
    Outbox(PEER, 5, [rows[3]], room=room)
    outbox.leave()
    assert room.undelivered == 2


def test_what_is_under_way_can_make_a_room_low_by_itself() -> None:
    room = with_left(WELL_FROM)
    room.under_way = LOW_BELOW // COST + 1
    room.measured(Space(WELL_FROM, is_disk=False))
    assert room.is_low


def test_an_inbox_takes_nothing_that_the_store_has_no_room_for_and_asks_for_nothing() -> None:
    room = with_left(WELL_FROM)
    inbox = Inbox(room)
    assert inbox.has_room(PEER, 1_000)
    assert inbox.has_slack(PEER)
    room.measured(Space(0, is_disk=True))
    assert not inbox.has_room(PEER, 1_000)
    assert not inbox.has_slack(PEER)
    inbox.load([])
    assert not inbox.has_room(PEER, 1_000), "a failed commit makes no room"
