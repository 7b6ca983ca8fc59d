"""The ratchet's suite 1, watched: no message key may encrypt two frames that go out.

A frame that was sealed, and whose commit then failed, never leaves the node; its key is used again, and that is well.
So what counts is what is on the wire: the authentication tag that ends a frame tells which key sealed it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from talos_ratchet import Suite

TAG_SIZE: Final = 16  # Bytes; RFC 8439, section 2.8.
LENGTH_SIZE: Final = 4  # Bytes before each frame on a stream.


class WatchedSuite(Suite):
    """The real cryptography. `reused` is called with a key that has sealed a second frame which goes out."""

    reused: Callable[[bytes], None]

    def __init__(self) -> None:
        super().__init__()
        self.reused = lambda key: None
        self._keys: dict[bytes, bytes] = {}  # By the tag of a frame that has not gone out.
        self._tags: dict[bytes, bytes] = {}  # By the key of one that has.
        self.seal_aead = self._watched

    def _watched(self, key: bytes) -> _WatchedCipher:
        return _WatchedCipher(key, self._keys)

    def went_out(self, data: bytes) -> None:
        """Look at what a node writes to a stream: whole frames, or pieces of a long one."""
        at = 0
        while at + LENGTH_SIZE < len(data):
            end = at + LENGTH_SIZE + int.from_bytes(data[at : at + LENGTH_SIZE], "big")
            if end > len(data):
                return
            tag = data[end - TAG_SIZE : end]
            key = self._keys.pop(tag, None)
            if key is not None and self._tags.setdefault(key, tag) != tag:
                self.reused(key)
            at = end


class _WatchedCipher:
    __slots__ = ("_cipher", "_key", "_keys")

    def __init__(self, key: bytes, keys: dict[bytes, bytes]) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._key = key
        self._keys = keys

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        sealed = self._cipher.encrypt(nonce, data, associated_data)
        self._keys[sealed[-TAG_SIZE:]] = self._key
        return sealed
