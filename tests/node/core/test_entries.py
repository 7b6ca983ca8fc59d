"""One entry: the leaf that is public, the body that is not, and that neither can be changed unseen."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.make_audit_vectors import vectors
from talos.core import acts, codec
from talos.core.chain import check_chain
from talos.core.diary_read import Reader
from talos.core.entries import DICE_SIZE, LEAF_SIZE_MAX, Entry, Leaf, Opened, write_entry
from talos.core.entry_types import BODY_SIZE_MAX, EntryType, read_body, write_body
from talos.core.proof_file import make_proof
from talos.core.tables import ENTRIES, entry_key
from talos.errors import Damaged, MalformedMessage
from talos_audit import leaf_hash
from tests.node.core.end import NOW_MS, dice
from tests.node.core.identities import fields_of
from tests.node.core.logs import BOB, VECTORS, Log, every_flip, leaf, note, put, short_log, told

WROTE: list[dict[str, Any]] = VECTORS["entries"]
LEAF = Leaf(EntryType.MESSAGE, NOW_MS, bytes(range(16)), 7, b"s" * 32, b"b" * 32)
DICE = dice("entries")(DICE_SIZE)
PACK = codec.packer()
OPENED = Opened(b"1" * 32, b"2" * 32, BOB, b"what it says")
LEAVES = st.builds(
    Leaf,
    st.sampled_from(EntryType),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)


# Known answers


def test_the_script_still_makes_the_committed_vectors() -> None:
    assert vectors() == VECTORS


@pytest.mark.parametrize("name", [type.name for type in EntryType])
def test_the_known_body_of_every_type_reads_as_told(name: str) -> None:
    told = VECTORS["bodies"][name]
    assert EntryType(told["number"]).name == name
    assert read_body(EntryType[name], bytes.fromhex(told["body"])) == told["shown"]


@pytest.mark.parametrize("told", WROTE, ids=lambda told: str(told["type"]))
def test_a_known_leaf_has_its_fields_where_they_always_were(told: dict[str, Any]) -> None:
    octets = {name: bytes.fromhex(value) for name, value in told.items() if isinstance(value, str)}
    time = b"\xcf" + told["time_ms"].to_bytes(8, "big")
    epoch = b"\x00" if told["lease_epoch"] == 0 else b"\xcf" + told["lease_epoch"].to_bytes(8, "big")
    by_hand = b"\x97\x01" + bytes((told["type"],)) + time + b"\xc4\x10" + octets["id"] + epoch
    by_hand += b"\xc4\x20" + octets["subject_commitment"] + b"\xc4\x20" + octets["body_commitment"]
    assert by_hand == octets["leaf"]
    assert octets["leaf_hash"] == sha256(b"\x00" + by_hand).digest()


@pytest.mark.parametrize("told", WROTE, ids=lambda told: str(told["type"]))
def test_a_known_leaf_commits_to_the_known_subject_and_body(told: dict[str, Any]) -> None:
    octets = {name: bytes.fromhex(value) for name, value in told.items() if isinstance(value, str)}
    subject = sha256(b"talos/v1/audit-subject\x00" + octets["subject_salt"] + octets["subject"]).digest()
    body = sha256(b"talos/v1/audit-body\x00" + octets["body_salt"] + octets["body"]).digest()
    assert (subject, body) == (octets["subject_commitment"], octets["body_commitment"])
    row = octets["subject_salt"] + octets["body_salt"] + bytes((len(octets["subject"]),)) + octets["subject"]
    row += bytes((len(octets["content_salt"]),)) + octets["content_salt"]
    assert octets["body_row"] == row + octets["body"]
    opened, leaf = Opened.decode(octets["body_row"]), Leaf.decode(octets["leaf"])
    assert opened.belongs_to(leaf)
    assert (leaf.type, leaf.time_ms, leaf.lease_epoch) == (told["type"], told["time_ms"], told["lease_epoch"])
    assert (leaf.encode(), opened.encode()) == (octets["leaf"], octets["body_row"])


# The leaf


@given(LEAVES)
def test_every_leaf_is_read_as_it_was_written_and_is_small(leaf: Leaf) -> None:
    raw = leaf.encode()
    assert Leaf.decode(raw) == leaf
    assert len(raw) <= LEAF_SIZE_MAX == 120


@pytest.mark.parametrize(
    "changed",
    [
        b"\x97\xcc\x01" + LEAF.encode()[2:],  # The version in two bytes.
        b"\xdc\x00\x07" + LEAF.encode()[1:],  # The length of the array in two bytes.
        LEAF.encode().replace(b"\xc4\x10", b"\xc5\x00\x10"),  # The length of the id in two bytes.
        LEAF.encode().replace(b"\xc4\x10", b"\xb0"),  # The id as text.
        LEAF.encode() + b"\x00",
        LEAF.encode()[:-1],
        b"",
        bytes(LEAF_SIZE_MAX + 1),
    ],
)
def test_a_leaf_in_any_other_form_is_refused(changed: bytes) -> None:
    with pytest.raises(MalformedMessage, match="leaf"):
        Leaf.decode(changed)


@pytest.mark.parametrize(
    ("at", "name", "values"),
    [
        (0, "version", [0, 2, True]),
        (1, "type", [0, 51, 0xFFFF, 0x1_0000, -1, "MESSAGE"]),
        (2, "time_ms", [-1, 2**63, "now"]),
        (3, "id", [bytes(15), bytes(17), b"", 1]),
        (4, "lease_epoch", [-1, 2**63, b""]),
        (5, "subject", [bytes(31), bytes(33), b"", 0]),
        (6, "body", [bytes(31), bytes(33), b"", 0]),
    ],
)
def test_a_leaf_with_a_field_out_of_range_is_refused_by_its_name(at: int, name: str, values: list[object]) -> None:
    fields = fields_of(LEAF.encode())
    for value in values:
        fields[at] = cast("codec.Field", value)
        with pytest.raises(MalformedMessage, match=rf"^leaf.{name}: "):
            Leaf.decode(codec.pack(*fields))


def test_a_type_is_read_if_and_only_if_it_has_a_number_today() -> None:
    known = {int(type) for type in EntryType}
    fields = fields_of(LEAF.encode())
    for number in range(300):
        fields[1] = number
        if number in known:
            assert Leaf.decode(codec.pack(*fields)).type == number
        else:
            with pytest.raises(MalformedMessage, match=f"there is no type {number}"):
                Leaf.decode(codec.pack(*fields))


def test_a_flipped_bit_of_a_leaf_gives_another_hash_and_another_entry_or_none() -> None:
    raw, hashes = LEAF.encode(), set[bytes]()
    for changed in every_flip(raw):
        hashes.add(leaf_hash(changed))
        try:
            assert Leaf.decode(changed) != LEAF
        except MalformedMessage:
            continue
    assert len(hashes - {leaf_hash(raw)}) == 8 * len(raw)


def test_a_flipped_bit_of_a_stored_leaf_is_refused_by_every_reader() -> None:
    log = short_log(4)
    raw = leaf(log, 2)
    for changed in every_flip(raw):
        put(log, ENTRIES, entry_key(2), changed)
        with pytest.raises(Damaged):
            Reader(log.store, log.vault).entry(2)
        with pytest.raises(Damaged):
            check_chain(log.store)
    put(log, ENTRIES, entry_key(2), raw)
    assert check_chain(log.store).size == 4
    assert Reader(log.store, log.vault).entry(2).index == 2


# The body


@given(st.binary(max_size=300), st.sampled_from([b"", BOB]), st.sampled_from([b"", b"3" * 32]))
def test_what_a_leaf_commits_to_is_read_as_it_was_written(body: bytes, subject: bytes, salt: bytes) -> None:
    opened = replace(OPENED, body=body, subject=subject, content_salt=salt)
    assert Opened.decode(opened.encode()) == opened


def test_a_body_row_that_is_cut_short_is_damaged() -> None:
    raw = replace(OPENED, body=b"").encode()
    assert Opened.decode(raw).body == b""
    for length in range(len(raw)):
        with pytest.raises(Damaged, match="cut short"):
            Opened.decode(raw[:length])


@pytest.mark.parametrize("length", [1, 16, 31, 33, 255])
def test_a_subject_or_content_salt_of_an_impossible_length_is_damaged(length: int) -> None:
    for before in (bytes(64), bytes(65), bytes(64) + b"\x20" + BOB):
        with pytest.raises(Damaged):
            Opened.decode(before + bytes((length,)) + bytes(600))


def test_no_proof_has_what_a_short_message_could_be_guessed_by() -> None:
    log = Log()
    log.write(acts.received(log.made.did, BOB, bytes(16), 1, b"yes", NOW_MS, log.entropy))
    log.sign()
    opened = told(log)[1].opened
    assert len(opened.content_salt) == 32
    reader = Reader(log.store, log.vault)
    assert (reader.entry(1).details or {})["salt"] == opened.content_salt.hex()
    proof = make_proof(log.store, reader, 1, since=None, reveal=True)
    assert proof.opened == replace(opened, content_salt=b"")
    assert opened.content_salt.hex() not in proof.encode()
    with pytest.raises(Damaged):
        replace(proof, opened=opened).encode()


def test_no_other_subject_salt_or_body_belongs_to_a_leaf() -> None:
    subject, body = OPENED.commitments()
    leaf = replace(LEAF, subject_commitment=subject, body_commitment=body)
    assert OPENED.belongs_to(leaf)
    raw = OPENED.encode()
    for changed in every_flip(raw):
        try:
            assert not Opened.decode(changed).belongs_to(leaf)
        except Damaged:  # The length of the subject.
            continue
    assert not OPENED.belongs_to(replace(leaf, subject_commitment=body, body_commitment=subject))


def test_subject_and_body_are_hashed_under_labels_of_their_own() -> None:
    subject, body = Opened(b"1" * 32, b"1" * 32, BOB, BOB).commitments()
    assert subject != body


# Writing


def test_the_same_entry_written_twice_shows_nobody_that_it_is_the_same() -> None:
    log = Log()
    log.write(note(1, BOB), note(1, BOB))
    first, second = (Leaf.decode(leaf(log, index)) for index in (1, 2))
    assert first.subject_commitment != second.subject_commitment
    assert first.body_commitment != second.body_commitment
    assert first.id != second.id


def test_every_secret_of_an_entry_has_dice_of_its_own() -> None:
    dice = bytes(range(DICE_SIZE))
    raw, row = write_entry(note(1, BOB), dice, codec.packer())
    leaf, opened = Leaf.decode(raw), Opened.decode(row)
    assert leaf.id + opened.subject_salt + opened.body_salt == dice
    assert (len(leaf.id), len(opened.subject_salt), len(opened.body_salt)) == (16, 32, 32)


@pytest.mark.parametrize("subject", [b"", BOB])
def test_what_is_written_opens_and_says_what_was_asked(subject: bytes) -> None:
    entry = replace(note(5, subject, NOW_MS), lease_epoch=9)
    raw, row = write_entry(entry, DICE, codec.packer())
    leaf, opened = Leaf.decode(raw), Opened.decode(row)
    assert opened.belongs_to(leaf)
    assert (leaf.encode(), opened.encode()) == (raw, row)
    assert Entry(leaf.type, leaf.time_ms, opened.subject, opened.body, leaf.lease_epoch) == entry


def test_neither_subject_nor_body_can_be_seen_in_a_leaf() -> None:
    body = write_body(EntryType.LEASE_LOST, 77, "a reason that nobody should see")
    raw, _ = write_entry(Entry(EntryType.LEASE_LOST, NOW_MS, BOB, body), DICE, codec.packer())
    for secret in (BOB, body, b"a reason", sha256(BOB).digest(), sha256(body).digest()):
        assert secret not in raw


@pytest.mark.parametrize(
    "change",
    [
        {"time_ms": -1},
        {"time_ms": 2**63},
        {"lease_epoch": -1},
        {"lease_epoch": 2**63},
        {"subject": b"short"},
        {"subject": bytes(33)},
        {"body": bytes(BODY_SIZE_MAX + 1)},
    ],
    ids=["time below", "time above", "epoch below", "epoch above", "short subject", "long subject", "long body"],
)
def test_an_entry_that_nobody_could_read_again_is_refused_where_it_is_made(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedMessage):
        replace(note(1), **change)
