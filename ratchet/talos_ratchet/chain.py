"""The symmetric half of the ratchet: one key per message, never the same one twice.

Source: Signal, "The Double Ratchet Algorithm", sections 2.2 and 5.2.
"""

from __future__ import annotations

from typing import Final

from talos_ratchet.suite import Suite

AHEAD_MAX: Final = 16  # Steps derived in a row: hashing alone among ciphers costs half as much again, for cold caches.


class Chain:
    """One direction between two turns: `key` yields the key of message `number` and all after it."""

    __slots__ = ("_ahead", "_suite", "key", "number")

    def __init__(self, suite: Suite, key: bytes, number: int = 0) -> None:
        self.key = key  # 32 bytes, secret. What is derived ahead is no worse to lose than this, and never stored.
        self.number = number
        self._suite = suite
        self._ahead: list[tuple[bytes, bytes]] = []  # (message key, chain key after it), the next one last.

    def message_key(self) -> bytes:
        """Return the key of message `number` (32 bytes). That does not use it up; `advance` does."""
        if not self._ahead:
            self._look_ahead()
        return self._ahead[-1][0]

    def advance(self) -> None:
        """Go past message `number`, whose `message_key` was asked for."""
        self.key = self._ahead.pop()[1]
        self.number += 1

    def _look_ahead(self) -> None:
        """Derive as many steps as were taken, so that short chains cost little more than their messages."""
        key = self.key
        for _ in range(min(self.number + 1, AHEAD_MAX)):
            message_key, key = self._suite.step(key)
            self._ahead.append((message_key, key))
        self._ahead.reverse()
