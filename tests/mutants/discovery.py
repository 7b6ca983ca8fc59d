"""Bugs of what a node of the DHT holds and answers: what is believed and kept, and what a liar costs."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

STATEMENT: Final = "tests/dht/test_statement.py"
SHELF: Final = "tests/dht/test_shelf.py"
CHECKED: Final = "tests/dht/test_shelf_checked.py"
SERVER: Final = "tests/dht/test_server.py"
METER: Final = "tests/dht/test_meter.py"
PENDING: Final = "tests/dht/test_pending.py"
ASKED: Final = "tests/dht/test_asked_back.py"
NODE: Final = "tests/dht/test_dht.py"
LOST: Final = "tests/dht/test_lost.py"
UNCHECKED: Final = "tests/dht/test_unchecked.py"
READING: Final = "tests/dht/test_publish_and_read.py"

MUTANTS: Final = (
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
        "silent_are_not_saved",
        "Who restarts while a cut leaves it a neighbour or two never finds anybody else again.",
        "dht/talos_dht/dht.py",
        "[*[*self._lost][: max(0, K - len(self.table))], *self._earlier]",
        "self._earlier",
        f"{LOST}::test_where_few_are_left_some_of_those_that_fell_silent_are_saved_behind_them",
    ),
    Mutant(
        "a_neighbour_is_all_that_is_saved",
        "Who starts while its line is down, and hears a neighbour, forgets all others for good.",
        "dht/talos_dht/dht.py",
        "max(0, K - len(self.table))], *self._earlier]",
        "max(0, K - len(self.table))]]",
        f"{LOST}::test_who_starts_while_its_line_is_down_forgets_nobody_because_a_neighbour_answers",
    ),
    Mutant(
        "a_neighbour_is_all_that_is_asked",
        "Who starts while its line is down, and hears a neighbour, asks nobody else until it is restarted.",
        "dht/talos_dht/dht.py",
        "*self._lost.turn(), *self._earlier.turn()]",
        "*self._lost.turn()]",
        f"{LOST}::test_who_started_while_its_line_was_down_is_back_in_its_network_minutes_after",
    ),
    Mutant(
        "silent_are_always_saved",
        "Who starts asks those that have been gone for long, whomever else it knows.",
        "dht/talos_dht/dht.py",
        "max(0, K - len(self.table))",
        "K",
        f"{LOST}::test_where_enough_are_left_nobody_that_fell_silent_is_saved",
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
        "if self._store(one, now) != _refused(Reason.KEY_LOG):",
        "if self._store(one, now):",
        f"{PENDING}::test_what_came_of_a_key_log_may_not_be_enough_and_then_what_was_put_waits_for_more",
    ),
    Mutant(
        "shown_is_as_good_as_new",
        "Who shows an old key log again and again has others' statements pushed out before its own.",
        "dht/talos_dht/server.py",
        "            if self._store(one, now) != _refused(Reason.KEY_LOG):\n                self._pending.drop(one)\n",
        "            self._pending.drop(one)\n            self._store(one, now)\n",
        f"{PENDING}::test_a_key_log_that_is_too_short_makes_nothing_wait_longer_than_what_came_later",
    ),
    Mutant(
        "waits_for_ever",
        "What nobody could hold any more takes the places of what waits for its key log.",
        "dht/talos_dht/pending.py",
        "if one.held.expires_ms <= utc_ms",
        "if not one.held.expires_ms",
        f"{PENDING}::test_what_has_expired_waits_no_more_and_takes_nobodys_place",
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
        "quickest_withholds_the_key_log",
        "Of all who hold a record only the quickest is asked for the key log to check it by.",
        "dht/talos_dht/unchecked.py",
        "tuple(entry.tellers)",
        "tuple(entry.tellers[:1])",
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
