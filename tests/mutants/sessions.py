"""Bugs of the set of sessions with a peer: given up too late or not at all, or without end."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LIFE: Final = "tests/node/core/test_session_life.py"
CORE: Final = "tests/node/core/test_session_resets.py"
GIVEN_UP: Final = "tests/node/services/test_given_up.py"
LINKS: Final = "tests/node/services/test_links.py"
NODES: Final = "tests/node/services/test_resets.py"

MUTANTS: Final = (
    Mutant(
        "claims_count_as_messages",
        "One frame that claims two billion messages before it has the session renewed.",
        "ratchet/talos_ratchet/receive.py",
        "0 if chain is None else previous)",
        "previous)",
        "tests/ratchet/test_lanes.py::test_what_a_first_frame_claims_of_a_chain_before_it_counts_for_nothing",
    ),
    Mutant(
        "renewed_without_end",
        "A busy pair spends its time on handshakes.",
        "node/talos/services/post.py",
        "if now - peer.renewed_at >= RESET_LEAST_S else None",
        "if now > peer.renewed_at else None",
        "tests/node/services/test_resets.py::test_a_session_is_renewed_after_so_many_messages_by_who_began_it",
    ),
    Mutant(
        "crossed_session_ends_after_a_day",
        "Of two links that crossed the one that stays is mute a day later, for its session is over.",
        "node/talos/core/sessions.py",
        "            session.reinstate()\n",
        "",
        "tests/node/core/test_session_life.py::test_every_move_of_the_table_is_made",
    ),
    Mutant(
        "resuming_supersedes",
        "Who tries to resume one session gives up, past the table, the one that the other end resumes.",
        "node/talos/core/sessions.py",
        "session = self.of_link or self._set.best",
        "session = self.of_link or self._set.sending(0)",
        f"{LIFE}::test_only_a_link_supersedes_the_sessions_that_it_was_not_greeted_on",
    ),
    Mutant(
        "sealed_behind_the_goodbye",
        "What is sent for five seconds after a renewal is sealed, sent and lost, and sealed once more.",
        "node/talos/core/sessions.py",
        "return None if session is None or session.superseded_ms is not None else session",
        "return session",
        f"{CORE}::test_behind_the_goodbye_nothing_more_is_sealed_on_a_session_that_was_given_up",
    ),
    Mutant(
        "renewal_is_a_failed_try",
        "A message fails because we renewed its session.",
        "node/talos/services/messages.py",
        "            if peer.given_up == given_up:",
        "            if True:",
        f"{GIVEN_UP}::test_a_message_that_waits_when_we_renew_needs_no_second_try",
    ),
    Mutant(
        "ending_link_is_a_link",
        "Who asks for a link just after a renewal gets the one that is about to end.",
        "node/talos/services/links.py",
        "        while peer.link is not None and peer.link.is_draining:",
        "        while False:",
        f"{GIVEN_UP}::test_what_is_sent_while_the_link_of_a_session_given_up_ends_needs_one_try",
    ),
    Mutant(
        "what_came_meanwhile_is_stuck",
        "What was read on the old link during a greeting comes again, and the new link is closed for it.",
        "node/talos/core/conversation.py",
        "has_taken = heard is not None and heard != self._talk.high_water.newest",
        "has_taken = False",
        f"{CORE}::test_what_was_read_on_the_old_link_during_a_greeting_comes_again_and_the_new_link_is_not_stuck",
    ),
    Mutant(
        "link_without_what_was_told",
        "Who was dialled does not know what the dialler has heard, and closes a good link.",
        "node/talos/services/answer.py",
        "        self._link.told = answer\n",
        "",
        f"{LINKS}::test_a_link_comes_with_what_either_told_in_its_greeting",
    ),
    Mutant(
        "reset_gives_nothing_up",
        "A reset says that a session was given up, and the next link is greeted on it again.",
        "node/talos/core/sessions.py",
        "        for session in held:\n            self._move(session, Event.SUPERSEDED, now_ms)\n",
        "",
        f"{NODES}::test_a_reset_makes_a_new_session_on_both_ends_and_says_so",
    ),
    Mutant(
        "link_on_a_session_given_up",
        "A link that was greeted just before a reset is taken up, and the session goes on.",
        "node/talos/core/sessions.py",
        "if greeted is None or session_id in self._given_up or",
        "if greeted is None or",
        f"{LIFE}::test_a_link_is_not_taken_up_on_a_session_that_was_given_up_while_it_was_greeted",
    ),
    Mutant(
        "given_up_and_resumed",
        "Who has given a session up resumes it while the old link has not ended, and its own dial fails.",
        "node/talos/core/sessions.py",
        "return None if session is None or session.superseded_ms is not None else session",
        "return session",
        f"{CORE}::test_a_session_that_was_given_up_is_not_resumed_though_its_link_is_still_there",
    ),
    Mutant(
        "failed_reset_counts",
        "A reset that the store refused is not to be had again for ten seconds.",
        "node/talos/services/resets.py",
        "            peer.asked_at = asked_before  # Nothing was reset.\n",
        "",
        f"{NODES}::test_a_reset_that_the_store_refused_may_be_asked_for_again_at_once",
    ),
    Mutant(
        "link_outlives_the_reset",
        "The old link stays, and with it the session, until somebody breaks it.",
        "node/talos/services/post.py",
        '            self._say_goodbye(peer, peer.link, "its session was given up")\n            self.redial(peer)\n',
        "            pass\n",
        f"{NODES}::test_a_silent_link_is_renewed_within_the_hour",
    ),
    Mutant(
        "renewed_link_not_dialled",
        "A peer that cannot dial us hears nothing more after its session was renewed.",
        "node/talos/services/post.py",
        "            self.redial(peer)\n",
        "",
        f"{NODES}::test_a_silent_link_is_renewed_within_the_hour",
    ),
    Mutant(
        "worn_for_both",
        "Both ends renew a session at once, each time.",
        "node/talos/core/sessions.py",
        "        if session is None or not session.initiated:",
        "        if session is None:",
        f"{CORE}::test_a_session_is_worn_out_after_a_week_to_the_millisecond_whichever_way_the_clock_went",
    ),
    Mutant(
        "clock_set_back_keeps_a_session",
        "A session that was begun under a clock years ahead is never renewed.",
        "node/talos/core/sessions.py",
        "        if abs(now_ms - session.created_ms) >= wear.age_ms:",
        "        if now_ms - session.created_ms >= wear.age_ms:",
        f"{CORE}::test_a_session_is_worn_out_after_a_week_to_the_millisecond_whichever_way_the_clock_went",
    ),
    Mutant(
        "frames_counted_for_links",
        "A window that came apart once costs a handshake, though asking for it again would have done.",
        "node/talos/core/intake.py",
        "        if not talk.linked or lane in talk.on_link.unopened:",
        "        if not talk.linked:",
        f"{NODES}::test_one_window_that_does_not_open_is_asked_for_again_and_resets_nothing",
    ),
    Mutant(
        "old_failures_never_forgiven",
        "Three failures in years reset a session that is well.",
        "node/talos/core/intake.py",
        "            self._talk.unopened.pop(lane, None)\n",
        "            pass\n",
        f"{CORE}::test_links_on_which_the_lane_was_read_since_do_not_count",
    ),
    Mutant(
        "resets_without_measure",
        "A peer whose frames never open costs a handshake with each link.",
        "node/talos/services/post.py",
        "        if now - peer.reset_at >= RESET_LEAST_S:",
        "        if now > peer.reset_at:",
        f"{NODES}::test_a_session_that_has_come_apart_is_replaced_after_three_links_and_not_again_for_ten_minutes",
    ),
    Mutant(
        "stuck_link_kept",
        "A link on which no message opens stays for as long as both answer pings.",
        "node/talos/services/links.py",
        "            if peer.link is link and peer.conversation.is_stuck(self._desk.steady_ms()):",
        "            if False:",
        f"{NODES}::test_a_session_that_has_come_apart_is_replaced_after_three_links_and_not_again_for_ten_minutes",
    ),
    Mutant(
        "reset_as_often_as_one_likes",
        "A program that resets in a loop has its peer do handshakes without end.",
        "node/talos/services/resets.py",
        "        asked_before, peer.asked_at = peer.asked_at, now\n",
        "        asked_before = peer.asked_at\n",
        f"{NODES}::test_a_second_reset_within_ten_seconds_is_refused_and_does_nothing",
    ),
)
