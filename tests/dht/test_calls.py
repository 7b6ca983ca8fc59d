"""Requests under way: sent three times at most, answered once, by nobody else."""

from __future__ import annotations

from itertools import count

import pytest

from talos_dht.calls import GRACE_MS, SILENT_MAX, SILENT_MS, TOKEN_MS, Calls, Fate
from talos_dht.contact import Contact
from talos_dht.messages import Answer, Kind, Reply, Request, txid_of
from talos_dht.round_trips import WAIT_FIRST_MS, WAIT_LEAST_MS, WAIT_MOST_MS, RoundTrips
from tests.dht.people import contact, target

ALICE, BOB = contact(1), contact(2)
TOKEN = b"a token."


def calls() -> Calls[str]:
    numbers = count(1)
    return Calls(lambda size: next(numbers).to_bytes(size, "big"), serves=True)


def reply(txid: int) -> Reply:
    return Reply(Answer.PONG, txid.to_bytes(8, "big"), TOKEN, ALICE.place)


def test_a_request_is_sent_again_after_the_wait_and_after_two_more_and_lost_a_second_later() -> None:
    made = calls()
    sent = made.start(ALICE, Kind.PING, b"", "owner", 0)
    late_ms, last_ms = WAIT_FIRST_MS, 3 * WAIT_FIRST_MS
    for due_ms, again, fates in (
        (late_ms, [sent], [Fate.LATE]),
        (last_ms, [sent], []),
        (last_ms + GRACE_MS, [], [Fate.LOST]),
    ):
        assert made.wakes_at_ms == due_ms
        assert made.due(due_ms - 1) == ([], [])
        sends, calls_of = made.due(due_ms)
        assert sends == again
        assert [(call.owner, fate) for call, fate in calls_of] == [("owner", fate) for fate in fates]
    assert len(made) == 0
    assert made.wakes_at_ms is None


@pytest.mark.parametrize("answered_ms", [10, WAIT_FIRST_MS + 10, 3 * WAIT_FIRST_MS + 10])
def test_an_answer_ends_it_once_whether_it_was_late_or_not(answered_ms: int) -> None:
    made = calls()
    made.start(ALICE, Kind.PING, b"", "owner", 0)
    made.due(answered_ms)
    call = made.heard(ALICE, reply(1), answered_ms)
    assert call is not None
    assert call.owner == "owner"
    assert made.heard(ALICE, reply(1), answered_ms) is None
    assert made.due(10_000) == ([], [])
    assert made.wakes_at_ms is None


@pytest.mark.parametrize(
    "liar", [BOB, Contact.at(ALICE.key, "77.0.0.1", 4_000), Contact.at(ALICE.key, ALICE.host, 4_001)]
)
def test_s9_only_who_was_asked_can_answer_and_from_where_it_was_asked(liar: Contact) -> None:
    made = calls()
    made.start(ALICE, Kind.PING, b"", "owner", 0)
    assert made.heard(liar, reply(1), 10) is None
    assert made.heard(ALICE, reply(2), 10) is None
    assert made.heard(ALICE, reply(1), 10) is not None


def lose(made: Calls[str]) -> None:
    for due_ms in (1_000, 3_000, 4_000):
        made.due(due_ms)


def test_who_did_not_answer_is_silent_for_a_minute_or_until_it_answers() -> None:
    made = calls()
    for number in (1, 2):
        made.start(contact(number), Kind.PING, b"", "", 0)
    lose(made)
    assert made.is_silent(ALICE, 4_000 + SILENT_MS - 1)
    assert not made.is_silent(ALICE, 4_000 + SILENT_MS)
    made.start(BOB, Kind.PING, b"", "", 5_000)
    made.heard(BOB, reply(3), 5_001)
    assert not made.is_silent(BOB, 5_001)


def test_of_those_that_somebody_tells_of_the_silent_are_left_out() -> None:
    made = calls()
    assert made.heard_of([ALICE, BOB], 0) == [ALICE, BOB]
    made.start(ALICE, Kind.PING, b"", "", 0)
    lose(made)
    assert made.heard_of([ALICE, BOB], 4_001) == [BOB]
    assert made.heard_of([ALICE, BOB], 4_000 + SILENT_MS) == [ALICE, BOB]


def test_who_is_silent_where_it_never_was_is_not_silent_where_it_is() -> None:
    made, elsewhere = calls(), Contact.at(ALICE.key, "77.0.0.1", 4_000)
    made.start(elsewhere, Kind.PING, b"", "", 0)
    lose(made)
    assert made.is_silent(elsewhere, 4_001)
    assert not made.is_silent(ALICE, 4_001)


def test_what_is_remembered_of_the_silent_is_bounded() -> None:
    made = calls()
    for number in range(SILENT_MAX + 50):
        made.start(contact(number), Kind.PING, b"", "", 0)
    lose(made)
    assert len(made._silent) == SILENT_MAX


def test_a_token_of_a_reply_goes_into_the_next_request_there_and_nowhere_else() -> None:
    made = calls()
    made.start(ALICE, Kind.PING, b"", "", 0)
    made.heard(ALICE, reply(1), 10)

    def token(to: Contact, now_ms: int) -> bytes:
        tokens = {
            Request.decode(made.start(to, kind, argument, "", now_ms).body).token
            for kind, argument in ((Kind.FIND, target(1)), (Kind.PING, b""))
        }
        [one] = tokens
        return one

    assert token(ALICE, 10 + TOKEN_MS - 1) == TOKEN
    assert token(ALICE, 10 + TOKEN_MS) == b""
    assert token(BOB, 20) == b""
    assert token(Contact.at(ALICE.key, "77.0.0.1", 1), 20) == b""


def test_the_number_of_a_call_is_where_a_look_finds_it() -> None:
    made = calls()
    made.start(ALICE, Kind.PING, b"", "", 0)
    assert made.has(txid_of(reply(1).encode() or b""))
    assert not made.has(txid_of(reply(2).encode() or b""))
    assert not made.has(b"")


def test_the_wait_follows_what_is_measured_within_bounds() -> None:
    trips = RoundTrips()
    assert trips.wait_ms == WAIT_FIRST_MS
    trips.measured(200)
    assert trips.wait_ms == 200 + 4 * 100  # RFC 6298, section 2.2.
    trips.measured(120)
    assert trips.wait_ms == 200 - 10 + 4 * (75 + 20)  # Section 2.3.
    for _ in range(100):
        trips.measured(1)
    assert trips.wait_ms == WAIT_LEAST_MS
    for _ in range(100):
        trips.measured(5_000)
    assert trips.wait_ms == WAIT_MOST_MS


def test_a_request_that_was_sent_again_measures_nothing() -> None:
    made = calls()
    made.start(ALICE, Kind.PING, b"", "", 0)
    made.due(WAIT_FIRST_MS)
    made.heard(ALICE, reply(1), WAIT_FIRST_MS + 1)
    assert made.round_trips.wait_ms == WAIT_FIRST_MS
