"""Two peers under every weather and every meddler at once: a model that hypothesis drives, move by move.

A move is of an application, of a store, of a link, of a clock, or of somebody on the road between the two. After each
the promises hold that hold always; at a quiet end all that was accepted has arrived, once, in order.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from talos.core.conversation import Conversation
from talos.core.inbox import PEER_ROWS_MAX, Inbox
from talos.core.outbox import WINDOW_ROWS
from talos.core.outbox_row import Phase
from talos.core.tables import FRAMES, INBOX, MARKS, OUTBOX, PARTIES, SESSIONS
from talos_ratchet import SESSIONS_MAX, RatchetError, read_opening
from tests.node.core.end import DAY_MS, NOW_MS, cut
from tests.node.core.pair import Heard, check, clear_up, connect, fill, greeting, outbox, pair, settle

ROWS_OF_A_SESSION = 1 + 3 * 2  # Its own; of each lane one, and one of old chains. Late keys come on top.
DRIFT_MAX = 100  # Days that a clock may be wrong: fewer than a bundle lasts.

which = st.integers(0, 1)
few = st.integers(1, 3)
where = st.integers(0, 1_000_000)


class TwoPeers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ends = pair()
        self.greetings: list[Iterator[None]] = []
        self.heard = Heard()
        self.tape: list[tuple[str, bytes]] = []  # Frames that somebody on the road wrote down, and to whom they went.
        self.count = 0
        self.is_meddled = False

    @initialize(room=st.sampled_from([None, None, None, None, 0, 2]))
    def begin(self, room: int | None) -> None:
        if room is not None:
            fill(self.ends[1], room)

    # The applications

    @rule(which=which, many=few)
    def send(self, which: int, many: int) -> None:
        end = self.ends[which]
        for _ in range(many):
            self.count += 1
            end.send(b"%s %d" % (end.name.encode(), self.count))

    @rule(which=which)
    def send_a_window(self, which: int) -> None:
        for _ in range(WINDOW_ROWS // 3):
            self.send(which, 1)

    @rule(which=which, at=where)
    def give_up(self, which: int, at: int) -> None:
        waiting = [row.seq for row in outbox(self.ends[which]) if row.phase is not Phase.VOID]
        if waiting:
            self.ends[which].void(waiting[at % len(waiting)])

    @rule(which=which)
    def read(self, which: int) -> None:
        self.ends[which].read()

    @rule(which=which)
    def hand_out(self, which: int) -> None:
        self.ends[which].hold()

    @rule(which=which, at=where)
    def finish(self, which: int, at: int) -> None:
        end = self.ends[which]
        if end.held:
            end.done(end.held.pop(at % len(end.held)))

    @rule(which=which, at=where)
    def take_back(self, which: int, at: int) -> None:
        end = self.ends[which]
        if end.held:
            end.take_back(end.held.pop(at % len(end.held)))

    # The stores

    @rule(which=which, many=few)
    def commit(self, which: int, many: int) -> None:
        self.ends[which].flush(many)

    @rule(which=which)
    def commit_fails(self, which: int) -> None:
        self.break_links()
        self.ends[which].fail()

    @rule(which=which, commits=st.integers(0, 2))
    def crash(self, which: int, commits: int) -> None:
        """Stop dead, perhaps with a few commits on disk of which nobody was told."""
        self.break_links()
        self.ends[which].crash(commits)

    # The links

    @rule(which=which, many=few)
    def receive(self, which: int, many: int) -> None:
        self.ends[which].receive(many)

    @precondition(lambda self: len(self.greetings) < 2)
    @rule(which=which)
    def dial(self, which: int) -> None:
        self.greetings.append(greeting(self.ends[which], self.heard))

    @precondition(lambda self: self.greetings)
    @rule(at=where)
    def greet(self, at: int) -> None:
        """One of the greetings under way comes a word further."""
        at %= len(self.greetings)
        if next(self.greetings[at], self) is self:
            del self.greetings[at]

    @precondition(lambda self: self.ends[0].wire is None)
    @rule(which=which)
    def link(self, which: int) -> None:
        connect(self.ends[which])

    @rule()
    def break_links(self) -> None:
        """Every link goes, those that are being greeted too."""
        self.greetings = []
        for end in self.ends:
            cut(end.wire)

    @rule()
    def talk(self) -> None:
        settle(*self.ends)

    # The clocks

    @rule(which=which, half_days=st.sampled_from([1, 2, 3, 15, -1, -15]))
    def time_jumps(self, which: int, half_days: int) -> None:
        end = self.ends[which]
        now_ms = end.now_ms + half_days * DAY_MS // 2
        if abs(now_ms - NOW_MS) <= DRIFT_MAX * DAY_MS:
            end.jumped_ms += now_ms - end.now_ms
            end.now_ms = now_ms
        end.submit(end.conversation.expire(end.now_ms))

    # Somebody on the road, who can do all but open and seal

    def on_the_road(self, which: int) -> list[bytes]:
        """Return what is under way to an end, and write it down."""
        end = self.ends[which]
        frames = list(end.wire.to(end.name)) if end.wire is not None else []
        self.tape += [(end.name, frame) for frame in frames]
        return frames

    def lay(self, which: int, frames: list[bytes]) -> None:
        """Let these be under way instead."""
        self.is_meddled = True
        end = self.ends[which]
        assert end.wire is not None
        road = end.wire.to(end.name)
        road.clear()
        road.extend(frames)

    @rule(which=which, at=where)
    def lose(self, which: int, at: int) -> None:
        if frames := self.on_the_road(which):
            del frames[at % len(frames)]
            self.lay(which, frames)

    @rule(which=which, at=where, to=where)
    def overtake(self, which: int, at: int, to: int) -> None:
        if frames := self.on_the_road(which):
            frame = frames.pop(at % len(frames))
            frames.insert(to % (len(frames) + 1), frame)
            self.lay(which, frames)

    @rule(which=which, at=where, to=where)
    def double(self, which: int, at: int, to: int) -> None:
        if frames := self.on_the_road(which):
            frames.insert(to % (len(frames) + 1), frames[at % len(frames)])
            self.lay(which, frames)

    @rule(which=which, at=where, bit=where)
    def forge(self, which: int, at: int, bit: int) -> None:
        if frames := self.on_the_road(which):
            at %= len(frames)
            bit = 8 + bit % (8 * len(frames[at]) - 8)  # The first byte is the link's business: it says which lane.
            flipped = int.from_bytes(frames[at], "little") ^ 1 << bit
            frames[at] = flipped.to_bytes(len(frames[at]), "little")
            self.lay(which, frames)

    @precondition(lambda self: self.tape)
    @rule(which=which, at=where)
    def play_again(self, which: int, at: int) -> None:
        """Whatever was once under way comes again, perhaps to who said it."""
        if self.ends[which].wire is not None:
            self.lay(which, [*self.on_the_road(which), self.tape[at % len(self.tape)][1]])

    @precondition(lambda self: self.heard.openings)
    @rule(at=where)
    def open_again(self, at: int) -> None:
        """A first contact is played again: it leads to nothing, or to a session that nobody confirms."""
        answerer, opening = self.heard.openings[at % len(self.heard.openings)]
        try:
            _, step = answerer.accept(read_opening(opening))
        except RatchetError:
            return
        assert opening not in self.heard.taken, "one opening was taken twice"
        answerer.submit(step, on_disk=lambda: self.heard.taken.add(opening))

    @precondition(lambda self: self.heard.resumings)
    @rule(at=where)
    def resume_again(self, at: int) -> None:
        answerer, frame = self.heard.resumings[at % len(self.heard.resumings)]
        try:
            _, step = answerer.conversation.resumed(frame, answerer.now_ms)
        except RatchetError:
            return
        answerer.submit(step)

    # The promises

    @invariant()
    def an_honest_peer_is_never_taken_for_a_liar(self) -> None:
        assert self.is_meddled or [end.broken for end in self.ends] == [[], []]

    @invariant()
    def order_is_kept_and_nothing_comes_twice(self) -> None:
        for end in self.ends:
            # That nothing done is handed out again `End.hand_out` looks, that no key encrypts twice `End.says`.
            handed = [int(body.split()[1]) for body in end.books.handed if not body.startswith(b"old")]
            assert handed == sorted(handed)

    @invariant()
    def there_is_room_kept_for_every_frame_that_is_to_be_made(self) -> None:
        for end in self.ends:
            rows = end.conversation._talk.outbox.rows.values()
            assert end.inbox.room.promised == sum(row.size for row in rows if not row.was_sealed)
            assert end.inbox.room.undelivered == sum(row.phase is not Phase.VOID for row in rows)

    @invariant()
    def what_is_stored_is_bounded(self) -> None:
        for end in self.ends:
            stored = end.rows(SESSIONS, PARTIES, MARKS, OUTBOX, FRAMES)
            counts = {table: sum(name == table for name, _ in stored) for table in (PARTIES, MARKS, OUTBOX, FRAMES)}
            late = sum(len(key) > 32 + 16 + 2 for name, key in stored if name == SESSIONS)
            sessions = sum(name == SESSIONS for name, _ in stored)
            assert sessions - late <= SESSIONS_MAX * ROWS_OF_A_SESSION
            assert counts[PARTIES] <= SESSIONS_MAX
            assert counts[MARKS] <= 2
            assert counts[FRAMES] <= counts[OUTBOX]
            assert end.inbox.not_done <= PEER_ROWS_MAX

    @rule(which=which)
    def what_is_on_disk_is_what_is_in_memory(self, which: int) -> None:
        end = self.ends[which]
        end.flush()
        inbox = Inbox()
        inbox.load(end.store.scan(INBOX))
        assert inbox.not_done == end.inbox.not_done
        assert memory(Conversation(end.peer.did, end.ours, end.store, inbox)) == memory(end.conversation)

    @rule()
    def quiet(self) -> None:
        """The weather clears: both read all, and either dials while there is no link."""
        self.break_links()
        clear_up(*self.ends)
        for end in self.ends:
            assert not end.rows(OUTBOX, FRAMES, INBOX), f"the weather is clear, and {end.name} is not done"
            check(end, end.peer)

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:  # Else it has failed already, and what follows would hide why.
            self.quiet()


def memory(conversation: Conversation) -> list[object]:
    talk = conversation._talk
    rows = [(row.seq, row.phase, row.count, row.was_sealed, row.session_id) for row in talk.outbox.rows.values()]
    sessions = [sorted(session.rows()) for session in talk.sessions._set.sessions()]
    return [rows, talk.outbox.next_seq, talk.marks(), sessions]


def test_whatever_happens_nothing_is_lost_nothing_comes_twice_and_order_is_kept(
    rounds: Callable[[int, int], int],
) -> None:
    run_state_machine_as_test(
        TwoPeers,
        settings=settings(
            max_examples=rounds(60, 400),
            stateful_step_count=rounds(40, 80),
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
