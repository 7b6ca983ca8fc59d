"""Chains: looking ahead is not going ahead."""

from __future__ import annotations

from talos_ratchet.chain import AHEAD_MAX, Chain
from tests.ratchet.people import WatchedSuite

KEY = bytes(range(32))


def test_a_chain_yields_the_keys_that_stepping_one_by_one_yields() -> None:
    suite = WatchedSuite()
    chain, key = Chain(suite, KEY), KEY
    for number in range(5 * AHEAD_MAX):
        assert (chain.number, chain.key) == (number, key)
        message_key, key = suite.step(key)
        assert chain.message_key() == message_key
        chain.advance()


def test_asking_for_a_key_does_not_use_it_up() -> None:
    chain = Chain(WatchedSuite(), KEY)
    assert chain.message_key() == chain.message_key()
    assert (chain.number, chain.key) == (0, KEY)


def test_a_chain_derives_at_most_twice_what_it_is_asked_for() -> None:
    suite = WatchedSuite()
    chain = Chain(suite, KEY)
    for number in range(5 * AHEAD_MAX):
        chain.message_key()
        chain.advance()
        assert suite.counted.steps <= min(2 * (number + 1), number + 1 + AHEAD_MAX)


def test_a_chain_goes_on_from_any_number() -> None:
    suite = WatchedSuite()
    chain = Chain(suite, KEY)
    for _ in range(21):
        chain.message_key()
        chain.advance()
    again = Chain(suite, chain.key, chain.number)
    assert again.message_key() == chain.message_key()
