"""A conversation word by word: what is delivered, what is asked for again, and what is refused for now."""

from __future__ import annotations

import pytest

from talos.core.content import (
    Busy,
    Cancel,
    ControlContent,
    Piece,
    Ping,
    Reply,
    Request,
    Status,
    Want,
)
from talos.core.conversation import Conversation
from talos.core.effects import Answered, Asked
from talos.core.frames import MESSAGE_SIZE_MAX, Kind
from talos.core.inbox import PEER_ROWS_MAX, SLACK, Inbox
from talos.core.outbox import WINDOW_ROWS
from talos.core.step import Put
from talos.core.tables import FRAMES, INBOX, OUTBOX, SESSIONS
from talos.errors import Damaged
from talos_ratchet import Lane
from tests.node.core.end import DAY_MS, cut
from tests.node.core.pair import connect, fill, frames_of, linked, pair, read_all, settle, tell, voiced

# Delivery


def test_a_message_is_delivered_once_it_is_on_the_peers_disk_and_not_before() -> None:
    a, b = linked()
    a.send(b"hello")
    a.flush()
    b.receive()
    assert b.rows(INBOX) == {}
    a.receive()
    assert a.books.delivered == []
    settle(a, b)
    assert a.books.delivered == [1]
    assert read_all(b) == [b"hello"]
    assert a.rows(OUTBOX) == {}


def test_messages_wait_without_a_link_and_go_in_order_when_there_is_one() -> None:
    a, b = pair()
    sent = [b"%d" % number for number in range(5)]
    for body in sent:
        a.send(body)
    connect(a)
    settle(a, b)
    assert read_all(b) == sent


def test_more_than_a_window_of_messages_arrives_in_order() -> None:
    a, b = linked()
    sent = [b"%d" % number for number in range(3 * WINDOW_ROWS)]
    for body in sent:
        a.send(body)
    settle(a, b)
    assert read_all(b) == sent


def test_a_message_that_is_not_on_disk_yet_may_still_be_sent() -> None:
    a, b = pair()
    a.send(b"early")
    connect(b)
    for number in range(WINDOW_ROWS + 1):
        a.send(b"%d" % number)
    settle(a, b)
    assert a.broken == []
    assert len(read_all(b)) == WINDOW_ROWS + 2


def test_an_empty_message_and_the_largest_one_arrive() -> None:
    a, b = linked()
    for body in (b"", bytes(MESSAGE_SIZE_MAX)):
        a.send(body)
    settle(a, b)
    assert [len(body) for body in read_all(b)] == [0, MESSAGE_SIZE_MAX]


def test_a_gap_is_asked_for_once_and_filled() -> None:
    a, b = linked()
    for body in (b"1", b"2", b"3", b"4"):
        a.send(body)
    a.flush()
    assert a.wire is not None
    del a.wire.to("b")[0]  # What an old link took with it, when a new one is there already.
    b.receive()
    b.flush()
    assert [content for content in voiced(a) if isinstance(content, Want)] == [Want(a.ours.origin, 1, reseal=False)]
    settle(a, b)
    assert read_all(b) == [b"1", b"2", b"3", b"4"]


def test_a_message_given_up_unsent_never_arrives_and_holds_nobody_up() -> None:
    a, b = pair()
    for body in (b"1", b"2", b"3"):
        a.send(body)
    a.void(2)
    connect(a)
    settle(a, b)
    assert read_all(b) == [b"1", b"3"]
    assert a.books.voided == {2: False}
    assert not a.conversation.has_work


def test_a_message_given_up_after_it_was_sent_says_that_it_may_have_arrived() -> None:
    a, b = linked()
    a.send(b"1")
    a.flush()
    a.void(1)
    settle(a, b)
    assert a.books.voided == {1: True}
    assert read_all(b) == [b"1"]


# A full inbox


def test_a_message_that_is_to_be_sealed_anew_may_have_arrived_all_the_same() -> None:
    a, b = linked()
    a.send(b"1")
    a.flush()
    for said in (Want(a.ours.origin, 1, reseal=True), Busy(a.ours.origin, 1)):
        tell(b, Lane.CONTROL, said.encode())
    a.receive()
    a.flush()
    a.void(1)
    a.flush()
    assert a.books.voided == {1: True}


def test_a_full_inbox_says_busy_once_and_wants_the_rest_when_there_is_room_for_more_than_one() -> None:
    a, b = pair()
    fill(b, 2)
    connect(a)
    sent = [b"%d" % number for number in range(5)]
    for body in sent:
        a.send(body)
    settle(a, b)
    assert a.books.delivered == [1, 2]
    to_slack = PEER_ROWS_MAX - int(PEER_ROWS_MAX * SLACK)
    for _ in range(to_slack - 1):
        b.done(b.held.pop())
    settle(a, b)
    assert a.books.delivered == [1, 2]  # Room for one message is not worth a window that is sent again.
    b.done(b.held.pop())
    settle(a, b)
    assert a.books.delivered == [1, 2, 3, 4, 5]
    assert [b.read() for _ in sent] == sent


def test_a_peer_that_was_told_busy_can_still_give_up_and_talk() -> None:
    a, b = pair()
    fill(b, 0)
    connect(a)
    a.send(b"1")
    settle(a, b)
    a.void(1)
    b.send(b"back")
    settle(a, b)
    assert read_all(a) == [b"back"]
    cut(a.wire)
    connect(a)
    settle(a, b)
    assert not a.conversation.has_work


def test_an_inbox_stays_within_its_limit_whatever_is_sent() -> None:
    a, b = pair()
    fill(b, 3)
    connect(a)
    for number in range(3 * WINDOW_ROWS):
        a.send(b"%d" % number)
    settle(a, b)
    assert b.inbox.not_done == PEER_ROWS_MAX
    assert len(b.rows(INBOX)) == PEER_ROWS_MAX


@pytest.mark.parametrize("relinks", [0, 1, 8])
@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.parametrize("nights", [0, 9])
def test_a_message_held_back_for_long_arrives_once_there_is_room(relinks: int, answers: bool, nights: int) -> None:
    a, b = pair()
    fill(b, 0)
    connect(a)
    a.send(b"patience")
    settle(a, b)
    for number in range(relinks):  # Eight turns of the lane are more than old chains are remembered.
        if answers:
            b.send(b"%d" % number)
        settle(a, b)
        cut(a.wire)
        connect(a)
        settle(a, b)
    # Nine days are more than keys passed over are kept. By one clock only: else the session, too old, would be renewed.
    b.now_ms += nights * DAY_MS
    b.submit(b.conversation.expire(b.now_ms))
    b.done(b.held.pop())
    settle(a, b)
    if a.conversation.has_work:
        cut(a.wire)
        connect(b)
        settle(a, b)
    assert read_all(b) == [b"patience"]
    assert b.broken == []


def test_an_open_overtakes_nothing_once_the_peer_has_spoken() -> None:
    a, b = linked()
    b.send(b"spoken")
    settle(a, b)
    for _ in range(3):
        cut(a.wire)
        connect(a)
        a.flush()
        assert a.wire is not None
        assert Kind.MESSAGE not in [frame[0] for frame in a.wire.to("b")]
        settle(a, b)


# Requests, pings and goodbyes


def test_a_ping_is_answered() -> None:
    a, b = linked()
    a.submit(a.conversation.say(Ping(), a.now_ms))
    a.flush()
    b.receive()
    b.flush()
    assert [type(content).__name__ for content in voiced(a)] == ["Pong"]


def test_requests_and_answers_are_handed_on() -> None:
    a, b = linked()
    said: list[ControlContent] = [Request(1, 2, b"body"), Cancel(1)]
    for content in said:
        a.submit(a.conversation.say(content, a.now_ms))
    settle(a, b)
    b.submit(b.conversation.say(Reply(1, Status.PIECES, b""), b.now_ms))
    b.submit(b.conversation.pieces([Piece(1, last=True, data=b"all")], b.now_ms))
    settle(a, b)
    assert b.heard == [Asked(content) for content in said if isinstance(content, Request | Cancel)]
    assert a.heard == [Answered(Reply(1, Status.PIECES, b"")), Answered(Piece(1, last=True, data=b"all"))]


def test_a_goodbye_ends_the_link_it_came_on() -> None:
    a, b = linked()
    frame, step = a.conversation.goodbye(a.now_ms)
    a.submit(step)
    a.flush()
    assert frame is not None
    assert b.wire is not None
    b.wire.to("b").append(frame)
    settle(a, b)
    assert b.wire is None
    assert b.broken == []


def test_without_a_link_nothing_is_sealed() -> None:
    a, _ = linked()
    cut(a.wire)
    before = a.rows()
    for step in (
        a.conversation.say(Ping(), a.now_ms),
        a.conversation.pieces([Piece(0, last=True, data=b"")], a.now_ms),
    ):
        assert frames_of(step) == []
        a.submit(step)
    a.flush()
    assert a.rows() == before


def test_a_damaged_row_costs_the_link_but_not_what_came_with_it() -> None:
    a, b = pair()
    a.send(b"lost")
    a.flush()
    for (table, key), value in a.rows(OUTBOX).items():
        a.store.commit([Put(table, key, value[:-1] + bytes((value[-1] ^ 1,)))])
    a.crash()
    b.send(b"still arrives")
    for _ in range(3):
        connect(b)
        settle(a, b)
    assert read_all(a) == [b"still arrives"]
    assert {reason.split(":")[0] for reason in a.broken} == {"message 1 cannot be sent"}


def test_on_a_new_link_the_very_bytes_that_were_stored_are_sent_again() -> None:
    a, b = linked()
    for body in (b"1", b"2"):
        a.send(body)
    a.flush()
    stored = {value[16:] for value in a.rows(FRAMES).values()}
    cut(a.wire)
    a.load()  # As after a restart: nothing of the frames is in memory.
    connect(a)
    a.flush()
    assert a.wire is not None
    assert stored <= set(a.wire.to("b"))
    assert {value[16:] for value in a.rows(FRAMES).values()} == stored
    settle(a, b)
    assert read_all(b) == [b"1", b"2"]


def test_a_failed_commit_takes_back_what_was_promised_with_it() -> None:
    a, _ = pair()
    a.send(b"on disk")
    a.flush()
    promised = a.inbox.room.promised
    assert (promised > 0, a.inbox.room.undelivered) == (True, 1)
    a.send(b"not on disk")
    a.fail()
    assert (a.inbox.room.promised, a.inbox.room.undelivered) == (promised, 1)


def test_a_conversation_that_cannot_be_read_counts_nowhere_however_often_it_is_asked_for() -> None:
    a, b = linked()
    cut(a.wire)
    a.send(b"waits")
    a.flush()
    (_, key), sealed = next(iter(a.rows(SESSIONS).items()))
    a.store.commit([Put(SESSIONS, key, sealed[:-1] + bytes([sealed[-1] ^ 1]))])
    inbox = Inbox()
    for _ in range(2):
        with pytest.raises(Damaged):
            Conversation(b.did, a.ours, a.store, inbox)
    assert (inbox.room.promised, inbox.room.undelivered) == (0, 0), "nobody would ever give that room back"


def test_a_reload_leaves_the_link_that_is_up() -> None:
    a, b = linked()
    a.conversation.reload()
    a.send(b"after it")
    settle(a, b)
    assert read_all(b) == [b"after it"]
