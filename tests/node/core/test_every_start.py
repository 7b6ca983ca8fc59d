"""Both ends begin at once: every order of their words, each with a disaster at its end, whatever sessions there were.

What comes after is always the same: either end dials, both send on one session that the other can open, and every
message arrives once, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, product

import pytest

from talos.core.session_life import Phase
from talos.core.step import Put
from talos.core.tables import FRAMES, OUTBOX, PARTIES, SESSIONS
from talos_ratchet import SESSIONS_MAX
from tests.node.core.end import DAY_MS, End, cut
from tests.node.core.pair import connect, greeting, pair, read_all, settle

Disaster = Callable[[End, End], None]


def strangers(a: End, b: End) -> None:
    pass


def met(a: End, b: End) -> None:
    connect(a)
    settle(a, b)
    cut(a.wire)


def one_has_lost(a: End, b: End) -> None:
    met(a, b)
    b.store.commit([Put(table, key, None) for table, key in b.rows(SESSIONS, PARTIES)])
    b.crash()


def one_has_reset(a: End, b: End) -> None:
    met(a, b)
    a.reset("asked for")
    a.flush()


def both_have_reset(a: End, b: End) -> None:
    one_has_reset(a, b)
    b.reset("asked for")
    b.flush()


def worn(a: End, b: End) -> None:
    """Each would renew it, if it had begun it; one has."""
    met(a, b)
    for end in (a, b):
        end.now_ms += 8 * DAY_MS


STARTS: list[Disaster] = [strangers, met, one_has_lost, one_has_reset, both_have_reset, worn]


def nothing(a: End, b: End) -> None:
    pass


def links_break(a: End, b: End) -> None:
    for end in (a, b):
        cut(end.wire)


def one_dies(a: End, b: End) -> None:
    a.crash()


def other_dies(a: End, b: End) -> None:
    b.crash()


def both_die(a: End, b: End) -> None:
    for end in (a, b):
        end.crash()


DISASTERS: list[Disaster] = [nothing, links_break, one_dies, other_dies, both_die]


def orders(words: tuple[int, int]) -> Iterator[tuple[int, ...]]:
    """Return every order in which so many words of either end can be said, and every beginning of such an order."""
    left: list[tuple[tuple[int, ...], tuple[int, int]]] = [((), words)]
    while left:
        order, (ours, theirs) = left.pop()
        yield order
        left += [((*order, 0), (ours - 1, theirs))] * (ours > 0) + [((*order, 1), (ours, theirs - 1))] * (theirs > 0)


def words_of(start: Disaster, which: int) -> int:
    """Return how many words this end would say if it were alone, its end counted."""
    ends = pair()
    start(*ends)
    return 1 + sum(1 for _ in greeting(ends[which]))


def run(start: Disaster, order: tuple[int, ...], disaster: Disaster, goes_on: int | None, dials: int) -> None:
    """Begin, say words in this order, let the disaster strike, and let one greeting go on (or none)."""
    a, b = ends = pair()
    start(a, b)
    for end in ends:
        end.send(b"early %s" % end.name.encode())
        end.flush()
    greetings = [greeting(end) for end in ends]
    for which in order:
        next(greetings[which], None)
    disaster(a, b)
    if goes_on is not None:  # The other's next word is lost, and the link it was on.
        for _ in greetings[goes_on]:
            pass
    settle(a, b)
    for end in ends:
        cut(end.wire)
    connect(ends[dials])
    settle(a, b)
    for end in ends:
        end.send(b"late %s" % end.name.encode())
    settle(a, b)
    assert read_all(b) == [b"early a", b"late a"]
    assert read_all(a) == [b"early b", b"late b"]
    assert a.wire is b.wire is not None
    sessions = [end.conversation._talk.sessions for end in ends]
    used = [next(one.id for one in each._set.sessions() if each.phase(one) is Phase.IN_USE) for each in sessions]
    assert used[0] == used[1]
    for end, each in zip(ends, sessions, strict=True):
        settle(a, b)
        assert len(each._set) <= SESSIONS_MAX
        assert not end.rows(OUTBOX, FRAMES)
        assert end.broken == []


WHAT_THEN = list(product(DISASTERS, [None, 0, 1], [0, 1]))


@pytest.mark.parametrize("start", STARTS)
def test_whatever_is_lost_of_two_greetings_both_send_on_one_session_and_nothing_is_lost(
    start: Disaster, rounds: Callable[[int, int], int]
) -> None:
    """Each order has one end of the story, the next order the next one.

    Strangers try all orders, the others about fifty; with `--long` all do, each with several ends.
    """
    every = list(orders((words_of(start, 0), words_of(start, 1))))
    assert len(every) >= 251
    stories = count()
    for order in every[:: 1 if start is strangers else rounds(len(every) // 50, 1)]:
        for _ in range(rounds(1, 7)):  # Seven and thirty have no divisor in common: all of them come, in turn.
            run(start, order, *WHAT_THEN[next(stories) % len(WHAT_THEN)])
