"""How two ends come to one session: in every order, and whatever of it is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import pytest

from talos.core.outbox import SESSION_ID_SIZE
from talos.core.step import Put
from talos.core.tables import FRAMES, PARTIES, SESSIONS
from talos_ratchet import SESSIONS_MAX, OutOfTurn, RatchetError, read_opening
from tests.node.core.end import DAY_MS, End, cut
from tests.node.core.pair import connect, greeting, linked, pair, read_all, settle

OPENING_WORDS = 4  # Steps of `greeting` without a session: opening, welcome, proof, and its end.


def talk(a: End, b: End) -> None:
    """Both send and both get it, on the link that is there."""
    said = [b"%s says %d" % (end.name.encode(), len(end.books.sent)) for end in (a, b)]
    for end, body in zip((a, b), said, strict=True):
        end.send(body)
    settle(a, b)
    assert [b.read(), a.read()] == said
    settle(a, b)


def interleave(greetings: Sequence[Iterator[None]], order: Sequence[int]) -> None:
    for which in order:
        next(greetings[which], None)


ORDERS = [
    tuple(int(at in ones) for at in range(2 * OPENING_WORDS))
    for ones in combinations(range(2 * OPENING_WORDS), OPENING_WORDS)
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join("ab"[which] for which in order))
def test_two_that_start_at_once_agree_in_every_order(order: tuple[int, ...]) -> None:
    a, b = pair()
    interleave([greeting(a), greeting(b)], order)
    settle(a, b)
    assert a.conversation.has_session()
    assert b.conversation.has_session()
    if a.wire is None or a.wire is not b.wire:  # Each may have lost its own against the other's.
        for end in (a, b):
            cut(end.wire)
        connect(a)
    talk(a, b)
    assert a.broken == b.broken == []


@pytest.mark.parametrize("stops", range(OPENING_WORDS))
@pytest.mark.parametrize("other_dials", [False, True])
@pytest.mark.parametrize("who_crashes", ["nobody", "dialler", "answerer", "both"])
def test_a_greeting_that_ends_anywhere_leaves_both_able_to_start_again(
    stops: int, other_dials: bool, who_crashes: str
) -> None:
    a, b = pair()
    interleave([greeting(a)], [0] * stops)
    for end in (a, b):
        cut(end.wire)
    if who_crashes in ("dialler", "both"):
        a.crash()
    if who_crashes in ("answerer", "both"):
        b.crash()
    connect(b if other_dials else a)
    settle(a, b)
    talk(a, b)
    assert a.broken == b.broken == []


def test_a_session_is_resumed_and_not_begun_anew() -> None:
    a, b = linked()
    before = {key[1][32:48] for key in a.rows(SESSIONS)}
    for dialler in (a, b, a):
        cut(a.wire)
        connect(dialler)
        talk(a, b)
    assert {key[1][32:48] for key in a.rows(SESSIONS)} == before


def test_whoever_has_lost_its_sessions_is_greeted_by_a_new_one_in_either_direction() -> None:
    for loser_dials in (False, True):
        a, b = linked(f"lost {loser_dials}")
        cut(a.wire)
        b.store.commit([Put(table, key, None) for table, key in b.rows(SESSIONS, PARTIES)])
        b.crash()
        connect(b if loser_dials else a)
        settle(a, b)
        talk(a, b)


def test_what_was_sealed_in_a_lost_session_is_sealed_anew_and_not_sent() -> None:
    a, b = linked()
    a.send(b"1")
    a.flush()
    cut(a.wire)
    b.store.commit([Put(table, key, None) for table, key in b.rows(SESSIONS, PARTIES)])
    b.crash()
    (lost,) = a.rows(FRAMES).values()
    connect(a)
    a.flush()
    assert a.wire is not None
    assert lost[SESSION_ID_SIZE:] not in a.wire.to("b")
    settle(a, b)
    assert read_all(b) == [b"1"]


def test_a_session_that_only_receives_is_not_resumed() -> None:
    a, b = linked()
    cut(a.wire)
    resumed = a.conversation.resume(a.now_ms)
    assert resumed is not None
    session_id, frame, _ = resumed
    b.conversation.no_session(session_id, b.now_ms)
    before = b.rows()
    with pytest.raises(OutOfTurn):
        b.conversation.resumed(frame, b.now_ms)
    assert b.rows() == before


def test_the_link_says_on_which_session_both_send() -> None:
    a, b = linked()
    cut(a.wire)
    interleave([greeting(a), greeting(b)], (0, 1, 0, 1, 0, 1, 0, 1))
    settle(a, b)
    sending = [end.conversation.resume(end.now_ms) for end in (a, b)]
    assert sending[0] is not None
    assert sending[1] is not None
    assert sending[0][0] == sending[1][0]


def test_no_more_than_four_sessions_are_kept_and_nothing_of_the_others() -> None:
    a, b = pair()
    for _ in range(3 * SESSIONS_MAX):
        for end in (a, b):
            cut(end.wire)
            opened = end.conversation.resume(end.now_ms)
            if opened is not None:
                end.submit(end.conversation.no_session(opened[0], end.now_ms))
        connect(a)
        settle(a, b)
    for end in (a, b):
        ids = {key[32:48] for _, key in end.rows(SESSIONS)}
        assert len(ids) <= SESSIONS_MAX
        assert {key[32:48] for _, key in end.rows(PARTIES)} == ids


def test_replaced_sessions_are_forgotten_after_a_day() -> None:
    a, b = linked()
    resumed = a.conversation.resume(a.now_ms)
    assert resumed is not None
    a.submit(a.conversation.no_session(resumed[0], a.now_ms))
    cut(a.wire)
    connect(a)
    settle(a, b)
    for end in (a, b):
        end.now_ms += DAY_MS + 1
        end.submit(end.conversation.expire(end.now_ms))
    settle(a, b)
    talk(a, b)
    for end in (a, b):
        assert len({key[32:48] for _, key in end.rows(SESSIONS)}) == 1
        assert len(end.rows(PARTIES)) == 1


def test_an_opening_is_taken_once() -> None:
    a, b = pair()
    opening, step = a.conversation.open(b.party, b.bundle(), None, a.now_ms)
    a.submit(step)
    a.flush()
    _, step = b.accept(read_opening(opening))
    b.submit(step)
    b.flush()
    before = b.rows()
    with pytest.raises(RatchetError):
        b.accept(read_opening(opening))
    b.submit(b.conversation.expire(b.now_ms))
    b.flush()
    assert b.rows() == before
