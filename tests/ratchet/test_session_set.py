"""Sets of sessions: both ends end up sending on the same one, whatever crosses, and lose nothing under way."""

from __future__ import annotations

import pytest

from talos_ratchet import (
    LATE_KEY_LIFE_MS,
    SESSIONS_MAX,
    SUPERSEDED_LIFE_MS,
    Duplicate,
    Forged,
    Lane,
    OutOfTurn,
    Session,
    SessionSet,
    UnknownSession,
)
from tests.ratchet.people import NOW_MS, Instance, answer, deliver, dice, knock, sessions, stored, welcome

ENTROPY = dice("set")


def hear(kept: SessionSet, lane: Lane, frame: bytes, now_ms: int = NOW_MS) -> tuple[Session, bytes]:
    session, opened = kept.open(lane, frame, now_ms)
    session.take(lane, opened)
    return session, opened.plaintext


def reloaded(kept: SessionSet) -> SessionSet:
    return SessionSet.load([row for session in kept.sessions() for row in stored(session).items()])


def confirmed(count: int) -> list[tuple[Session, Session]]:
    """Return both ends of `count` confirmed sessions, by id."""
    return sorted((sessions(f"number {number}") for number in range(count)), key=lambda ends: ends[0].id)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_a_simultaneous_start_ends_with_both_sending_on_the_smaller_session(first: int, seed: int) -> None:
    people = Instance(f"alice {seed}"), Instance(f"bob {seed}")
    sets = SessionSet(), SessionSet()
    openings = []
    for who in (0, 1):
        session, opening = knock(people[who], people[1 - who])
        sets[who].add(session)
        openings.append(opening)
    for who in (first, 1 - first):
        accepted = answer(people[1 - who], people[who], openings[who]).session
        sets[1 - who].add(accepted)
        initiated = sets[who].get(accepted.id)
        assert initiated is not None
        welcome(initiated, accepted, ENTROPY)
        assert sets[1 - who].sending(NOW_MS) is not None
    sending = [kept.sending(NOW_MS) for kept in sets]
    assert sending[0] is not None
    assert sending[1] is not None
    smallest = min(session.id for session in sets[0].sessions())
    assert sending[0].id == sending[1].id == smallest
    for kept in sets:
        assert [session.superseded_ms for session in kept.sessions()] == [None, NOW_MS]
        again = reloaded(kept).sending(NOW_MS + 1)
        assert again is not None
        assert again.id == smallest


def test_a_session_that_is_not_confirmed_is_not_sent_on() -> None:
    kept = SessionSet()
    session, _ = knock(Instance("alice"), Instance("bob"))
    kept.add(session)
    assert kept.sending(NOW_MS) is None
    assert session.superseded_ms is None


def test_a_superseded_session_still_receives_for_a_day() -> None:
    (_, small), (alice, large) = confirmed(2)
    kept = SessionSet()
    kept.add(large)
    kept.add(small)
    assert kept.sending(NOW_MS) is small
    frame = alice.seal(Lane.MESSAGE, b"under way", entropy=ENTROPY)
    end = NOW_MS + SUPERSEDED_LIFE_MS
    assert kept.expire(end) == []
    assert hear(kept, Lane.MESSAGE, frame, end) == (large, b"under way")
    with pytest.raises(Forged):
        kept.open(Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"too late", entropy=ENTROPY), end + 1)
    assert kept.expire(end + 1) == [large]
    assert kept.sessions() == [small]


def test_asking_again_does_not_prolong_the_day() -> None:
    (_, small), (_, large) = confirmed(2)
    kept = SessionSet()
    kept.add(large)
    kept.add(small)
    kept.sending(NOW_MS)
    kept.sending(NOW_MS + 5)
    kept.archive(large.id, now_ms=NOW_MS + 9)
    assert large.superseded_ms == NOW_MS


def test_a_frame_finds_its_session_and_changes_none_by_being_opened() -> None:
    ends = confirmed(3)
    kept = SessionSet()
    for _, mine in ends:
        kept.add(mine)
    kept.changes()
    for theirs, mine in ends:
        frame = theirs.seal(Lane.MESSAGE, b"for one", entropy=ENTROPY)
        found, opened = kept.open(Lane.MESSAGE, frame, NOW_MS)
        assert (found, opened.plaintext) == (mine, b"for one")
    assert kept.changes().rows == []


def test_a_frame_that_fits_no_session_is_forged() -> None:
    kept = SessionSet()
    kept.add(sessions("mine")[1])
    stranger = sessions("others")[0]
    with pytest.raises(Forged):
        kept.open(Lane.CONTROL, stranger.seal(Lane.CONTROL, b"text", entropy=ENTROPY), NOW_MS)
    with pytest.raises(Forged):
        SessionSet().open(Lane.CONTROL, bytes([0x11]) + bytes(99), NOW_MS)


def test_a_replay_is_a_duplicate_and_not_tried_elsewhere() -> None:
    ends = confirmed(2)
    kept = SessionSet()
    for _, mine in ends:
        kept.add(mine)
    frame = ends[1][0].seal(Lane.MESSAGE, b"once", entropy=ENTROPY)
    hear(kept, Lane.MESSAGE, frame)
    with pytest.raises(Duplicate):
        kept.open(Lane.MESSAGE, frame, NOW_MS)


def test_what_was_opened_on_one_session_cannot_be_taken_on_another() -> None:
    (theirs, mine), (_, other) = confirmed(2)
    opened = mine.open(Lane.MESSAGE, theirs.seal(Lane.MESSAGE, b"text", entropy=ENTROPY), now_ms=NOW_MS)
    with pytest.raises(OutOfTurn):
        other.take(Lane.MESSAGE, opened)


def test_an_archived_session_only_receives_and_another_is_sent_on() -> None:
    (theirs, small), (_, large) = confirmed(2)
    kept = SessionSet()
    kept.add(small)
    assert kept.sending(NOW_MS) is small
    kept.archive(small.id, now_ms=NOW_MS)
    assert kept.sending(NOW_MS) is None
    kept.add(large)
    assert kept.sending(NOW_MS) is large
    frame = theirs.seal(Lane.MESSAGE, b"under way", entropy=ENTROPY)
    assert hear(kept, Lane.MESSAGE, frame) == (small, b"under way")


def test_a_fifth_session_pushes_out_the_longest_superseded_and_never_the_sender() -> None:
    ends = [mine for _, mine in confirmed(SESSIONS_MAX + 1)]
    kept = SessionSet()
    for at, session in enumerate(reversed(ends[:SESSIONS_MAX])):
        assert kept.add(session) is None
        kept.sending(NOW_MS + at)
    sender = kept.sending(NOW_MS)
    assert sender is ends[0]
    assert kept.add(ends[SESSIONS_MAX]) is ends[SESSIONS_MAX - 1]
    assert len(kept) == SESSIONS_MAX
    assert kept.sending(NOW_MS) is sender


def test_the_sender_stays_though_it_is_the_oldest_and_nobody_asked_for_it_yet() -> None:
    kept = SessionSet()
    ends = [mine for _, mine in confirmed(SESSIONS_MAX + 1)]
    for at, session in enumerate(ends):
        session.created_ms = NOW_MS + at
        dropped = kept.add(session)
    assert dropped is ends[1]
    assert kept.sending(NOW_MS) is ends[0]


def test_strangers_who_knock_again_and_again_do_not_push_out_the_sender() -> None:
    kept = SessionSet()
    mine = sessions("mine")[1]
    kept.add(mine)
    for number in range(2 * SESSIONS_MAX):
        kept.add(knock(Instance("alice"), Instance(f"bob {number}"), now_ms=NOW_MS + number)[0])
    assert kept.sending(NOW_MS) is mine
    assert [session.created_ms - NOW_MS for session in kept.sessions()] == [0, 7, 6, 5]


def test_dropping_a_session_deletes_every_row_that_it_ever_wrote() -> None:
    alice, bob = sessions()
    kept, store = SessionSet(), dict[bytes, bytes | None]()
    kept.add(bob)
    frames = [alice.seal(Lane.BULK, b"text", entropy=ENTROPY) for _ in range(3)]
    hear(kept, Lane.BULK, frames[2])
    store.update(kept.changes().rows)
    hear(kept, Lane.BULK, frames[0])  # Its key's row is stored, and its deletion is not yet.
    kept.drop(bob.id)
    store.update(kept.changes().rows)
    assert len(store) > 5
    assert set(store.values()) == {None}
    assert kept.changes().rows == []


def test_a_set_comes_back_from_its_rows() -> None:
    kept, store = SessionSet(), dict[bytes, bytes | None]()
    for _, mine in confirmed(3):
        kept.add(mine)
    kept.sending(NOW_MS)
    store.update(kept.changes().rows)
    again = SessionSet.load([(key, value) for key, value in store.items() if value is not None])
    assert [session.rows() for session in again.sessions()] == [session.rows() for session in kept.sessions()]
    assert again.changes().rows == []


def test_expiry_reaches_the_late_keys_of_every_session() -> None:
    alice, bob = sessions()
    kept = SessionSet()
    kept.add(bob)
    deliver(bob, Lane.BULK, [alice.seal(Lane.BULK, b"text", entropy=ENTROPY) for _ in range(2)][1])
    kept.changes()
    assert kept.expire(NOW_MS + LATE_KEY_LIFE_MS + 1) == []
    assert [value for _, value in kept.changes().rows] == [None]


def test_verbs_on_unknown_sessions_are_refused() -> None:
    kept = SessionSet()
    assert bytes(16) not in kept
    assert kept.get(bytes(16)) is None
    with pytest.raises(UnknownSession):
        kept.archive(bytes(16), now_ms=NOW_MS)
    with pytest.raises(UnknownSession):
        kept.drop(bytes(16))
