"""A frame on the wire, byte for byte.

    frame   kind 1 | nonce 12 | sealed header 51 + 16 | sealed body n + 16         96 + n bytes
    header  ratchet key 32 | PN 4 | N 4 | pq_epoch 2 | flags 1 | lease_epoch 8       51 bytes, big endian

`kind` is 0x10 + lane. Header and body are sealed under one random nonce and two unrelated keys; AD of the
header is transcript hash 32 | lane 1, AD of the body is that and the first 80 bytes of the frame. So that a
store rolled back, or a cloned machine, never seals twice under one key and nonce, the nonce is random.
Suite 1 has no use for `pq_epoch` and `flags`: both are 0, and whatever else is refused.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from talos_ratchet.errors import Malformed

KIND_BASE: Final = 0x10  # Plus the lane's number: the first byte of a frame.
NONCE_SIZE: Final = 12  # Bytes.
TAG_SIZE: Final = 16
HEADER: Final = Struct(">32sIIHBQ")
BODY_AT: Final = 1 + NONCE_SIZE + HEADER.size + TAG_SIZE  # 80: where the sealed body begins.
OVERHEAD: Final = BODY_AT + TAG_SIZE  # 96 bytes more than the plaintext.
FRAME_SIZE_MAX: Final = 2**20  # Bytes.
PLAINTEXT_SIZE_MAX: Final = FRAME_SIZE_MAX - OVERHEAD
COUNTER_END: Final = 2**31  # Messages of one chain; 2**32 random nonces under one header key would be too many.
LEASE_EPOCH_BITS: Final = 64


def cut_head(frame: bytes, lane: int) -> tuple[bytes, bytes]:
    """Return the nonce and the sealed header of a frame. Raises `Malformed` if it cannot be one of this lane."""
    if not OVERHEAD <= len(frame) <= FRAME_SIZE_MAX or frame[0] != KIND_BASE + lane:
        raise Malformed(f"{len(frame)} bytes are not a frame of lane {lane}")
    return frame[1:13], frame[13:BODY_AT]
