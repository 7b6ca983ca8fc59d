"""Greetings: what a stranger may say, and what becomes of everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos.core import codec, greeting
from talos.core.frames import CARD_SIZE_MAX, GREETING_SIZE_MAX
from talos.core.greeting import (
    BUNDLE_SIZE_MAX,
    KEY_LOG_SIZE_MAX,
    OPENING_SIZE_MAX,
    PARTY_SIZE_MAX,
    RESUME_FRAME_MAX,
    VERSION,
    Ask,
    Card,
    Fetch,
    Greeting,
    Join,
    Joined,
    Log,
    NoSession,
    Offered,
    Open,
    Reason,
    Refusal,
    Resume,
    Show,
    Taken,
    Through,
    Wanted,
    Word,
)
from talos.errors import MalformedMessage


def some(least: int = 1, most: int = 40) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=least, max_size=most)


dids = some(32, 32)
greetings = st.one_of(
    st.builds(Resume, dids, some(16, 16), some()),
    st.builds(Ask, some()),
    st.builds(Offered, some(), some(), some(0)),
    st.builds(Open, some(), some()),
    st.builds(NoSession, some(64, 64)),
    st.builds(Refusal, st.sampled_from(Reason)),
    st.builds(Through, dids),
    st.builds(Join, some(16, 16)),
    st.builds(Show, dids),
    st.builds(Log, some()),
    st.sampled_from((Joined(), Wanted(), Taken())),
)
cards = st.builds(Card, some(), some(), some())
fetches = st.builds(Fetch, st.one_of(dids, st.just(b"")))


@given(greetings)
def test_a_greeting_is_decoded_as_it_was_encoded(said: Greeting) -> None:
    assert greeting.decode(said.encode()) == said


@given(cards, fetches)
def test_cards_and_fetches_are_decoded_as_they_were_encoded(card: Card, fetch: Fetch) -> None:
    assert Card.decode(card.encode()) == card
    assert Fetch.decode(fetch.encode()) == fetch


@given(st.one_of(greetings, cards, fetches), st.data())
def test_a_changed_or_cut_greeting_is_another_one_or_malformed(
    said: Greeting | Card | Fetch, data: st.DataObject
) -> None:
    raw = said.encode()
    at, byte = data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 255))
    for changed in (raw[:at], raw[:at] + bytes((byte,)) + raw[at + 1 :], raw + bytes((byte,))):
        check_any(changed)


@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_malformed_message(raw: bytes) -> None:
    check_any(raw)


def check_any(raw: bytes) -> None:
    for decode in (greeting.decode, Card.decode, Fetch.decode):
        try:
            again = decode(raw)
        except MalformedMessage:
            continue
        assert again.encode() == raw


DID, SESSION = bytes(32), bytes(16)
AT_THE_LIMIT: tuple[Greeting | Card | Fetch, ...] = (
    Fetch(DID),
    Fetch(b""),
    Resume(DID, SESSION, bytes(RESUME_FRAME_MAX)),
    Ask(bytes(PARTY_SIZE_MAX)),
    Offered(bytes(PARTY_SIZE_MAX), bytes(BUNDLE_SIZE_MAX), bytes(BUNDLE_SIZE_MAX)),
    Open(bytes(OPENING_SIZE_MAX), bytes(KEY_LOG_SIZE_MAX)),
    NoSession(bytes(64)),
    Through(DID),
    Join(SESSION),
    Show(DID),
    Log(bytes(KEY_LOG_SIZE_MAX)),
    Card(bytes(KEY_LOG_SIZE_MAX), bytes(PARTY_SIZE_MAX), bytes(BUNDLE_SIZE_MAX)),
)
BEYOND: tuple[Greeting | Card | Fetch, ...] = (
    Fetch(DID + b"\x00"),
    Fetch(DID[1:]),
    Resume(DID, SESSION, bytes(RESUME_FRAME_MAX + 1)),
    Resume(DID, SESSION, b""),
    Resume(DID, SESSION[1:], b"frame"),
    Resume(DID + b"\x00", SESSION, b"frame"),
    Ask(bytes(PARTY_SIZE_MAX + 1)),
    Ask(b""),
    Offered(bytes(PARTY_SIZE_MAX + 1), b"bundle", b""),
    Offered(b"party", bytes(BUNDLE_SIZE_MAX + 1), b""),
    Offered(b"party", b"bundle", bytes(BUNDLE_SIZE_MAX + 1)),
    Open(bytes(OPENING_SIZE_MAX + 1), b"log"),
    Open(b"opening", bytes(KEY_LOG_SIZE_MAX + 1)),
    Open(b"opening", b""),
    NoSession(bytes(63)),
    NoSession(bytes(65)),
    Through(DID[1:]),
    Join(SESSION + b"\x00"),
    Show(DID + b"\x00"),
    Log(bytes(KEY_LOG_SIZE_MAX + 1)),
    Log(b""),
    Card(bytes(KEY_LOG_SIZE_MAX + 1), b"party", b"bundle"),
    Card(b"log", bytes(PARTY_SIZE_MAX + 1), b"bundle"),
    Card(b"log", b"party", bytes(BUNDLE_SIZE_MAX + 1)),
    Card(b"", b"party", b"bundle"),
)


def decoded(said: Greeting | Card | Fetch) -> Greeting | Card | Fetch:
    read = type(said).decode if isinstance(said, Card | Fetch) else greeting.decode
    return read(said.encode())


@pytest.mark.parametrize("said", AT_THE_LIMIT, ids=lambda said: type(said).__name__)
def test_the_largest_of_each_passes(said: Greeting | Card | Fetch) -> None:
    assert decoded(said) == said


@pytest.mark.parametrize("said", BEYOND, ids=lambda said: type(said).__name__)
def test_one_beyond_a_limit_is_malformed(said: Greeting | Card | Fetch) -> None:
    with pytest.raises(MalformedMessage):
        decoded(said)


def test_the_limits_of_the_parts_fit_the_limits_of_the_whole() -> None:
    sizes = [len(said.encode()) for said in AT_THE_LIMIT if not isinstance(said, Card | Fetch)]
    assert max(sizes) <= GREETING_SIZE_MAX
    assert len(AT_THE_LIMIT[-1].encode()) <= CARD_SIZE_MAX


FIELDS = {
    Word.RESUME: 3,
    Word.ASK: 1,
    Word.OFFERED: 3,
    Word.OPEN: 2,
    Word.NO_SESSION: 1,
    Word.REFUSAL: 1,
    Word.THROUGH: 1,
    Word.JOIN: 1,
    Word.JOINED: 0,
    Word.SHOW: 1,
    Word.WANTED: 0,
    Word.LOG: 1,
    Word.TAKEN: 0,
}


@pytest.mark.parametrize("word", [*Word, 0, len(Word) + 1])
@pytest.mark.parametrize("count", range(6))
def test_each_word_has_its_own_number_of_fields(word: int, count: int) -> None:
    raw = codec.pack(VERSION, word, *([0] * count))
    if word in FIELDS and FIELDS[Word(word)] == count == 0:
        assert greeting.decode(raw).encode() == raw
        return
    with pytest.raises(MalformedMessage) as caught:
        greeting.decode(raw)
    is_counted_wrong = "fields" in str(caught.value)
    assert is_counted_wrong == (count == 5 or (word in FIELDS and count != FIELDS[Word(word)]))


@pytest.mark.parametrize("version", [0, 2, True, b"\x01"])
def test_another_version_is_malformed(version: codec.Field) -> None:
    for raw, decode in (
        (codec.pack(version, Word.ASK, b"party"), greeting.decode),
        (codec.pack(version, DID), Fetch.decode),
        (codec.pack(version, b"log", b"party", b"bundle"), Card.decode),
    ):
        with pytest.raises(MalformedMessage, match="version"):
            decode(raw)


@pytest.mark.parametrize("part", ["ours", "theirs", "link_nonce", "frame"])
def test_a_no_session_covers_who_whom_which_link_and_which_frame(part: str) -> None:
    said = {"ours": b"a", "theirs": b"b", "link_nonce": b"c", "frame": b"d"}
    assert NoSession.body(**said) != NoSession.body(**{**said, part: b"x"})
