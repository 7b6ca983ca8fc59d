"""Rows: what changed and no more, small, and enough to come back from."""

from __future__ import annotations

import random

import pytest

from talos_ratchet import Lane, Malformed, Session
from tests.ratchet.people import Instance, answer, deliver, dice, knock, reload, sessions, stored

ENTROPY = dice("rows")
LANE_ROW_MAX = 450  # Bytes; so that a message writes little.
LATE_ROW_MAX = 64


def apply(store: dict[bytes, bytes], session: Session) -> int:
    """Write the session's changes; return how many rows that was."""
    rows = session.changes().rows
    assert len({key for key, _ in rows}) == len(rows)
    for key, value in rows:
        if value is None:
            del store[key]
        else:
            store[key] = value
    return len(rows)


def test_the_changes_since_the_start_add_up_to_all_rows() -> None:
    rng = random.Random(1)
    alice, bob = Instance("alice"), Instance("bob")
    session, opening = knock(alice, bob)
    ends = [session, answer(bob, alice, opening).session]
    stores: list[dict[bytes, bytes]] = [{}, {}]
    session.open_lanes(ends[1].offer_lanes(ENTROPY), ENTROPY)
    under_way: list[tuple[int, Lane, bytes]] = []
    tags = set[bytes]()
    for _ in range(300):
        who, lane = rng.randrange(2), rng.choice(list(Lane))
        if ends[who].can_send(lane):
            under_way.append((1 - who, lane, ends[who].seal(lane, b"text", entropy=ENTROPY)))
        if len(under_way) > 4:
            whose, lane, frame = under_way.pop(rng.randrange(3))
            deliver(ends[whose], lane, frame)
        for store, end in zip(stores, ends, strict=True):
            apply(store, end)
            assert store == stored(end)
            tags |= {key[16:17] for key in store}
    assert tags == {b"\x00", b"\x01", b"\x02", b"\x03"}


def test_one_message_writes_one_row_on_either_side() -> None:
    alice, bob = sessions()
    deliver(bob, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
    stores: list[dict[bytes, bytes]] = [{}, {}]
    apply(stores[0], alice)
    apply(stores[1], bob)
    deliver(bob, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
    assert (apply(stores[0], alice), apply(stores[1], bob)) == (1, 1)
    assert (apply(stores[0], alice), apply(stores[1], bob)) == (0, 0)


def test_rows_stay_small_however_long_the_talk() -> None:
    alice, bob = sessions()
    for _ in range(20):
        lost = [alice.seal(Lane.BULK, b"lost", entropy=ENTROPY) for _ in range(2)]
        assert lost
        deliver(bob, Lane.BULK, alice.seal(Lane.BULK, b"text", entropy=ENTROPY))
        deliver(alice, Lane.BULK, bob.seal(Lane.BULK, b"text", entropy=ENTROPY))
    for key, value in stored(bob).items():
        assert len(value) <= (LATE_ROW_MAX if key[16:17] == b"\x03" else LANE_ROW_MAX)
    assert len(stored(bob)) < 30


def test_a_loaded_session_is_what_was_stored() -> None:
    alice, bob = sessions()
    late = alice.seal(Lane.MESSAGE, b"late", entropy=ENTROPY)
    deliver(bob, Lane.MESSAGE, alice.seal(Lane.MESSAGE, b"text", entropy=ENTROPY))
    bob.supersede(77)
    again = reload(bob)
    assert again.rows() == bob.rows()
    assert again.changes().rows == []
    assert (again.id, again.initiated, again.created_ms, again.confirmed, again.superseded_ms) == (
        bob.id,
        False,
        bob.created_ms,
        True,
        77,
    )
    assert deliver(again, Lane.MESSAGE, late) == b"late"


def test_rows_load_in_any_order() -> None:
    _, bob = sessions()
    rows = list(stored(bob).items())
    assert Session.load(reversed(rows)).rows() == bob.rows()


@pytest.mark.parametrize("tag", [b"\x00", b"\x01", b"\x02"])
def test_a_missing_row_is_refused(tag: bytes) -> None:
    _, bob = sessions()
    rows = stored(bob)
    missing = next(key for key in rows if key[16:17] == tag)
    with pytest.raises(Malformed):
        Session.load((key, value) for key, value in rows.items() if key != missing)


def test_a_row_cut_short_is_refused() -> None:
    alice, bob = sessions()
    for _ in range(2):
        frames = [alice.seal(Lane.BULK, b"text", entropy=ENTROPY) for _ in range(2)]
        deliver(bob, Lane.BULK, frames[-1])
        deliver(alice, Lane.BULK, bob.seal(Lane.BULK, b"text", entropy=ENTROPY))
    rows = stored(bob)
    for cut, value in rows.items():
        if value:
            with pytest.raises(Malformed):
                Session.load((rows | {cut: value[:-1]}).items())


def test_rows_of_two_sessions_or_of_none_are_refused() -> None:
    alice, _ = sessions("one")
    other, _ = sessions("two")
    for rows in ({}, stored(alice) | stored(other), stored(alice) | {alice.id + b"\x09": b""}):
        with pytest.raises(Malformed):
            Session.load(rows.items())


def test_a_row_of_another_version_or_suite_is_refused() -> None:
    alice, _ = sessions()
    rows, key = stored(alice), alice.id + b"\x00"
    for head in (b"\x02\x01", b"\x01\x02"):
        with pytest.raises(Malformed):
            Session.load((rows | {key: head + rows[key][2:]}).items())
