"""When a session is given up, by whom, and what is told of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos.core.content import Ping
from talos.core.effects import Unopened, WornOut
from talos.core.entry_types import EntryType, read_body
from talos.core.intake import UNOPENED_MAX, UNREADABLE_MS
from talos.core.names import did_of
from talos.core.sessions import RENEW_MESSAGES, RENEW_MS, Wear
from talos.core.step import Step
from talos.core.tables import SESSIONS
from talos.core.talk import TOLD_MAX
from talos_ratchet import Lane
from tests.node.core.end import DAY_MS, NOW_MS, End, cut
from tests.node.core.pair import commit, connect, frames_of, greeting, linked, outbox, pair, read_all, settle

GARBAGE = {lane: bytes((0x10 + lane,)) + bytes(range(200)) for lane in Lane}


def told(step: Step) -> list[dict[str, object]]:
    assert {entry.type for entry in step.entries} <= {EntryType.SESSION_RESET}
    return [dict(read_body(entry.type, entry.body)) for entry in step.entries]


def session_of(end: End) -> bytes:
    session = end.conversation._talk.sessions.sending
    assert session is not None
    return session.id


def talk(a: End, b: End, rounds: int = 1) -> None:
    """Both say something, so that neither is a newcomer."""
    for _ in range(rounds):
        for end in (a, b):
            end.send(b"said by %s, %d" % (end.name.encode(), len(end.books.sent)))
            settle(a, b)
    assert len(read_all(a)) == len(read_all(b)) == rounds


def wearing(wear: Wear) -> tuple[End, End]:
    """Return two ends that talk on a session which `a` has begun."""
    a, b = pair()
    for end in (a, b):
        end.ours = replace(end.ours, wear=wear)
        end.load()
    connect(a)
    settle(a, b)
    return a, b


def effects_of(end: End, *frames: bytes) -> list[type[object]]:
    step = end.conversation.receive(frames, end.now_ms, end.steady_ms)
    return [type(effect) for effect in step.effects if isinstance(effect, Unopened | WornOut)]


# Given up


def test_a_reset_is_told_once_with_the_session_and_the_reason() -> None:
    a, b = linked()
    talk(a, b)
    session = session_of(a)
    step = a.conversation.reset("asked for", a.now_ms)
    assert told(step) == [{"peer": did_of(b.did), "session": session.hex(), "reason": "asked for"}]
    assert [(entry.subject, entry.time_ms) for entry in step.entries] == [(b.did, NOW_MS)]
    assert told(a.conversation.reset("asked for", a.now_ms)) == []


def test_of_a_newcomers_session_nothing_is_told() -> None:
    _, b = linked()
    b.conversation._talk.is_newcomer = True
    assert told(b.conversation.reset("asked for", b.now_ms)) == []
    assert b.conversation.resume(b.now_ms) is None


def test_a_session_that_was_given_up_is_not_resumed_though_its_link_is_still_there() -> None:
    a, _ = linked()
    assert a.conversation.resume(a.now_ms) is not None
    commit(a, a.conversation.reset("asked for", a.now_ms))
    assert a.wire is not None
    assert a.conversation.resume(a.now_ms) is None
    assert a.conversation.goodbye(a.now_ms)[0] is not None  # There it can still say so.
    a.crash()
    assert a.conversation.resume(a.now_ms) is None


def test_behind_the_goodbye_nothing_more_is_sealed_on_a_session_that_was_given_up() -> None:
    a, b = linked()
    talk(a, b)
    commit(a, a.conversation.reset("asked for", a.now_ms))
    assert a.wire is not None
    assert a.conversation.goodbye(a.now_ms)[0] is not None
    before = a.rows(SESSIONS)
    _, sent = a.conversation.submit(b"waits for the next link", a.now_ms)
    assert frames_of(sent) == []
    commit(a, sent)
    assert frames_of(a.conversation.say(Ping(), a.now_ms)) == []
    assert a.rows(SESSIONS) == before
    b.send(b"still arrives")
    b.flush()
    a.receive()
    a.flush()
    assert read_all(a) == [b"still arrives"]
    cut(a.wire)
    connect(b)
    settle(a, b)
    assert read_all(b) == [b"waits for the next link"]
    assert outbox(b) == []


def test_what_is_under_way_on_a_session_that_was_given_up_arrives_and_what_is_not_is_sent_anew() -> None:
    a, b = linked()
    talk(a, b)
    for number in range(3):
        b.send(b"%d" % number)
    b.flush()
    commit(a, a.conversation.reset("asked for", a.now_ms))
    a.receive(2)
    cut(a.wire)
    connect(b)
    settle(a, b)
    assert read_all(a) == [b"0", b"1", b"2"]
    assert a.broken == b.broken == []


# Worn out


@pytest.mark.parametrize("sign", [1, -1])
def test_a_session_is_worn_out_after_a_week_to_the_millisecond_whichever_way_the_clock_went(sign: int) -> None:
    a, b = linked()
    session = session_of(a)
    for end in (a, b):
        assert end.conversation.renew(NOW_MS + sign * (RENEW_MS - 1)) is None
    assert b.conversation.renew(NOW_MS + sign * RENEW_MS) is None  # It has not begun it.
    step = a.conversation.renew(NOW_MS + sign * RENEW_MS)
    assert step is not None
    assert [one["session"] for one in told(step)] == [session.hex()]
    assert RENEW_MS == 7 * DAY_MS
    assert a.conversation.renew(NOW_MS + sign * RENEW_MS) is None


def test_a_session_is_worn_out_after_so_many_messages_both_ways() -> None:
    a, b = wearing(Wear(messages=9))
    talk(a, b, rounds=3)
    frames = a.conversation._talk.sessions.sending
    assert frames is not None
    assert frames.messages == 7  # And the one that let `b` send.
    assert effects_of(a) == []
    talk(a, b)
    assert (effects_of(a), effects_of(b)) == ([], [])  # `a` has renewed it; the link is gone.
    assert (a.wire, b.wire) == (None, None)
    assert a.conversation.resume(a.now_ms) is None
    assert RENEW_MESSAGES == 10_000


def test_a_session_that_is_worn_out_is_renewed_while_messages_flow_and_none_is_lost_or_overtaken() -> None:
    a, b = wearing(Wear(messages=20))
    seen = set()
    for number in range(100):
        for end in (a, b):
            end.send(b"%d" % number)
        if number % 7 == 0:
            settle(a, b)
        if a.wire is None:
            connect((a, b)[number % 2])
        seen.add(session_of(a) if a.wire else b"")
    for _ in range(10):
        settle(a, b)
        if a.wire is None:
            connect(b)
    wanted = [b"%d" % number for number in range(100)]
    assert (read_all(a), read_all(b)) == (wanted, wanted)
    assert a.broken == b.broken == []
    assert len(seen) > 3


# What does not open


@pytest.mark.parametrize("lane", Lane)
def test_a_lane_that_cannot_be_read_on_three_links_in_a_row_is_told(lane: Lane) -> None:
    a, b = linked()
    found = []
    for _ in range(UNOPENED_MAX + 1):
        found.append(effects_of(b, *[GARBAGE[lane]] * 10))
        found.append(effects_of(b, GARBAGE[lane]))
        cut(b.wire)
        connect(a)
    assert found == [[], [], [], [], [Unopened], [], [Unopened], []]


def test_links_on_which_the_lane_was_read_since_do_not_count() -> None:
    a, b = linked()
    for number in range(3 * UNOPENED_MAX):
        assert effects_of(b, GARBAGE[Lane.MESSAGE]) == []
        if number % 2:
            talk(a, b)
        cut(b.wire)
        connect(a)
        settle(a, b)


def test_what_comes_without_a_link_does_not_count() -> None:
    _, b = linked()
    cut(b.wire)
    assert effects_of(b, *[GARBAGE[Lane.MESSAGE]] * 10) == []
    assert b.conversation._talk.unopened == {}


def test_a_link_is_stuck_when_nothing_has_opened_for_ten_seconds() -> None:
    a, b = linked()
    steady_ms = b.steady_ms
    assert not b.conversation.is_stuck(steady_ms + UNREADABLE_MS)
    effects_of(b, GARBAGE[Lane.MESSAGE])
    effects_of(b, GARBAGE[Lane.MESSAGE])
    assert not b.conversation.is_stuck(steady_ms + UNREADABLE_MS - 1)
    assert b.conversation.is_stuck(steady_ms + UNREADABLE_MS)
    talk(a, b)
    assert not b.conversation.is_stuck(steady_ms + UNREADABLE_MS)
    effects_of(b, GARBAGE[Lane.MESSAGE])
    cut(b.wire)
    assert not b.conversation.is_stuck(steady_ms + UNREADABLE_MS)


@pytest.mark.parametrize("dialler", "ab")
def test_what_was_read_on_the_old_link_during_a_greeting_comes_again_and_the_new_link_is_not_stuck(
    dialler: str,
) -> None:
    a, b = linked()
    for number in range(3):
        a.send(b"%d" % number)
    a.flush()
    words = greeting(a if dialler == "a" else b)
    for _ in range(2 if dialler == "a" else 1):
        next(words)  # `b` has told that it has none of them.
    b.receive()
    b.flush()
    for _ in words:
        pass
    settle(a, b)
    assert read_all(b) == [b"0", b"1", b"2"]
    assert outbox(a) == []
    assert b.conversation._talk.unopened == {}
    assert not b.conversation.is_stuck(b.steady_ms + UNREADABLE_MS)


def test_what_either_has_told_in_a_greeting_is_kept_until_its_link_is_up() -> None:
    a, b = pair()
    told = a.conversation._talk.told, b.conversation._talk.told
    for _ in range(2):  # A session is opened, and resumed.
        words = greeting(a)
        next(words)
        next(words)
        assert (len(told[0]), len(told[1])) == (1, 1)
        for _ in words:
            pass
        assert told == ({}, {})
        cut(a.wire)


def test_what_was_told_in_greetings_that_led_to_no_link_is_forgotten_in_the_end() -> None:
    a, _ = linked()
    assert a.conversation._talk.told == {}
    for _ in range(2 * TOLD_MAX):
        next(greeting(a))
    assert len(a.conversation._talk.told) == TOLD_MAX
