"""Where a conversation's patience ends: frames that nothing opens, and what a peer may not say."""

from __future__ import annotations

import pytest

from talos.core.allowance import ALLOWED, Deed
from talos.core.content import (
    Ack,
    Busy,
    Marks,
    Want,
    Welcome,
)
from talos.core.inbox import PEER_BYTES_MAX
from talos.core.marks import ORIGINS_MAX
from talos.core.outbox import WINDOW_ROWS
from talos.core.tables import INBOX, MARKS, OUTBOX
from talos.core.vault import OVERHEAD
from talos_ratchet import Lane
from talos_ratchet.late import LATE_KEY_LIFE_MS
from tests.node.core.pair import connect, linked, read_all, settle, tell

# Frames that nothing opens


def test_what_cannot_be_opened_any_more_is_sealed_anew() -> None:
    a, b = linked()
    a.send(b"1")
    a.flush()
    assert a.wire is not None
    late = a.wire.to("b").popleft()
    tell(a, Lane.MESSAGE, b"\x03")  # An OPEN that overtakes it: its key is kept for a week only.
    settle(a, b)
    b.now_ms += LATE_KEY_LIFE_MS + 1
    a.wire.to("b").append(late)
    settle(a, b)
    assert read_all(b) == [b"1"]
    assert b.broken == []


def test_a_whole_window_that_cannot_be_opened_does_not_cost_the_link() -> None:
    a, b = linked()
    for number in range(WINDOW_ROWS):
        a.send(b"%d" % number)
    a.flush()
    assert a.wire is not None
    frames = a.wire.to("b")
    for at, frame in enumerate(frames):
        frames[at] = frame[:-1] + bytes((frame[-1] ^ 1,))
    settle(a, b)
    assert read_all(b) == [b"%d" % number for number in range(WINDOW_ROWS)]
    assert b.broken == []


def test_every_time_that_something_cannot_be_opened_it_is_sealed_anew() -> None:
    a, b = linked()
    for body in (b"1", b"2", b"3"):
        a.send(body)
        a.flush()
        assert a.wire is not None
        frame = a.wire.to("b").pop()
        a.wire.to("b").append(frame[:-1] + bytes((frame[-1] ^ 1,)))
        settle(a, b)
    assert read_all(b) == [b"1", b"2", b"3"]


def test_more_unreadable_frames_than_that_cost_the_link() -> None:
    _, b = linked()
    forged = [b"\x12" + bytes(120)] * (WINDOW_ROWS + 1)
    b.submit(b.conversation.receive(forged, b.now_ms, b.now_ms), b.wire)
    b.flush()
    assert b.wire is None
    assert len(b.broken) == 1


def test_a_peer_that_knows_only_an_older_origin_of_ours_gets_everything_anew() -> None:
    a, b = linked()
    a.send(b"1")
    a.send(b"2")
    a.flush()
    assert a.wire is not None
    a.wire.to("b").clear()
    tell(b, Lane.CONTROL, Want(bytes(16), 101, reseal=True).encode())
    settle(a, b)
    assert read_all(b) == [b"1", b"2"]


# What a peer may not do


@pytest.mark.parametrize(
    "said",
    [
        lambda a, b: Ack(a.ours.origin, 1),
        lambda a, b: Marks(b.ours.origin, a.ours.origin, 7),
        lambda a, b: Welcome(bytes(64), Marks(b.ours.origin, a.ours.origin, 7)),
    ],
    ids=["ack", "marks", "welcome"],
)
def test_who_acknowledges_what_was_never_sent_loses_the_link(said: object) -> None:
    a, b = linked()
    assert callable(said)
    tell(b, Lane.CONTROL, said(a, b).encode())
    settle(a, b)
    assert len(a.broken) == 1
    assert a.wire is None


@pytest.mark.parametrize("said", [Ack(bytes(16), 99), Busy(bytes(16), 1), Want(bytes(16), 1, reseal=False)])
def test_words_about_another_origin_mean_nothing(said: Ack | Busy | Want) -> None:
    a, b = linked()
    tell(b, Lane.CONTROL, said.encode())
    settle(a, b)
    a.send(b"1")
    settle(a, b)
    assert read_all(b) == [b"1"]
    assert a.broken == []


@pytest.mark.parametrize("older", [True, False])
def test_a_busy_that_was_said_on_a_link_before_this_one_holds_nothing_back(older: bool) -> None:
    a, b = linked()
    sessions = b.conversation._talk.sessions
    session = sessions.sending
    assert session is not None
    busy = sessions.seal(session, Lane.CONTROL, Busy(a.ours.origin, 1).encode())
    a.submit(a.conversation.receive([busy], a.now_ms, a.steady_ms, older=older), a.wire)
    a.send(b"1")
    settle(a, b)
    assert read_all(b) == ([b"1"] if older else [])


def test_a_peer_fills_no_disk_with_origins() -> None:
    a, b = linked()
    for number in range(ORIGINS_MAX + 1):
        void = b"\x02" + number.to_bytes(16, "big") + (1).to_bytes(8, "big") + (1).to_bytes(4, "big")
        tell(a, Lane.MESSAGE, void)
        settle(a, b)
    assert len(b.rows(MARKS)) == ORIGINS_MAX + 1
    assert len(b.broken) == 1


@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, False)])
def test_a_body_counts_in_the_inbox_as_it_is_stored(size: int, fits: bool) -> None:
    a, b = linked()
    quarter = bytes(PEER_BYTES_MAX // 4)
    for number, stored in enumerate([quarter, quarter, quarter, quarter[99 + OVERHEAD :]], 1):
        b.inbox.add(a.did, bytes(16), number, stored, b.now_ms)
    a.send(bytes(size))
    settle(a, b)
    assert len(b.rows(INBOX)) == fits


@pytest.mark.parametrize("plaintext", [b"", b"\x00", b"\x13", b"\xff" * 40, b"\x01short"])
@pytest.mark.parametrize("lane", Lane)
def test_authentic_nonsense_costs_the_link_and_nothing_else(lane: Lane, plaintext: bytes) -> None:
    a, b = linked()
    before = b.rows(INBOX, MARKS, OUTBOX)
    tell(a, lane, plaintext)
    settle(a, b)
    assert len(b.broken) == 1
    assert b.rows(INBOX, MARKS, OUTBOX) == before
    connect(a)
    a.send(b"sorry")
    settle(a, b)
    assert read_all(b) == [b"sorry"]


def test_what_came_after_nonsense_in_one_read_does_not_count() -> None:
    a, b = linked()
    tell(a, Lane.CONTROL, b"\x00")
    a.send(b"too late")
    a.flush()
    b.receive()
    b.flush()
    assert b.rows(INBOX) == {}


def test_what_came_before_nonsense_in_one_read_counts() -> None:
    a, b = linked()
    a.send(b"good")
    a.flush()
    tell(a, Lane.CONTROL, b"\x00")
    settle(a, b)
    assert read_all(b) == [b"good"]


def test_a_commit_that_fails_gives_a_peer_no_new_allowance() -> None:
    _, b = linked()
    for _ in range(ALLOWED[Deed.GREETING] - 1):  # One has bound the link.
        b.conversation._talk.allowance.charge(Deed.GREETING, b.now_ms)
    assert not b.conversation.may_greet(b.now_ms)
    b.fail()
    assert not b.conversation.may_greet(b.now_ms)
