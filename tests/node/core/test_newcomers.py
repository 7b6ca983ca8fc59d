"""Newcomers: who has to go, who may stay, and that the disk says the same."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from talos.core.newcomers import NEWCOMERS_MAX, Newcomers
from talos.core.step import Put
from talos.core.tables import INBOX, MARKS, NEWCOMERS, OUTBOX, STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged
from tests.node.core.end import End
from tests.node.core.pair import linked


def did(number: int) -> bytes:
    return number.to_bytes(4, "little") + bytes(28)  # So that their order is not that of their rows.


def filled(count: int) -> tuple[Newcomers, MemoryStore]:
    store = MemoryStore(STATE_TABLES)
    newcomers = Newcomers(store)
    store.commit([newcomers.came(did(number)) for number in range(count)])
    return newcomers, store


def crowded_out(newcomers: Newcomers, *, peers: Collection[int] = (), here: Collection[int] = ()) -> list[bytes]:
    gone = []
    is_peer, is_here = {did(one) for one in peers}, {did(one) for one in here}
    for one in newcomers.crowded_out(lambda each: each not in is_peer, lambda each: each not in is_here):
        newcomers.no_more(one)
        gone.append(one)
    return gone


def test_as_many_as_the_limit_stay_and_one_more_pushes_the_oldest_out() -> None:
    newcomers, _ = filled(NEWCOMERS_MAX)
    assert crowded_out(newcomers) == []
    newcomers.came(did(NEWCOMERS_MAX))
    assert crowded_out(newcomers) == [did(0)]
    assert len(newcomers) == NEWCOMERS_MAX
    assert did(1) in newcomers


def test_who_has_become_a_peer_is_forgotten_before_anybody_goes() -> None:
    newcomers, _ = filled(NEWCOMERS_MAX + 2)
    assert crowded_out(newcomers, peers={0, 1}) == []
    assert did(0) not in newcomers
    assert did(2) in newcomers
    assert len(newcomers) == NEWCOMERS_MAX


def test_who_is_here_just_now_stays_and_the_next_oldest_goes() -> None:
    newcomers, _ = filled(NEWCOMERS_MAX + 2)
    assert crowded_out(newcomers, here={0, 2}) == [did(1), did(3)]
    assert did(0) in newcomers


def test_a_restart_knows_the_order() -> None:
    _, store = filled(NEWCOMERS_MAX + 3)
    again = Newcomers(store)
    store.commit([again.came(did(7_000))])
    assert crowded_out(Newcomers(store)) == [did(0), did(1), did(2), did(3)]


def test_a_row_that_is_not_as_it_was_written_is_damage() -> None:
    _, store = filled(1)
    store.commit([Put(NEWCOMERS, did(9), b"short")])
    with pytest.raises(Damaged, match="newcomer"):
        Newcomers(store)


# The end of being new


def met() -> tuple[End, End]:
    """Return two ends with a link; `a` is a newcomer to `b`."""
    a, b = linked()
    b.store.commit([Put(NEWCOMERS, a.did, bytes(8))])
    b.conversation.reload()
    assert b.conversation.is_newcomer
    return a, b


def test_the_first_message_and_the_end_of_being_new_are_one_transaction() -> None:
    a, b = met()
    a.send(b"a word")
    a.flush()
    b.receive()
    (queued,) = b.queue
    written = {put.table: put.value for put in queued.writes}
    assert written[NEWCOMERS] is None
    assert {MARKS, INBOX} <= written.keys()
    assert not b.conversation.is_newcomer


def test_a_message_for_a_newcomer_and_the_end_of_being_new_are_one_transaction() -> None:
    _, b = met()
    b.send(b"a word")
    (queued,) = b.queue
    written = {put.table: put.value for put in queued.writes}
    assert written[NEWCOMERS] is None
    assert {MARKS, OUTBOX} <= written.keys()


def test_a_commit_that_fails_leaves_a_newcomer_one() -> None:
    a, b = met()
    a.send(b"a word")
    a.flush()
    b.receive()
    b.fail()
    assert b.conversation.is_newcomer


def test_a_newcomer_that_goes_leaves_no_row() -> None:
    a, b = met()
    step = b.conversation.forget(b.now_ms)
    b.store.commit(step.writes)
    assert not [key for _, key in b.rows() if key.startswith(a.did)]
    b.conversation.reload()
    assert b.conversation.is_blank
    assert not b.conversation.has_session()
