"""Proof that who asks hears what is sent to its address: a keyed hash of both, which only a reply to it can have told.

Nothing is kept for each asker; the secret changes every five minutes, and the one before still counts.
Source: BEP 5, "get_peers"; the hash is keyed BLAKE2b, RFC 7693.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from talos_dht.contact import Contact
from talos_dht.messages import TOKEN_SIZE

ROTATE_MS: Final = 300_000  # A token counts for so long at least, and twice as long at most.

_SECRET_SIZE: Final = 32


class Tokens:
    __slots__ = ("_entropy", "_secrets")

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._secrets: dict[int, bytes] = {}  # By period: this one and the one before.

    def make(self, contact: Contact, now_ms: int) -> bytes:
        period = now_ms // ROTATE_MS
        if period not in self._secrets:
            kept = {one: secret for one, secret in self._secrets.items() if one == period - 1}
            self._secrets = kept | {period: self._entropy(_SECRET_SIZE)}
        return _token(self._secrets[period], contact)

    def holds(self, token: bytes, contact: Contact, now_ms: int) -> bool:
        """Say whether this is a token that we gave to the holder of that key, at that address."""
        period = now_ms // ROTATE_MS
        secrets = (self._secrets[one] for one in (period, period - 1) if one in self._secrets)
        return any(compare_digest(token, _token(secret, contact)) for secret in secrets)


def _token(secret: bytes, contact: Contact) -> bytes:
    return blake2b(contact.raw, digest_size=TOKEN_SIZE, key=secret).digest()
