"""Bugs of finding and being found: records, key logs, registries, relays, and streams in place of datagrams."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

TABLE: Final = "tests/dht/test_table.py"
DISCOVERY: Final = "tests/node/test_discovery.py"
CHECKING: Final = "tests/node/services/discovery/test_checking.py"
FINDER: Final = "tests/node/services/discovery/test_finder.py"
ROTATED: Final = "tests/node/services/discovery/test_rotated.py"
RELAY: Final = "tests/node/test_relay.py"
HOSTILE: Final = "tests/node/test_relay_hostile.py"
LOGS: Final = "tests/node/services/discovery/test_key_logs.py"
BOXES: Final = "tests/node/core/test_boxes.py"
RESERVATIONS: Final = "tests/node/core/test_reservations.py"
BLOCKED: Final = "tests/node/test_udp_blocked.py"
PUBLISHING: Final = (
    "tests/processes/test_kill_publishing.py"
    "::test_who_is_killed_while_it_publishes_uses_no_number_twice_and_is_found_where_it_is"
)

MUTANTS: Final = (
    Mutant(
        "silent_contact_is_told_of",
        "Who owes us an answer is told to others, who wait for it in their turn.",
        "dht/talos_dht/table.py",
        "self._bucket(entry.long_id).fresh = None",
        "self._bucket(entry.long_id).touch_last_updated()",
        f"{TABLE}::test_who_owes_us_an_answer_is_told_to_nobody",
    ),
    Mutant(
        "contact_that_is_back_is_told_to_nobody",
        "One lost request, and a contact is told to nobody, however often it answers after that.",
        "dht/talos_dht/table.py",
        "entry.failures, bucket.fresh = 0, None",
        "entry.failures = 0",
        f"{TABLE}::test_who_owes_us_an_answer_is_told_to_nobody",
    ),
    Mutant(
        "peers_are_told_to_strangers",
        "Whoever asks for the key log of one of our peers learns that we know it.",
        "node/talos/services/discovery/key_logs.py",
        "if not self.is_held(did):",
        "if self.known(did) is None:",
        f"{DISCOVERY}::test_a_key_log_is_shown_only_of_whom_a_statement_is_held",
    ),
    Mutant(
        "replaced_key_counts",
        "What was signed by a key that was rotated away is believed.",
        "node/talos/services/discovery/key_logs.py",
        "if not log.state.counts(key, self._desk.now_ms()):",
        "if not log.state.is_usable():",
        f"{LOGS}::test_a_key_counts_from_its_event_until_it_is_replaced",
    ),
    Mutant(
        "revoked_publishes_on",
        "A revoked identity is found where a thief says that it is.",
        "node/talos/services/discovery/key_logs.py",
        "        if not log.state.is_usable():\n            raise",
        "        if log.state.is_usable() is None:\n            raise",
        f"{LOGS}::test_nothing_of_a_revoked_identity_is_believed",
    ),
    Mutant(
        "forged_box_is_remembered",
        "Whoever sends garbage drives the keys of honest nodes out.",
        "node/talos/core/boxes.py",
        "        shared = self._shared.get(sender) or self._agreed(sender)\n        try:",
        "        shared = self._key(sender)\n        try:",
        f"{BOXES}::test_every_flipped_byte_is_noticed",
    ),
    Mutant(
        "network_key_is_not_mixed_in",
        "A closed group is open to all.",
        "node/talos/core/boxes.py",
        "        if not self._network_key:\n            return shared",
        "        if shared:\n            return shared",
        f"{DISCOVERY}::test_a_closed_group_finds_its_own_and_is_not_heard_by_others",
    ),
    Mutant(
        "stale_registry_hides_the_dht",
        "A registry that is behind sends everybody to where a peer was, for ever.",
        "node/talos/services/discovery/finder.py",
        "if newest is not None and newest != known:",
        "if newest is not None:",
        f"{FINDER}::test_a_source_that_has_nothing_newer_than_what_failed_is_passed_over",
    ),
    Mutant(
        "true_by_an_old_key_log",
        "Who knows a key log from before a rotation believes the old key for ever.",
        "node/talos/services/discovery/finder.py",
        "true = await self._checker.true(finding.unchecked, checked)",
        "true = checked or await self._checker.true(finding.unchecked)",
        f"{ROTATED}::test_a_record_that_names_a_newer_key_log_outranks_one_that_is_true_by_ours",
    ),
    Mutant(
        "ended_by_a_newer_key_log_and_found",
        "Where a key was rotated away, what it signed leads on to whoever has it.",
        "node/talos/services/discovery/finder.py",
        "known = known if known in true else None",
        "known = known or None",
        f"{ROTATED}::test_what_was_found_before_is_not_found_again_once_a_newer_key_log_has_ended_it",
    ),
    Mutant(
        "all_who_stall_are_waited_for",
        "One of three who hold a record says nothing, and whoever looks for it waits ten seconds.",
        "node/talos/services/discovery/checking.py",
        "                    fetch.scope.cancel()\n",
        "                    continue\n",
        f"{CHECKING}::test_who_stalls_is_not_waited_for_once_another_has_shown_the_key_log",
    ),
    Mutant(
        "first_key_log_is_enough",
        "Who shows an old key log first keeps the newest record from being checked.",
        "node/talos/services/discovery/checking.py",
        "if all(_is_settled(held, true) for held in fetch.of):",
        "if all(self._logs.known(held.did) for held in fetch.of):",
        f"{CHECKING}::test_a_key_log_that_is_too_short_ends_no_wait_for_a_longer_one",
    ),
    Mutant(
        "what_may_be_newer_is_not_waited_for",
        "Who is quick to show an old record hides the newer one.",
        "node/talos/services/discovery/checking.py",
        "other.did == held.did and rank(other) >= rank(held) for other in true",
        "True for _ in true",
        f"{CHECKING}::test_what_is_newer_is_waited_for_and_of_others_what_is_as_old",
    ),
    Mutant(
        "told_of_what_would_be_newer",
        "Whoever invents a newer record and says nothing when asked has every find last ten seconds.",
        "node/talos/services/discovery/checking.py",
        "await self._desk.host.clock.sleep(NEWER_S)",
        "await self._desk.host.clock.sleep(100)",
        f"{CHECKING}::test_who_tells_of_what_would_be_newer_and_stalls_costs_a_few_seconds",
    ),
    Mutant(
        "one_find_takes_all_fetches",
        "One find that meets liars keeps all others waiting.",
        "node/talos/services/discovery/fetching.py",
        "FETCHES_MAX: Final = 32",
        "FETCHES_MAX: Final = 8",
        f"{CHECKING}::test_a_find_that_meets_liars_leaves_others_their_fetches",
    ),
    Mutant(
        "key_log_is_not_shown",
        "What is published waits for its key log at every holder until it is dropped.",
        "node/talos/services/discovery/sources.py",
        "return sum(job.stored) + await show_key_log(self._desk, job.wanting)\n\n\nclass Registry",
        "return sum(job.stored)\n\n\nclass Registry",
        f"{BLOCKED}::test_a_node_without_udp_finds_others_and_is_found",
    ),
    Mutant(
        "published_to_too_few",
        "A record that was published when one node was known is not where others look once there are many.",
        "node/talos/services/discovery/announce.py",
        'saying = self._saying(addresses) + b"%d" % self._neighbours()',
        "saying = self._saying(addresses)",
        f"{DISCOVERY}::test_who_published_to_few_publishes_again_when_there_are_more",
    ),
    Mutant(
        "saved_contacts_are_forgotten",
        "A node whose ways in are gone is alone after a restart.",
        "node/talos/services/discovery/service.py",
        "await self._find_way_in(self._saved(), self.lan.ways_in())",
        "await self._find_way_in([], self.lan.ways_in())",
        f"{DISCOVERY}::test_a_node_whose_ways_in_are_gone_comes_back_by_those_it_knew",
    ),
    Mutant(
        "saved_once",
        "A node whose line was cut for an hour comes back by nobody that it met since its start.",
        "node/talos/services/discovery/service.py",
        "        while True:\n            if not len(self.dht.table):\n"
        "                await self._find_way_in(self._saved(), ",
        "        old = self._saved()\n        while True:\n            if not len(self.dht.table):\n"
        "                await self._find_way_in(old, ",
        f"{DISCOVERY}::test_a_node_whose_line_was_cut_comes_back_by_those_it_knew_without_a_restart",
    ),
    Mutant(
        "saved_while_all_go",
        "A line that is cut for an hour leaves one contact of a hundred on disk.",
        "node/talos/services/discovery/service.py",
        "if len(self.dht.table) and self.dht.table.answers != self._answers_saved:",
        "if len(self.dht.table):",
        f"{DISCOVERY}::test_whom_a_node_knew_when_its_line_was_cut_is_kept_until_somebody_answers",
    ),
    Mutant(
        "relay_over_a_relay",
        "A node behind a relay is made to join strangers to each other.",
        "node/talos/services/errands.py",
        "if self._relay is None or self._link.is_relayed:",
        "if self._relay is None:",
        f"{HOSTILE}::test_what_came_through_a_relay_is_joined_to_nobody_else",
    ),
    Mutant(
        "call_is_never_over",
        "A caller that leaves keeps its place at the relay for ever.",
        "node/talos/services/relaying/relay.py",
        "            finally:\n                self._end(call)\n\n        return join",
        "            finally:\n                pass\n\n        return join",
        f"{HOSTILE}::test_a_call_that_its_caller_leaves_is_over_at_both_ends",
    ),
    Mutant(
        "token_is_good_for_ever",
        "Who learns an old token takes the place of a client.",
        "node/talos/core/reservations.py",
        "if ring is None or now_ms >= ring.until_ms:",
        "if ring is None:",
        f"{RESERVATIONS}::test_a_token_is_good_for_its_call_for_8_seconds",
    ),
    Mutant(
        "one_address_has_all_reservations",
        "Whoever has many identities keeps everybody else from a relay.",
        "node/talos/core/reservations.py",
        "if sum(client.host == host for client in others) >= PER_HOST_MAX:",
        "if len(others) < 0:",
        f"{RESERVATIONS}::test_an_address_has_8_reservations_and_all_together_128",
    ),
    Mutant(
        "relays_are_not_told",
        "A node is at a second relay, and nobody hears of it before the hour.",
        "node/talos/services/relaying/homes.py",
        "                home.is_reserved = True\n                self.moved.send()",
        "                home.is_reserved = True",
        f"{RELAY}::test_a_relay_that_comes_up_later_is_one_more_way_and_others_hear_of_it_at_once",
    ),
    Mutant(
        "udp_is_given_up_for_good",
        "One silent hour, and a node asks over streams for the rest of its life.",
        "node/talos/services/discovery/ports.py",
        "                    self._by_stream[near] = False\n",
        "",
        f"{BLOCKED}::test_a_node_that_hears_a_datagram_asks_over_streams_no_more",
    ),
    Mutant(
        "silenced_under_its_own_address",
        "Who forges a few datagrams a second from somebody's address keeps its answers from us.",
        "node/talos/services/discovery/ports.py",
        "if not is_known and not self._spend(",
        "if not self._spend(",
        "tests/node/services/discovery/test_ports.py::test_who_has_been_heard_is_heard_whatever_bears_its_address",
    ),
    Mutant(
        "stopped_by_a_late_stream",
        "A stream that comes in the moment of stopping makes a clean stop a crash.",
        "node/talos/services/links.py",
        "            if self._nursery.cancel_scope.cancel_called:  # It came",
        "            if stream is None:  # It came",
        "tests/node/services/test_links_stopping.py"
        "::test_a_stream_that_comes_in_the_moment_of_stopping_is_closed_and_breaks_nothing",
    ),
    Mutant(
        "silence_is_asked_again",
        "A way in that takes our question and says nothing costs each who looks for somebody ten seconds.",
        "node/talos/services/discovery/ways_in.py",
        "now + REST * (now - began)",
        "now",
        "tests/node/services/discovery/test_ways_in.py"
        "::test_who_lets_us_wait_in_vain_keeps_the_next_question_waiting_only_after_a_rest",
    ),
    Mutant(
        "first_come_keep_all",
        "A few clients of a relay that call each other keep all others out for ever.",
        "node/talos/core/reservations.py",
        "if counts[home] + 1 >= its:",
        "if counts[home] + 1 >= 0:",
        f"{RESERVATIONS}::test_where_a_few_clients_have_all_calls_the_oldest_of_theirs_makes_way_for_whoever_has_fewer",
    ),
    Mutant(
        "displaced_call_goes_on",
        "A call that made way for another keeps its streams, beyond all limits.",
        "node/talos/services/relaying/relay.py",
        'self._displace(displaced, "are joined")',
        "self._calls.pop(displaced.token)",
        f"{HOSTILE}::test_a_call_that_makes_way_for_another_ends_for_both",
    ),
    Mutant(
        "names_have_shares",
        "Who takes many names at a relay, which cost nothing, ends the calls of all others.",
        "node/talos/core/reservations.py",
        "ring = Ring(did, client.host, caller,",
        "ring = Ring(did, did, caller,",
        f"{RESERVATIONS}::test_who_has_many_names_at_one_address_has_one_share",
    ),
    Mutant(
        "ring_ends_a_call",
        "A call that works ends for one that nobody has answered.",
        "node/talos/core/reservations.py",
        '_room(self._waiting, WAITING_MAX, "wait", client.host)',
        '_room(self._joined, CALLS_MAX, "wait", client.host)',
        f"{RESERVATIONS}::test_no_ring_that_nobody_has_answered_ends_a_call_that_is_joined",
    ),
    Mutant(
        "joined_without_end",
        "Calls are joined beyond all limits.",
        "node/talos/core/reservations.py",
        '_room(self._joined, CALLS_MAX, "are joined", ring.home)',
        "None",
        f"{RESERVATIONS}::test_calls_have_a_limit_and_one_that_is_over_makes_room",
    ),
    Mutant(
        "displaced_call_waits_on",
        "A call that made way for another keeps a greeting's place for 8 s, and its caller hears nothing.",
        "node/talos/services/relaying/relay.py",
        "call.waiting.cancel()",
        "pass",
        f"{HOSTILE}::test_a_call_that_makes_way_while_it_waits_is_told_at_once_and_why",
    ),
    Mutant(
        "client_that_finds_no_room_is_silent",
        "A caller waits 8 s for a client that came at once, and was refused.",
        "node/talos/services/relaying/relay.py",
        "            self._end(call, full)\n            raise",
        "            raise",
        f"{HOSTILE}::test_a_call_whose_client_comes_when_no_more_may_be_joined_is_told_at_once",
    ),
    Mutant(
        "number_said_before_written",
        "Who is killed just after it said where it is comes back with the same number, and is not believed.",
        "node/talos/services/discovery/announce.py",
        "            await self._kept.flush()  # First",
        "            pass  # First",
        PUBLISHING,
    ),
    Mutant(
        "numbers_are_the_time",
        "Who comes back with its clock set back is not believed until the old record has expired.",
        "node/talos/core/whereabouts.py",
        "return max(now_ms, 1 + used) if used < SEQ_MAX else now_ms",
        "return now_ms",
        PUBLISHING,
    ),
)
