"""Bugs of beacons: who is heard on one's own network, what is believed, and what a liar there costs."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LAN: Final = "tests/node/test_lan.py"
HOSTILE: Final = "tests/node/test_lan_hostile.py"
NEIGHBOURS: Final = "tests/node/core/test_neighbours.py"
MULTICAST: Final = "tests/node/drivers/test_multicast.py"
SERVICE: Final = "node/talos/services/discovery/lan.py"

MUTANTS: Final = (
    Mutant(
        "nobody_answers_a_newcomer",
        "Who starts second is found at once, and finds nobody for half a minute.",
        SERVICE,
        "            self._asked.set()\n            self._came.set()",
        "            self._came.set()",
        f"{LAN}::test_whoever_starts_first_both_find_each_other_at_once_and_can_talk",
    ),
    Mutant(
        "no_way_in_by_neighbours",
        "Two nodes on one network hear each other and never make a DHT.",
        SERVICE,
        "            self._came.set()\n            self._met",
        "            self._met",
        f"{LAN}::test_two_nodes_form_a_dht_with_nothing_set_at_all",
    ),
    Mutant(
        "mail_waits_for_the_hour",
        "A peer is heard, and what waits for it waits on.",
        "node/talos/services/discovery/service.py",
        "if peer.did == did and peer.link is None and peer.conversation.has_work:",
        "if not peer:",
        f"{LAN}::test_what_waits_for_a_peer_goes_when_it_comes_near",
    ),
    Mutant(
        "beacon_of_ourselves",
        "Somebody repeats our record under his own key, and we take him for a neighbour.",
        SERVICE,
        "if beacon.key == me.pair.public or record.did == me.did:",
        "if beacon.key == me.pair.public:",
        f"{HOSTILE}::test_beacons_that_break_a_rule_are_counted_and_have_no_effect",
    ),
    Mutant(
        "lie_takes_a_peers_place",
        "A false record about a peer makes us forget where it is.",
        SERVICE,
        "if verdict is False:",
        "if verdict is False and not record.seq:",
        f"{HOSTILE}::test_a_false_record_is_not_believed_and_hides_nobody",
    ),
    Mutant(
        "beacons_without_budget",
        "Whoever sends beacons as fast as he can makes us decode all of them.",
        SERVICE,
        "BEACON_SIZE_MAX + CIRCLE_SIZE or not self._desk.spend(Work.BEACON, who)",
        "BEACON_SIZE_MAX + CIRCLE_SIZE",
        f"{HOSTILE}::test_a_flood_costs_a_budget_and_leaves_others_theirs",
    ),
    Mutant(
        "source_before_what_is_signed",
        "Who repeats a beacon is dialled before the peer itself.",
        "node/talos/services/discovery/service.py",
        "[*ways_of(record), *self.lan.places(record.did)]",
        "[*self.lan.places(record.did), *ways_of(record)]",
        f"{HOSTILE}::test_a_true_record_from_elsewhere_is_a_place_to_try_after_those_that_are_signed",
    ),
    Mutant(
        "old_record_for_a_new_one",
        "A beacon of an hour ago, repeated, makes us forget where a peer is now.",
        "node/talos/core/neighbours.py",
        "known.is_true and rank(known.record) > rank(one.record)",
        "known.is_true and rank(known.record) < rank(one.record)",
        f"{HOSTILE}::test_a_beacon_that_somebody_repeats_is_an_address_that_leads_nowhere",
    ),
    Mutant(
        "one_source_fills_the_table",
        "A thousand names of one source leave no place for its neighbours.",
        "node/talos/core/neighbours.py",
        "if self._shares[newest.share] > PER_SOURCE_MAX:",
        "if self._shares[newest.share] > NEIGHBOURS_MAX:",
        f"{NEIGHBOURS}::test_a_source_that_floods_crowds_out_only_itself",
    ),
    Mutant(
        "beacon_over_the_default_route",
        "A node on loopback tells the whole network of itself.",
        "node/talos/drivers/multicast.py",
        "            sending.setsockopt(*interface.chosen)\n",
        "",
        f"{MULTICAST}::test_packets_go_no_further_than_one_hop_and_only_to_this_interface",
    ),
    Mutant(
        "hears_what_others_joined",
        "A node on loopback hears, and answers, what comes in on every interface that another program has joined.",
        "node/talos/drivers/multicast.py",
        "opened.setsockopt(IP, IP_MULTICAST_ALL, 0)",
        "opened.setsockopt(IP, IP_MULTICAST_ALL, 1)",
        f"{MULTICAST}::test_packets_go_no_further_than_one_hop_and_only_to_this_interface",
    ),
)
