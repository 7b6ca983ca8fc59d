"""Any order, any loss within limits, any reload: each frame opens once, and no key encrypts twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos_ratchet import Duplicate, Lane, OutOfTurn, Session
from tests.ratchet.people import NOW_MS, WatchedSuite, deliver, dice, reload, sessions

Rounds = Callable[[int, int], int]

# (whose turn to act: 0 alice, 1 bob; what: seal, hear the i-th frame under way, lose it, hear it twice, reload)
ACTS = st.tuples(
    st.integers(0, 1), st.sampled_from(["seal", "hear", "hear", "lose", "twice", "reload"]), st.integers(0, 7)
)


@dataclass
class Talk:
    """Two ends of one lane, and what is under way to each."""

    ends: list[Session]
    suite: WatchedSuite
    lane: Lane
    under_way: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]] = field(default_factory=lambda: ([], []))
    sealed: int = 0
    heard: int = 0

    def act(self, who: int, what: str, which: int) -> None:
        if what == "seal":
            self.seal(who)
        elif what == "reload":
            self.ends[who] = reload(self.ends[who])
        elif self.under_way[who]:
            frame, plaintext = self.under_way[who].pop(which % len(self.under_way[who]))
            if what != "lose":
                assert deliver(self.ends[who], self.lane, frame) == plaintext
                self.heard += 1
            if what == "twice":
                with pytest.raises(Duplicate):
                    self.ends[who].open(self.lane, frame, now_ms=NOW_MS)

    def seal(self, who: int) -> None:
        plaintext = b"%d from %d" % (self.sealed, who)
        try:
            frame = self.ends[who].seal(self.lane, plaintext, entropy=ENTROPY)
        except OutOfTurn:
            assert not self.ends[who].can_send(self.lane)
            return
        self.sealed += 1
        self.under_way[1 - who].append((frame, plaintext))


ENTROPY = dice("order")


def talk(lane: Lane) -> Talk:
    suite = WatchedSuite()
    return Talk(list(sessions(suite=suite)), suite, lane)


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(ACTS, max_size=40), lane=st.sampled_from(Lane))
def test_whatever_happens_under_way_each_frame_opens_once_and_no_key_encrypts_twice(
    acts: list[tuple[int, str, int]], lane: Lane
) -> None:
    one = talk(lane)
    for act in acts:
        one.act(*act)
    # Only five old chains are remembered, so what is left under way may open or not; but nothing else may break.
    assert len(one.suite.sealing_keys) == len(set(one.suite.sealing_keys))


def test_a_long_random_talk_with_reloads_uses_no_key_twice(rounds: Rounds) -> None:
    for seed in range(rounds(5, 200)):
        rng = random.Random(seed)
        one = talk(rng.choice(list(Lane)))
        for _ in range(200):
            what = rng.choices(["seal", "hear", "reload"], [3, 3, 1])[0]
            one.act(rng.randrange(2), what, 0)
        assert one.heard > 20, seed
        assert len(one.suite.sealing_keys) == len(set(one.suite.sealing_keys)), seed


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(8)))
def test_one_chain_opens_in_any_order_through_a_reload_at_every_step(order: list[int]) -> None:
    alice, bob = sessions()
    frames = [alice.seal(Lane.BULK, b"%d" % number, entropy=ENTROPY) for number in range(8)]
    for number in order:
        bob = reload(bob)
        assert deliver(bob, Lane.BULK, frames[number]) == b"%d" % number


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(range(8)))
def test_three_chains_open_in_any_order_through_a_reload_at_every_step(order: list[int]) -> None:
    alice, bob = sessions()
    frames = []
    for turn in range(3):
        frames += [alice.seal(Lane.BULK, b"%d %d" % (turn, number), entropy=ENTROPY) for number in range(3)]
        deliver(bob, Lane.BULK, frames[-1])
        deliver(alice, Lane.BULK, bob.seal(Lane.BULK, b"turn", entropy=ENTROPY))
    late = [frame for number, frame in enumerate(frames) if number % 3 != 2]
    late += [alice.seal(Lane.BULK, b"3 %d" % number, entropy=ENTROPY) for number in range(2)]
    for number in order:
        bob = reload(bob)
        assert deliver(bob, Lane.BULK, late[number])
        bob = reload(bob)
        with pytest.raises(Duplicate):
            bob.open(Lane.BULK, late[number], now_ms=NOW_MS)


def test_two_reloads_of_one_row_seal_under_one_key_but_never_one_nonce() -> None:
    """A store rolled back, or a cloned machine: what the random nonce is for."""
    suite = WatchedSuite()
    alice, _ = sessions(suite=suite)
    frames = [reload(alice).seal(Lane.CONTROL, b"text", entropy=ENTROPY) for _ in range(2)]
    assert suite.sealing_keys[-1] == suite.sealing_keys[-2]
    assert frames[0][1:13] != frames[1][1:13]
