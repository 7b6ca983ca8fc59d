"""Where others see us, though some of them lie."""

from __future__ import annotations

import pytest

from talos_dht import Contact
from talos_dht.vantage import VOICES_MAX, Vantage

KEY = bytes(range(32))
HOME, LIE = "198.51.100.7", "203.0.113.9"


def place(host: str, port: int = 4000) -> bytes:
    return Contact.at(KEY, host, port).place


def teller(number: int, host: str | None = None) -> Contact:
    """Return a node of the network of that number."""
    return Contact.at(bytes([number]) * 32, host or f"100.0.{number}.1", 1)


def test_before_anybody_has_answered_nobody_has_seen_us() -> None:
    assert Vantage(KEY).place is None


@pytest.mark.parametrize("nowhere", [bytes(18), place(HOME)[:16] + bytes(2), bytes(16) + b"\x00\x01", b"\xff" * 18])
def test_what_nobody_can_be_at_says_nothing(nowhere: bytes) -> None:
    vantage = Vantage(KEY)
    vantage.told(teller(1), nowhere)
    assert vantage.place is None


def test_most_networks_are_believed_and_one_that_speaks_often_has_one_voice() -> None:
    vantage = Vantage(KEY)
    vantage.told(teller(1), place(HOME))
    for number in range(9):
        vantage.told(teller(9, f"100.0.9.{number + 1}"), place(LIE))
    assert vantage.place == place(HOME)  # One against one: who spoke first.
    vantage.told(teller(2), place(HOME, 4001))
    vantage.told(teller(8), place(LIE))
    assert vantage.place == place(HOME)
    vantage.told(teller(7), place(LIE))
    assert vantage.place == place(LIE)  # We have moved, for all that we can know.


def test_who_is_outside_counts_more_than_our_house_and_sees_no_address_of_it() -> None:
    vantage = Vantage(KEY)
    for number in range(3):
        vantage.told(teller(number, f"192.168.0.{number + 1}"), place("192.168.0.9"))
    assert vantage.place == place("192.168.0.9")
    vantage.told(teller(4), place("127.0.0.1"))
    assert vantage.place == place("192.168.0.9")
    vantage.told(teller(5), place(HOME))
    assert vantage.place == place(HOME)


def test_so_many_voices_are_kept() -> None:
    vantage = Vantage(KEY)
    for number in range(VOICES_MAX):
        vantage.told(teller(number), place(LIE))
    for number in range(VOICES_MAX, 2 * VOICES_MAX):
        vantage.told(teller(number), place(HOME))
    assert vantage.place == place(HOME)
    assert len(vantage._outside) == VOICES_MAX
