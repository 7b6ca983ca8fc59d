"""What travels on a link: u32 length | u8 kind | body, the length counting kind and body.

The three lane kinds are the first byte of a ratchet frame itself, so nothing is said twice. Everything
before a link is bound is a greeting: FETCH, CARD and KEY_LOG in the clear, HELLO and SEALED under the HELLO channel.
The length is checked against the kind's limit before anything is allocated.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from talos.errors import MalformedMessage
from talos_dht import DATAGRAM_MAX

RATCHET_OVERHEAD: Final = 96  # Bytes a ratchet frame adds to its plaintext.
CONTROL_SIZE_MAX: Final = 4 * 1024  # Bytes of plaintext: a control frame never delays another for long.
BULK_PIECE_MAX: Final = 64 * 1024  # Bytes of data in one piece.
BULK_HEADER_MAX: Final = 16  # Bytes before the data of a piece.
MESSAGE_FRAME_MAX: Final = 1024 * 1024  # Bytes on the wire, so that a receiver can hold 256 of them.
MESSAGE_SIZE_MAX: Final = MESSAGE_FRAME_MAX - 4 * 1024  # Bytes of an application's message (DECISIONS 14).
FIRST_FRAME_MAX: Final = 4 * 1024  # Bytes a stranger may make us hold before we know anything of it.
GREETING_SIZE_MAX: Final = 16 * 1024  # Bytes: an opening (2 KiB) with a whole key log (8 KiB) fits.
CARD_SIZE_MAX: Final = 16 * 1024
SHOWN_LOG_MAX: Final = 8 * 1024  # A log with an open fork is larger, and is told among peers only.

_LENGTH: Final = struct.Struct(">I")


class Kind(IntEnum):
    FETCH = 0x01  # "Show me your key log, party record and bundle."
    CARD = 0x02
    HELLO = 0x03  # Ephemeral key 32 | first sealed greeting.
    SEALED = 0x04  # A further greeting in the same channel.
    KEY_LOG = 0x05  # The key log of somebody else, whose statements this node holds for the DHT.
    DATAGRAM = 0x06  # A sealed datagram of the DHT, where UDP does not pass; the answer, if there is one, is another.
    CONTROL = 0x11
    MESSAGE = 0x12
    BULK = 0x13


# Bytes of kind and body.
SIZE_MAX: Final[Mapping[int, int]] = {
    Kind.FETCH: 1 + 64,
    Kind.CARD: 1 + CARD_SIZE_MAX,
    Kind.HELLO: FIRST_FRAME_MAX,
    Kind.SEALED: 1 + GREETING_SIZE_MAX,
    Kind.KEY_LOG: 1 + SHOWN_LOG_MAX,
    Kind.DATAGRAM: 1 + DATAGRAM_MAX,
    Kind.CONTROL: CONTROL_SIZE_MAX + RATCHET_OVERHEAD,
    Kind.MESSAGE: MESSAGE_FRAME_MAX,
    Kind.BULK: BULK_PIECE_MAX + BULK_HEADER_MAX + RATCHET_OVERHEAD,
}


def wrap(frame: bytes) -> bytes:
    """Return a frame (its first byte is its kind, as in every ratchet frame) with its length before it.

    Raises `ValueError` beyond the kind's limit: that is our own bug.
    """
    if len(frame) > SIZE_MAX[frame[0]]:
        raise ValueError(f"a frame of {len(frame)} bytes is over the limit of its kind {frame[0]:#x}")
    return _LENGTH.pack(len(frame)) + frame


class FrameReader:
    """Cuts a byte stream into frames; at most one frame and one read are held.

    `allowed` may change between frames, as a link is greeted and then bound.
    """

    __slots__ = ("_held", "allowed")

    def __init__(self, allowed: frozenset[Kind]) -> None:
        self._held = bytearray()
        self.allowed = allowed

    @property
    def inside_a_frame(self) -> bool:
        """True while the first bytes of a frame are here and the last are not."""
        return bool(self._held)

    @property
    def awaited(self) -> int:
        """Bytes of the frame that is arriving, as far as its length is known."""
        return int.from_bytes(self._held[:4], "big") if len(self._held) >= 5 else 0

    def feed(self, data: bytes) -> None:
        self._held += data

    def next(self) -> bytes | None:
        """Return the next whole frame (kind and body), or None until more is fed.

        Raises `MalformedMessage` on a kind that is not allowed now or a length over its limit: the
        stream cannot be trusted after that, so the link must be closed.
        """
        held = self._held
        if len(held) < 5:
            return None
        length = int.from_bytes(held[:4], "big")
        kind = held[4]
        if kind not in self.allowed:
            raise MalformedMessage(f"frame kind {kind:#x} is not allowed now")
        if not 1 <= length <= SIZE_MAX[kind]:
            raise MalformedMessage(f"frame length {length} is over the limit {SIZE_MAX[kind]} of kind {kind:#x}")
        if len(held) < 4 + length:
            return None
        frame = bytes(memoryview(held)[4 : 4 + length])
        del held[: 4 + length]
        return frame
