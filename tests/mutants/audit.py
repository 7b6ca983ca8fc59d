"""Bugs of the audit log: what is signed, what is sealed, what is checked, and what fills it."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

CHAIN: Final = "tests/node/core/test_chain.py"
DIARY: Final = "tests/node/core/test_diary.py"
ERASED: Final = "tests/node/core/test_chain_erased.py"
OPENING: Final = "tests/node/core/test_diary_opening.py"
PEERS: Final = "tests/node/services/test_audit_peers.py"
REFUSALS: Final = "tests/node/core/test_refusals.py"
ROWS: Final = "tests/node/core/test_chain_rows.py"
TALLY: Final = "tests/node/services/test_audit_tally.py"

MUTANTS: Final = (
    # Written
    Mutant(
        "one_nonce_for_a_transaction",
        "Bodies that are written together share a nonce: their difference can be read, and others forged.",
        "node/talos/core/diary.py",
        "dice[at + DICE_SIZE : at + ENTRY_DICE])",
        "dice[DICE_SIZE:ENTRY_DICE])",
        f"{DIARY}::test_no_two_bodies_of_one_transaction_are_sealed_under_one_nonce",
    ),
    Mutant(
        "one_salt_for_a_transaction",
        "Entries that are written together commit under one salt, and show who is in two of them.",
        "node/talos/core/diary.py",
        "write_entry(entry, dice[at : at + DICE_SIZE], pack)",
        "write_entry(entry, dice[:DICE_SIZE], pack)",
        "tests/node/core/test_entries.py::test_the_same_entry_written_twice_shows_nobody_that_it_is_the_same",
    ),
    Mutant(
        "body_not_bound_to_its_leaf",
        "Who has the disk and no key swaps a leaf for another under a body that still opens.",
        "node/talos/core/log_rows.py",
        "    return key + leaf_hash\n",
        "    return key\n",
        f"{DIARY}::test_a_body_opens_beside_its_own_leaf_only",
    ),
    Mutant(
        "root_in_memory_not_compared",
        "A bit that flipped in memory is not found, and the entries appended after it are shown by no proof.",
        "node/talos/core/diary.py",
        " or self._proven.root() != self._tree.root():",
        ":",
        f"{DIARY}::test_a_bit_that_flips_in_memory_is_found_and_healed_from_the_disk",
    ),
    Mutant(
        "flaw_forgiven_for_ever",
        "A machine whose memory is broken goes on signing, flaw after flaw.",
        "node/talos/core/diary.py",
        "        if self._flaws <= 1:\n            self._flaw = None",
        "        self._flaw = None",
        f"{DIARY}::test_the_second_flaw_is_for_good",
    ),
    Mutant(
        "last_entries_not_hashed_again",
        "A log whose newest entries were changed on disk is opened, and goes on.",
        "node/talos/core/diary.py",
        "            self._recheck(start)\n",
        "",
        f"{OPENING}::test_a_log_is_not_opened_where",
    ),
    Mutant(
        "leaf_without_a_body_signed",
        "Who has the disk and no key puts words into our mouth after a crash, and we sign them.",
        "node/talos/core/diary.py",
        "        if sealed is None:\n            raise Damaged(",
        "        if sealed is None:\n            return [of_type(Leaf.decode(raw).type)]\n            raise Damaged(",
        f"{OPENING}::test_what_somebody_without_keys_wrote_after_the_last_checkpoint_is_never_signed",
    ),
    # Checked
    Mutant(
        "nonsense_in_a_body",
        "A log with bodies that no reader can show is said to be whole.",
        "node/talos/core/chain.py",
        "        check_body(leaf.type, opened.body)\n",
        "",
        f"{ROWS}::test_whoever_has_the_passphrase_finds_a_body_that_its_type_does_not_have_though_the_log_itself_wrote_it",
    ),
    Mutant(
        "kept_checkpoints_ignored",
        "The holder of the log's key rewrites it for those too who kept a checkpoint.",
        "node/talos/core/chain.py",
        "    expected = [*held, signed]",
        "    expected = [signed]",
        f"{CHAIN}::test_whoever_kept_a_checkpoint_finds_what_was_rewritten_and_signed_with_the_key_of_the_log",
    ),
    Mutant(
        "one_body_more_may_be_gone",
        "A body can be deleted without an entry that tells of it.",
        "node/talos/core/chain.py",
        "    if size - check.bodies > check.redacted:",
        "    if size - check.bodies > check.redacted + 1:",
        f"{CHAIN}::test_a_body_that_is_gone_and_was_not_erased_is_damage",
    ),
    Mutant(
        "any_body_may_be_gone",
        "An entry that tells of one body lets another be deleted in its place.",
        "node/talos/core/chain.py",
        "if untold := gone & ~self._named.get(bundle, 0):",
        "if untold := gone and not self._named.get(bundle, 0):",
        f"{ERASED}::test_another_body_than_the_one_erased_is_missed_with_the_passphrase",
    ),
    Mutant(
        "index_may_lack_rows",
        "An entry whose row was taken out of the index is found by no query, and nobody is told.",
        "node/talos/core/chain.py",
        "            self._check_index_row(key, 0, size)\n",
        "            pass\n",
        f"{ROWS}::test_the_index_by_type_is_found_wrong_if",
    ),
    Mutant(
        "last_leaf_may_be_gone",
        "The newest entry can be taken away as long as nothing was signed for it.",
        "node/talos/core/chain.py",
        "    if traced > next_index(rows):",
        "    if False:",
        f"{ROWS}::test_the_last_entry_is_missed_even_if_nothing_was_signed_for_it",
    ),
    Mutant(
        "card_of_any_log",
        "A peer shows somebody else's log as its own.",
        "node/talos/services/audit.py",
        "        card.check(key_log)\n        return head_of",
        "        return head_of",
        f"{PEERS}::test_a_peer_that_shows_somebody_elses_log_is_refused",
    ),
    # Refusals, and who reads
    Mutant(
        "peers_use_up_the_strangers_day",
        "A misbehaving peer keeps what strangers do out of the log.",
        "node/talos/core/refusals.py",
        "self._spent = sum(peer == STRANGER for peer, _ in self._leaving)",
        "self._spent = len(self._leaving)",
        f"{REFUSALS}::test_peers_use_nothing_up_of_the_strangers_day",
    ),
    Mutant(
        "strangers_always_have_one",
        "Strangers get an entry a minute however many they had: over a year they fill the disk.",
        "node/talos/core/refusals.py",
        "return max(0, STRANGER_ENTRIES_MAX - self._written)",
        "return max(1, STRANGER_ENTRIES_MAX - self._written)",
        f"{REFUSALS}::test_strangers_get_a_thousand_entries_a_day_and_what_is_over_waits_counted",
    ),
    Mutant(
        "clock_gives_a_second_day",
        "Whoever can set the clock ahead and back gives strangers a new day each time.",
        "node/talos/core/refusals.py",
        "elif day < self._day - DAYS_AHEAD_MAX:\n            self._day = day",
        "elif day < self._day - DAYS_AHEAD_MAX:\n            self._day, self._written = day, 0",
        f"{REFUSALS}::test_days_after_a_clock_that_was_far_ahead_are_counted_one_by_one",
    ),
    Mutant(
        "clock_silences_strangers",
        "A clock that was once a year ahead keeps strangers out of the log until then.",
        "node/talos/core/refusals.py",
        "        elif day < self._day - DAYS_AHEAD_MAX:\n            self._day = day\n",
        "",
        f"{REFUSALS}::test_days_after_a_clock_that_was_far_ahead_are_counted_one_by_one",
    ),
    Mutant(
        "restart_gives_a_second_day",
        "What strangers have used up is not on disk, so each restart gives them a new day.",
        "node/talos/core/refusals.py",
        "_DAY.pack(self._day, self._written + self._spent)",
        "_DAY.pack(self._day, self._written)",
        f"{REFUSALS}::test_a_restart_gives_strangers_no_second_day",
    ),
    Mutant(
        "tally_lost_with_its_commit",
        "What was refused while the disk was full is never written down.",
        "node/talos/services/audit.py",
        "        self._desk.post.refusals.settle(written=False)",
        "        self._desk.post.refusals.settle(written=True)",
        f"{TALLY}::test_a_tally_that_cannot_be_written_counts_on_and_shows_until_it_is",
    ),
    Mutant(
        "question_costs_a_flush",
        "A peer that asks for our head again and again makes us flush the disk each time.",
        "node/talos/services/audit.py",
        "if note is None or now - self._shown_at >= PUBLISH_S:",
        "if True:",
        f"{TALLY}::test_questions_lead_to_no_more_checkpoints_than_one_a_second",
    ),
    Mutant(
        "stream_reads_all_at_once",
        "Who follows a long log from its beginning holds all of it in memory.",
        "node/talos/services/audit.py",
        "stop = min(self._committer.size, index + STREAM_ENTRIES)",
        "stop = self._committer.size",
        "tests/node/services/test_audit.py::test_what_follows_comes_in_parts_of_a_bounded_size",
    ),
)
