"""The life of a session among those with a peer: every cell of the table, done by the code that lives by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest

from talos.core.session_life import NEXT, Event, IllegalMove, Phase, after
from talos.core.sessions import Sessions
from talos.core.tables import PARTIES, SESSIONS
from talos_ratchet import SESSIONS_MAX, Session, read_opening
from tests.node.core.end import DAY_MS, End, cut
from tests.node.core.pair import commit, connect, greeting, linked, pair, settle


@dataclass
class Life:
    """Two ends, and the session of `a` that is looked at, in some phase."""

    a: End
    b: End
    session: Session
    opened: bytes = b""  # Its opening, where it is being opened,
    welcome: bytes = b""  # and the answer that would prove it.

    @property
    def sessions(self) -> Sessions:
        return self.a.conversation._talk.sessions

    def phase(self) -> Phase:
        return self.sessions.phase(self.session) if self.sessions.holds(self.session.id) else Phase.OVER


def opening() -> Life:
    a, b = pair()
    opened, step = a.conversation.open(b.party, b.bundle(), None, a.now_ms)
    commit(a, step, opened)
    welcome, step = b.accept(read_opening(opened))
    commit(b, step, welcome)
    (session,) = a.conversation._talk.sessions._set.sessions()
    return Life(a, b, session, opened, welcome)


def in_use() -> Life:
    a, b = linked()
    (session,) = a.conversation._talk.sessions._set.sessions()
    return Life(a, b, session)


def confirmed() -> Life:
    life = in_use()
    cut(life.a.wire)
    return life


def receiving() -> Life:
    """It was given up, and its link has not ended yet."""
    life = in_use()
    commit(life.a, life.a.conversation.reset("asked for", life.a.now_ms))
    return life


def over() -> Life:
    life = in_use()
    life.sessions.forget()
    return life


LIVES: dict[Phase, Callable[[], Life]] = {
    Phase.OPENING: opening,
    Phase.CONFIRMED: confirmed,
    Phase.IN_USE: in_use,
    Phase.RECEIVING: receiving,
    Phase.OVER: over,
}


def proved(life: Life) -> None:
    _, _, step = life.a.conversation.answered(life.welcome, life.opened, life.a.now_ms)
    commit(life.a, step)


def greeted(life: Life) -> None:
    commit(life.a, life.a.conversation.link_up(life.session.id, life.a.now_ms))


def crossed(life: Life) -> None:
    """It was superseded by the link that is about to lose, not given up."""
    life.sessions._given_up.clear()
    greeted(life)
    assert life.sessions.sending is life.session


def link_ended(life: Life) -> None:
    life.a.conversation.link_down()


def superseded(life: Life) -> None:
    life.sessions.archive(life.session.id, life.a.now_ms)


def superseded_by_another(life: Life) -> None:
    """Another link, on another session, is the peer's from now on."""
    cut(life.a.wire)
    commit(life.b, life.b.conversation.reset("asked for", life.b.now_ms))
    connect(life.a)
    settle(life.a, life.b)


def day_ended(life: Life) -> None:
    life.a.now_ms += DAY_MS + 1
    commit(life.a, life.a.conversation.expire(life.a.now_ms))


def replaced(life: Life) -> None:
    """A newer opening of ours takes its place."""
    _, step = life.a.conversation.open(life.b.party, life.b.bundle(), None, life.a.now_ms)
    commit(life.a, step)


def pushed_out(life: Life) -> None:
    for _ in range(SESSIONS_MAX):
        life.sessions.give_up(life.a.now_ms)
        cut(life.a.wire)
        commit(life.b, life.b.conversation.reset("asked for", life.b.now_ms))
        connect(life.b)
        settle(life.a, life.b)


def dropped(life: Life) -> None:
    life.sessions.forget()


DEEDS: dict[tuple[Phase, Event], list[Callable[[Life], None]]] = {
    (Phase.OPENING, Event.PROVED): [proved],
    (Phase.OPENING, Event.DROPPED): [replaced, dropped],
    (Phase.CONFIRMED, Event.GREETED): [greeted],
    (Phase.CONFIRMED, Event.SUPERSEDED): [superseded, superseded_by_another],
    (Phase.CONFIRMED, Event.DROPPED): [dropped],
    (Phase.IN_USE, Event.GREETED): [greeted],
    (Phase.IN_USE, Event.LINK_ENDED): [link_ended],
    (Phase.IN_USE, Event.SUPERSEDED): [superseded, superseded_by_another],
    (Phase.IN_USE, Event.DROPPED): [dropped],
    (Phase.RECEIVING, Event.GREETED): [crossed],
    (Phase.RECEIVING, Event.LINK_ENDED): [link_ended],
    (Phase.RECEIVING, Event.SUPERSEDED): [superseded, superseded_by_another],
    (Phase.RECEIVING, Event.DAY_ENDED): [day_ended],
    (Phase.RECEIVING, Event.DROPPED): [dropped, pushed_out],
}
CELLS = [(phase, event, deed) for (phase, event), deeds in DEEDS.items() for deed in deeds]


@pytest.mark.parametrize(
    ("phase", "event", "deed"), CELLS, ids=lambda part: getattr(part, "name", None) or getattr(part, "__name__", "")
)
def test_every_move_of_the_table_is_made(phase: Phase, event: Event, deed: Callable[[Life], None]) -> None:
    life = LIVES[phase]()
    assert life.phase() is phase
    deed(life)
    assert life.phase() is after(phase, event)


def test_there_is_a_deed_for_every_move_and_for_no_other() -> None:
    assert DEEDS.keys() == NEXT.keys()


@pytest.mark.parametrize(("phase", "event"), sorted(set(product(Phase, Event)) - NEXT.keys()))
def test_every_other_event_is_refused_and_changes_nothing(phase: Phase, event: Event) -> None:
    with pytest.raises(IllegalMove, match=f"{event.name} while {phase.name}"):
        after(phase, event)
    if phase is Phase.OVER:
        return
    life = LIVES[phase]()
    before = life.session.rows()
    with pytest.raises(IllegalMove):
        life.sessions._move(life.session, event, life.a.now_ms)
    assert life.session.rows() == before
    assert life.phase() is phase


def test_only_a_link_supersedes_the_sessions_that_it_was_not_greeted_on() -> None:
    a, b = pair()
    for dialler in (a, b):
        other, now_ms = dialler.peer, dialler.now_ms
        opened, step = dialler.conversation.open(other.party, other.bundle(), None, now_ms)
        commit(dialler, step, opened)
        welcome, step = other.accept(read_opening(opened))
        commit(other, step, welcome)
        _, proof, step = dialler.conversation.answered(welcome, opened, now_ms)
        commit(dialler, step, proof)
        commit(other, other.conversation.proved(proof, welcome, now_ms, now_ms)[1])
    sessions = a.conversation._talk.sessions
    smaller, larger = sorted(sessions._set.sessions(), key=lambda one: one.id)
    resumed = a.conversation.resume(a.now_ms)
    assert resumed is not None
    assert resumed[0] == smaller.id
    assert (sessions.phase(smaller), sessions.phase(larger)) == (Phase.CONFIRMED, Phase.CONFIRMED)
    commit(a, resumed[2], resumed[1])
    commit(a, a.conversation.link_up(larger.id, a.now_ms))  # The other end has dialled, and resumed that one.
    assert (sessions.phase(smaller), sessions.phase(larger)) == (Phase.RECEIVING, Phase.IN_USE)
    assert sessions.sending is larger


@pytest.mark.parametrize("phase", [Phase.OPENING, Phase.CONFIRMED, Phase.RECEIVING])
def test_a_phase_survives_a_crash(phase: Phase) -> None:
    life = LIVES[phase]()
    life.a.crash()
    found = life.sessions._set.get(life.session.id)
    assert found is not None
    assert life.sessions.phase(found) is phase


def test_the_session_of_a_link_is_not_in_use_after_a_crash_for_the_link_is_gone() -> None:
    life = in_use()
    life.a.crash()
    found = life.sessions._set.get(life.session.id)
    assert found is not None
    assert life.sessions.phase(found) is Phase.CONFIRMED


def test_of_a_session_that_is_over_nothing_is_left() -> None:
    life = receiving()
    day_ended(life)
    assert life.a.rows(SESSIONS, PARTIES) == {}


def test_a_link_is_not_taken_up_on_a_session_that_was_given_up_while_it_was_greeted() -> None:
    a, b = linked()
    cut(a.wire)
    words = greeting(a)
    for _ in range(2):
        next(words)
    commit(b, b.conversation.reset("asked for", b.now_ms))  # Just before the third word.
    for _ in words:
        pass
    settle(a, b)
    assert (a.wire, b.wire) == (None, None)
    connect(a)
    settle(a, b)
    a.send(b"on a new one")
    settle(a, b)
    assert b.read() == b"on a new one"
    commit(b, b.conversation.reset("asked for", b.now_ms))
    (given_up,) = [one for one in b.conversation._talk.sessions._set.sessions() if one.superseded_ms == b.now_ms][:1]
    cut(a.wire)
    step = b.conversation.link_up(given_up.id, b.now_ms)
    assert [type(effect).__name__ for effect in step.effects] == ["Broken"]
