"""The HELLO channel: what seals greetings until a ratchet frame has authenticated.

The dialler makes an ephemeral X25519 key and seals to the responder's static instance key. That hides
who calls from everybody but the responder, and proves that the answer comes from the holder of that key.
It does not prove the dialler: that is the ratchet's work.

keys = HKDF-SHA256(salt 32 x 00, ikm X25519(ephemeral, static), info label | ephemeral | static, 64 bytes),
the first half seals dialler to responder, the second back. A sealed greeting is nonce 12 | ciphertext and tag, its
associated data the u64 count of greetings before it in its direction.

The nonce is random, because the responder adds nothing to the keys: whoever plays a recorded HELLO again gets another
answer under the same key, and must not get it under the same nonce.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import RuntimeError as LowOrderPoint

from talos.core.dice import Entropy
from talos.errors import Damaged

LABEL_HELLO: Final = b"talos/v1/hello"
KEY_SIZE: Final = 32  # Bytes of an X25519 key.
NONCE_SIZE: Final = 12  # Bytes.
COUNT_SIZE: Final = 8  # Bytes.


class ChannelForged(Damaged):
    """A greeting that was not sealed for us, or not by whom we dialled."""


class Channel:
    """One end of one link's greeting. `ephemeral` (32 bytes) is the link's nonce: no two links share it."""

    __slots__ = ("_entropy", "_received", "_receiving", "_sending", "_sent", "ephemeral")

    def __init__(
        self, secret: bytes, theirs: bytes, entropy: Entropy, *, ephemeral: bytes, static: bytes, dialler: bool
    ) -> None:
        try:
            shared = crypto_scalarmult(secret, theirs)
        except LowOrderPoint:
            raise ChannelForged("the greeting's key is a point of low order") from None
        keys = HKDF(SHA256(), 64, salt=None, info=LABEL_HELLO + ephemeral + static).derive(shared)
        out, back = ChaCha20Poly1305(keys[:32]), ChaCha20Poly1305(keys[32:])
        self._sending, self._receiving = (out, back) if dialler else (back, out)
        self._sent = self._received = 0
        self._entropy = entropy
        self.ephemeral = ephemeral

    @classmethod
    def dial(cls, static: bytes, entropy: Entropy) -> Channel:
        """Open a channel to the holder of `static`. Raises `ChannelForged` for a key of low order."""
        secret = entropy(KEY_SIZE)
        ephemeral = crypto_scalarmult_base(secret)
        return cls(secret, static, entropy, ephemeral=ephemeral, static=static, dialler=True)

    @classmethod
    def answer(cls, hello: bytes, secret: bytes, entropy: Entropy) -> tuple[Channel, bytes]:
        """Return the channel that a HELLO body opens, and the first greeting in it.

        `secret` is our static instance key. Raises `ChannelForged`.
        """
        ephemeral = hello[:KEY_SIZE]
        if len(ephemeral) < KEY_SIZE:
            raise ChannelForged("the HELLO is too short to hold a key")
        static = crypto_scalarmult_base(secret)
        channel = cls(secret, ephemeral, entropy, ephemeral=ephemeral, static=static, dialler=False)
        return channel, channel.open(hello[KEY_SIZE:])

    def seal(self, greeting: bytes) -> bytes:
        nonce = self._entropy(NONCE_SIZE)
        sealed = self._sending.encrypt(nonce, greeting, self._sent.to_bytes(COUNT_SIZE, "big"))
        self._sent += 1
        return nonce + sealed

    def open(self, sealed: bytes) -> bytes:
        """Raises `ChannelForged`; the channel is then as it was."""
        nonce, count = sealed[:NONCE_SIZE], self._received.to_bytes(COUNT_SIZE, "big")
        if len(nonce) < NONCE_SIZE:
            raise ChannelForged("the greeting is too short to hold a nonce")
        try:
            greeting = self._receiving.decrypt(nonce, sealed[NONCE_SIZE:], count)
        except InvalidTag:
            raise ChannelForged("the greeting was not sealed for this node") from None
        self._received += 1
        return greeting
