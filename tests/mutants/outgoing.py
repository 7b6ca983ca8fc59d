"""Bugs of the outbox and of its window: messages given up wrongly, never sent, or sent too many at once."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

LIMITS: Final = "tests/node/core/test_conversation_limits.py"
OUTBOX: Final = "tests/node/core/test_outbox.py"
WINDOW: Final = "tests/node/core/test_outbox_window.py"

MUTANTS: Final = (
    Mutant(
        "given_up_frames_stay",
        "The frame of a message that was given up stays, and after a restart is sent as if it said so.",
        "node/talos/core/outbox.py",
        "for r in run for table in (OUTBOX, FRAMES)]",
        "for r in run for table in (OUTBOX,)]",
        f"{OUTBOX}::test_neighbours_that_are_given_up_become_one_row_in_every_order",
    ),
    Mutant(
        "void_gone_with_its_first_number",
        "An acknowledgement of a part of what was given up ends all of it, and the peer waits for the rest for ever.",
        "node/talos/core/outbox.py",
        "            if row.last > high:\n                break",
        "            if row.seq > high:\n                break",
        f"{OUTBOX}::test_an_acknowledgement_of_a_part_of_a_void_leaves_the_whole_void",
    ),
    Mutant(
        "void_not_sealed_anew",
        "A peer that cannot read what came for the middle of a void gets the same bytes again and again.",
        "node/talos/core/outbox.py",
        "            if row.last >= seq:\n                row.session_id",
        "            if row.seq >= seq:\n                row.session_id",
        f"{OUTBOX}::test_going_back_into_the_middle_of_a_void_sends_the_whole_void",
    ),
    Mutant(
        "void_waits_for_a_new_link",
        "What was given up after it was sent is not told of on the link that is there.",
        "node/talos/core/outbox.py",
        "        self._back_to(first.seq)\n",
        "",
        f"{OUTBOX}::test_an_acknowledged_void_is_gone_but_delivered_nothing",
    ),
    Mutant(
        "peer_makes_us_skip",
        "A peer that wants more than was sent makes us leave out what is in between.",
        "node/talos/core/outbox.py",
        "self._ahead = min(self._sent, seq - 1), None",
        "self._ahead = seq - 1, None",
        f"{WINDOW}::test_a_peer_that_wants_more_than_was_sent_skips_nothing",
    ),
    Mutant(
        "next_number_acknowledged",
        "A peer acknowledges the number that the next message will get, and that one is never sent.",
        "node/talos/core/outbox.py",
        "if high >= self.next_seq or not",
        "if high > self.next_seq or not",
        f"{LIMITS}::test_who_acknowledges_what_was_never_sent_loses_the_link",
    ),
    Mutant(
        "refusal_outlives_acknowledgement",
        "A BUSY that an acknowledgement of the very message overtook blocks the link for ever.",
        "node/talos/core/outbox.py",
        "high >= self._blocked_at:",
        "high > self._blocked_at:",
        f"{WINDOW}::test_a_refusal_that_an_acknowledgement_overtook_does_not_block_for_ever",
    ),
    Mutant(
        "block_outlives_link",
        "A peer that was full once is sent nothing on any later link.",
        "node/talos/core/outbox.py",
        "        self._sent, self._ahead = 0, None\n        self._blocked_at = None",
        "        self._sent, self._ahead = 0, None",
        f"{WINDOW}::test_a_blocked_peer_is_sent_nothing_until_it_wants_or_a_new_link_is_there",
    ),
    Mutant(
        "window_of_65",
        "A peer's link holds more of our memory than was set.",
        "node/talos/core/outbox.py",
        "fits = ahead.rows < WINDOW_ROWS and ahead.refused < self._window and",
        "fits = ahead.rows <= WINDOW_ROWS and ahead.refused <= self._window and",
        f"{WINDOW}::test_the_window_holds_so_many_rows_and_no_more",
    ),
    Mutant(
        "busy_opens_the_window",
        "A peer that is busy about a number that was never sent has all that waits sealed and sent at once.",
        "node/talos/core/outbox.py",
        "fits = ahead.rows < WINDOW_ROWS and ",
        "fits = ",
        f"{WINDOW}::test_a_busy_about_what_was_never_sent_widens_no_window",
    ),
    Mutant(
        "busy_of_an_older_link",
        "A BUSY that is read on a link that was replaced holds the new one back, and nobody takes it back.",
        "node/talos/core/intake.py",
        "        if self._is_older:\n",
        "        if False:\n",
        f"{LIMITS}::test_a_busy_that_was_said_on_a_link_before_this_one_holds_nothing_back",
    ),
    Mutant(
        "frames_go_out_on_any_link",
        "What was sealed for a link that was replaced goes out on the new one, where it means something else.",
        "node/talos/services/post.py",
        "        if peer.link is not out:\n            out = None\n",
        "        out = peer.link\n",
        "tests/node/services/test_links.py::test_what_was_to_go_out_on_a_link_does_not_go_out_on_the_next",
    ),
    Mutant(
        "whole_window_to_the_busy",
        "Whoever has a small inbox is sent a window for each message that it takes, and loses its link for that.",
        "node/talos/core/outbox.py",
        "        self._window = 1\n",
        "        self._window = WINDOW_ROWS\n",
        "tests/node/services/test_links_limits.py::test_an_inbox_smaller_than_the_window_takes_all_and_little_is_sent_twice",
    ),
    Mutant(
        "window_stays_small",
        "After one BUSY a peer is sent one message at a time, each waiting for the word that the last has come.",
        "node/talos/core/outbox.py",
        "self._window + sum(row.last >= self._refused for row in covered))",
        "self._window)",
        f"{WINDOW}::test_after_a_busy_the_window_begins_at_one_and_grows_with_what_arrives",
    ),
    Mutant(
        "large_message_never_fits",
        "A message larger than the window waits for room that never comes, and all behind it with it.",
        "node/talos/core/outbox.py",
        "(not ahead.rows or size <= WINDOW_BYTES)",
        "size <= WINDOW_BYTES",
        f"{WINDOW}::test_a_row_larger_than_the_window_goes_alone",
    ),
)
