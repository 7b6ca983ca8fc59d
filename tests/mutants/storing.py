"""Bugs of what is kept: keystore, sealed rows, files, the data folder, and the one writer of the store."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

BOX: Final = "tests/node/core/test_vault_box.py"
CHECKPOINT: Final = "tests/node/services/test_commit_checkpoint.py"
COMMIT: Final = "tests/node/services/test_commit.py"
FILES: Final = "tests/node/drivers/test_files.py"
FOLDER: Final = "tests/node/drivers/test_data_folder.py"
KEYSTORE: Final = "tests/node/drivers/test_keystore.py"
OWN_STEPS: Final = "tests/node/services/test_own_steps.py"
VAULT: Final = "tests/node/core/test_vault.py"

MUTANTS: Final = (
    Mutant(
        "own_steps_read_nothing_back",
        "A node whose store is gone goes on handing out what it was told is done, until a peer says something.",
        "node/talos/services/commit.py",
        "            self.failed()\n",
        "",
        f"{OWN_STEPS}::test_a_node_ends_at_a_step_of_its_own_if_it_cannot_read_back_what_is_on_disk",
    ),
    Mutant(
        "own_steps_fail_in_silence",
        "A store that takes nothing is shown as well, for only peers count.",
        "node/talos/services/commit.py",
        "            self.trouble = str(failure)\n",
        "",
        f"{OWN_STEPS}::test_what_the_store_did_not_take_shows_until_it_has_taken_something",
    ),
    Mutant(
        "well_again_without_a_write",
        "A store that takes nothing is shown as well, because somebody asked for nothing.",
        "node/talos/services/commit.py",
        "        if not any(request.size for request in group):\n            return\n",
        "        if not any(request.size for request in group):\n            self.trouble = None\n            return\n",
        f"{OWN_STEPS}::test_what_the_store_did_not_take_shows_until_it_has_taken_something",
    ),
    Mutant(
        "frames_have_no_room",
        "Messages are taken without room for their frames: when all peers come at once the reserve is used up.",
        "node/talos/core/room.py",
        "self.under_way + self.promised + size",
        "self.under_way + size",
        "tests/node/core/test_room.py::test_frames_that_are_still_to_be_made_count_as_if_they_were_there",
    ),
    Mutant(
        "promise_kept_twice",
        "What a failed commit took back is promised for ever, and a store that is empty takes nothing.",
        "node/talos/core/conversation.py",
        "        talk.outbox.leave()\n",
        "",
        "tests/node/core/test_conversation.py::test_a_failed_commit_takes_back_what_was_promised_with_it",
    ),
    # Sealed files and the keystore
    Mutant(
        "seed_file_unlocks",
        "One sealed file can be put in the place of the other, and is believed.",
        "node/talos/drivers/sealed_file.py",
        "if (magic, version, wanted) != (_MAGIC, _VERSION, purpose):",
        "if (magic, version) != (_MAGIC, _VERSION):",
        f"{KEYSTORE}::test_one_file_does_not_serve_as_the_other",
    ),
    Mutant(
        "most_passes_refused",
        "A keystore that was sealed at the highest cost we grant does not open again.",
        "node/talos/drivers/sealed_file.py",
        "1 <= cost.passes <= PASSES_MAX",
        "1 <= cost.passes < PASSES_MAX",
        f"{KEYSTORE}::test_the_most_passes_that_we_grant_are_granted",
    ),
    Mutant(
        "forged_header_takes_memory",
        "A forged file makes the node ask for four times the memory that it grants, and swap.",
        "node/talos/drivers/sealed_file.py",
        "<= cost.memory_kib <= MEMORY_MAX_KIB",
        "<= cost.memory_kib <= 4 * MEMORY_MAX_KIB",
        f"{KEYSTORE}::test_a_header_that_asks_for_too_much_work_is_refused_before_it",
    ),
    Mutant(
        "passphrase_folded",
        "Passphrases that only look alike open the same file, so there are fewer of them to guess.",
        "node/talos/drivers/sealed_file.py",
        'normalize("NFC", passphrase)',
        'normalize("NFKC", passphrase)',
        f"{KEYSTORE}::test_letters_that_only_look_alike_are_not_the_same_passphrase",
    ),
    Mutant(
        "exchanged_keys_accepted",
        "Keys that lie open, put in the place of sealed ones, are run on by whoever brings a passphrase.",
        "node/talos/drivers/sealed_file.py",
        "        if passphrase is not None:\n            # Whoever",
        "        if False:\n            # Whoever",
        f"{KEYSTORE}::test_a_passphrase_for_what_is_sealed_under_none_is_refused_because_somebody_may_have_exchanged_it",
    ),
    Mutant(
        "group_may_read",
        "Keys that the group can read are used without a word.",
        "node/talos/drivers/keystore.py",
        "_OTHERS: Final = 0o077",
        "_OTHERS: Final = 0o007",
        f"{KEYSTORE}::test_a_file_that_others_can_reach_is_refused_with_the_mend",
    ),
    Mutant(
        "seed_under_the_nodes_passphrase",
        "Whoever learns the passphrase of the running node has the recovery seed too.",
        "node/talos/drivers/keystore.py",
        "root_passphrase or passphrase,",
        "passphrase,",
        f"{KEYSTORE}::test_the_seed_may_have_a_place_and_a_passphrase_of_its_own",
    ),
    Mutant(
        "keys_before_the_seed",
        "A node that is killed between the two files has an identity whose seed nobody was ever shown.",
        "node/talos/drivers/keystore.py",
        "in ((self.root_path, sealed.root), (self.unlock_path, sealed.unlock)):",
        "in ((self.unlock_path, sealed.unlock), (self.root_path, sealed.root)):",
        "tests/node/cli/test_init.py::test_killed_before_it_has_shown_the_seed_it_can_be_run_again",
    ),
    Mutant(
        "half_a_keystore_stays",
        "A keystore that could not be written whole leaves the seed of no identity behind.",
        "node/talos/drivers/keystore.py",
        "                undo.callback(discard, path)\n",
        "",
        f"{KEYSTORE}::test_nothing_half_made_stays_where_making_fails",
    ),
    # Sealed rows
    Mutant(
        "places_written_alike",
        "A sealed row opens in another table whose name and key join to the same bytes.",
        "node/talos/core/vault.py",
        'return table.encode() + b"\\x00" + row_key',
        "return table.encode() + row_key",
        f"{VAULT}::test_a_row_moved_to_another_place_does_not_open",
    ),
    Mutant(
        "one_key_for_all_boxes",
        "A body of the audit log opens in any other table that is sealed by a box.",
        "node/talos/core/vault.py",
        "info=LABEL_BOX + table.encode()",
        "info=LABEL_BOX",
        f"{BOX}::test_the_box_of_another_table_opens_nothing",
    ),
    # Files and the folder
    Mutant(
        "content_not_flushed",
        "After a power cut the keystore has its name and no content.",
        "node/talos/drivers/files.py",
        "        os.fsync(file)\n",
        "",
        f"{FILES}::test_content_is_flushed_before_it_gets_its_name_and_the_name_after",
    ),
    Mutant(
        "name_not_flushed",
        "After a power cut the keystore that was said to be written is not there.",
        "node/talos/drivers/files.py",
        "        new.replace(path)\n        sync_folder(path.parent)",
        "        new.replace(path)",
        f"{FILES}::test_content_is_flushed_before_it_gets_its_name_and_the_name_after",
    ),
    Mutant(
        "umask_has_a_say",
        "A file gets another mode than was asked for.",
        "node/talos/drivers/files.py",
        "        os.fchmod(file, mode)  # The",
        "        # The",
        f"{FILES}::test_the_mode_is_the_one_asked_for_whatever_the_umask",
    ),
    Mutant(
        "half_a_store_stays",
        "An `init` that failed leaves a store, and the next one moves it aside as if it had been somebody's.",
        "node/talos/drivers/data_folder.py",
        '                undo.callback(shutil.rmtree, self.path / "store", ignore_errors=True)\n',
        "",
        f"{FOLDER}::test_a_making_that_fails_leaves_nothing_but_the_lock",
    ),
    Mutant(
        "seed_overwritten",
        "An `init` over the rest of a lost identity destroys its seed.",
        "node/talos/drivers/data_folder.py",
        "            self._set_aside()\n",
        "",
        f"{FOLDER}::test_a_store_and_a_seed_without_an_identity_are_moved_aside_together_and_kept",
    ),
    Mutant(
        "two_nodes_in_a_folder",
        "Two nodes run on the same ratchets, and write the same log.",
        "node/talos/drivers/folder_lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/node/drivers/test_folder_lock.py::test_a_held_folder_names_its_holder_and_what_to_do",
    ),
    # The committer
    Mutant(
        "entries_weigh_nothing",
        "Thousands of small entries go into one transaction, and a lone step waits for all of them.",
        "node/talos/services/commit.py",
        "    size = len(step.entries) * ENTRY_ROWS_SIZE\n",
        "    size = 0\n",
        f"{COMMIT}::test_entries_count_with_all_their_rows_however_small_their_bodies",
    ),
    Mutant(
        "group_of_999",
        "A group that would just fit is cut in two, and the second half waits for another flush of the disk.",
        "node/talos/services/commit.py",
        "if steps > STEPS_MAX or size > SIZE_MAX:",
        "if steps >= STEPS_MAX or size > SIZE_MAX:",
        f"{COMMIT}::test_a_transaction_takes_a_thousand_steps_and_no_more",
    ),
    Mutant(
        "diary_stays_ahead",
        "After a failed commit the log goes on behind entries that never reached the disk.",
        "node/talos/services/commit.py",
        "            if self._is_ahead:\n                self._diary.reload()\n",
        "",
        f"{COMMIT}::test_after_a_failure_the_index_goes_on_from_what_is_on_disk",
    ),
    Mutant(
        "shown_before_it_is_durable",
        "A checkpoint is shown that a power cut takes back: to whoever kept it, the log has been rewritten.",
        "node/talos/services/commit.py",
        "            self._store.commit(writes)\n            diary.signed(writes)",
        "            diary.signed(writes)\n            self._store.commit(writes)",
        f"{CHECKPOINT}::test_a_checkpoint_that_did_not_reach_the_disk_is_not_the_newest",
    ),
    Mutant(
        "found_again_and_not_told",
        "Entries of a commit that failed and turned up after all are never streamed.",
        "node/talos/services/commit.py",
        "self._see_growth()  # A commit",
        "pass  # A commit",
        "tests/node/services/test_commit_in_doubt.py::test_what_turned_up_after_all_is_signed_and_told_of",
    ),
)
