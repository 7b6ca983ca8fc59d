"""How many header keys one frame is tried against: never more than eight, and what opens all the same."""

from __future__ import annotations

import pytest

from talos_ratchet import SESSIONS_MAX, Forged, Lane, Session, SessionSet
from talos_ratchet.receive import LIVE_CHAINS_MAX, OLD_CHAINS_MAX
from talos_ratchet.session_set import HEADER_KEYS_MAX
from tests.ratchet.people import NOW_MS, WatchedSuite, deliver, dice, sessions

ENTROPY = dice("header keys")
GARBAGE = bytes([0x10 + Lane.MESSAGE]) + bytes(range(200))


class Ends:
    """A full set: the first of `pairs` is the session to send on; each has as many old chains as are kept."""

    def __init__(self, count: int, *, our_turn: bool = False) -> None:
        self.suite = WatchedSuite()
        self.pairs = sorted((sessions(f"number {at}", self.suite) for at in range(count)), key=lambda ends: ends[0].id)
        self.kept = SessionSet()
        self.late: list[list[bytes]] = [[] for _ in self.pairs]  # Of each old chain one frame, oldest first.
        for _, mine in self.pairs:
            self.kept.add(mine)
        assert self.kept.sending(NOW_MS) is self.pairs[0][1]
        for (theirs, mine), late in zip(self.pairs, self.late, strict=True):
            for _ in range(OLD_CHAINS_MAX + 1):
                frame, reached = (theirs.seal(Lane.MESSAGE, b"%d" % at, entropy=ENTROPY) for at in range(2))
                late.append(frame)
                deliver(mine, Lane.MESSAGE, reached)
                deliver(theirs, Lane.MESSAGE, mine.seal(Lane.MESSAGE, b"turn", entropy=ENTROPY))
            late.pop()  # Of the chain that is the current one.
            if our_turn:
                deliver(mine, Lane.MESSAGE, theirs.seal(Lane.MESSAGE, b"your turn", entropy=ENTROPY))
        self.forget()

    def forget(self) -> None:
        tried, counted = self.suite.tried, self.suite.counted
        tried.headers = tried.misfits = counted.steps = counted.agreements = counted.bodies = 0

    def opens(self, frame: bytes) -> Session | None:
        self.forget()
        try:
            return self.kept.open(Lane.MESSAGE, frame, NOW_MS)[0]
        except Forged:
            return None
        finally:
            assert self.suite.tried.headers <= HEADER_KEYS_MAX == 8


@pytest.mark.parametrize(("count", "keys"), [(1, 7), (2, 8), (3, 8), (4, 8)])
def test_garbage_is_tried_against_no_more_than_eight_header_keys_and_derives_nothing(count: int, keys: int) -> None:
    ends = Ends(count)
    assert ends.opens(GARBAGE) is None
    assert ends.suite.tried.headers == ends.suite.tried.misfits == keys
    counted = ends.suite.counted
    assert (counted.steps, counted.agreements, counted.bodies) == (0, 0, 0)


def test_a_frame_whose_body_was_changed_is_not_tried_on_other_sessions() -> None:
    ends = Ends(SESSIONS_MAX)
    frame = ends.pairs[0][0].seal(Lane.MESSAGE, b"text", entropy=ENTROPY)  # Of the next chain: the second key.
    assert ends.opens(frame[:-1] + bytes([frame[-1] ^ 1])) is None
    assert ends.suite.tried.headers == 2


def test_the_next_frame_in_order_is_tried_against_one_header_key() -> None:
    ends = Ends(SESSIONS_MAX, our_turn=True)
    theirs, mine = ends.pairs[0]
    assert ends.opens(theirs.seal(Lane.MESSAGE, b"text", entropy=ENTROPY)) is mine
    assert (ends.suite.tried.headers, ends.suite.tried.misfits) == (1, 0)


@pytest.mark.parametrize("our_turn", [False, True])
def test_what_a_peer_sends_now_opens_on_each_of_four_sessions(our_turn: bool) -> None:
    """It has gone on to its next chain where we have answered the one before; else it is on the current one."""
    ends = Ends(SESSIONS_MAX, our_turn=our_turn)
    for theirs, mine in ends.pairs:
        assert ends.opens(theirs.seal(Lane.MESSAGE, b"text", entropy=ENTROPY)) is mine


@pytest.mark.parametrize(("count", "chains"), [(1, 5), (2, 4), (3, 2), (4, 0)])
def test_so_many_old_chains_of_the_session_to_send_on_are_known_beside_so_many_others(count: int, chains: int) -> None:
    ends = Ends(count)
    assert chains == min(OLD_CHAINS_MAX, HEADER_KEYS_MAX - count * LIVE_CHAINS_MAX)
    opened = [ends.opens(frame) is not None for frame in reversed(ends.late[0])]
    assert opened == [True] * chains + [False] * (OLD_CHAINS_MAX - chains)


def test_where_the_turn_is_ours_everywhere_four_more_old_chains_are_known() -> None:
    ends = Ends(SESSIONS_MAX, our_turn=True)
    newest = ends.late[0][:0:-1]  # One more chain has ended since.
    assert [ends.opens(frame) is ends.pairs[0][1] for frame in newest] == [True] * 3 + [False]


def test_old_chains_of_a_session_that_only_receives_are_known_where_there_is_room() -> None:
    ends = Ends(2, our_turn=True)  # One key of each, five old chains of the first: one is left.
    assert [ends.opens(frame) is not None for frame in ends.late[1]] == [False] * OLD_CHAINS_MAX
    ends.pairs[0][1].supersede(NOW_MS)
    ends.pairs[1][1].reinstate()
    assert [ends.opens(frame) is not None for frame in ends.late[1][1:]] == [True] * (OLD_CHAINS_MAX - 1)
