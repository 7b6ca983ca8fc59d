"""What events do to keys and instances: migrations, emergencies, clones, thaws, certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from talos.core.keylog import KeyLog
from talos.core.keylog_kinds import INSTANCES_MAX, BrokenKeyLog
from talos.core.keylog_rank1 import Rotation, Thaw, Voters
from talos.core.keylog_rank2 import Suspended
from talos.core.keylog_rules import SETTING_WINDOW_MS, WINDOW_MAX_MS
from talos.core.keylog_state import Phase, Standing
from tests.node.core.identities import (
    DAY_MS,
    START_MS,
    Holder,
    certificate,
    cloned,
    derived,
    ids,
    instance,
    instance_public,
    retired,
)

ALICE = Holder("alice")
THIEF = Holder("thief")


def test_a_migration_lets_the_old_key_and_unnamed_instances_live_until_its_end() -> None:
    ends_ms = START_MS + 7 * DAY_MS
    state = ALICE.rotated(ALICE.log(2), 0, ends_ms=ends_ms).state
    assert (state.phase_at(ends_ms - 1), state.phase_at(ends_ms)) == (Phase.ROTATING, Phase.ACTIVE)
    assert (state.counts(ALICE.public(0), ends_ms - 1), state.counts(ALICE.public(0), ends_ms)) == (True, False)
    assert state.counts(ALICE.public(1), ends_ms)
    assert [one.id for one in state.active_instances(ends_ms)] == [instance(0)]
    assert len(state.active_instances(ends_ms - 1)) == 2


def test_in_a_migration_the_old_key_signs_nothing_new() -> None:
    log = ALICE.rotated(ALICE.log(1), 0, ends_ms=START_MS + DAY_MS)
    with pytest.raises(BrokenKeyLog, match="wrong signature"):
        log.extended(ALICE.event(log, certificate(2), n=0))


@pytest.mark.parametrize("is_emergency", [False, True])
def test_a_rotation_at_once_ends_key_and_unnamed_instances(is_emergency: bool) -> None:
    log = ALICE.log(2)
    state = ALICE.next(log, Rotation(ALICE.reveal(1), ids(0), 0, is_emergency)).state
    assert state.phase is Phase.ACTIVE
    assert not state.counts(ALICE.public(0), START_MS)
    assert {one.id: one.standing for one in state.instances.values()} == {
        instance(0): Standing.ACTIVE,
        instance(1): Standing.RETIRED,
    }


@pytest.mark.parametrize(
    ("after_ms", "is_emergency", "is_legal"),
    [
        (WINDOW_MAX_MS, False, True),
        (1, False, True),
        (WINDOW_MAX_MS + 1, False, False),
        (0, False, False),
        (-1, False, False),
        (1, True, False),
    ],
)
def test_a_window_ends_in_time_and_an_emergency_has_none(after_ms: int, is_emergency: bool, is_legal: bool) -> None:
    log = ALICE.log(1)
    event = ALICE.event(log, Rotation(ALICE.reveal(1), ids(0), START_MS + after_ms, is_emergency))
    if is_legal:
        assert log.extended(event).state.phase is Phase.ROTATING
    else:
        with pytest.raises(BrokenKeyLog, match="old_ends_ms"):
            log.extended(event)


def test_events_about_unknown_or_retired_instances_are_refused() -> None:
    log = ALICE.next(ALICE.log(2), retired(1))
    for content, why in (
        (Rotation(ALICE.reveal(1), ids(5)), "unknown instance"),
        (Thaw(ALICE.reveal(1), ids(5), (derived("rival"),)), "unknown instance"),
        (retired(5), "unknown instance"),
        (cloned(log.state.did, 5), "unknown instance"),
        (Rotation(ALICE.reveal(1), ids(1)), "KEPT while RETIRED"),
        (retired(1), "LEFT while RETIRED"),
        (cloned(log.state.did, 1), "CLONED while RETIRED"),
        (certificate(1), "RENEWED while RETIRED"),
        (certificate(2, not_after_ms=START_MS), "for a time that is over"),
    ):
        with pytest.raises(BrokenKeyLog, match=why):
            ALICE.next(log, content)


def test_a_clone_suspends_its_instance_and_the_last_one_freezes_the_identity() -> None:
    log = ALICE.log(2)
    one_left = ALICE.next(log, cloned(log.state.did, 1))
    assert one_left.state.phase is Phase.ACTIVE
    assert one_left.state.instances[instance(1)].standing is Standing.SUSPENDED
    with pytest.raises(BrokenKeyLog, match="RENEWED while SUSPENDED"):
        ALICE.certified(one_left, 1)
    frozen = ALICE.next(one_left, cloned(log.state.did, 0))
    assert frozen.state.phase is Phase.FROZEN
    assert not frozen.state.is_usable()
    for content in (Rotation(ALICE.reveal(1), ids(0)), Voters(ALICE.reveal(1), ()), certificate(2), retired(1)):
        with pytest.raises(BrokenKeyLog, match="while FROZEN"):
            ALICE.next(frozen, content)
    thawed = ALICE.next(frozen, Thaw(ALICE.reveal(1), ids(1)))
    assert thawed.state.phase is Phase.ACTIVE
    assert [one.id for one in thawed.state.active_instances(START_MS)] == [instance(1)]
    assert ALICE.revoked(frozen).state.phase is Phase.REVOKED


def test_a_thaw_needs_a_frozen_identity_or_rivals() -> None:
    log = ALICE.log(1)
    with pytest.raises(BrokenKeyLog, match="thaws what is not frozen"):
        ALICE.next(log, Thaw(ALICE.reveal(1), ids(0)))


def test_only_two_boots_of_one_incarnation_of_one_instance_prove_a_clone() -> None:
    log = ALICE.log(2)
    good = cloned(log.state.did, 1)
    other = cloned(log.state.did, 0)

    def suspended(change: Callable[[Suspended], Suspended]) -> KeyLog:
        return ALICE.next(log, change(good))

    assert suspended(lambda proof: proof).state.instances[instance(1)].standing is Standing.SUSPENDED
    for change in (
        lambda _: cloned(log.state.did, 1, incarnations=(7, 8)),
        lambda _: cloned(THIEF.log().state.did, 1),
        lambda proof: replace(proof, second=proof.first),
        lambda proof: replace(proof, first=proof.second, second=proof.first),
        lambda proof: replace(proof, instance=instance(0)),
        lambda proof: replace(proof, second=other.second),
        lambda proof: replace(proof, second=replace(proof.second, signature=other.second.signature)),
        lambda proof: replace(proof, first=replace(proof.first, signature=other.first.signature)),
    ):
        with pytest.raises(BrokenKeyLog, match="no proof of a clone"):
            suspended(change)


def test_a_certificate_is_renewed_for_the_same_instance() -> None:
    log = ALICE.next(ALICE.log(1), certificate(0, not_after_ms=START_MS + DAY_MS))
    assert len(log.state.instances) == 1
    assert log.state.instances[instance(0)].until_ms == START_MS + DAY_MS
    assert log.state.instances[instance(0)].ed25519 == instance_public(0)


def test_instances_are_certified_up_to_the_limit_and_not_one_beyond() -> None:
    log = ALICE.log(INSTANCES_MAX)
    with pytest.raises(BrokenKeyLog, match=f"more than {INSTANCES_MAX} instances"):
        ALICE.certified(log, INSTANCES_MAX)
    assert ALICE.certified(ALICE.next(log, retired(0)), INSTANCES_MAX)


def test_after_a_setting_the_key_before_counts_for_a_while() -> None:
    state = ALICE.next(ALICE.log(1), Voters(ALICE.reveal(1), ())).state
    assert state.phase is Phase.ACTIVE
    assert state.counts(ALICE.public(0), START_MS + SETTING_WINDOW_MS - 1)
    assert not state.counts(ALICE.public(0), START_MS + SETTING_WINDOW_MS)


def test_a_migration_prolongs_no_certificate() -> None:
    log = ALICE.next(ALICE.log(1), certificate(1, not_after_ms=START_MS + DAY_MS))
    state = ALICE.rotated(log, 0, ends_ms=START_MS + 7 * DAY_MS).state
    assert [one.id for one in state.active_instances(START_MS + DAY_MS)] == [instance(0)]


def test_a_rotation_at_once_ends_every_older_key() -> None:
    log = ALICE.next(ALICE.log(2), Rotation(ALICE.reveal(1), ids(0, 1), START_MS + WINDOW_MAX_MS, False))
    assert log.state.counts(ALICE.public(0), START_MS)
    log = ALICE.next(log, Rotation(ALICE.reveal(2), ids(0, 1), 0, True))
    assert [log.state.counts(ALICE.public(n), START_MS) for n in range(3)] == [False, False, True]


def test_an_old_key_that_has_ended_is_forgotten_by_the_next_event() -> None:
    log = ALICE.rotated(ALICE.log(1), 0, ends_ms=START_MS + DAY_MS)
    assert [old.key for old in log.state.old_keys] == [ALICE.public(0)]
    later = ALICE.certified(log, 1, now_ms=START_MS + DAY_MS)
    assert (later.state.old_keys, later.state.phase) == ((), Phase.ACTIVE)


def test_a_thaw_ends_every_older_key() -> None:
    log = ALICE.next(ALICE.log(1), Voters(ALICE.reveal(1), ()))
    frozen = ALICE.next(log, cloned(log.state.did, 0))
    thawed = ALICE.next(frozen, Thaw(ALICE.reveal(2), ()))
    assert not any(thawed.state.counts(ALICE.public(n), START_MS) for n in (0, 1))
    assert thawed.state.counts(ALICE.public(2), START_MS)
