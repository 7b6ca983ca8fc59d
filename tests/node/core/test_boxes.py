from __future__ import annotations

from itertools import count

import pytest
from nacl.public import Box, PrivateKey, PublicKey

from talos.core.boxes import CIRCLE_SIZE, SHARED_MAX, Boxes, BoxForged, Circle
from talos.errors import MalformedMessage
from talos_dht import BODY_MAX, DATAGRAM_MAX, SEAL_SIZE
from talos_ratchet import KeyPair

ADA = KeyPair.of(b"\x01" * 32)
BOB = KeyPair.of(b"\x02" * 32)
EVE = KeyPair.of(b"\x03" * 32)


def boxes(pair: KeyPair, network_key: bytes = b"") -> Boxes:
    numbers = count(1)
    return Boxes(pair, lambda size: next(numbers).to_bytes(size, "big"), network_key)


def numbered(number: int) -> KeyPair:
    """X25519 does not look at the lowest three bits (RFC 7748, section 5)."""
    return KeyPair.of((8 * number + 64).to_bytes(32, "little"))


def test_a_datagram_is_the_box_of_pynacl_behind_the_senders_key() -> None:
    datagram = boxes(ADA).seal(BOB.public, b"hello")
    assert datagram[:32] == ADA.public
    assert Box(PrivateKey(BOB.secret), PublicKey(ADA.public)).decrypt(datagram[32:]) == b"hello"


@pytest.mark.parametrize("network_key", [b"", b"k" * 32])
def test_who_it_is_for_learns_who_sent_it_and_what(network_key: bytes) -> None:
    datagram = boxes(ADA, network_key).seal(BOB.public, b"hello")
    assert boxes(BOB, network_key).open(datagram) == (ADA.public, b"hello")


def test_a_circle_is_open_to_who_has_its_key_and_to_nobody_else() -> None:
    inside, outside = (Circle(key * 32, lambda size: bytes(range(size))) for key in (b"k", b"l"))
    sealed = inside.seal(b"here I am")
    assert len(sealed) == len(b"here I am") + CIRCLE_SIZE
    assert inside.open(sealed) == b"here I am"
    assert b"here" not in sealed
    for changed in (sealed[:-1], sealed + b"x", b"", bytes(len(sealed)), b"here I am"):
        with pytest.raises(BoxForged):
            inside.open(changed)
    with pytest.raises(BoxForged):
        outside.open(sealed)
    assert Circle(b"", bytes).open(Circle(b"", bytes).seal(b"here I am")) == b"here I am"


def test_the_longest_body_makes_the_longest_datagram() -> None:
    assert len(boxes(ADA).seal(BOB.public, bytes(BODY_MAX))) == DATAGRAM_MAX == BODY_MAX + SEAL_SIZE


def test_no_nonce_comes_twice() -> None:
    ada = boxes(ADA)
    assert len({ada.seal(BOB.public, b"same")[32:56] for _ in range(50)}) == 50


@pytest.mark.parametrize(
    ("sender", "receiver"), [(b"", b"k" * 32), (b"k" * 32, b""), (b"k" * 32, b"l" * 32)], ids=["out", "in", "other"]
)
def test_nothing_passes_between_groups(sender: bytes, receiver: bytes) -> None:
    with pytest.raises(BoxForged):
        boxes(BOB, receiver).open(boxes(ADA, sender).seal(BOB.public, b"hello"))


def test_somebody_else_cannot_open_it() -> None:
    with pytest.raises(BoxForged):
        boxes(EVE).open(boxes(ADA).seal(BOB.public, b"hello"))


def test_every_flipped_byte_is_noticed() -> None:
    datagram, bob = boxes(ADA).seal(BOB.public, b"hello"), boxes(BOB)
    for at in range(len(datagram)):
        with pytest.raises(BoxForged):
            bob.open(datagram[:at] + bytes([datagram[at] ^ 1]) + datagram[at + 1 :])
    assert len(bob) == 0


@pytest.mark.parametrize("size", [0, 1, 31, 32, 55, 56, SEAL_SIZE - 1])
def test_what_is_too_short_for_a_seal_is_refused(size: int) -> None:
    with pytest.raises(MalformedMessage):
        boxes(BOB).open(boxes(ADA).seal(BOB.public, b"")[:size])


def test_a_key_of_low_order_neither_opens_nor_is_sealed_for() -> None:
    with pytest.raises(BoxForged):
        boxes(BOB).open(bytes(32) + bytes(60))
    with pytest.raises(BoxForged):
        boxes(BOB).seal(bytes(32), b"hello")


def test_a_forged_datagram_drives_no_key_out_and_the_least_used_goes_first() -> None:
    bob, ada = boxes(BOB), boxes(ADA)
    bob.open(ada.seal(BOB.public, b"1"))
    for number in range(SHARED_MAX):
        bob.seal(numbered(number).public, b"")
        if number == SHARED_MAX // 2:
            bob.open(ada.seal(BOB.public, b"2"))
        with pytest.raises(BoxForged):
            bob.open(number.to_bytes(32, "little") + bytes(60))
    assert bob.knows(ADA.public)
    assert len(bob) == SHARED_MAX
    assert not bob.knows(numbered(0).public)
