"""Bugs of the ratchet: keys that live too long, are used twice, or bind too little."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

FRAMES: Final = "tests/ratchet/test_frames.py"
KEYS: Final = "tests/ratchet/test_header_keys.py"
LATE: Final = "tests/ratchet/test_late_keys.py"
SETS: Final = "tests/ratchet/test_session_set.py"
SODIUM: Final = "tests/ratchet/test_sodium.py"
VECTORS: Final = "tests/ratchet/test_session_vectors.py"

MUTANTS: Final = (
    Mutant(
        "nonce_counts_messages",
        "A store that was rolled back seals other words under the same key and nonce, and both can be read.",
        "ratchet/talos_ratchet/ratchet.py",
        "nonce, ad = entropy(NONCE_SIZE), self.ad",
        'nonce, ad = number.to_bytes(NONCE_SIZE, "big"), self.ad',
        "tests/ratchet/test_order.py::test_two_reloads_of_one_row_seal_under_one_key_but_never_one_nonce",
    ),
    Mutant(
        "lane_not_authenticated",
        "What a lane's frames are bound to no longer says which lane it is.",
        "ratchet/talos_ratchet/ratchet.py",
        "self.ad = transcript + bytes([lane])",
        "self.ad = transcript",
        f"{VECTORS}::test_the_vectors_are_made_again_byte_for_byte",
    ),
    Mutant(
        "party_sizes_not_hashed",
        "Two pairs of party records that join to the same bytes have one transcript.",
        "ratchet/talos_ratchet/handshake.py",
        '*(len(party).to_bytes(SIZE_BYTES, "big") + party for party in',
        "*(party for party in",
        f"{VECTORS}::test_the_vectors_are_made_again_byte_for_byte",
    ),
    Mutant(
        "signed_prekey_stays",
        "The row of a new session holds the signed prekey's secret: who steals it opens every first contact of a week.",
        "ratchet/talos_ratchet/handshake.py",
        "    control.turn(entropy)  # At once,",
        "    # At once,",
        "tests/ratchet/test_handshake.py::test_the_signed_prekey_is_not_in_the_rows_of_the_session",
    ),
    Mutant(
        "replayed_opening_confirms",
        "Whoever plays a recorded opening again gets a session that is sent on.",
        "ratchet/talos_ratchet/session.py",
        "ratchet.chain >= (1 if self.initiated else 2)",
        "ratchet.chain >= 1",
        "tests/ratchet/test_handshake.py::test_a_replayed_opening_confirms_nothing",
    ),
    Mutant(
        "seeds_of_lanes_stay",
        "Who steals the rows later derives the first keys of the message lane once more.",
        "ratchet/talos_ratchet/session.py",
        '        self._seeds = b""  # Whoever',
        "        # Whoever",
        "tests/ratchet/test_lanes.py::test_the_seeds_of_the_lanes_are_gone_once_they_are_in_use",
    ),
    Mutant(
        "peer_turns_twice",
        "A peer that turns again and again makes us work, and keep chains, without our ever having answered.",
        "ratchet/talos_ratchet/ratchet.py",
        "        if not self.turn_due:\n",
        "        if True:\n",
        f"{FRAMES}::test_the_peer_cannot_turn_twice_before_we_have_turned",
    ),
    Mutant(
        "taken_messages_taken_back",
        "A header may claim that the last chain was shorter than what we have taken of it.",
        "ratchet/talos_ratchet/receive.py",
        "if ours is None or previous < received:",
        "if ours is None:",
        f"{FRAMES}::test_a_header_that_takes_back_messages_already_taken_is_refused",
    ),
    Mutant(
        "late_key_not_dropped",
        "The key of a late message stays after it was used, for whoever steals the rows.",
        "ratchet/talos_ratchet/receive.py",
        "leap = Leap(now_ms, [*ratchet.late.expired(now_ms), place])",
        "leap = Leap(now_ms, ratchet.late.expired(now_ms))",
        f"{LATE}::test_a_used_key_leaves_the_rows",
    ),
    Mutant(
        "late_key_dropped_in_memory",
        "A used key is gone from memory and stays on the disk: after a restart the same frame opens again.",
        "ratchet/talos_ratchet/late.py",
        "        del self.kept[place]\n        self._changed.add(place)",
        "        del self.kept[place]",
        "tests/ratchet/test_rows.py::test_the_changes_since_the_start_add_up_to_all_rows",
    ),
    Mutant(
        "late_keys_counted_apart",
        "Two jumps of one frame are each within what is kept, and together over it.",
        "ratchet/talos_ratchet/late.py",
        "if kept + sum(jumps) > LATE_KEYS_MAX:",
        "if kept + max(jumps) > LATE_KEYS_MAX:",
        f"{LATE}::test_a_new_chain_whose_two_jumps_together_do_not_fit_is_refused_without_work",
    ),
    Mutant(
        "late_key_lives_a_millisecond_less",
        "A frame that comes on the last millisecond of its seven days is refused.",
        "ratchet/talos_ratchet/late.py",
        "return now_ms - kept_ms > LATE_KEY_LIFE_MS",
        "return now_ms - kept_ms >= LATE_KEY_LIFE_MS",
        f"{LATE}::test_a_late_frame_opens_to_the_last_millisecond_of_seven_days",
    ),
    Mutant(
        "unread_keys_stay",
        "Keys of a chain that is remembered no more stay for ever, and rows grow without end.",
        "ratchet/talos_ratchet/receive.py",
        "        leap.gone += unread\n",
        "",
        "tests/ratchet/test_rows.py::test_rows_stay_small_however_long_the_talk",
    ),
    Mutant(
        "expired_key_still_counted_on",
        "A frame that was opened with a key which has expired since is taken all the same.",
        "ratchet/talos_ratchet/ratchet.py",
        "        if places:\n            self.version += 1  # An opened frame may count on a key that is gone now.\n",
        "",
        f"{LATE}::test_what_counts_on_a_key_that_has_expired_since_cannot_be_taken",
    ),
    Mutant(
        "sender_pushed_out",
        "Strangers' openings push the session out that messages are sent on.",
        "ratchet/talos_ratchet/session_set.py",
        "(one for one in self._sessions.values() if one is not sender)",
        "(one for one in self._sessions.values())",
        f"{SETS}::test_the_sender_stays_though_it_is_the_oldest_and_nobody_asked_for_it_yet",
    ),
    Mutant(
        "old_chains_without_measure",
        "Garbage is tried against every old chain of every session.",
        "ratchet/talos_ratchet/session_set.py",
        "most=left)",
        "most=HEADER_KEYS_MAX)",
        f"{KEYS}::test_garbage_is_tried_against_no_more_than_eight_header_keys_and_derives_nothing",
    ),
    Mutant(
        "old_chains_cost_nothing",
        "The old chains that were tried are not counted, and each session has room for all of its own.",
        "ratchet/talos_ratchet/session_set.py",
        "            left -= len(ratchet.old)\n",
        "",
        f"{KEYS}::test_garbage_is_tried_against_no_more_than_eight_header_keys_and_derives_nothing",
    ),
    Mutant(
        "ended_chains_forgotten",
        "A session counts the messages of its newest chains alone, and is never worn out while both talk.",
        "ratchet/talos_ratchet/ratchet.py",
        "        self.ended += self.previous\n",
        "",
        "tests/ratchet/test_lanes.py::test_a_session_counts_its_messages_both_ways_whatever_turns_or_is_lost",
    ),
    Mutant(
        "superseded_day_starts_anew",
        "A session that is asked about each day never ends.",
        "ratchet/talos_ratchet/session.py",
        "        if self.superseded_ms is None:\n            self.superseded_ms = now_ms\n",
        "        if True:\n            self.superseded_ms = now_ms\n",
        f"{SETS}::test_asking_again_does_not_prolong_the_day",
    ),
    Mutant(
        "offer_serves_anybody",
        "One-time prekeys that were offered to one requester are used up by another.",
        "ratchet/talos_ratchet/bundle.py",
        'return SUITE_1.info(b"offer", signer + requester)',
        'return SUITE_1.info(b"offer", signer)',
        "tests/ratchet/test_prekeys.py::test_an_offer_serves_only_its_requester",
    ),
    Mutant(
        "prime_is_a_point",
        "The field's prime passes for a key: a second encoding of zero.",
        "ratchet/talos_ratchet/keys.py",
        'int.from_bytes(raw, "little") >= FIELD_PRIME',
        'int.from_bytes(raw, "little") > FIELD_PRIME',
        "tests/ratchet/test_known_answers.py::test_a_second_encoding_of_a_point_is_refused",
    ),
    Mutant(
        "size_left_to_c",
        "libsodium reads 32 bytes of a key that has fewer.",
        "ratchet/talos_ratchet/sodium.py",
        "    if len(secret) != KEY_SIZE or len(public) != KEY_SIZE:\n",
        "    if len(public) != KEY_SIZE:\n",
        f"{SODIUM}::test_a_key_of_another_size_is_refused",
    ),
    Mutant(
        "tag_not_waited_for",
        "What is in the buffer is handed out, whatever libsodium says of the tag.",
        "ratchet/talos_ratchet/sodium.py",
        "ad_size, nonce, self._key):\n            return None\n",
        "ad_size, nonce, self._key):\n            pass\n",
        f"{SODIUM}::test_whatever_bit_is_changed_nothing_is_opened",
    ),
    Mutant(
        "any_key_fits",
        "The first header key tried passes for the one that fits.",
        "ratchet/talos_ratchet/sodium.py",
        "        if not _open(room,",
        "        if _open(room,",
        f"{SODIUM}::test_the_one_key_that_fits_is_found",
    ),
)
