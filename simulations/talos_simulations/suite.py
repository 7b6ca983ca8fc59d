"""The ratchet's suite 1, watched: no message key may encrypt two frames that go out, and none out of turn.

A frame that was sealed, and whose commit then failed, never leaves the node; its key is used again, and that is well.
So what counts is what is on the wire: the authentication tag that ends a frame tells which key sealed it, and when.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple

from talos.core.frames import Kind
from talos_ratchet import SUITE_1, Suite

TAG_SIZE: Final = 16  # Bytes; RFC 8439, section 2.8.
LENGTH_SIZE: Final = 4  # Bytes before each frame on a stream, and before its kind.
NAMES: Final = {Kind.CONTROL: "a control frame", Kind.MESSAGE: "a message", Kind.BULK: "a bulk piece"}


class _Sealed(NamedTuple):
    key: bytes
    turn: int  # Grows with every frame that is sealed, in the whole world.


class Lanes:
    """What was written to one end of a stream, as far as the next frame's turn depends on it."""

    __slots__ = ("_behind", "_newest", "held")

    def __init__(self) -> None:
        self.held = b""  # The frame whose end has not been written.
        self._behind = 0  # The lane of the last frame in this write: 0 where there is none.
        self._newest = 0  # The turn of the newest frame so far that is not control.

    def begin(self, data: bytes) -> bytes:
        """A node writes this. Return what is to be looked at."""
        self._behind = 0
        return self.held + data if self.held else data

    def take(self, kind: int, sealed: _Sealed | None) -> str | None:
        """Take a frame, which goes out for the first time if it is known when it was sealed. Return what is wrong."""
        if kind < Kind.CONTROL:
            return None  # Of a greeting.
        behind, self._behind = self._behind, kind
        if kind < behind:
            return f"{NAMES[Kind(kind)]} is written behind {NAMES[Kind(behind)]}, at once with it"
        if sealed is not None and kind != Kind.CONTROL:
            self._newest = sealed.turn
        elif sealed is not None and sealed.turn < self._newest:
            return "a control frame is written behind one of another lane that was sealed after it"
        return None


class WatchedSuite(Suite):
    """The real cryptography. `reused` is called with a key that has sealed a second frame which goes out."""

    reused: Callable[[bytes], None]

    def __init__(self) -> None:
        super().__init__()
        self.reused = lambda key: None
        self._fresh: dict[bytes, _Sealed] = {}  # By the tag of a frame that has not gone out.
        self._tags: dict[bytes, bytes] = {}  # By the key of one that has.
        turns = count(1)
        self.seal_aead = lambda key: _WatchedCipher(key, self._fresh, turns)

    def went_out(self, data: bytes, lanes: Lanes | None = None) -> str | None:
        """Look at what a node writes to a stream whose `lanes` these are; without them, at whole frames alone.

        Returns what went out before its turn was come, in words; None if all is well.
        """
        lanes = lanes or Lanes()
        data = lanes.begin(data)
        at, size, wrong = 0, len(data), None
        while at + LENGTH_SIZE < size:
            end = at + LENGTH_SIZE + int.from_bytes(data[at : at + LENGTH_SIZE], "big")
            if end > size:
                break
            tag = data[end - TAG_SIZE : end]
            sealed = self._fresh.pop(tag, None)
            if sealed is not None and self._tags.setdefault(sealed.key, tag) != tag:
                self.reused(sealed.key)
            wrong = lanes.take(data[at + LENGTH_SIZE], sealed) or wrong
            at = end
        lanes.held = data[at:]
        return wrong


class _WatchedCipher:
    __slots__ = ("_cipher", "_fresh", "_key", "_turns")

    def __init__(self, key: bytes, fresh: dict[bytes, _Sealed], turns: count[int]) -> None:
        self._cipher = SUITE_1.seal_aead(key)
        self._key = key
        self._fresh = fresh
        self._turns = turns

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes, /) -> bytes:
        sealed = self._cipher.encrypt(nonce, data, associated_data)
        self._fresh[sealed[-TAG_SIZE:]] = _Sealed(self._key, next(self._turns))
        return sealed
