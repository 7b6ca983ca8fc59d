"""What sessions and messages leave in the log: who, when and how many, and never what was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core import acts, codec
from talos.core.dice import Entropy
from talos.core.entries import DICE_SIZE, Entry, write_entry
from talos.core.entry_types import EntryType, SessionEvent, Shown, read_body
from talos.core.names import did_of
from tests.node.core.end import NOW_MS, dice
from tests.node.core.identities import derived
from tests.node.core.logs import BOB, VECTORS

US = derived("did", "us")
ORIGIN = derived("origin")[:16]
SESSION = derived("session")[:16]
CONTENT = b"the combination of the safe is 38-12-25"
WithContent = Callable[[bytes, bytes, bytes, int, bytes, int, Entropy], Entry]
WITH_CONTENT: list[WithContent] = [acts.sent, acts.received]


def details(entry: Entry) -> Mapping[str, Shown]:
    told = read_body(entry.type, entry.body)
    return {**told, "salt": entry.content_salt.hex()} if entry.type is EntryType.MESSAGE else told


def all_acts() -> dict[str, Entry]:
    """Return one entry of everything that can happen between us and Bob."""
    [delivered] = acts.delivered(US, BOB, ORIGIN, [4, 5], NOW_MS)
    return {
        "sent": acts.sent(US, BOB, ORIGIN, 4, CONTENT, NOW_MS, dice("sent")),
        "received": acts.received(US, BOB, ORIGIN, 4, CONTENT, NOW_MS, dice("received")),
        "delivered": delivered,
        "void": acts.given_up(US, BOB, ORIGIN, 4, NOW_MS),
        "done": acts.done(US, BOB, ORIGIN, 4, NOW_MS),
        **{event.name.lower(): acts.session(event, BOB, SESSION, NOW_MS, initiated=True) for event in SessionEvent},
    }


@pytest.mark.parametrize("name", all_acts())
def test_everything_about_a_peer_is_found_under_the_peer(name: str) -> None:
    entry = all_acts()[name]
    assert (entry.subject, entry.time_ms, entry.lease_epoch) == (BOB, NOW_MS, 0)
    assert details(entry)["event"] == name


@pytest.mark.parametrize(
    ("name", "sender", "receiver"),
    [("sent", US, BOB), ("delivered", US, BOB), ("void", US, BOB), ("received", BOB, US), ("done", BOB, US)],
)
def test_a_message_is_told_with_its_sender_receiver_and_number(name: str, sender: bytes, receiver: bytes) -> None:
    entry = all_acts()[name]
    told = details(entry)
    assert entry.type is EntryType.MESSAGE
    assert (told["sender"], told["receiver"]) == (did_of(sender), did_of(receiver))
    assert (told["origin"], told["seq"], told["count"]) == (ORIGIN.hex(), 4, 2 if name == "delivered" else 1)


@pytest.mark.parametrize("name", ["delivered", "void", "done"])
def test_without_the_content_at_hand_there_is_no_size_salt_or_commitment(name: str) -> None:
    told = details(all_acts()[name])
    assert (told["size"], told["salt"], told["commitment"]) == (0, "", "")


# Content


@pytest.mark.parametrize("act", WITH_CONTENT)
@pytest.mark.parametrize("content", [CONTENT, CONTENT * 1_000, b"0123456789"])
def test_what_a_message_says_is_in_no_leaf_and_no_body(act: WithContent, content: bytes) -> None:
    entry = act(US, BOB, ORIGIN, 1, content, NOW_MS, dice("hidden"))
    leaf, row = write_entry(entry, dice("written")(DICE_SIZE), codec.packer())
    for said in (content, content[:10], content.hex()[:20].encode(), sha256(content).digest()):
        assert said not in leaf + row
    assert len(row) < 400


@pytest.mark.parametrize("act", WITH_CONTENT)
@pytest.mark.parametrize("content", [CONTENT, b"", bytes(1024 * 1024)])
def test_who_has_the_content_can_show_that_an_entry_is_about_it(act: WithContent, content: bytes) -> None:
    told = details(act(US, BOB, ORIGIN, 1, content, NOW_MS, dice("shown")))
    salt, commitment = (bytes.fromhex(str(told[name])) for name in ("salt", "commitment"))
    assert told["size"] == len(content)
    assert len(salt) == 32
    assert commitment == sha256(b"talos/v1/audit-content\x00" + salt + content).digest()
    assert acts.content_commitment(salt, content) == commitment
    assert acts.content_commitment(salt, content + b"\x00") != commitment


def test_the_known_commitment_opens_to_the_known_content() -> None:
    told = {name: bytes.fromhex(value) for name, value in VECTORS["content"].items()}
    assert acts.content_commitment(told["salt"], told["content"]) == told["commitment"]


@pytest.mark.parametrize("act", WITH_CONTENT)
def test_the_same_content_twice_shows_nobody_that_it_is_the_same(act: WithContent) -> None:
    entropy = dice("twice")
    first, second = (details(act(US, BOB, ORIGIN, seq, CONTENT, NOW_MS, entropy)) for seq in (1, 2))
    assert first["salt"] != second["salt"]
    assert first["commitment"] != second["commitment"]


# Acknowledgements


@pytest.mark.parametrize(
    ("seqs", "runs"),
    [
        ([], []),
        ([7], [(7, 1)]),
        ([1, 2, 3], [(1, 3)]),
        ([1, 3, 5], [(1, 1), (3, 1), (5, 1)]),
        ([1, 2, 4, 5, 6, 9], [(1, 2), (4, 3), (9, 1)]),
        ([2**63 - 2, 2**63 - 1], [(2**63 - 2, 2)]),
    ],
)
def test_one_acknowledgement_of_many_messages_is_one_entry_per_run(
    seqs: list[int], runs: list[tuple[int, int]]
) -> None:
    told = [details(entry) for entry in acts.delivered(US, BOB, ORIGIN, seqs, NOW_MS)]
    assert [(one["seq"], one["count"]) for one in told] == runs


@given(st.sets(st.integers(1, 60)))
def test_runs_tell_every_number_once_in_order_and_are_as_few_as_can_be(numbers: set[int]) -> None:
    told = [details(entry) for entry in acts.delivered(US, BOB, ORIGIN, iter(sorted(numbers)), NOW_MS)]
    runs = [range(int(one["seq"]), int(one["seq"]) + int(one["count"])) for one in told]
    assert [number for run in runs for number in run] == sorted(numbers)
    assert all(one.stop < other.start for one, other in pairwise(runs))


# Sessions


@pytest.mark.parametrize("event", SessionEvent)
@pytest.mark.parametrize(("initiated", "role"), [(True, "initiator"), (False, "responder")])
def test_a_session_is_told_with_its_peer_and_who_began_it(event: SessionEvent, initiated: bool, role: str) -> None:
    entry = acts.session(event, BOB, SESSION, NOW_MS, initiated=initiated)
    assert entry.type is EntryType.SESSION
    assert details(entry) == {
        "event": event.name.lower(),
        "peer": did_of(BOB),
        "session": SESSION.hex(),
        "role": role,
    }
