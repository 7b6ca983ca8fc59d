"""Whoever is not the peer changes nothing: not a row, not a session, not a prekey, whatever it sends."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.core.content import Marks, Welcome
from talos.core.entry_types import EntryType
from talos.core.meeting import name_of
from talos.core.outbox import AckedUnsent
from talos.core.tables import INBOX, MARKS, OUTBOX, PARTIES, SEEN, SESSIONS
from talos.errors import MalformedMessage
from talos_ratchet import Lane, RatchetError, read_opening
from tests.node.core.end import End, cut
from tests.node.core.pair import connect, greeting, linked, pair, settle, tell

Change = Callable[[bytes], bytes]


def changed(raw: bytes, at: int, how: str) -> bytes:
    """Return `raw` with one thing wrong with it."""
    at %= len(raw)
    match how:
        case "flipped":
            return raw[:at] + bytes((raw[at] ^ (1 << at % 8),)) + raw[at + 1 :]
        case "cut":
            return raw[:at]
        case "longer":
            return raw + raw[at : at + 1]
        case _:
            return raw[: at + 1] + raw[at:]


changes = st.tuples(st.integers(0, 10_000), st.sampled_from(["flipped", "cut", "longer", "stretched"]))


def said() -> tuple[End, End, list[bytes]]:
    """Return two ends, and a frame of each lane that `a` has sealed and `b` has not read."""
    a, b = linked()
    a.send(b"message")
    tell(a, Lane.CONTROL, b"\x16")
    tell(a, Lane.BULK, b"\x03")
    a.submit(a.conversation.expire(a.now_ms))
    a.flush()
    assert a.wire is not None
    frames = list(a.wire.to("b"))
    assert {frame[0] & 0x0F for frame in frames} == set(Lane)
    return a, b, frames


def offer(end: End, frames: list[bytes]) -> None:
    """Let `end` read frames, and commit whatever that leads to."""
    end.submit(end.conversation.receive(frames, end.now_ms, end.now_ms), end.wire)
    end.flush()


@settings(max_examples=80, deadline=None)
@given(changes, st.sampled_from(Lane))
def test_a_changed_frame_leaves_every_row_as_it_was(change: tuple[int, str], lane: Lane) -> None:
    _, b, frames = said()
    cut(b.wire)  # So that it cannot even answer.
    before = b.rows()
    for frame in frames:
        forged = changed(frame, *change)
        if frame[0] & 0x0F == lane and forged and forged[0] & 0x0F in set(Lane):
            offer(b, [forged])
    assert b.rows() == before
    offer(b, frames)
    assert b.read() == b"message"


@pytest.mark.parametrize("lane", Lane)
def test_on_a_link_a_forged_frame_moves_nothing_but_our_own_words(lane: Lane) -> None:
    a, b, frames = said()
    before = b.rows(INBOX, MARKS, OUTBOX, PARTIES, SEEN)
    (frame,) = [frame for frame in frames if frame[0] & 0x0F == lane]
    offer(b, [changed(frame, 100, "flipped")])
    assert b.rows(INBOX, MARKS, OUTBOX, PARTIES, SEEN) == before
    assert (b.wire is None) == (lane is not Lane.MESSAGE)
    offer(b, frames)
    assert b.read() == b"message"
    assert a.conversation.has_work


def test_a_frame_played_again_leaves_every_row_as_it_was() -> None:
    a, b, frames = said()
    settle(a, b)
    cut(b.wire)
    before = b.rows()
    for frame in frames:
        offer(b, [frame])
        offer(b, [frame, frame])
    assert b.rows() == before
    assert b.broken == []


def test_a_frame_on_another_lane_or_back_to_its_sender_opens_nothing() -> None:
    a, b, frames = said()
    cut(b.wire)
    before = a.rows(), b.rows()
    for frame in frames:
        for kind in (0x11, 0x12, 0x13):
            if kind != frame[0]:
                offer(b, [bytes((kind,)) + frame[1:]])
        offer(a, [frame])
    assert (a.rows(), b.rows()) == before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.builds(lambda lane, raw: bytes((0x10 + lane,)) + raw, st.sampled_from(Lane), st.binary()), max_size=5)
)
def test_random_frames_change_nothing_and_raise_nothing(frames: list[bytes]) -> None:
    _, b = linked()
    cut(b.wire)
    before = b.rows()
    offer(b, frames)
    assert b.rows() == before


# Greetings


@cache
def recorded() -> tuple[bytes, bytes, bytes]:
    """Return the frames of an earlier greeting of the same two ends: resume, answer, proof."""
    a, b = linked()
    cut(a.wire)
    return resumed(a, b)


def resumed(a: End, b: End) -> tuple[bytes, bytes, bytes]:
    opened = a.conversation.resume(a.now_ms)
    assert opened is not None
    a.submit(opened[2])
    answer, step = b.conversation.resumed(opened[1], b.now_ms)
    b.submit(step)
    _, proof, step = a.conversation.answered(answer, opened[1], a.now_ms)
    a.submit(step)
    return opened[1], answer, proof


def refuses(end: End, verb: str, frame: bytes, answers: bytes = b"") -> None:
    end.flush()
    before = end.rows()
    takes: dict[str, Callable[[], object]] = {
        "resumed": lambda: end.conversation.resumed(frame, end.now_ms),
        "answered": lambda: end.conversation.answered(frame, answers, end.now_ms),
        "proved": lambda: end.conversation.proved(frame, answers, end.now_ms, end.now_ms),
    }
    with pytest.raises((RatchetError, MalformedMessage, AckedUnsent)):
        takes[verb]()
    end.submit(end.conversation.expire(end.now_ms))
    end.flush()
    assert end.rows() == before


@settings(max_examples=60, deadline=None)
@given(changes)
def test_a_changed_word_of_a_greeting_is_refused_and_changes_nothing(change: tuple[int, str]) -> None:
    a, b = linked()
    cut(a.wire)
    opened = a.conversation.resume(a.now_ms)
    assert opened is not None
    a.submit(opened[2])
    refuses(b, "resumed", changed(opened[1], *change))
    answer, step = b.conversation.resumed(opened[1], b.now_ms)
    b.submit(step)
    refuses(a, "answered", changed(answer, *change), opened[1])
    _, proof, step = a.conversation.answered(answer, opened[1], a.now_ms)
    a.submit(step)
    refuses(b, "proved", changed(proof, *change), answer)
    b.conversation.proved(proof, answer, b.now_ms, b.now_ms)


def test_every_word_of_a_greeting_is_taken_once_and_in_its_place() -> None:
    a, b = linked()
    cut(a.wire)
    resume, answer, proof = resumed(a, b)
    for frame in (resume, answer):
        refuses(b, "proved", frame, answer)
    b.conversation.proved(proof, answer, b.now_ms, b.now_ms)
    b.submit(b.conversation.expire(b.now_ms))
    for frame in (resume, answer, proof):
        refuses(b, "resumed", frame)
        refuses(b, "proved", frame, answer)
        refuses(a, "answered", frame, resume)


def test_words_that_were_held_back_fit_no_later_greeting() -> None:
    a, b = linked()
    cut(a.wire)
    _, _, proof = resumed(a, b)
    resume, answer, _ = resumed(a, b)
    refuses(b, "proved", proof, answer)
    again = a.conversation.resume(a.now_ms)
    assert again is not None
    a.submit(again[2])
    late, step = b.conversation.resumed(again[1], b.now_ms)
    b.submit(step)
    latest = a.conversation.resume(a.now_ms)
    assert latest is not None
    a.submit(latest[2])
    refuses(a, "answered", late, latest[1])
    refuses(a, "answered", late, resume)
    a.conversation.answered(late, again[1], a.now_ms)


def test_another_pairs_words_are_refused() -> None:
    a, b = linked("another pair")
    for frame in recorded():
        for end in (a, b):
            for verb in ("resumed", "answered", "proved"):
                refuses(end, verb, frame)


def sealed(end: End, content: Marks | Welcome) -> bytes:
    """Return what the newest session of `end` says in a greeting, whatever it is."""
    sessions = end.conversation._talk.sessions
    return sessions.seal(sessions._set.sessions()[0], Lane.CONTROL, content.encode())


def test_a_welcome_whose_marks_lie_is_refused_and_the_true_one_is_taken_and_told() -> None:
    a, b, opening = opened()
    a.send(b"waits")
    a.flush()
    welcome, step = b.accept(read_opening(opening))
    b.submit(step)
    b.flush()
    (session,) = b.conversation._talk.sessions._set.sessions()
    lane_keys = b.conversation._talk.sessions.lane_keys(session)
    for high in (1, 2, 2**63 - 1):  # One waits, and was never sent.
        lie = Welcome(lane_keys, Marks(b.ours.origin, a.ours.origin, high, name_of(opening)))
        refuses(a, "answered", sealed(b, lie), opening)
    refuses(a, "answered", sealed(b, Welcome(bytes(64), Marks(b.ours.origin, bytes(16), 0, name_of(opening)))), opening)
    _, _, step = a.conversation.answered(welcome, opening, a.now_ms)
    assert [entry.type for entry in step.entries] == [EntryType.SESSION]
    assert any(put.table == SESSIONS for put in step.writes)


def test_marks_that_lie_resume_nothing_and_change_nothing() -> None:
    a, b = linked()
    a.send(b"arrives")
    settle(a, b)
    cut(a.wire)
    for high in (2, 2**63 - 1):
        refuses(a, "resumed", sealed(b, Marks(b.ours.origin, a.ours.origin, high)))
    a.conversation.resumed(sealed(b, Marks(b.ours.origin, a.ours.origin, 1)), a.now_ms)


# Openings


OPENING_SIZE = 2_000  # Bytes, roughly: party, keys, ciphertext and frame are all met at this stride.


@pytest.mark.parametrize("at", range(0, OPENING_SIZE, 13))
@pytest.mark.parametrize("how", ["flipped", "cut"])
def test_a_changed_opening_is_refused_and_costs_nothing(at: int, how: str) -> None:
    a, b, opening = opened()
    before = b.rows()
    with pytest.raises(RatchetError):
        b.accept(read_opening(changed(opening, at, how)))
    b.submit(b.conversation.expire(b.now_ms))
    b.flush()
    assert b.rows() == before
    assert not b.rows(SESSIONS, PARTIES)
    assert a.rows(SESSIONS)


def opened() -> tuple[End, End, bytes]:
    a, b = pair()
    opening, step = a.conversation.open(b.party, b.bundle(), None, a.now_ms)
    a.submit(step)
    a.flush()
    return a, b, opening


def test_an_opening_by_somebody_else_in_the_peers_name_is_refused() -> None:
    _, b = pair()
    thief, _ = pair("another run")  # The same name and party record, but not its keys.
    opening, _ = thief.conversation.open(b.party, b.bundle(), None, b.now_ms)
    with pytest.raises(RatchetError):
        b.accept(read_opening(opening))


def test_an_opening_to_somebody_else_is_refused() -> None:
    a, b = pair()
    _, other = pair("another run")
    opening, _ = a.conversation.open(other.party, other.bundle(), None, a.now_ms)
    with pytest.raises(RatchetError):
        b.accept(read_opening(opening))


def test_a_session_that_was_only_opened_gets_no_message_and_gives_none() -> None:
    a, b = pair()
    a.send(b"secret")
    b.send(b"secret")
    words = greeting(a)
    for _ in range(2):  # The opening is accepted, the welcome is under way: that is all a replay could do.
        next(words)
    for end in (a, b):
        assert not end.rows("frames")
        assert end.wire is None
    assert b.conversation.resume(b.now_ms) is None
    connect(a)
    settle(a, b)
    assert b.read() == b"secret"
