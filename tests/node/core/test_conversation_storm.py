"""Two ends in the worst weather: whatever breaks, and wherever, nothing is lost, nothing comes twice, order is kept."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from talos.core.outbox_row import Phase
from talos.core.tables import INBOX, OUTBOX
from tests.node.core.end import DAY_MS, End, cut
from tests.node.core.pair import check, clear_up, connect, fill, greeting, outbox, pair, settle

Move = tuple[str, int, int]  # (what, which end, how much)

EVENTS = [
    *["send", "send", "flush", "flush", "receive", "receive", "greet", "greet", "greet"],
    *["connect", "connect", "settle", "dial", "cut", "crash", "fail", "void", "read", "release", "night"],
]
moves = st.tuples(st.sampled_from(EVENTS), st.integers(0, 1), st.integers(1, 3))


class Storm:
    def __init__(self, room: int | None) -> None:
        self.ends = pair()
        self.greetings: list[Iterator[None]] = []
        self.count = 0
        if room is not None:
            fill(self.ends[1], room)

    def step(self, what: str, which: int, much: int) -> None:
        end = self.ends[which]
        match what:
            case "send":
                self.count += 1
                end.send(b"%s %d" % (end.name.encode(), self.count))
            case "flush":
                end.flush(much)
            case "receive":
                end.receive(much)
            case "connect" if end.wire is None:
                connect(end)
            case "settle":
                settle(*self.ends)
            case "dial" if len(self.greetings) < 2:
                self.greetings.append(greeting(end))
            case "greet" if self.greetings:
                at = which % len(self.greetings)
                if next(self.greetings[at], self) is self:
                    del self.greetings[at]
            case "cut":
                self.break_links()
            case "crash":
                self.break_links()
                end.crash(much - 1)
            case "fail":
                self.break_links()
                end.fail()
            case "void":
                waiting = [row.seq for row in outbox(end) if row.phase is not Phase.VOID]
                if waiting:
                    end.void(waiting[much % len(waiting)])
            case "read":
                end.read()
            case "release" if end.held:
                end.done(end.held.pop())
            case "night":
                end.now_ms += DAY_MS // 2
                end.submit(end.conversation.expire(end.now_ms))

    def break_links(self) -> None:
        """Every link goes, those that are being greeted too."""
        self.greetings = []
        for end in self.ends:
            cut(end.wire)

    def heal(self) -> None:
        """Let the weather clear: both read all, and either dials while there is no link."""
        self.break_links()
        clear_up(*self.ends)


def memory(end: End) -> list[object]:
    return [(row.seq, row.phase, row.count, row.was_sealed) for row in outbox(end)]


@settings(max_examples=150, deadline=None)
@given(st.lists(moves, max_size=60), st.sampled_from([None, None, 0, 2]))
def test_nothing_is_lost_nothing_comes_twice_and_order_is_kept(done: list[Move], room: int | None) -> None:
    storm = Storm(room)
    for move in done:
        storm.step(*move)
    storm.heal()
    a, b = storm.ends
    check(a, b)
    check(b, a)
    for end in storm.ends:
        assert not end.rows(OUTBOX, INBOX)


@settings(max_examples=60, deadline=None)
@given(st.lists(moves, max_size=40))
def test_what_is_on_disk_is_what_is_in_memory_once_all_is_committed(done: list[Move]) -> None:
    storm = Storm(None)
    for move in done:
        storm.step(*move)
    for end in storm.ends:
        end.flush()
        before = memory(end)
        end.conversation.reload()
        assert memory(end) == before


@settings(max_examples=60, deadline=None)
@given(st.lists(moves, max_size=60))
def test_an_honest_peer_is_never_taken_for_a_liar(done: list[Move]) -> None:
    storm = Storm(None)
    for move in done:
        storm.step(*move)
    storm.heal()
    assert [end.broken for end in storm.ends] == [[], []]
