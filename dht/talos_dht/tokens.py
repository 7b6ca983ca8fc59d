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
    __slots__ = ("_entropy", "_newest", "_secrets")

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._secrets: dict[int, bytes] = {}  # By period: this one and the one before.
        self._newest: tuple[bytes, bytes, bytes] | None = None  # Secret, contact as written, token.

    def make(self, contact: Contact, now_ms: int) -> bytes:
        period = now_ms // ROTATE_MS
        if period not in self._secrets:
            kept = {one: secret for one, secret in self._secrets.items() if one == period - 1}
            self._secrets = kept | {period: self._entropy(_SECRET_SIZE)}
        return self._token(self._secrets[period], contact)

    def holds(self, token: bytes, contact: Contact, now_ms: int) -> bool:
        """Say whether this is a token that we gave to the holder of that key, at that address."""
        if len(token) != TOKEN_SIZE:
            return False
        period = now_ms // ROTATE_MS
        for one in (period, period - 1):
            secret = self._secrets.get(one)
            if secret is not None and compare_digest(token, self._token(secret, contact)):
                return True
        return False

    def _token(self, secret: bytes, contact: Contact) -> bytes:
        newest = self._newest  # One request asks for the same three times.
        if newest is None or newest[0] != secret or newest[1] != contact.raw:
            token = blake2b(contact.raw, digest_size=TOKEN_SIZE, key=secret).digest()
            newest = self._newest = secret, contact.raw, token
        return newest[2]
