"""What an outbox lets on its way at once, and what that costs."""

from __future__ import annotations

from typing import Any

from talos.core.outbox import FRAME_OVERHEAD, WINDOW_BYTES, WINDOW_ROWS
from talos.core.outbox_row import Row
from tests.node.core.outboxes import Kept


class Visited(dict[int, Row]):
    """Counts the rows that are looked at one after the other."""

    rows_seen = 0

    def values(self) -> Any:  # Whatever `dict` says of it.
        for row in super().values():
            self.rows_seen += 1
            yield row


def test_a_message_costs_the_same_however_many_wait_behind_it() -> None:
    kept, seen = Kept(), dict[int, int]()
    for waiting in (100, 2_000):
        while len(kept.outbox.rows) < waiting:
            kept.accept()
        kept.outbox.rows = rows = Visited(kept.outbox.rows)
        kept.outbox.restart()
        first = next(iter(rows))
        for number in range(first, first + 10):
            assert kept.send()[-1:] == [number + WINDOW_ROWS - 1]
            assert kept.acked(number) == [number]
            kept.accept()
            assert kept.outbox.undelivered == waiting
        seen[waiting] = rows.rows_seen
    assert seen[2_000] == seen[100] <= 10 * 2 * WINDOW_ROWS


def test_what_a_peer_asks_for_again_costs_the_same_however_many_wait_behind_it() -> None:
    kept, seen = Kept(), dict[int, int]()
    for waiting in (100, 2_000):
        while len(kept.outbox.rows) < waiting:
            kept.accept()
        kept.outbox.rows = rows = Visited(kept.outbox.rows)
        kept.outbox.restart()
        assert len(kept.send()) == WINDOW_ROWS
        rows.rows_seen = 0
        assert kept.outbox.under_way(5) == WINDOW_ROWS - 4
        kept.outbox.block(5)
        kept.outbox.rewind(5)
        kept.outbox.reseal(5)
        assert kept.outbox.under_way(1) == 4
        seen[waiting] = rows.rows_seen
        assert [row.session_id is None for row in list(rows.values())[:6]] == [False] * 4 + [True] * 2
        kept.send()
    assert seen[2_000] == seen[100] <= 4 * WINDOW_ROWS


def test_the_window_holds_so_many_rows_and_no_more() -> None:
    kept = Kept()
    for _ in range(WINDOW_ROWS + 2):
        kept.accept()
    assert len(kept.send()) == WINDOW_ROWS
    assert kept.acked(1) == [1]
    assert kept.send() == [WINDOW_ROWS + 1]


def test_the_window_holds_so_many_bytes_and_no_more() -> None:
    kept = Kept()
    kept.accept(bytes(WINDOW_BYTES // 2 - FRAME_OVERHEAD))
    kept.accept(bytes(WINDOW_BYTES // 2 - FRAME_OVERHEAD))
    kept.accept(b"x")
    assert kept.send() == [1, 2]
    kept.acked(1)
    assert kept.send() == [3]


def test_a_row_larger_than_the_window_goes_alone() -> None:
    kept = Kept()
    kept.accept(bytes(WINDOW_BYTES + 1))
    kept.accept(b"")
    assert kept.send() == [1]


def test_a_blocked_peer_is_sent_nothing_until_it_wants_or_a_new_link_is_there() -> None:
    kept = Kept()
    for _ in range(3):
        kept.accept()
    kept.send()
    kept.outbox.block(2)
    kept.accept()
    assert kept.send() == []
    kept.outbox.rewind(2)
    assert kept.send() == [2]
    kept.outbox.block(2)
    kept.outbox.restart()
    assert kept.send() == [1, 2, 3, 4]


def test_after_a_busy_the_window_begins_at_one_and_grows_with_what_arrives() -> None:
    kept = Kept()
    for _ in range(WINDOW_ROWS * 3):
        kept.accept()
    kept.send()
    kept.outbox.block(5)
    kept.acked(4)
    kept.outbox.rewind(5)
    sent = [kept.send()]
    while len(sent[-1]) < WINDOW_ROWS:
        kept.acked(sent[-1][-1])
        sent.append(kept.send())
    assert [len(numbers) for numbers in sent][:4] == [1, 2, 4, 8]
    assert [number for numbers in sent for number in numbers] == list(range(5, sent[-1][-1] + 1))


def test_a_busy_about_what_was_never_sent_widens_no_window() -> None:
    kept = Kept()
    for _ in range(3 * WINDOW_ROWS):
        kept.accept()
    first = kept.send()
    for _ in range(2):
        kept.outbox.block(2**62)
        kept.outbox.rewind(1)
        assert kept.send() == first == list(range(1, WINDOW_ROWS + 1))


def test_a_refusal_that_an_acknowledgement_overtook_does_not_block_for_ever() -> None:
    kept = Kept()
    for _ in range(2):
        kept.accept()
    kept.send()
    kept.outbox.block(1)
    kept.accept()
    assert kept.acked(1) == [1]
    assert kept.send() == [2, 3]


def test_an_acknowledgement_of_less_than_what_is_refused_keeps_the_block() -> None:
    kept = Kept()
    for _ in range(3):
        kept.accept()
    kept.send()
    kept.outbox.block(3)
    assert kept.acked(2) == [1, 2]
    assert kept.send() == []


def test_a_peer_that_wants_more_than_was_sent_skips_nothing() -> None:
    kept = Kept()
    for _ in range(3):
        kept.accept()
    kept.send(count=1)
    kept.outbox.rewind(3)
    assert kept.send() == [2, 3]
