"""The checks of the journal find what they are for: each is shown one offence, and one look-alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes.journal import Journal, Read, offences

Write = Callable[[str, str], Read]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, text: str) -> Read:
        journal = Journal(tmp_path / name)
        for line in text.splitlines():
            event, *fields = line.split()
            journal.note(event, *fields)
        journal.close()
        return Read(tmp_path / name)

    return written


def test_two_nodes_that_kept_every_promise_are_found_innocent(write: Write) -> None:
    sender = write("a", "sealed k1 t1\nleft t1\nsent 1 one\nsealed k2 t2\nleft t2\nleft t2\nsent 2 two")
    receiver = write("b", "handed 1 one 0\nhanded 2 two 0\ndone 2\nhanded 1 one 1\ndone 1")
    assert not offences(sender, receiver)


def test_a_message_that_was_accepted_and_never_handed_over_is_lost(write: Write) -> None:
    sender = write("a", "sent 1 one\nsent 2 two")
    assert offences(sender, write("b", "handed 1 one 0")) == ["lost: message 2 (two)"]


def test_a_message_with_another_body_is_lost(write: Write) -> None:
    assert offences(write("a", "sent 1 one"), write("b", "handed 1 other 0")) == ["lost: message 1 (one)"]


def test_a_message_handed_over_after_it_was_done_comes_again(write: Write) -> None:
    receiver = write("b", "handed 1 one 0\ndone 1\nhanded 1 one 1")
    assert offences(write("a", ""), receiver) == ["handed over again: message 1 after it was done"]


def test_a_message_that_comes_again_must_say_so(write: Write) -> None:
    receiver = write("b", "handed 1 one 0\nhanded 1 one 0")
    assert offences(write("a", ""), receiver) == ["handed over again: message 1 as if for the first time"]


def test_a_gap_and_a_swap_are_out_of_order(write: Write) -> None:
    receiver = write("b", "handed 1 one 0\nhanded 3 three 0\nhanded 2 two 0")
    found = ["out of order: message 3 as number 2", "out of order: message 2 as number 3"]
    assert offences(write("a", ""), receiver) == found


def test_where_messages_were_given_up_a_gap_is_in_order_and_a_swap_is_not(write: Write) -> None:
    receiver = write("b", "handed 1 one 0\nhanded 4 four 0\nhanded 3 three 0")
    assert offences(write("a", ""), receiver, gaps=True) == ["out of order: message 3 after 4"]


def test_a_message_given_up_as_never_sent_must_not_arrive(write: Write) -> None:
    sender = write("a", "failed one 0\nfailed two 1")
    receiver = write("b", "handed 1 one 0\nhanded 2 two 0")
    assert offences(sender, receiver) == ["never sent, but arrived: message (one)"]


@pytest.mark.parametrize(
    ("theirs", "is_reuse"),
    [("opened k1 t2", True), ("opened k1 t1", False)],
    ids=["the peer has opened the second", "the second has died with its process"],
)
def test_a_key_is_reused_once_two_of_its_ciphertexts_have_left(write: Write, theirs: str, is_reuse: bool) -> None:
    sender = write("a", "sealed k1 t1\nleft t1\nsealed k1 t2")
    assert offences(sender, write("b", theirs)) == ["reused key k1: 2 ciphertexts"] * is_reuse
