"""Newcomers: who has to go, who may stay, and that the disk says the same."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from talos.core.content import Pong, Want
from talos.core.entry_types import EntryType
from talos.core.newcomers import NEWCOMER_LATE_MAX, NEWCOMERS_MAX, Newcomers
from talos.core.outbox import WINDOW_ROWS
from talos.core.step import Put
from talos.core.tables import INBOX, MARKS, NEWCOMERS, OUTBOX, SESSIONS, STATE_TABLES
from talos.drivers.memory_store import MemoryStore
from talos.errors import Damaged
from talos_ratchet import JUMP_MAX, Duplicate, Lane
from tests.node.core.end import End, cut
from tests.node.core.pair import connect, linked, pair, read_all, settle, tell, voiced


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


def test_the_first_entry_of_a_message_for_a_newcomer_tells_of_the_message() -> None:
    _, b = met()
    _, step = b.conversation.submit(b"a word", b.now_ms)
    assert [entry.type for entry in step.entries] == [EntryType.MESSAGE, EntryType.SESSION]


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


# What a newcomer leaves on the disk


def pass_over(a: End, count: int) -> list[bytes]:
    """Let `a` seal so many control frames that do not come, and then one that does; return those."""
    sessions = a.conversation._talk.sessions
    assert sessions.sending is not None
    lost = [sessions.seal(sessions.sending, Lane.CONTROL, Pong().encode()) for _ in range(count)]
    tell(a, Lane.CONTROL, Pong().encode())
    return lost


def test_a_newcomer_has_no_more_than_a_few_late_keys_kept_however_much_it_passes_over() -> None:
    a, b = met()
    before = len(b.rows(SESSIONS))
    for _ in range(2):
        lost = pass_over(a, JUMP_MAX)
        settle(a, b)
        assert b.broken == []
        assert len(b.rows(SESSIONS)) == before + NEWCOMER_LATE_MAX
    assert len(b.conversation._talk.sessions.open(Lane.CONTROL, lost[-NEWCOMER_LATE_MAX], b.now_ms)) == 2
    with pytest.raises(Duplicate):
        b.conversation._talk.sessions.open(Lane.CONTROL, lost[-NEWCOMER_LATE_MAX - 1], b.now_ms)


def test_late_keys_that_never_were_on_disk_are_not_deleted_there() -> None:
    a, b = met()
    pass_over(a, JUMP_MAX)
    b.receive()
    (queued,) = b.queue
    assert None not in [put.value for put in queued.writes]


def test_the_first_messages_of_a_newcomer_open_though_all_of_them_were_lost_with_a_link() -> None:
    a, b = pair()
    connect(a)
    b.store.commit([Put(NEWCOMERS, a.did, bytes(8))])
    b.conversation.reload()
    for number in range(WINDOW_ROWS):
        a.send(b"%d" % number)
    a.flush()
    cut(a.wire)
    connect(a)
    a.flush()  # The frame that lets `b` answer on the lane comes first, and all that are stored after it.
    b.receive()
    b.flush()
    assert [content for content in voiced(a) if isinstance(content, Want)] == []
    settle(a, b)
    assert read_all(b) == [b"%d" % number for number in range(WINDOW_ROWS)]


def test_a_peer_has_as_many_late_keys_kept_as_ever() -> None:
    a, b = linked()
    before = len(b.rows(SESSIONS))
    pass_over(a, JUMP_MAX)
    settle(a, b)
    assert len(b.rows(SESSIONS)) == before + JUMP_MAX
