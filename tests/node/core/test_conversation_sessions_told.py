"""What is written down of a session that ends: why, which and who began it, and once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from talos.core.entry_types import EntryType, read_body
from talos.core.keylog import KeyLog
from talos.core.keylog_keys import signer
from talos.core.keylog_kinds import Role
from talos.core.names import did_of
from talos.core.party import make_party
from talos.core.step import Step
from tests.node.core.end import NOW_MS, End, cut
from tests.node.core.identities import FAR_MS, Holder, instance_key, instance_public, retired, x25519_public
from tests.node.core.pair import commit, connect, linked, settle

BOB = Holder("bob")
LOG = BOB.log(instances=2)
PARTY = make_party(
    LOG,
    ed25519=instance_public(0),
    x25519=x25519_public(0),
    role=Role.LEADER_FOLLOWER,
    not_after_ms=FAR_MS,
    sign_identity=BOB.sign(0),
    sign_instance=signer(instance_key(0)),
)
RETIRED = BOB.next(LOG, retired(0))


def told(step: Step, peer: End) -> list[tuple[str, str, str]]:
    """Return event, session and role of each entry; all must be about `peer`, and of now."""
    found = []
    for entry in step.entries:
        body = read_body(entry.type, entry.body)
        assert (entry.type, entry.subject, entry.time_ms) == (EntryType.SESSION, peer.did, NOW_MS)
        assert body["peer"] == did_of(peer.did)
        found.append((str(body["event"]), str(body["session"]), str(body["role"])))
    return found


def session_of(end: End) -> bytes:
    resumed = end.conversation.resume(end.now_ms)
    assert resumed is not None
    commit(end, resumed[2])
    return resumed[0]


def known(*, b_dials: bool = False) -> tuple[End, End]:
    """Return two ends with a session, of which `b` has a party record that a key log bears out."""
    a, b = End("a"), End("b")
    b.party = PARTY.encode()
    b.ours = replace(b.ours, party=b.party)
    a.peer, b.peer = b, a
    for end in (a, b):
        end.load()
    connect(b if b_dials else a)
    settle(a, b)
    return a, b


# Lost


def test_a_session_that_the_peer_has_lost_is_told_once_by_each_side_in_its_role() -> None:
    a, b = linked()
    session = session_of(a)
    for end, role in ((a, "initiator"), (b, "responder")):
        assert told(end.conversation.no_session(session, end.now_ms), end.peer) == [("lost", session.hex(), role)]
        for _ in range(2):
            assert told(end.conversation.no_session(session, end.now_ms), end.peer) == []


def test_it_is_not_told_again_after_a_restart() -> None:
    a, b = linked()
    session = session_of(a)
    commit(a, a.conversation.no_session(session, a.now_ms))
    a.crash()
    assert told(a.conversation.no_session(session, a.now_ms), b) == []


def test_of_a_session_that_never_was_or_was_replaced_nothing_is_told() -> None:
    a, b = linked()
    first = session_of(a)
    for unknown in (bytes(16), first[::-1], first[:-1]):
        assert told(a.conversation.no_session(unknown, a.now_ms), b) == []
    commit(a, a.conversation.no_session(first, a.now_ms))
    cut(a.wire)
    connect(a)
    settle(a, b)
    second = session_of(a)
    assert second != first
    assert told(a.conversation.no_session(first, a.now_ms), b) == []
    assert told(b.conversation.no_session(first, b.now_ms), a) == []
    assert told(a.conversation.no_session(second, a.now_ms), b) == [("lost", second.hex(), "initiator")]


# Ended


@pytest.mark.parametrize("b_dials", [False, True])
def test_a_session_that_a_key_log_ends_is_told_once(b_dials: bool) -> None:
    a, b = known(b_dials=b_dials)
    session = session_of(a)
    ended, step = a.conversation.recheck(RETIRED, a.now_ms)
    assert ended
    assert told(step, b) == [("ended", session.hex(), "responder" if b_dials else "initiator")]
    commit(a, step)
    again, step = a.conversation.recheck(RETIRED, a.now_ms)
    assert (again, told(step, b)) == (False, [])
    assert told(a.conversation.no_session(session, a.now_ms), b) == []
    assert not a.conversation.has_session()


@pytest.mark.parametrize("log", [LOG, BOB.next(LOG, retired(1))], ids=["as it was", "another instance retired"])
def test_a_key_log_that_still_bears_the_session_out_ends_and_tells_nothing(log: KeyLog) -> None:
    a, b = known()
    session = session_of(a)
    ended, step = a.conversation.recheck(log, a.now_ms)
    assert (ended, told(step, b)) == (False, [])
    assert session_of(a) == session


def test_every_session_that_a_key_log_ends_is_told_also_one_that_only_received() -> None:
    a, b = known()
    first = session_of(a)
    commit(a, a.conversation.no_session(first, a.now_ms))
    cut(a.wire)
    connect(b)
    settle(a, b)
    second = session_of(a)
    ended, step = a.conversation.recheck(RETIRED, a.now_ms)
    assert ended
    expected = [("ended", first.hex(), "initiator"), ("ended", second.hex(), "responder")]
    assert sorted(told(step, b)) == sorted(expected)


def test_of_a_peer_without_a_session_nothing_is_told() -> None:
    a, b = known()
    commit(a, a.conversation.recheck(RETIRED, a.now_ms)[1])
    a.crash()
    ended, step = a.conversation.recheck(BOB.revoked(RETIRED), a.now_ms)
    assert (ended, told(step, b)) == (False, [])
