"""Bugs of whom a node of the DHT knows and asks: who is forgotten, who is believed, and how far a liar leads it."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

TABLE: Final = "tests/dht/test_table.py"
CALLS: Final = "tests/dht/test_calls.py"
LOOKUP: Final = "tests/dht/test_lookup.py"
LIES: Final = "tests/dht/test_lookup_lies.py"
LOST: Final = "tests/dht/test_lost.py"

MUTANTS: Final = (
    Mutant(
        "deaf_after_a_cut",
        "Whose line was cut while it asked everybody asks nobody any more.",
        "dht/talos_dht/table.py",
        "for of in (Bucket.heard, Bucket.contacts):",
        "for of in (Bucket.heard,):",
        f"{TABLE}::test_where_all_owe_us_an_answer_all_are_asked_again_and_who_answers_is_alone_until_others_do",
    ),
    Mutant(
        "lost_for_ever",
        "Two halves of a network that have forgotten each other stay two after the cut.",
        "dht/talos_dht/dht.py",
        "                self._lost.add(call.contact)",
        "                pass",
        f"{LOST}::test_halves_that_have_forgotten_each_other_are_one_again_after_the_cut",
    ),
    Mutant(
        "back_alone",
        "Who comes back is known again, and nobody whom it knows.",
        "dht/talos_dht/dht.py",
        "if self._lost.is_back(sender) or is_found:",
        "if (self._lost.is_back(sender) or is_found) and self._back:",
        f"{LOST}::test_one_that_is_back_is_enough_to_find_its_half",
    ),
    Mutant(
        "closest_in_order_of_ids",
        "Lookups begin with contacts that are not the nearest, and answers tell of others.",
        "dht/talos_dht/table.py",
        "key=lambda bucket: bucket.gap(goal)",
        "key=lambda bucket: bucket.range[0]",
        f"{TABLE}::test_c1_where_a_bucket_has_too_few_the_rest_are_of_the_next_nearest",
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
        "if entry.failures < FAILURES_MAX:",
        "if not entry.failures:",
        f"{TABLE}::test_c11_one_lost_request_evicts_nobody_and_two_in_a_row_do",
    ),
    Mutant(
        "network_without_a_share",
        "Who has one network fills the table with its ids.",
        "dht/talos_dht/table.py",
        "in_bucket < PER_BUCKET_NETWORK_MAX and left < PER_TABLE_NETWORK_MAX",
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
)
