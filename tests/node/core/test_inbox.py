"""The inbox: handed out in order, to one at a time, again after a restart, never after done; and never too full."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core.inbox import (
    NODE_BYTES_MAX,
    NODE_ROWS_MAX,
    PEER_BYTES_MAX,
    PEER_ROWS_MAX,
    Arrived,
    Inbox,
    body_of,
)
from talos.core.step import Put
from talos.core.tables import INBOX

ORIGIN = bytes(16)
NOW_MS = 1_700_000_000_000


def sender(number: int) -> bytes:
    return number.to_bytes(32, "big")


class Kept:
    """An inbox, its rows, and who holds what."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.rows: dict[bytes, bytes] = {}
        self.held: list[Arrived] = []
        self.pending: list[tuple[Put, Arrived, bool]] = []  # (write, row, it arrives), not on disk yet.

    def add(self, who: int = 0, body: bytes = b"body", seq: int = 1) -> Arrived:
        row, put = self.inbox.add(sender(who), ORIGIN, seq, body, NOW_MS)
        self.pending.append((put, row, True))
        return row

    def done(self, row: Arrived) -> bool:
        put = self.inbox.done(row)
        if put is not None:
            self.pending.append((put, row, False))
        return put is not None

    def commit(self) -> None:
        for put, row, arrives in self.pending:
            assert put.table == INBOX
            if put.value is None:
                self.rows.pop(put.key, None)
            else:
                self.rows[put.key] = put.value
            (self.inbox.arrived if arrives else self.inbox.forget)(row)
        self.pending = []

    def fail(self) -> None:
        self.pending = []
        self.inbox.load(sorted(self.rows.items()), restarted=False)

    def restart(self) -> None:
        self.pending, self.held, self.inbox = [], [], Inbox()
        self.inbox.load(sorted(self.rows.items()))

    def hand_out(self) -> Arrived | None:
        row = self.inbox.hand_out()
        if row is not None:
            self.held.append(row)
        return row


steps = st.tuples(
    st.sampled_from(["add", "add", "commit", "commit", "hand out", "done", "take back", "fail", "restart"]),
    st.integers(0, 5),
)


@given(st.lists(steps, max_size=40))
def test_what_arrived_is_held_waiting_or_done_and_never_two_of_these(taken: list[tuple[str, int]]) -> None:
    kept = Kept()
    for step, number in taken:
        row = kept.held[number % len(kept.held)] if kept.held else None
        match step:
            case "add":
                kept.add(number)
            case "commit":
                kept.commit()
            case "hand out":
                kept.hand_out()
            case "done" if row is not None:
                kept.done(row)
            case "take back" if row is not None:
                kept.inbox.take_back(row)
                kept.held.remove(row)
            case "fail":
                kept.fail()
            case "restart":
                kept.restart()
        on_disk = {int.from_bytes(key, "big") for key in kept.rows}
        held = {row.arrival for row in kept.held}
        arriving = sum(arrives for _, _, arrives in kept.pending)
        assert kept.inbox.not_done == len(on_disk) + arriving
        assert kept.inbox.waiting == len(on_disk - held)
    kept.commit()
    order = list[int]()
    while (next_row := kept.hand_out()) is not None:
        assert next_row.key in kept.rows
        order.append(next_row.arrival)
    assert len(set(order)) == len(order)
    assert order == sorted(order)


def test_messages_are_handed_out_oldest_first_and_each_to_one_holder() -> None:
    kept = Kept()
    rows = [kept.add(number) for number in range(3)]
    kept.commit()
    assert [kept.hand_out() for _ in range(4)] == [*rows, None]


def test_nothing_is_handed_out_before_it_is_on_disk() -> None:
    kept = Kept()
    kept.add()
    assert kept.hand_out() is None


def test_what_is_taken_back_is_the_oldest_again() -> None:
    kept = Kept()
    first, second = kept.add(), kept.add()
    kept.commit()
    kept.hand_out()
    kept.inbox.take_back(first)
    assert [kept.hand_out(), kept.hand_out()] == [first, second]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_what_several_holders_leave_is_handed_out_in_the_order_it_came(order: tuple[int, ...]) -> None:
    kept = Kept()
    rows = [kept.add() for _ in range(4)]
    kept.commit()
    for _ in range(3):
        kept.hand_out()
    for at in order:
        kept.inbox.take_back(rows[at])
    assert [kept.hand_out() for _ in range(4)] == rows


def test_done_is_for_ever_and_saying_it_twice_is_nothing() -> None:
    kept = Kept()
    row = kept.add()
    kept.commit()
    kept.hand_out()
    assert kept.done(row)
    kept.commit()
    assert not kept.done(row)
    kept.restart()
    assert kept.hand_out() is None
    assert kept.inbox.not_done == 0


def test_what_was_not_done_comes_again_after_a_restart_and_says_so() -> None:
    kept = Kept()
    kept.add(body=b"one")
    kept.commit()
    first = kept.hand_out()
    assert first is not None
    assert not first.redelivered
    kept.done(first)
    kept.restart()
    again = kept.hand_out()
    assert again is not None
    assert (again.arrival, again.redelivered) == (first.arrival, True)
    assert body_of(kept.rows[again.key]) == b"one"


def test_done_holds_even_if_the_row_was_taken_back_before_that_was_on_disk() -> None:
    kept = Kept()
    row = kept.add()
    kept.commit()
    kept.hand_out()
    kept.done(row)
    kept.inbox.take_back(row)
    kept.commit()
    assert kept.hand_out() is None
    assert kept.inbox.not_done == 0


def test_a_failed_commit_leaves_with_the_application_what_it_holds() -> None:
    kept = Kept()
    held, waiting = kept.add(), kept.add()
    kept.commit()
    kept.hand_out()
    kept.add()
    kept.fail()
    assert kept.hand_out() == waiting
    assert kept.hand_out() is None
    assert kept.done(held)


def test_an_arrival_number_is_never_used_twice() -> None:
    kept = Kept()
    first = kept.add()
    kept.fail()
    second = kept.add()
    kept.commit()
    kept.restart()
    assert len({first.arrival, second.arrival, kept.add().arrival}) == 3


def fill(rows: int, size: int, senders: int = 1) -> Inbox:
    inbox = Inbox()
    for number in range(rows):
        inbox.add(sender(number % senders), ORIGIN, number + 1, _Sized(size), NOW_MS)
    return inbox


class _Sized(bytes):
    """A body that says it is large without being so: limits count sizes, not bytes."""

    def __new__(cls, size: int) -> _Sized:
        return super().__new__(cls)

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


NODE_PEERS = NODE_ROWS_MAX // PEER_ROWS_MAX + 1


@pytest.mark.parametrize(
    ("rows", "size", "senders", "asked"),
    [
        (PEER_ROWS_MAX - 1, 0, 1, 1),
        (1, PEER_BYTES_MAX - 1, 1, 1),
        (NODE_ROWS_MAX - 1, 0, NODE_PEERS, 1),
        (4, NODE_BYTES_MAX // 4 - 1, 4, 4),
    ],
    ids=["rows of a peer", "bytes of a peer", "rows of the node", "bytes of the node"],
)
def test_what_just_fits_has_room_and_one_more_has_not(rows: int, size: int, senders: int, asked: int) -> None:
    inbox = fill(rows, size, senders)
    who = sender(senders if senders > 1 else 0)
    assert inbox.has_room(who, asked)
    inbox.add(who, ORIGIN, 1, _Sized(asked), NOW_MS)
    assert not inbox.has_room(who, 1)


def test_one_full_peer_leaves_room_for_the_others() -> None:
    inbox = fill(PEER_ROWS_MAX, 0)
    assert not inbox.has_room(sender(0), 0)
    assert inbox.has_room(sender(1), PEER_BYTES_MAX)


def test_there_is_room_again_once_one_is_done() -> None:
    kept = Kept()
    for _ in range(PEER_ROWS_MAX):
        kept.add()
    kept.commit()
    row = kept.hand_out()
    assert row is not None
    kept.done(row)
    assert not kept.inbox.has_room(sender(0), 0)
    kept.commit()
    assert kept.inbox.has_room(sender(0), 0)


def test_the_limits_are_those_decided() -> None:
    assert (PEER_ROWS_MAX, PEER_BYTES_MAX) == (1_000, 64 * 2**20)
    assert (NODE_ROWS_MAX, NODE_BYTES_MAX) == (10_000, 256 * 2**20)
