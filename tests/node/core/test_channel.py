"""The HELLO channel: it opens for whom it was sealed, in order, once; and never seals twice under one nonce."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_scalarmult_base

from talos.core.channel import COUNT_SIZE, KEY_SIZE, NONCE_SIZE, Channel, ChannelForged
from tests.node.core.end import dice

TAG_SIZE = 16
SECRET = bytes(range(32))
STATIC = crypto_scalarmult_base(SECRET)
LOW_ORDER = [bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"]


def hello(greeting: bytes = b"first", seed: str = "dialler") -> tuple[Channel, bytes]:
    channel = Channel.dial(STATIC, dice(seed))
    return channel, channel.ephemeral + channel.seal(greeting)


def pair() -> tuple[Channel, Channel]:
    dialler, said = hello()
    responder, first = Channel.answer(said, SECRET, dice("responder"))
    assert first == b"first"
    return dialler, responder


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=8))
def test_greetings_pass_in_both_directions(said: list[tuple[bool, bytes]]) -> None:
    dialler, responder = pair()
    for from_dialler, greeting in said:
        one, other = (dialler, responder) if from_dialler else (responder, dialler)
        sealed = one.seal(greeting)
        assert len(sealed) == NONCE_SIZE + len(greeting) + TAG_SIZE
        assert other.open(sealed) == greeting


def test_both_ends_know_the_link_by_the_same_nonce() -> None:
    dialler, responder = pair()
    assert dialler.ephemeral == responder.ephemeral
    assert len(dialler.ephemeral) == KEY_SIZE


@pytest.mark.parametrize("at", range(KEY_SIZE + NONCE_SIZE + len(b"first") + TAG_SIZE))
def test_every_changed_byte_of_a_hello_is_forged(at: int) -> None:
    _, said = hello()
    with pytest.raises(ChannelForged):
        Channel.answer(said[:at] + bytes((said[at] ^ 1,)) + said[at + 1 :], SECRET, dice("responder"))


@pytest.mark.parametrize("size", range(KEY_SIZE + NONCE_SIZE + len(b"first") + TAG_SIZE))
def test_every_cut_hello_is_forged(size: int) -> None:
    _, said = hello()
    with pytest.raises(ChannelForged):
        Channel.answer(said[:size], SECRET, dice("responder"))


@given(st.binary(max_size=120))
def test_no_bytes_raise_anything_but_channel_forged(raw: bytes) -> None:
    with pytest.raises(ChannelForged):
        Channel.answer(raw, SECRET, dice("responder"))
    with pytest.raises(ChannelForged):
        pair()[0].open(raw)


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_key_of_low_order_is_refused_on_both_sides(point: bytes) -> None:
    with pytest.raises(ChannelForged, match="low order"):
        Channel.answer(point + bytes(64), SECRET, dice("responder"))
    with pytest.raises(ChannelForged, match="low order"):
        Channel.dial(point, dice("dialler"))


def test_a_hello_to_somebody_else_does_not_open() -> None:
    _, said = hello()
    with pytest.raises(ChannelForged):
        Channel.answer(said, bytes(31) + b"\x42", dice("responder"))


def test_a_greeting_is_taken_once_in_its_order_and_never_by_its_own_sender() -> None:
    dialler, responder = pair()
    first, second = responder.seal(b"one"), responder.seal(b"two")
    for wrong in (second, responder.seal(b"three")):
        with pytest.raises(ChannelForged):
            dialler.open(wrong)
    assert dialler.open(first) == b"one"
    with pytest.raises(ChannelForged):
        dialler.open(first)
    assert dialler.open(second) == b"two"
    with pytest.raises(ChannelForged):
        dialler.open(dialler.seal(b"echo"))


def test_a_greeting_of_another_link_does_not_open() -> None:
    dialler, _ = pair()
    other, said = hello(seed="another dialler")
    responder, _ = Channel.answer(said, SECRET, dice("responder"))
    with pytest.raises(ChannelForged):
        dialler.open(responder.seal(b"answer"))
    assert other.ephemeral != dialler.ephemeral


def test_a_hello_played_twice_is_answered_under_two_nonces() -> None:
    _, said = hello()
    entropy = dice("responder")
    answers = [Channel.answer(said, SECRET, entropy)[0].seal(b"answer") for _ in range(2)]
    assert answers[0][:NONCE_SIZE] != answers[1][:NONCE_SIZE]
    # The same key and nonce would encrypt equal bytes alike, and give a forger the authenticator's key.
    assert answers[0][NONCE_SIZE:] != answers[1][NONCE_SIZE:]


def test_the_layout_is_that_of_the_protocol() -> None:
    assert (KEY_SIZE, NONCE_SIZE, COUNT_SIZE) == (32, 12, 8)
