"""What holds when one identity has said two things, in whatever order they were heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talos.core import codec
from talos.core.keylog import KeyLog, merge, verify, write_as_controllers
from talos.core.keylog_event import Event
from talos.core.keylog_kinds import RIVALS_MAX, BrokenKeyLog, Quorum
from talos.core.keylog_rank1 import Rotation, Thaw, Voters
from talos.core.keylog_state import Phase, Standing
from talos.errors import MalformedMessage
from tests.node.core.identities import START_MS, Holder, certificate, derived, ids, instance, key_number, retired

ALICE = Holder("alice")
TRUNK = ALICE.log(2)
ROUNDS = settings(max_examples=60, deadline=None)


def merged(*logs: KeyLog) -> KeyLog:
    """Merge in every order, and insist that all orders agree."""
    results = [reduce(merge, order) for order in permutations(logs)]
    assert all(one == results[0] for one in results)
    assert KeyLog.decode_and_verify(results[0].encode()) == results[0]
    return results[0]


def standings(log: KeyLog) -> dict[bytes, Standing]:
    return {one.id: one.standing for one in log.state.instances.values()}


def first_after(trunk: KeyLog, log: KeyLog) -> bytes:
    return log.events[len(trunk.events)].digest


def thaw(base: KeyLog, *rejected: KeyLog) -> KeyLog:
    """Thaw `base` against what `rejected` say behind the trunk."""
    rivals = tuple(sorted(first_after(TRUNK, one) for one in rejected))
    surviving = tuple(sorted(one.id for one in base.state.active_instances(START_MS)))
    return ALICE.next(base, Thaw(ALICE.reveal(key_number(base) + 1), surviving, rivals))


def test_a_longer_log_that_extends_the_other_wins() -> None:
    longer = ALICE.rotated(ALICE.certified(TRUNK, 2), 0, 2)
    assert merged(TRUNK, longer) == longer
    assert merge(longer, longer) == longer


def test_logs_of_two_identities_cannot_be_merged() -> None:
    with pytest.raises(BrokenKeyLog, match="two identities"):
        merge(TRUNK, Holder("bob").log(2))


def test_conflicting_rank_2_branches_suspend_only_the_instances_they_name() -> None:
    trunk = ALICE.log(3)
    left = ALICE.certified(ALICE.next(trunk, retired(1)), 4)
    right = ALICE.certified(trunk, 5)
    forked = merged(left, right)
    assert forked.state.phase is Phase.ACTIVE
    assert (forked.state.seq, forked.state.digest) == (trunk.state.seq, trunk.state.digest)
    assert standings(forked) == {
        instance(0): Standing.ACTIVE,
        instance(1): Standing.SUSPENDED,
        instance(2): Standing.ACTIVE,
        instance(4): Standing.SUSPENDED,
        instance(5): Standing.SUSPENDED,
    }


def test_a_rank_1_event_overrides_rank_2_events_at_or_after_it() -> None:
    stolen = ALICE.certified(ALICE.certified(TRUNK, 7), 8)
    rotated = ALICE.rotated(TRUNK, 0)
    assert merged(stolen, rotated) == rotated
    assert merged(stolen, rotated, ALICE.certified(TRUNK, 9)) == rotated


def test_a_rank_1_event_settles_conflicting_rank_2_branches() -> None:
    left, right = ALICE.certified(TRUNK, 4), ALICE.certified(TRUNK, 5)
    settled = ALICE.rotated(left, 0, 4)
    assert merged(left, right, settled) == settled
    from_the_fork = ALICE.rotated(merge(left, right), 0, 1)
    assert from_the_fork.rivals == ()
    assert standings(from_the_fork) == {instance(0): Standing.ACTIVE, instance(1): Standing.ACTIVE}


def test_conflicting_rank_1_branches_freeze_the_identity() -> None:
    left = ALICE.rotated(TRUNK, 0)
    right = ALICE.rotated(ALICE.certified(TRUNK, 4), 0, 4)
    weak = ALICE.certified(TRUNK, 5)
    frozen = merged(left, right, weak)
    assert frozen.state.phase is Phase.FROZEN
    assert (frozen.state.seq, frozen.state.digest) == (TRUNK.state.seq, TRUNK.state.digest)
    assert len(frozen.rivals) == 2
    with pytest.raises(BrokenKeyLog, match="while FROZEN"):
        frozen.extended(ALICE.event(frozen, certificate(6), n=0))
    with pytest.raises(BrokenKeyLog, match="while FROZEN"):
        frozen.extended(ALICE.event(frozen, Rotation(ALICE.reveal(1), ids(0)), n=1))


def test_a_thaw_ends_a_fork_by_naming_what_it_rejects() -> None:
    left, right = ALICE.rotated(TRUNK, 0), ALICE.rotated(TRUNK, 1)
    thawed = thaw(left, right)
    assert merged(left, right, thawed) == thawed
    assert thawed.state.phase is Phase.ACTIVE
    assert merge(thawed, ALICE.certified(right, 6)) == thawed
    rejected = tuple(sorted(first_after(TRUNK, one) for one in (left, right)))
    event = ALICE.event(TRUNK, Thaw(ALICE.reveal(1), ids(0, 1), rejected))
    at_the_fork = merge(left, right).extended(event)
    assert at_the_fork.state.phase is Phase.ACTIVE
    assert (len(at_the_fork.events), at_the_fork.rivals) == (len(TRUNK.events) + 1, ())


def test_a_thaw_that_does_not_name_every_rival_leaves_the_identity_frozen() -> None:
    one, two, three = ALICE.rotated(TRUNK, 0), ALICE.rotated(TRUNK, 1), ALICE.rotated(TRUNK, 0, 1)
    assert merge(merge(thaw(one, two), two), three).state.phase is Phase.FROZEN
    assert merged(thaw(one, two, three), two, three).state.phase is Phase.ACTIVE


def test_two_thaws_that_reject_each_other_leave_the_identity_frozen() -> None:
    left, right = ALICE.rotated(TRUNK, 0), ALICE.rotated(TRUNK, 1)
    assert merged(thaw(left, right), thaw(right, left)).state.phase is Phase.FROZEN


def test_a_revocation_wins_over_every_other_branch() -> None:
    left, right = ALICE.rotated(TRUNK, 0), ALICE.rotated(TRUNK, 1)
    revoked = ALICE.revoked(right)
    assert merged(left, revoked).state.phase is Phase.REVOKED
    assert merged(thaw(left, right), revoked) == revoked
    assert merged(ALICE.revoked(TRUNK), left) == ALICE.revoked(TRUNK)
    other = ALICE.revoked(left)
    assert merged(revoked, other) in (revoked, other)
    frozen = merge(left, right)
    assert ALICE.revoked(frozen).state.phase is Phase.REVOKED


def test_one_revocation_signed_by_different_controllers_is_one_event() -> None:
    holders = {Holder(name).log().state.did: Holder(name) for name in ("bob", "carol")}
    log = ALICE.log(1, Quorum(1, tuple(sorted(holders))))

    def revoked(*signers: bytes) -> KeyLog:
        signs = {did: holders[did].sign(0) for did in signers}
        event = write_as_controllers(log, "fraud", now_ms=START_MS, signs=signs)
        return log.extended(event, lambda did: holders[did].public(0))

    bob, carol = holders
    one, other = revoked(bob), revoked(carol)
    assert one != other
    assert merge(one, other) == merge(other, one)
    assert merge(one, other) in (one, other)


def test_an_event_of_a_rank_2_rival_is_still_on_the_log() -> None:
    left, right = ALICE.certified(TRUNK, 4), ALICE.certified(TRUNK, 5)
    forked = merge(left, right)
    for log in (TRUNK, left, right):
        assert forked.key_at(log.state.seq, log.state.digest) == ALICE.public(0)
    assert forked.key_at(left.state.seq, derived("nothing")) is None
    assert forked.key_at(99, left.state.digest) is None
    assert merge(forked, ALICE.rotated(left, 0)).key_at(right.state.seq, right.state.digest) is None


def test_at_most_so_many_rivals_are_kept_and_every_one_is_checked() -> None:
    logs = [ALICE.certified(TRUNK, number) for number in range(10, 12 + RIVALS_MAX)]
    forked = reduce(merge, logs)
    assert len(forked.rivals) == RIVALS_MAX
    assert KeyLog.decode_and_verify(forked.encode()) == forked


def reencoded(log: KeyLog, change: Callable[[list[list[codec.Field]]], list[list[codec.Field]]]) -> bytes:
    rivals: list[list[codec.Field]] = [[event.fields() for event in rival] for rival in log.rivals]
    return codec.pack(1, [event.fields() for event in log.events], change(rivals))


def test_only_the_one_encoding_of_a_fork_is_read() -> None:
    forked = merge(ALICE.certified(TRUNK, 4), ALICE.certified(TRUNK, 5))
    assert KeyLog.decode_and_verify(reencoded(forked, lambda rivals: rivals)) == forked
    for change in (
        lambda rivals: rivals[::-1],
        lambda rivals: rivals[:1],
        lambda rivals: [rivals[0], rivals[0]],
    ):
        with pytest.raises(BrokenKeyLog, match="rivals"):
            KeyLog.decode_and_verify(reencoded(forked, change))
    for change in (lambda rivals: [*rivals, []], lambda rivals: rivals * RIVALS_MAX):
        with pytest.raises(MalformedMessage, match=r"^rival"):
            KeyLog.decode_and_verify(reencoded(forked, change))


def test_a_forged_rival_is_refused() -> None:
    forked = merge(ALICE.certified(TRUNK, 4), ALICE.certified(TRUNK, 5))

    def forge(event: Event) -> Event:
        [good] = event.signatures
        return replace(event, signatures=(replace(good, signature=bytes(64)),))

    rivals = (forked.rivals[0], tuple(forge(event) for event in forked.rivals[1]))
    with pytest.raises(BrokenKeyLog, match="wrong signature"):
        KeyLog.decode_and_verify(replace(forked, rivals=rivals).encode())


@st.composite
def branches(draw: st.DrawFn, most: int) -> list[KeyLog]:
    """Draw logs of one identity that grew from each other, each by one to three events of any rank."""
    logs = [TRUNK]
    for at in range(draw(st.integers(1, most))):
        log = draw(st.sampled_from(logs))
        for step in range(draw(st.integers(1, 3))):
            number = 10 * at + step + 2
            kind = draw(st.sampled_from(("certify", "retire", "rotate", "set", "revoke")))
            if log.state.phase is Phase.REVOKED:
                break
            active = [one.id for one in log.state.active_instances(START_MS)]
            if kind == "rotate":
                log = ALICE.next(log, Rotation(ALICE.reveal(key_number(log) + 1), tuple(sorted(active[:1]))))
            elif kind == "set":
                log = ALICE.next(log, Voters(ALICE.reveal(key_number(log) + 1), (derived("voter", number),)))
            elif kind == "revoke" and draw(st.booleans()):
                log = ALICE.revoked(log)
            elif kind == "retire" and instance(1) in active:
                log = ALICE.next(log, retired(1))
            else:
                log = ALICE.certified(log, number)
        logs.append(log)
    return logs[1:]


@ROUNDS
@given(branches(6))
def test_merging_is_commutative_and_idempotent(logs: list[KeyLog]) -> None:
    one, other = reduce(merge, logs), logs[0]
    assert merge(one, other) == merge(other, one)
    assert merge(one, one) == one
    assert KeyLog.decode_and_verify(one.encode()) == one


@ROUNDS
@given(branches(RIVALS_MAX), st.randoms(use_true_random=False))
def test_merging_is_associative_in_every_order(logs: list[KeyLog], dice: Random) -> None:
    wanted = reduce(merge, logs)
    heap = list(logs)
    while len(heap) > 1:
        dice.shuffle(heap)
        heap.append(merge(heap.pop(), heap.pop()))
    assert heap[0] == wanted


@ROUNDS
@given(branches(5))
def test_a_merge_is_never_laxer_than_its_parts(logs: list[KeyLog]) -> None:
    result = reduce(merge, logs)
    if any(log.state.phase is Phase.REVOKED for log in logs):
        assert result.state.phase is Phase.REVOKED
    assert verify(result.events).events == result.events
