"""Bugs of frames, greetings and links: who gets in, what is believed, and what a stranger costs."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

CHANNEL: Final = "tests/node/core/test_channel.py"
FRAMES: Final = "tests/node/core/test_frames.py"
GIVEN_UP: Final = "tests/node/services/test_given_up.py"
CARDS: Final = "tests/node/services/test_greeting_cards.py"
GREETING: Final = "tests/node/services/test_greeting.py"
GREETING_ON_DISK: Final = "tests/node/services/test_greeting_on_disk.py"
LINK: Final = "tests/node/services/test_link.py"
LIMITS: Final = "tests/node/services/test_links_limits.py"
LINKS: Final = "tests/node/services/test_links.py"
REPLAY: Final = "tests/node/services/test_links_replay.py"
STRANGERS: Final = "tests/node/services/test_links_strangers.py"

MUTANTS: Final = (
    Mutant(
        "frame_of_no_length",
        "A frame without even a kind passes, and whoever reads its first byte reads the next frame's.",
        "node/talos/core/frames.py",
        "if not 1 <= length <= SIZE_MAX[kind]:",
        "if not 0 <= length <= SIZE_MAX[kind]:",
        f"{FRAMES}::test_an_impossible_length_is_refused_on_its_first_five_bytes",
    ),
    Mutant(
        "largest_frame_refused",
        "The largest message that a sender may send costs it the link.",
        "node/talos/core/frames.py",
        "if not 1 <= length <= SIZE_MAX[kind]:",
        "if not 1 <= length < SIZE_MAX[kind]:",
        f"{FRAMES}::test_a_frame_of_the_largest_size_passes_and_one_byte_more_is_refused_by_both_ends",
    ),
    Mutant(
        "reader_does_not_wait_for_the_disk",
        "While the disk is slow, a peer fills the memory with steps that wait for it.",
        "node/talos/services/links.py",
        "            if latest is not None and not latest.is_on_disk:\n                await latest.on_disk()\n",
        "",
        "tests/node/services/test_links_slow_disk.py::test_while_the_disk_is_slow_no_link_brings_more_than_one_step",
    ),
    Mutant(
        "closed_link_takes_one_more_step",
        "A link that was closed because a key log has ended its session takes one more step of that peer.",
        "node/talos/services/links.py",
        "            if link.close_reason is not None:  # By",
        "            if link is None:  # By",
        "tests/node/services/test_links_slow_disk.py"
        "::test_a_link_that_is_closed_by_what_came_of_one_step_takes_no_further_one",
    ),
    Mutant(
        "resume_said_before_it_is_on_disk",
        "A dialler that dies right after its first word seals another frame under the same key.",
        "node/talos/services/call.py",
        "            await self._desk.post.submit(self._peer, step).on_disk()\n            await self._send(Resume(",
        "            self._desk.post.submit(self._peer, step)\n            await self._send(Resume(",
        f"{GREETING_ON_DISK}::test_who_dies_at_a_word_loses_no_session_and_reuses_no_key",
    ),
    Mutant(
        "proof_said_before_it_is_on_disk",
        "A dialler that dies right after its third word seals another frame under the same key.",
        "node/talos/services/call.py",
        "        await self._desk.post.submit(self._peer, step, self._link).on_disk()\n",
        "        self._desk.post.submit(self._peer, step, self._link)\n",
        f"{GREETING_ON_DISK}::test_who_dies_at_a_word_loses_no_session_and_reuses_no_key",
    ),
    Mutant(
        "answer_said_before_it_is_on_disk",
        "A responder that dies right after its answer has a ratchet that the dialler has gone on from.",
        "node/talos/services/answer.py",
        "                await desk.post.submit(peer, step, self._link).on_disk()\n",
        "                desk.post.submit(peer, step, self._link)\n",
        f"{GREETING_ON_DISK}::test_who_dies_at_a_word_loses_no_session_and_reuses_no_key",
    ),
    Mutant(
        "welcome_said_before_it_is_on_disk",
        "A responder that dies right after its WELCOME has lost a session that the dialler holds for good.",
        "node/talos/services/answer.py",
        "        await pending.on_disk()\n",
        "",
        f"{GREETING_ON_DISK}::test_who_dies_at_a_word_loses_no_session_and_reuses_no_key",
    ),
    Mutant(
        "crossed_link_of_the_larger",
        "Of two crossed links the one that the larger DID dialled stays: another implementation closes that one.",
        "node/talos/services/post.py",
        "link.dialled != (self.did < peer.did)",
        "link.dialled != (self.did > peer.did)",
        f"{LINKS}::test_of_two_links_that_both_dialled_one_stays_on_both_ends",
    ),
    Mutant(
        "opening_taken_again_later",
        "A recorded opening on a last-resort prekey makes a session once the first one is gone.",
        "node/talos/services/answer.py",
        "if not opening.one_time and desk.host.store.get(SEEN, seen_key(opening)) is not None:",
        "if False:",
        f"{REPLAY}::test_a_last_resort_opening_is_taken_once_though_its_session_is_long_gone",
    ),
    Mutant(
        "bundle_of_another_key",
        "A bundle whose agreement key is not that of the party is used to open a session.",
        "node/talos/services/directory.py",
        "if (bundle.signer, bundle.agreement) != (party.ed25519, party.x25519):",
        "if bundle.signer != party.ed25519:",
        f"{GREETING}::test_an_offer_that_does_not_hold_is_refused_before_anything_is_opened",
    ),
    Mutant(
        "one_link_too_many",
        "One stranger more than there are links for is greeted.",
        "node/talos/services/links.py",
        "len(self._bound) >= LINKS_MAX or",
        "len(self._bound) > LINKS_MAX or",
        f"{LIMITS}::test_with_all_links_taken_a_stranger_is_closed_without_a_word_and_nobody_loses_a_link",
    ),
    Mutant(
        "debtor_loses_its_link",
        "A peer that we owe a message loses its link to one that has just come.",
        "node/talos/services/links.py",
        " and not peer.conversation.has_work]",
        "]",
        f"{LIMITS}::test_those_silent_longest_make_room_before_there_is_none_save_whom_we_owe_something",
    ),
    Mutant(
        "one_try_less",
        "A message is tried once less than was asked for.",
        "node/talos/services/messages.py",
        "left = 1 + retry_count",
        "left = max(1, retry_count)",
        f"{LIMITS}::test_a_message_is_tried_as_often_as_was_asked_for",
    ),
    Mutant(
        "long_frames_have_less_time",
        "A message of a megabyte over a slow line is cut off half way.",
        "node/talos/services/link.py",
        "self._reader.awaited / RATE_LEAST",
        "self._reader.awaited / 2 / RATE_LEAST",
        f"{LIMITS}::test_a_frame_may_take_as_much_longer_as_it_is_long",
    ),
    Mutant(
        "greetings_not_counted",
        "A recorded greeting of the same link can be put in the place of a later one.",
        "node/talos/core/channel.py",
        'sealed = self._sending.encrypt(nonce, greeting, self._sent.to_bytes(COUNT_SIZE, "big"))',
        "sealed = self._sending.encrypt(nonce, greeting, bytes(COUNT_SIZE))",
        f"{CHANNEL}::test_a_greeting_is_taken_once_in_its_order_and_never_by_its_own_sender",
    ),
    Mutant(
        "channel_of_any_static_key",
        "The keys of a greeting no longer say whom it was meant for.",
        "node/talos/core/channel.py",
        "info=LABEL_HELLO + ephemeral + static)",
        "info=LABEL_HELLO + ephemeral)",
        "tests/node/test_known_answers.py::test_a_second_computation_opens_both_directions_of_a_greeting",
    ),
    Mutant(
        "no_session_of_any_link",
        "A NO_SESSION that was once true is played again, and costs the peer a good session.",
        "node/talos/core/greeting.py",
        "return codec.pack(VERSION, ours, theirs, link_nonce, sha256(frame).digest())",
        'return codec.pack(VERSION, ours, theirs, b"", sha256(frame).digest())',
        "tests/node/core/test_greeting.py::test_a_no_session_covers_who_whom_which_link_and_which_frame",
    ),
    Mutant(
        "no_session_unsigned",
        "Anybody on the road makes a dialler drop its session.",
        "node/talos/services/call.py",
        "        if not is_signed(who.ed25519, LABEL_NO_SESSION, body, answer.signature):\n",
        "        if False:\n",
        f"{GREETING}::test_a_no_session_about_anything_else_is_not_believed",
    ),
    Mutant(
        "replayed_resume_proves_a_loss",
        "Who replays a resuming frame gets a signed word by which the peer drops a good session.",
        "node/talos/services/answer.py",
        "            except Duplicate as error:\n",
        "            except ArithmeticError as error:\n",
        "tests/node/services/test_links_replay.py::test_a_resume_played_again_is_refused_but_proves_no_loss",
    ),
    Mutant(
        "party_not_checked",
        "Whoever opens a session is believed to be who they say.",
        "node/talos/services/answer.py",
        "            check_party(party, log, self._desk.now_ms())\n",
        "",
        f"{STRANGERS}::test_an_opening_that_its_key_log_does_not_bear_out_is_refused",
    ),
    Mutant(
        "spent_offer_kept",
        "The one-time keys of a session stay in memory, and open it once more.",
        "node/talos/services/answer.py",
        "            desk.ring.spent(party.did, now_ms)  # Now",
        "            pass  # Now",
        f"{CARDS}::test_a_one_time_offer_is_gone_once_a_session_is_made_of_it_and_not_before",
    ),
    Mutant(
        "anybodys_card",
        "Whoever has taken over an address is greeted as the peer that was there.",
        "node/talos/services/directory.py",
        "if wanted and key_log.state.did != wanted:",
        "if False:",
        f"{CARDS}::test_the_card_of_somebody_else_is_refused_whatever_was_asked",
    ),
    Mutant(
        "stranger_more_from_a_host",
        "One host holds more places of strangers than it may.",
        "node/talos/services/places.py",
        "hosts[source.host] >= per_host or",
        "hosts[source.host] > per_host or",
        f"{STRANGERS}::test_only_so_many_strangers_are_let_in_until_they_have_had_their_time",
    ),
    Mutant(
        "third_link_of_a_peer",
        "A peer that dials again and again fills all places of bound links.",
        "node/talos/services/links.py",
        '                older.close("two newer links',
        '                str("two newer links',
        f"{LINKS}::test_one_peer_holds_no_more_than_two_links",
    ),
    Mutant(
        "old_link_takes_the_new_one_down",
        "When a link that lost against another ends, the one that stays is forgotten.",
        "node/talos/services/post.py",
        "        if peer.link is link:\n            peer.link, peer.reason = None, link.close_reason",
        "        if True:\n            peer.link, peer.reason = None, link.close_reason",
        f"{LINKS}::test_of_two_links_that_both_dialled_one_stays_on_both_ends",
    ),
    Mutant(
        "every_byte_is_patience",
        "A stranger that sends a byte now and then holds our memory for ever.",
        "node/talos/services/link.py",
        "                if not self._reader.inside_a_frame:\n                    self._frame_began = self.heard_at",
        "                self._frame_began = self.heard_at",
        f"{LINK}::test_a_frame_that_comes_byte_by_byte_is_cut_off_ten_seconds_after_its_first",
    ),
    Mutant(
        "drained_link_lives_on",
        "A link that lost against another is kept until its peer closes it, which may be never.",
        "node/talos/services/links.py",
        "                    nursery.start_soon(_until_closed, link, link.until_drained)\n",
        "",
        f"{GIVEN_UP}::test_a_link_whose_place_another_has_taken_lives_five_seconds_more_though_nobody_speaks_on_it",
    ),
    Mutant(
        "replaced_link_slept_through",
        "Who waits for a link to end sleeps on though another has taken its place.",
        "node/talos/services/post.py",
        "            self.work_came.send()  # For whoever waits for the old one to end.\n",
        "",
        f"{GIVEN_UP}::test_who_waits_for_a_link_to_end_hears_at_once_of_the_one_in_its_place",
    ),
    Mutant(
        "done_before_it_is_on_disk",
        "`ack()` returns, the node is killed, and the message is handed out again.",
        "node/talos/services/messages.py",
        "            await leaving.on_disk()",
        "            pass",
        f"{LINKS}::test_a_message_that_is_done_is_off_the_disk_when_ack_returns",
    ),
    Mutant(
        "backlog_not_cancelled",
        "An application that reads a long backlog starves every other task, and cannot be cancelled.",
        "node/talos/services/messages.py",
        "            await trio.lowlevel.checkpoint()\n",
        "            pass\n",
        "tests/node/test_client.py::test_receiving_a_backlog_can_be_cancelled_and_loses_nothing_by_it",
    ),
    Mutant(
        "cancelled_with_a_message_in_hand",
        "A receive that is cancelled just when mail comes takes the message with it until the next restart.",
        "node/talos/services/messages.py",
        "mail_came.wait()\n        return self._message(row)",
        "mail_came.wait()\n        await trio.lowlevel.checkpoint()\n        return self._message(row)",
        f"{LINKS}::test_a_receive_that_is_cancelled_just_when_mail_comes_loses_nothing",
    ),
)
