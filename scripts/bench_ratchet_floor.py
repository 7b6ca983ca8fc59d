"""What a message costs at the least: the calls of the libraries that ours makes for it, and nothing around them."""

from __future__ import annotations

from os import urandom  # noqa: TID251 - Its cost is part of what is measured.
from typing import Final

from scripts.bench_ratchet_peers import LANE, PAYLOAD
from talos_ratchet import SUITE_1
from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.frame import BODY_AT, HEADER, NONCE_SIZE
from talos_ratchet.suite import public_of

TRANSCRIPT_SIZE: Final = 32  # Bytes.


class Floor:
    """No state moves: each time the same keys are taken again, but those that a message draws by lot."""

    name = "library calls alone"

    def __init__(self) -> None:
        self._key, self._ad = urandom(KEY_SIZE), urandom(TRANSCRIPT_SIZE) + bytes([LANE])
        self._theirs, self._header = public_of(urandom(KEY_SIZE)), urandom(HEADER.size)
        self._sealer = SUITE_1.header_aead(self._key)
        self._body_ad = self._ad + urandom(BODY_AT)  # Of a body it is the head of the frame too.
        self._trials = [(self._key, self._ad)]

    def in_order(self) -> None:
        """One message of 1 KiB: a chain step, header and body, on either side."""
        key, ad, suite = self._key, self._ad, SUITE_1
        nonce = urandom(NONCE_SIZE)
        sealed = self._sealer.encrypt(nonce, self._header, ad)
        message_key, _ = suite.step(key)
        body = suite.seal_aead(message_key).encrypt(nonce, PAYLOAD, self._body_ad)
        suite.open_header(self._trials, nonce, sealed)
        message_key, _ = suite.step(key)
        suite.open_aead(message_key).decrypt(nonce, body, self._body_ad)

    def turn(self) -> None:
        """Both halves of a DH turn: a key pair, an agreement and a root step, and the last two on the other side."""
        secret = urandom(KEY_SIZE)
        public_of(secret)
        for _ in range(2):
            SUITE_1.turn(self._key, SUITE_1.agree(secret, self._theirs))

    def ping_pong(self) -> None:
        for _ in range(2):
            self.turn()
            self.in_order()
