"""Bugs of key logs and party records: keys that count too long, and people who may say too much."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

FORK: Final = "tests/node/core/test_keylog_fork.py"
INSTANCES: Final = "tests/node/core/test_keylog_instances.py"
PARTY: Final = "tests/node/core/test_party.py"
DOCUMENT: Final = "tests/node/core/test_did_document.py"
MULTIKEY: Final = "tests/node/core/test_multikey.py"
RULES: Final = "tests/node/core/test_keylog_rules.py"

MUTANTS: Final = (
    Mutant(
        "any_key_rotates",
        "A thief of today's key rotates to a key of their own: that is what the promise is for.",
        "node/talos/core/keylog_rules.py",
        "    if commitment_of(reveal.key) != state.next_commitment:\n        raise",
        "    if False:\n        raise",
        f"{RULES}::test_rank_1_needs_the_very_key_that_was_committed_to",
    ),
    Mutant(
        "todays_key_revokes",
        "A thief of today's key ends the identity.",
        "node/talos/core/keylog_rules.py",
        "if content.key and commitment_of(content.key) != state.next_commitment:",
        "if content.key not in (b'', state.key) and commitment_of(content.key) != state.next_commitment:",
        f"{RULES}::test_rank_1_needs_the_very_key_that_was_committed_to",
    ),
    Mutant(
        "one_controller_signs_twice",
        "One controller counts for two.",
        "node/talos/core/keylog_rules.py",
        "if any(left >= right for left, right in pairwise(signers)):",
        "if any(left > right for left, right in pairwise(signers)):",
        f"{RULES}::test_a_controller_quorum_is_counted_known_and_checked",
    ),
    Mutant(
        "quorum_of_one_less",
        "A quorum of controllers that lacks one revokes all the same.",
        "node/talos/core/keylog_rules.py",
        "len(signers) < quorum.threshold or",
        "len(signers) < quorum.threshold - 1 or",
        f"{RULES}::test_a_controller_quorum_is_counted_known_and_checked",
    ),
    Mutant(
        "reserve_used_up",
        "A log that is full has no room left for the revocation that must always fit.",
        "node/talos/core/keylog_rules.py",
        "SIZE_MAX - (0 if is_last else REVOCATION_RESERVE)",
        "SIZE_MAX",
        f"{RULES}::test_size_ends_at_its_limit_and_leaves_room_for_the_largest_revocation",
    ),
    Mutant(
        "older_keys_outlive_an_emergency",
        "After an emergency a stolen key of an earlier migration still keeps its sessions.",
        "node/talos/core/keylog_rules.py",
        "old_keys=(OldKey(state.key, ends_ms), *state.old_keys) if ends_ms else (),",
        "old_keys=(OldKey(state.key, ends_ms), *state.old_keys) if ends_ms else state.old_keys,",
        f"{INSTANCES}::test_a_rotation_at_once_ends_every_older_key",
    ),
    Mutant(
        "emergency_with_a_window",
        "An emergency leaves the stolen key alive for weeks.",
        "node/talos/core/keylog_rules.py",
        "if ends_ms and (content.is_emergency or not now_ms",
        "if ends_ms and (not now_ms",
        f"{INSTANCES}::test_a_window_ends_in_time_and_an_emergency_has_none",
    ),
    Mutant(
        "retired_instance_comes_back",
        "An instance that was retired, because its key was stolen perhaps, is certified again.",
        "node/talos/core/keylog_rules.py",
        "standing = Standing.ACTIVE if before is None else before.after(Fate.RENEWED).standing",
        "standing = Standing.ACTIVE",
        f"{INSTANCES}::test_events_about_unknown_or_retired_instances_are_refused",
    ),
    Mutant(
        "window_prolongs_a_certificate",
        "A migration lets an instance live on after its certificate has ended.",
        "node/talos/core/keylog_rules.py",
        "until_ms=min(one.until_ms, ends_ms))",
        "until_ms=ends_ms)",
        f"{INSTANCES}::test_a_migration_prolongs_no_certificate",
    ),
    Mutant(
        "window_has_no_end",
        "What an old key signed counts for ever.",
        "node/talos/core/keylog_state.py",
        "old.key == key and now_ms < old.ends_ms for",
        "old.key == key for",
        f"{INSTANCES}::test_a_migration_lets_the_old_key_and_unnamed_instances_live_until_its_end",
    ),
    Mutant(
        "order_of_signatures_counts",
        "Two nodes that heard of one revocation from different controllers keep different logs.",
        "node/talos/core/keylog_fork.py",
        "events[event.digest] = min(known, event, key=Event.encode)",
        "events[event.digest] = known",
        f"{FORK}::test_one_revocation_signed_by_different_controllers_is_one_event",
    ),
    Mutant(
        "disputed_instance_counts",
        "An instance that two branches speak of differently is believed by whoever heard one of them.",
        "node/talos/core/keylog.py",
        "    return replace(state, instances={**state.instances, **_disputed(state, outcome.rivals)})",
        "    return state",
        f"{FORK}::test_conflicting_rank_2_branches_suspend_only_the_instances_they_name",
    ),
    Mutant(
        "replaced_key_opens_sessions",
        "A stolen key that was rotated away opens new sessions until its window ends.",
        "node/talos/core/party.py",
        "    if key != log.state.key:\n        raise",
        "    if False:\n        raise",
        f"{PARTY}::test_in_a_migration_an_old_record_keeps_sessions_and_opens_none",
    ),
    Mutant(
        "party_lives_a_millisecond_more",
        "A party record still holds at the moment it ends.",
        "node/talos/core/party.py",
        "    if now_ms >= party.not_after_ms:",
        "    if now_ms > party.not_after_ms:",
        f"{PARTY}::test_a_genuine_record_that_does_not_hold_is_refused",
    ),
    Mutant(
        "agreement_key_not_compared",
        "An instance speaks under an agreement key that its certificate does not name.",
        "node/talos/core/party.py",
        "if (instance.x25519, instance.role) != (party.x25519, party.role):",
        "if instance.role != party.role:",
        f"{PARTY}::test_a_genuine_record_that_does_not_hold_is_refused",
    ),
    Mutant(
        "document_of_the_revoked",
        "Programs of others go on believing the keys of an identity that was revoked.",
        "node/talos/core/did_document.py",
        "    if not state.is_usable():",
        "    if False:",
        f"{DOCUMENT}::test_a_revoked_identity_is_deactivated_and_has_no_key",
    ),
    Mutant(
        "old_key_for_ever",
        "Programs of others go on believing a key after its migration window.",
        "node/talos/core/did_document.py",
        "        if now_ms < old.ends_ms:",
        "        if old.ends_ms:",
        f"{DOCUMENT}::test_an_old_key_asserts_until_its_window_ends_and_authenticates_nothing",
    ),
    Mutant(
        "service_of_the_retired",
        "An instance that was retired is dialled by whoever resolves its identity.",
        "node/talos/core/did_document.py",
        " if one.key in active]",
        "]",
        f"{DOCUMENT}::test_an_instance_that_is_gone_or_over_is_in_no_document",
    ),
    Mutant(
        "key_of_any_length",
        "A text of a megabyte is worked through before it is refused.",
        "node/talos/core/multikey.py",
        'if len(text) == MULTIKEY_LENGTH and text[0] == "z" else ""',
        'if text[:1] == "z" else ""',
        f"{MULTIKEY}::test_what_is_no_key_of_ours_is_refused",
    ),
)
