"""Bugs of discovery: who is found, what is believed and held, and what a liar costs."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

TABLE: Final = "tests/dht/test_table.py"
CALLS: Final = "tests/dht/test_calls.py"
LOOKUP: Final = "tests/dht/test_lookup.py"
LIES: Final = "tests/dht/test_lookup_lies.py"
STATEMENT: Final = "tests/dht/test_statement.py"
SHELF: Final = "tests/dht/test_shelf.py"
CHECKED: Final = "tests/dht/test_shelf_checked.py"
SERVER: Final = "tests/dht/test_server.py"
METER: Final = "tests/dht/test_meter.py"
PENDING: Final = "tests/dht/test_pending.py"
ASKED: Final = "tests/dht/test_asked_back.py"
NODE: Final = "tests/dht/test_dht.py"
UNCHECKED: Final = "tests/dht/test_unchecked.py"
READING: Final = "tests/dht/test_publish_and_read.py"

MUTANTS: Final = (
    Mutant(
        "closest_in_order_of_ids",
        "Lookups begin with contacts that are not the nearest, and answers tell of others.",
        "dht/talos_dht/table.py",
        "key=lambda bucket: bucket.gap(goal)",
        "key=lambda bucket: bucket.range[0]",
        f"{TABLE}::test_c1_the_closest_are_exactly_the_closest_of_all_that_are_known",
    ),
    Mutant(
        "halves_that_overlap",
        "An id at the middle of a bucket is kept in one half and looked for in the other.",
        "dht/talos_dht/table.py",
        "Bucket(middle + 1, high, self.ksize)",
        "Bucket(middle, high, self.ksize)",
        f"{TABLE}::test_c5_an_id_at_the_middle_is_looked_for_in_the_half_that_it_is_kept_in",
    ),
    Mutant(
        "one_failure_evicts",
        "One lost request lets go of a contact, and a lossy hour empties the table.",
        "dht/talos_dht/table.py",
        "if entry.failures >= FAILURES_MAX:",
        "if entry.failures:",
        f"{TABLE}::test_c11_one_lost_request_evicts_nobody_and_two_in_a_row_do",
    ),
    Mutant(
        "network_without_a_share",
        "Who has one network fills the table with its ids.",
        "dht/talos_dht/table.py",
        "in_bucket < PER_BUCKET_NETWORK_MAX and self._networks[network] < PER_TABLE_NETWORK_MAX",
        "in_bucket < PER_BUCKET_NETWORK_MAX",
        f"{TABLE}::test_s3_one_network_gets_two_places_of_a_bucket_and_three_of_the_table",
    ),
    Mutant(
        "moved_contact_not_believed",
        "Who restarts elsewhere is known at its old address for ever.",
        "dht/talos_dht/table.py",
        "known.contact.raw == contact.raw",
        "known.contact.key == contact.key",
        f"{TABLE}::test_c4_a_contact_that_answers_from_elsewhere_is_known_there_and_nowhere_else",
    ),
    Mutant(
        "answers_from_anywhere",
        "Who guesses a number answers in another's place.",
        "dht/talos_dht/calls.py",
        "call is None or call.contact != sender",
        "call is None or call.contact.id != sender.id",
        f"{CALLS}::test_s9_only_who_was_asked_can_answer_and_from_where_it_was_asked",
    ),
    Mutant(
        "sent_twice_and_measured",
        "An answer to the second datagram counts as a slow one to the first, and every wait grows.",
        "dht/talos_dht/calls.py",
        "if not call.is_late:\n            self.round_trips",
        "if call:\n            self.round_trips",
        f"{CALLS}::test_a_request_that_was_sent_again_measures_nothing",
    ),
    Mutant(
        "silent_by_its_key",
        "Whoever tells a false address of somebody keeps it from being asked anywhere.",
        "dht/talos_dht/calls.py",
        "return self._silent.get(contact.raw, now_ms) > now_ms",
        "return any(raw[:32] == contact.key for raw in self._silent)",
        f"{CALLS}::test_who_is_silent_where_it_never_was_is_not_silent_where_it_is",
    ),
    Mutant(
        "first_word_of_where_somebody_is",
        "Of a key that somebody told falsely of, no other address is ever tried.",
        "dht/talos_dht/lookup.py",
        "self._addresses[contact.id].append(contact)",
        "self._addresses[contact.id].append(self._addresses[contact.id][0])",
        f"{LIES}::test_true_keys_at_false_addresses_keep_nobody_from_being_found",
    ),
    Mutant(
        "told_takes_a_place",
        "A liar tells of nobody in somebody's network, and that one is not asked.",
        "dht/talos_dht/lookup.py",
        "for one in self._waited.values())\n        return self._networks",
        "for two in self._addresses.values() for one in two)\n        return self._networks",
        f"{LIES}::test_who_was_only_told_of_takes_nobody_s_place",
    ),
    Mutant(
        "queries_without_a_budget",
        "Liars have a lookup ask for ever.",
        "dht/talos_dht/lookup.py",
        "len(self._waited) >= ALPHA or self.queries >= QUERIES_MAX",
        "len(self._waited) >= ALPHA",
        f"{LIES}::test_c10_liars_without_end_get_the_budget_and_no_more",
    ),
    Mutant(
        "liar_believed_to_the_end",
        "One liar has all it invents asked.",
        "dht/talos_dht/lookup.py",
        "if teller and self._owed[teller] == OWED_MAX:",
        "if teller and self._owed[teller] == 0:",
        f"{LIES}::test_c10_of_the_dead_that_one_contact_tells_of_only_ten_are_asked",
    ),
    Mutant(
        "late_is_waited_for",
        "One dead contact stops a third of a lookup until it is lost.",
        "dht/talos_dht/lookup.py",
        "self._waited.pop(contact.raw, None)",
        "mark is Mark.LATE or self._waited.pop(contact.raw, None)",
        f"{LOOKUP}::test_three_are_waited_for_at_a_time_and_who_is_late_is_not_waited_for",
    ),
    Mutant(
        "record_for_ever",
        "A publisher, or who stole its key for an hour, has a record held for years.",
        "dht/talos_dht/statement.py",
        "if statement.expires_ms > utc_ms + LIFE_MS + SKEW_MS:",
        "if statement.expires_ms > TIME_MS_MAX:",
        f"{STATEMENT}::test_nobody_can_have_it_held_for_longer_than_four_hours_but_for_a_clock_that_is_ahead",
    ),
    Mutant(
        "number_before_key_log",
        "Who has a stolen key that was replaced outranks its owner with a high number.",
        "dht/talos_dht/statement.py",
        "return statement.log_seq, statement.seq, statement.encode()",
        "return statement.seq, statement.log_seq, statement.encode()",
        f"{STATEMENT}::test_the_newer_of_two_has_the_longer_key_log_or_else_the_higher_number",
    ),
    Mutant(
        "topic_chooses_its_place",
        "A provider is laid where somebody's record is, and hides it.",
        "dht/talos_dht/provider.py",
        "return place_of(self.topic, TOPIC_SALT)",
        "return self.topic[:20]",
        f"{STATEMENT}::test_a_record_lies_at_three_places_and_a_topic_at_a_fourth_which_nobody_can_choose",
    ),
    Mutant(
        "older_replaces_newer",
        "Whoever kept an old record brings it back.",
        "dht/talos_dht/shelf.py",
        "elif rank(held) < rank(old.held):",
        "elif rank(held) == rank(old.held):",
        f"{SHELF}::test_c7_the_newest_wins_whatever_the_order",
    ),
    Mutant(
        "publishing_again_lives_longer",
        "What is put again lives as if it were new, for ever.",
        "dht/talos_dht/row.py",
        "return cls(held, now.mono_ms + held.expires_ms - now.utc_ms, network)",
        "return cls(held, now.mono_ms + 3_600_000, network)",
        f"{SHELF}::test_c6_putting_it_again_makes_nothing_live_longer",
    ),
    Mutant(
        "told_as_it_was_kept",
        "What a stolen key signed is told to everybody after that key was replaced.",
        "dht/talos_dht/statement.py",
        "    if key == before:",
        "    if before:",
        f"{CHECKED}::test_what_its_key_log_does_not_bear_out_any_more_is_not_told_and_let_go",
    ),
    Mutant(
        "network_forgotten_at_a_restart",
        "After a restart one network may have its share held once more.",
        "dht/talos_dht/row.py",
        "return Row.of(held, network or None, now)",
        "return Row.of(held, None, now)",
        f"{CHECKED}::test_after_a_restart_a_row_is_in_the_share_of_the_network_that_brought_it",
    ),
    Mutant(
        "nearest_goes_first",
        "A full store lets go of what it is answerable for.",
        "dht/talos_dht/shelf.py",
        "distance, victim = self._far[-1]",
        "distance, victim = self._far[0]",
        f"{SHELF}::test_s8_a_full_store_lets_go_of_what_lies_farthest_and_takes_nothing_farther",
    ),
    Mutant(
        "flood_of_unknown_key_logs",
        "One host with many keys displaces everything that waits for its key log.",
        "dht/talos_dht/pending.py",
        "if len(alike) > PENDING_PER_NET:",
        "if len(alike) > PENDING_MAX:",
        f"{PENDING}::test_one_network_has_8_that_wait_for_key_logs_and_displaces_nobody_else_s",
    ),
    Mutant(
        "old_key_log_drops_what_waits",
        "Whoever shows an old key log of an identity has what it has put dropped.",
        "dht/talos_dht/server.py",
        "            self._store(one, now)\n",
        "            self._store(one, now)\n            self._pending.take(did)\n",
        f"{PENDING}::test_what_came_of_a_key_log_may_not_be_enough_and_then_what_was_put_waits_for_more",
    ),
    Mutant(
        "reply_as_long_as_it_likes",
        "Anybody has us send a victim twenty times what it sends us.",
        "dht/talos_dht/server.py",
        "reply.encode(BODY_MAX if proven else size)",
        "reply.encode()",
        f"{SERVER}::test_s6_no_reply_is_longer_than_a_question_without_proof",
    ),
    Mutant(
        "stored_without_a_token",
        "Anybody fills stores from forged addresses.",
        "dht/talos_dht/server.py",
        "elif not proven and (is_put or request.token):",
        "elif not proven and request.token:",
        f"{SERVER}::test_s6_nothing_is_stored_without_a_token_of_ours",
    ),
    Mutant(
        "forged_address_spends",
        "Who writes an honest host's address on datagrams keeps it from being heard.",
        "dht/talos_dht/server.py",
        "return self._tokens.holds(token_of(body), sender, now_ms)",
        "return False",
        f"{SERVER}::test_who_has_proved_its_address_is_heard_however_much_is_forged_in_its_name_or_by_all",
    ),
    Mutant(
        "site_without_a_share",
        "Who holds one /48 has all hosts in it ask, and nobody else is heard.",
        "dht/talos_dht/meter.py",
        "host_ms > most_ms or net_ms > most_ms:",
        "host_ms > most_ms:",
        f"{METER}::test_one_network_may_ask_twice_as_often_as_a_host_and_a_house_as_all_together",
    ),
    Mutant(
        "token_of_any_address",
        "A token is good at an address that never heard it.",
        "dht/talos_dht/tokens.py",
        "blake2b(contact.raw, ",
        "blake2b(contact.key, ",
        f"{SERVER}::test_a_token_is_of_one_key_at_one_address_for_five_to_ten_minutes",
    ),
    Mutant(
        "first_to_lie_is_shown",
        "Four liars that answer first keep a record whose key log is not known from ever being read.",
        "dht/talos_dht/unchecked.py",
        "(item[1].turn, -len(item[1].tellers))",
        "item[1].turn",
        f"{UNCHECKED}::test_liars_that_answer_first_do_not_keep_the_record_that_most_hold_from_being_shown",
    ),
    Mutant(
        "all_publish_at_once",
        "Whatever was published together is published together for ever.",
        "dht/talos_dht/dht.py",
        "REPUBLISH_MS - earlier_ms",
        "REPUBLISH_MS - earlier_ms % 2",
        f"{READING}::test_it_is_to_be_published_anew_within_the_hour_and_not_all_at_once",
    ),
    Mutant(
        "record_of_somebody_else",
        "Whoever is asked for one identity answers with its own.",
        "dht/talos_dht/jobs.py",
        "if record.did != self.did:\n                return",
        "if record is None:\n                return",
        f"{READING}::test_a_true_record_of_somebody_else_is_no_answer",
    ),
    Mutant(
        "stranger_told_of_printers",
        "A stranger has us send datagrams to machines in our house.",
        "dht/talos_dht/dht.py",
        "told = [contact for contact in told if contact.network is not None]",
        "told = [contact for contact in told if contact.port]",
        f"{NODE}::test_addresses_in_our_house_are_not_believed_from_outside_it",
    ),
    Mutant(
        "forgers_hold_every_place",
        "Who forges addresses keeps everybody new from being asked back, and so out of the table.",
        "dht/talos_dht/dht.py",
        "Why.PROVEN if proven else Why.SAID",
        "Why.SAID",
        f"{ASKED}::test_forged_addresses_keep_nobody_from_being_asked_back_who_has_proved_its_own",
    ),
    Mutant(
        "client_gets_a_place",
        "Who cannot be reached is told to others, and their lookups wait for it.",
        "dht/talos_dht/dht.py",
        "if request.serves and self.table.is_wanted(sender):",
        "if self.table.is_wanted(sender):",
        f"{NODE}::test_who_does_not_serve_is_answered_and_never_told_of",
    ),
)
