"""Rows of a peer that are not as they were written, or not there: that is damage, said by its name."""

from __future__ import annotations

from contextlib import suppress

import pytest

from talos.core.conversation import Conversation
from talos.core.inbox import Inbox
from talos.core.step import Put
from talos.core.tables import FRAMES, INBOX, MARKS, OUTBOX, SESSIONS
from talos.errors import Damaged
from tests.node.core.end import End, cut
from tests.node.core.pair import linked, settle


def waiting() -> tuple[End, End]:
    """Return two ends; one message has come to `a`, and one of its own waits."""
    a, b = linked()
    b.send(b"came")
    settle(a, b)
    cut(a.wire)
    a.send(b"waits")
    a.flush()
    return a, b


@pytest.mark.parametrize("table", [MARKS, SESSIONS, OUTBOX, FRAMES])
def test_a_row_of_a_peer_that_is_cut_short_or_gone_is_damage_if_anything(table: str) -> None:
    a, b = waiting()
    for (_, key), value in a.rows(table).items():
        for put in (Put(table, key, value[:-1]), Put(table, key, value[:3]), Put(table, key, None)):
            a.store.commit([put])
            with suppress(Damaged):
                Conversation(b.did, a.ours, a.store, Inbox())
        a.store.commit([Put(table, key, value)])


@pytest.mark.parametrize("table", [MARKS, OUTBOX])
def test_a_row_of_a_peer_under_another_key_is_damage(table: str) -> None:
    a, b = waiting()
    a.store.commit([Put(table, b.did + b"odd", bytes(24))])
    with pytest.raises(Damaged):
        Conversation(b.did, a.ours, a.store, Inbox())


def test_a_peer_whose_marks_are_cut_short_cannot_be_read() -> None:
    a, b = waiting()
    for (_, key), value in a.rows(MARKS).items():
        a.store.commit([Put(MARKS, key, value[:-1])])
        with pytest.raises(Damaged, match="marks"):
            Conversation(b.did, a.ours, a.store, Inbox())
        a.store.commit([Put(MARKS, key, value)])


def test_a_session_that_lacks_a_row_cannot_be_read() -> None:
    a, b = waiting()
    for (_, key), value in a.rows(SESSIONS).items():
        a.store.commit([Put(SESSIONS, key, None)])
        with pytest.raises(Damaged, match="session"):
            Conversation(b.did, a.ours, a.store, Inbox())
        a.store.commit([Put(SESSIONS, key, value)])


@pytest.mark.parametrize("stored", [(bytes(8), bytes(63)), (bytes(7), bytes(96))])
def test_an_inbox_whose_row_is_cut_short_cannot_be_read(stored: tuple[bytes, bytes]) -> None:
    a, _ = waiting()
    (_, key), value = next(iter(a.rows(INBOX).items()))
    a.inbox.load([(key, value)])
    with pytest.raises(Damaged, match="inbox"):
        a.inbox.load([stored])
