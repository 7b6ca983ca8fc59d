"""The outbox: every cell of its table, and rows that say after a restart what memory said before."""

from __future__ import annotations

from copy import copy
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.outbox import SESSION_ID_SIZE, AckedUnsent, Outbox, body_of
from talos.core.outbox_row import NEXT, Event, IllegalMove, Phase, Row, after
from talos.core.tables import FRAMES, OUTBOX
from tests.node.core.outboxes import SESSIONS, Kept


@pytest.mark.parametrize(("phase", "event"), list(product(Phase, Event)))
def test_every_move_is_in_the_table_or_refused(phase: Phase, event: Event) -> None:
    if (phase, event) in NEXT:
        assert after(phase, event) is NEXT[phase, event]
    else:
        with pytest.raises(IllegalMove, match=f"{event.name} while {phase.name}"):
            after(phase, event)


def test_a_row_that_is_gone_never_comes_back() -> None:
    assert not [move for move in NEXT if move[0] is Phase.GONE]


def test_what_was_given_up_is_never_a_message_again() -> None:
    assert {after for (before, _), after in NEXT.items() if before is Phase.VOID} == {Phase.VOID, Phase.GONE}


def facts(outbox: Outbox) -> list[tuple[object, ...]]:
    return [(row.seq, row.phase, row.count, row.size, row.was_sealed) for row in outbox.rows.values()]


def numbers(outbox: Outbox) -> list[int]:
    return [seq for row in outbox.rows.values() for seq in range(row.seq, row.last + 1)]


moves = st.one_of(
    st.tuples(st.just("accept"), st.integers(0, 50)),
    st.tuples(st.just("send"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["void", "ack", "rewind", "block", "reseal"]), st.integers(0, 12)),
    st.tuples(st.sampled_from(["restart", "switch", "reload"]), st.just(0)),
)


@given(st.lists(moves, max_size=40))
def test_rows_say_what_memory_says_and_no_number_is_lost(done: list[tuple[str, int]]) -> None:
    kept, session, high, voided = Kept(), 0, 0, set[int]()
    for move, number in done:
        outbox = kept.outbox
        seqs = [row.seq for row in outbox.rows.values() if row.phase is not Phase.VOID]
        match move:
            case "accept":
                kept.accept(bytes(number))
            case "send":
                kept.send(SESSIONS[session], number)
            case "void" if seqs:
                seq = seqs[number % len(seqs)]
                kept.void(seq)
                voided.add(seq)
            case "ack":
                sealed = [row.last for row in outbox.rows.values() if row.was_sealed]
                if sealed:
                    new = sealed[number % len(sealed)]
                    assert kept.acked(new) == [seq for seq in range(high + 1, new + 1) if seq not in voided]
                    high = max(high, new)
            case "rewind" | "block" | "reseal" if number:
                getattr(outbox, move)(number)
            case "restart":
                outbox.restart()
            case "switch":
                session = (session + 1) % len(SESSIONS)
                outbox.restart()
            case "reload":
                kept.outbox = kept.loaded()
        assert facts(kept.loaded()) == facts(kept.outbox)
        assert numbers(kept.outbox) == list(range(high + 1, kept.outbox.next_seq))
        assert set(kept.tables[FRAMES]) <= set(kept.tables[OUTBOX])
        counted_anew = copy(kept.outbox)
        counted_anew._ahead = None
        assert kept.outbox.next_to_send() is counted_anew.next_to_send()
        assert kept.outbox.undelivered == sum(row.phase is not Phase.VOID for row in kept.outbox.rows.values())


def test_a_body_is_stored_as_it_came() -> None:
    kept = Kept()
    kept.accept(b"sealed body")
    assert body_of(kept.tables[OUTBOX][kept.outbox.key(1)]) == b"sealed body"


@pytest.mark.parametrize("order", list(permutations(range(1, 5))))
def test_neighbours_that_are_given_up_become_one_row_in_every_order(order: tuple[int, ...]) -> None:
    kept = Kept()
    for _ in range(6):
        kept.accept()
    kept.send(count=2)  # 1 and 2 may have arrived; 0 and 5 of the six stay messages.
    for seq in order:
        kept.void(seq + 1)
    void = Row(2, Phase.VOID, 0, count=4, was_sealed=True)
    assert facts(kept.outbox)[1] == (void.seq, void.phase, void.count, void.size, void.was_sealed)
    assert facts(kept.loaded()) == facts(kept.outbox)
    assert numbers(kept.outbox) == list(range(1, 7))
    # The frame that has the message in it is gone: after a restart it would be sent as if it said the void.
    assert set(kept.tables[FRAMES]) == {kept.outbox.key(1)}
    assert kept.send() == [2, 6]


def test_a_message_given_up_twice_is_refused() -> None:
    kept = Kept()
    kept.accept()
    kept.void(1)
    with pytest.raises(IllegalMove):
        kept.void(1)


def test_messages_leave_in_order_and_once_per_link() -> None:
    kept = Kept()
    for _ in range(5):
        kept.accept()
    assert kept.send() == [1, 2, 3, 4, 5]
    assert kept.send() == []
    kept.outbox.restart()
    assert kept.send() == [1, 2, 3, 4, 5]


def test_a_stored_frame_is_never_made_anew_in_its_session() -> None:
    kept = Kept()
    kept.accept()
    kept.send(SESSIONS[0])
    before = dict(kept.tables[FRAMES])
    kept.outbox.restart()
    kept.send(SESSIONS[0])
    assert kept.tables[FRAMES] == before
    kept.outbox.restart()
    kept.send(SESSIONS[1])
    assert [frame[:SESSION_ID_SIZE] for frame in kept.tables[FRAMES].values()] == [SESSIONS[1]]


def test_going_back_into_the_middle_of_a_void_sends_the_whole_void() -> None:
    kept = Kept()
    for _ in range(3):
        kept.accept(b"x")
    assert kept.send() == [1, 2, 3]
    kept.void(1)
    kept.void(2)
    assert kept.send() == [1, 3]
    kept.outbox.reseal(2)  # The peer has 1, and cannot read what came for 2.
    assert [row.session_id for row in kept.outbox.rows.values()] == [None, None]
    assert kept.send() == [1, 3]


@pytest.mark.parametrize("high", [1, 2, 3, 2**63 - 1])
def test_what_was_never_sent_cannot_be_acknowledged(high: int) -> None:
    kept = Kept()
    kept.accept()
    kept.accept()
    before = facts(kept.outbox)
    with pytest.raises(AckedUnsent):
        kept.outbox.acked(high)
    assert facts(kept.outbox) == before


def test_what_was_sent_before_a_restart_can_be_acknowledged_after_it() -> None:
    kept = Kept()
    kept.accept()
    kept.send()
    kept.outbox = kept.loaded()
    assert kept.acked(1) == [1]
    assert kept.tables == {OUTBOX: {}, FRAMES: {}}


def test_an_acknowledgement_that_was_heard_before_changes_nothing() -> None:
    kept = Kept()
    kept.accept()
    kept.send()
    kept.acked(1)
    assert kept.outbox.acked(1) == ([], [])
    assert kept.outbox.acked(0) == ([], [])


def test_an_acknowledged_void_is_gone_but_delivered_nothing() -> None:
    kept = Kept()
    kept.accept()
    kept.send()
    kept.void(1)
    assert kept.send() == [1]
    assert kept.acked(1) == []
    assert kept.tables == {OUTBOX: {}, FRAMES: {}}


def test_an_acknowledgement_of_a_part_of_a_void_leaves_the_whole_void() -> None:
    kept = Kept()
    for _ in range(3):
        kept.accept()
    kept.send()
    kept.void(1)
    kept.void(2)
    assert kept.acked(1) == []  # It arrived after all; of 2 the peer must still be told.
    assert numbers(kept.outbox) == [1, 2, 3]
    assert kept.send() == [1, 3]


def test_what_the_peer_cannot_open_is_sealed_anew_from_there_on() -> None:
    kept = Kept()
    for _ in range(3):
        kept.accept()
    kept.send()
    kept.outbox.reseal(2)
    assert [row.session_id for row in kept.outbox.rows.values()] == [SESSIONS[0], None, None]
    assert kept.send() == [2, 3]


def test_a_row_given_up_does_not_count_as_undelivered() -> None:
    kept = Kept()
    kept.accept()
    kept.accept()
    kept.void(1)
    assert kept.outbox.undelivered == 1
