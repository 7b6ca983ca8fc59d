"""What a set has noted of its sessions is what they are: whatever happens, it opens as one freshly loaded would."""

from __future__ import annotations

from random import Random

import pytest

from talos_ratchet import SUPERSEDED_LIFE_MS, Lane, RatchetError, Session, SessionSet
from tests.ratchet.people import NOW_MS, Instance, WatchedSuite, answer, dice, knock, stored, welcome

STEPS = 120
FLYING_MAX = 8


class Walk:
    """A set that things happen to, and the other ends of its sessions."""

    def __init__(self, seed: int) -> None:
        self.random, self.entropy, self.suite = Random(seed), dice(f"ways {seed}"), WatchedSuite()
        self.now_ms, self.kept = NOW_MS, SessionSet()
        self.ends: list[tuple[Session, Session]] = []  # Theirs, and ours, which the set has or once had.
        self.flying: list[tuple[Lane, bytes]] = []
        self.happened = set[str]()

    def meet(self) -> None:
        name = str(len(self.ends))
        alice, bob = Instance(f"alice {name}"), Instance(f"bob {name}")
        theirs, opening = knock(alice, bob, suite=self.suite, now_ms=self.now_ms)
        mine = answer(bob, alice, opening, suite=self.suite, now_ms=self.now_ms).session
        self.kept.add(mine)
        self.ends.append((theirs, mine))

    def open_lanes(self, theirs: Session, mine: Session) -> None:
        if not theirs.confirmed:
            welcome(theirs, mine, self.entropy)

    def hear(self, theirs: Session, mine: Session) -> None:
        """They say something; it arrives now or later."""
        lane = self.random.choice(list(Lane))
        if theirs.can_send(lane):
            self.flying.append((lane, theirs.seal(lane, b"words", entropy=self.entropy)))
            del self.flying[:-FLYING_MAX]

    def arrive(self, theirs: Session, mine: Session) -> None:
        lane, frame = self.random.choice(self.flying or [(Lane.CONTROL, b"")])
        try:
            session, opened = self.kept.open(lane, frame, self.now_ms)
        except RatchetError:
            return
        if self.random.random() < 0.9:
            session.take(lane, opened)

    def say(self, theirs: Session, mine: Session) -> None:
        lane = self.random.choice(list(Lane))
        if mine.can_send(lane):
            theirs.take(lane, theirs.open(lane, mine.seal(lane, b"words", entropy=self.entropy), now_ms=self.now_ms))

    def supersede(self, theirs: Session, mine: Session) -> None:
        mine.supersede(self.now_ms)

    def reinstate(self, theirs: Session, mine: Session) -> None:
        mine.reinstate()

    def choose(self, theirs: Session, mine: Session) -> None:
        self.kept.sending(self.now_ms)

    def wait(self, theirs: Session, mine: Session) -> None:
        """Or the clock is set back."""
        self.now_ms += self.random.choice([1, SUPERSEDED_LIFE_MS // 2, SUPERSEDED_LIFE_MS, -SUPERSEDED_LIFE_MS])

    def leave(self, theirs: Session, mine: Session) -> None:
        if mine.id in self.kept and self.random.random() < 0.2:
            self.kept.drop(mine.id)

    def expire(self, theirs: Session, mine: Session) -> None:
        self.kept.expire(self.now_ms)

    def step(self) -> None:
        here = [(theirs, mine) for theirs, mine in self.ends if mine.id in self.kept]
        if not here or self.random.random() < 0.05:
            self.meet()
            return
        likely = [self.hear, self.arrive, self.say] * 4
        rare = [self.open_lanes, self.supersede, self.reinstate, self.choose, self.wait, self.leave, self.expire]
        self.random.choice([*likely, *rare])(*self.random.choice(here))

    def outcomes(self, kept: SessionSet) -> list[tuple[object, ...]]:
        """Return what comes of each frame under way and of garbage, and how many header keys were tried on it."""
        garbage = [(lane, bytes([0x10 + lane]) + bytes(200)) for lane in Lane]
        return [self.outcome(kept, lane, frame) for lane, frame in [*self.flying, *garbage]]

    def outcome(self, kept: SessionSet, lane: Lane, frame: bytes) -> tuple[object, ...]:
        self.suite.tried.headers = 0
        try:
            session, opened = kept.open(lane, frame, self.now_ms)
        except RatchetError as error:
            self.happened.add(type(error).__name__)
            return type(error), str(error), self.suite.tried.headers
        self.happened.add("opened")
        return session.id, opened.plaintext, opened.passed, self.suite.tried.headers


@pytest.mark.parametrize("seed", range(12))
def test_a_set_opens_what_one_freshly_loaded_opens_and_tries_no_other_keys(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
        rows = [row for session in walk.kept.sessions() for row in stored(session).items()]
        assert walk.outcomes(walk.kept) == walk.outcomes(SessionSet.load(rows, walk.suite))
    assert {"Forged", "opened"} <= walk.happened
