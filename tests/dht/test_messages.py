"""Requests and replies: every size, what no reader takes, and that nothing asked for is larger than the question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talos_dht import BODY_MAX, DATAGRAM_MAX, SEAL_SIZE, Answer, Kind, Malformed, Reply, Request, is_reply
from talos_dht.codec import pack
from talos_dht.contact import PLACE_SIZE
from talos_dht.messages import PONG_SIZE, PROVIDERS_PER_REPLY, RECORD_SIZE_MAX, txid_of
from talos_dht.table import K
from tests.dht.people import contact, target

TXID, TOKEN = b"12345678", b"a token."
SIZES = {
    Kind.PING: (0, 0),
    Kind.FIND: (20, 20),
    Kind.GET: (20, 20),
    Kind.PUT_RECORD: (1, RECORD_SIZE_MAX + 1),
    Kind.PUT_PROVIDER: (0, 220),
}
requests = st.sampled_from(Kind).flatmap(
    lambda kind: st.builds(
        Request,
        st.just(kind),
        st.binary(min_size=8, max_size=8),
        st.binary(min_size=SIZES[kind][0], max_size=SIZES[kind][1]),
        st.sampled_from([b"", TOKEN]),
        st.booleans(),
    )
)
ITEMS = {
    Answer.PONG: [],
    Answer.CONTACTS: [contact(number).raw for number in range(K)],
    Answer.RECORD: [bytes(RECORD_SIZE_MAX)],
    Answer.PROVIDERS: [bytes(220)] * PROVIDERS_PER_REPLY,
    Answer.STORED: [],
    Answer.REFUSED: [b"\x01"],
}


def reply(kind: Answer) -> Reply:
    return Reply(kind, TXID, TOKEN, contact(1).place, ITEMS[kind])


@given(requests)
def test_a_request_is_read_as_it_was_written_and_fits_a_datagram(request: Request) -> None:
    raw = request.encode()
    assert Request.decode(raw) == request
    assert len(raw) <= BODY_MAX == DATAGRAM_MAX - SEAL_SIZE
    assert not is_reply(raw)


@pytest.mark.parametrize("kind", Answer)
def test_a_reply_is_read_as_it_was_written_and_the_largest_fits_a_datagram(kind: Answer) -> None:
    raw = reply(kind).encode()
    assert raw is not None
    assert Reply.decode(raw) == reply(kind)
    assert is_reply(raw)
    assert txid_of(raw) == TXID


def test_a_full_reply_of_contacts_has_1086_bytes() -> None:
    assert len(reply(Answer.CONTACTS).encode() or b"") == 1_086


@pytest.mark.parametrize("kind", [Kind.FIND, Kind.GET])
def test_a_question_without_a_token_is_as_long_as_any_answer(kind: Kind) -> None:
    assert BODY_MAX - 1 <= len(Request(kind, TXID, target(1)).encode()) <= BODY_MAX
    assert len(Request(kind, TXID, target(1), TOKEN).encode()) == 48


def test_a_ping_is_as_long_as_its_pong() -> None:
    assert len(Request(Kind.PING, TXID).encode()) == PONG_SIZE == len(reply(Answer.PONG).encode() or b"")


@pytest.mark.parametrize("kind", Answer)
def test_a_reply_is_cut_to_what_there_is_room_for(kind: Answer) -> None:
    item = len(ITEMS[kind][0]) + 3 if ITEMS[kind] else 0
    for size_max in range(BODY_MAX):
        raw = reply(kind).encode(size_max)
        if raw is None:
            assert size_max < PONG_SIZE + item
        else:
            assert len(raw) <= size_max
            items = Reply.decode(raw).items
            assert items == ITEMS[kind][: len(items)]
            assert len(items) == len(ITEMS[kind]) or len(raw) + item + 2 > size_max


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for decode in (Request.decode, Reply.decode):
        try:
            decode(raw)
        except Malformed:
            continue


@given(
    st.data(), st.sampled_from([Request(Kind.FIND, TXID, target(1), TOKEN).encode(), reply(Answer.CONTACTS).encode()])
)
def test_bytes_with_one_changed_are_read_or_refused(data: st.DataObject, raw: bytes) -> None:
    changed = bytearray(raw)
    changed[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    for decode in (Request.decode, Reply.decode):
        try:
            assert decode(bytes(changed)).encode() == bytes(changed)
        except Malformed:
            continue


BAD_REQUESTS = {
    "not an array": b"\x01",
    "a map": b"\x80",
    "version 2": pack(2, 1, TXID, b"", True, b"", b""),
    "no such kind": pack(1, 6, TXID, b"", True, b"", b""),
    "a kind that is true": pack(1, True, TXID, b"", True, b"", b""),
    "a short number": pack(1, 1, TXID[1:], b"", True, b"", b""),
    "half a token": pack(1, 1, TXID, b"half", True, b"", b""),
    "serves is a number": pack(1, 1, TXID, b"", 1, b"", b""),
    "an argument to a ping": pack(1, 1, TXID, b"", True, b"x", b""),
    "a short target": pack(1, 2, TXID, b"", True, bytes(19), b""),
    "a record that is too long": pack(1, 4, TXID, b"", True, bytes(1_002), b""),
    "no salt": pack(1, 4, TXID, b"", True, b"", b""),
    "padding that says something": pack(1, 1, TXID, b"", True, b"", b"\x01"),
    "a field too many": pack(1, 1, TXID, b"", True, b"", b"", b""),
    "a field too few": pack(1, 1, TXID, b"", True, b""),
    "longer than a datagram": pack(1, 1, TXID, b"", True, b"", bytes(BODY_MAX)),
    "deep": b"\x91" * 1_000,
    "a longer form": b"\xdc\x00\x07" + pack(1, 1, TXID, b"", True, b"", b"")[1:],
    "an array that claims four billion items": b"\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_request_that_breaks_a_rule_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        Request.decode(BAD_REQUESTS[name])


SEEN = bytes(PLACE_SIZE)
BAD_REPLIES = {
    "no such kind": pack(1, 16, TXID, TOKEN, SEEN, []),
    "no token": pack(1, 17, TXID, b"", SEEN, []),
    "a short place": pack(1, 17, TXID, TOKEN, SEEN[1:], []),
    "items in a pong": pack(1, 17, TXID, TOKEN, SEEN, [b"x"]),
    "21 contacts": pack(1, 18, TXID, TOKEN, SEEN, [contact(1).raw] * 21),
    "a short contact": pack(1, 18, TXID, TOKEN, SEEN, [contact(1).raw[1:]]),
    "a contact that is a number": pack(1, 18, TXID, TOKEN, SEEN, [5]),
    "items that are no array": pack(1, 18, TXID, TOKEN, SEEN, 5),
    "no record": pack(1, 19, TXID, TOKEN, SEEN, []),
    "two records": pack(1, 19, TXID, TOKEN, SEEN, [b"x", b"x"]),
    "no reason": pack(1, 22, TXID, TOKEN, SEEN, []),
}


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_s5_a_reply_that_breaks_a_rule_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        Reply.decode(BAD_REPLIES[name])


def test_a_contact_that_cannot_be_is_left_out_and_the_others_are_kept() -> None:
    nowhere = contact(1).raw[:-2] + bytes(2)
    assert Reply(Answer.CONTACTS, TXID, TOKEN, SEEN, [nowhere, contact(2).raw]).contacts == [contact(2)]
    assert reply(Answer.RECORD).contacts == []
