"""The comparison of logs with journals finds what it is for: each test plants one offence between two honest nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from talos.core.acts import content_commitment
from tests.processes.diaries import Diary, disagreements
from tests.processes.journal import Journal, Read

SALT = bytes(range(32))
BODIES = {1: "one", 2: "two", 3: "three"}
Line = tuple[str | int, ...]  # Of a journal.


def note(diary: Diary, event: str, seq: int, count: int = 1, body: str | None = None) -> None:
    """Let the diary read an entry as the log tells it."""
    commitment = content_commitment(SALT, body.encode()).hex() if body is not None else ""
    salt = SALT.hex() if body is not None else ""
    diary.note({"event": event, "seq": seq, "count": count, "salt": salt, "commitment": commitment})


class Case:
    """What two honest nodes leave of three messages, all of them delivered and done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sender, self.receiver = Diary(), Diary()
        for seq, body in BODIES.items():
            note(self.sender, "sent", seq, body=body)
            note(self.receiver, "received", seq, body=body)
            note(self.receiver, "done", seq)
        note(self.sender, "delivered", 1, 3)
        self.sent: list[Line] = [("sent", seq, body) for seq, body in BODIES.items()]
        self.received: list[Line] = [("handed", seq, body, 0) for seq, body in BODIES.items()]
        self.done: list[Line] = [("done", seq) for seq in BODIES]

    def found(self) -> list[str]:
        sent = self._written("sender", self.sent)
        return disagreements(self.sender, self.receiver, sent, self._written("receiver", [*self.received, *self.done]))

    def _written(self, name: str, lines: list[Line]) -> Read:
        journal = Journal(self._folder / name)
        for event, *fields in lines:
            journal.note(str(event), *fields)
        journal.close()
        return Read(self._folder / name)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_two_nodes_whose_logs_fit_what_they_did_are_found_innocent(case: Case) -> None:
    assert not case.found()


def test_what_is_written_and_not_noted_because_the_process_died_is_no_offence(case: Case) -> None:
    del case.sent[2], case.done[2]
    assert not case.found()


def test_a_message_that_was_given_up_is_accounted_for(case: Case) -> None:
    note(case.sender, "sent", 4, body="four")
    note(case.sender, "void", 4)
    case.sent.append(("sent", 4, "four"))
    assert not case.found()


def test_one_given_up_that_was_received_all_the_same_is_no_offence(case: Case) -> None:
    case.sender.delivered.pop(3)
    note(case.sender, "void", 3)
    assert not case.found()


Plant = Callable[[Case], object]


def note_sent(case: Case, seq: int, then: str) -> None:
    """Let the sender's log tell of a message that nothing else tells of."""
    note(case.sender, "sent", seq, body="x")
    note(case.sender, then, seq)


@pytest.mark.parametrize("event", ["sent", "delivered", "void", "received", "done"])
def test_an_event_that_was_written_twice_is_found(case: Case, event: str) -> None:
    diary = case.receiver if event in ("received", "done") else case.sender
    if event == "void":
        note(diary, event, 2)
    note(diary, event, 2, body=BODIES[2])
    first, *others = case.found()
    assert first == f"{event} 2 was written 2 times"
    assert [one.split(",")[0] for one in others] in ([], ["delivered 2"], ["done 2 is written down"])


def test_a_run_of_numbers_counts_as_each_of_them(case: Case) -> None:
    note(case.sender, "delivered", 2, 2)
    assert case.found()[:2] == ["delivered 2 was written 2 times", "delivered 3 was written 2 times"]


@pytest.mark.parametrize(
    ("plant", "offence"),
    [
        (lambda case: case.sent.append(("sent", 4, "four")), ["accepted 4, not written down"]),
        (
            lambda case: case.sender.delivered.pop(2),
            ["sent 2 is written down, neither delivered nor given up"],
        ),
        (
            lambda case: note_sent(case, 4, "delivered"),
            ["delivered 4, says the sender, not the receiver"],
        ),
        (lambda case: case.received.pop(1), ["received 2 is written down, never handed over"]),
        (lambda case: case.done.append(("done", 4)), ["done 4, not written down"]),
        (lambda case: case.receiver.done.pop(2), ["done 2, not written down"]),
        (lambda case: note(case.receiver, "done", 4), ["done 4 is written down, never received"]),
        (
            lambda case: note_sent(case, 5, "void"),
            ["numbers [5] last, 4 in all"],
        ),
    ],
    ids=[
        "accepted, no entry",
        "neither delivered nor void",
        "delivered to nobody",
        "received, never handed over",
        "done with what never came, no entry",
        "done, no entry",
        "done, never received",
        "gap in the numbers",
    ],
)
def test_a_message_without_its_entry_and_an_entry_without_its_message_are_found(
    case: Case, plant: Plant, offence: list[str]
) -> None:
    plant(case)
    assert case.found() == offence


def test_a_message_that_was_handed_over_and_not_written_down_is_found_and_has_no_commitment(case: Case) -> None:
    case.received.append(("handed", 4, "four", 0))
    assert case.found() == [
        "handed over 4, not written down",
        "the entry of 4 commits to something else than 'four'",
    ]


def test_an_accepted_message_whose_entry_is_gone_leaves_a_gap_too(case: Case) -> None:
    del case.sender.sent[2]
    assert case.found() == ["accepted 2, not written down", "numbers [3] last, 2 in all"]


@pytest.mark.parametrize(
    "seen",
    [
        (SALT, content_commitment(SALT, b"other").hex()),
        (bytes(32), content_commitment(SALT, b"two").hex()),
        (b"", ""),
    ],
    ids=["of another body", "under another salt", "none"],
)
def test_an_entry_that_commits_to_something_else_is_found(case: Case, seen: tuple[bytes, str]) -> None:
    case.receiver.commitments[2] = seen
    assert case.found() == ["the entry of 2 commits to something else than 'two'"]
