"""The first message of a session: who opens it, with which keys, and the first frame.

    kind 01 | suite 1 | flags 1 | party size 2 | party 0..1024 | 05 ephemeral 32 | signed prekey id 4
    | one-time prekey id 4 | KEM prekey id 4 | KEM ciphertext 1568 | first control frame 96..4192

Integers are big endian. The initiator repeats the same bytes until it hears a first reply.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from talos_ratchet.checked import KEY_SIZE
from talos_ratchet.errors import Malformed
from talos_ratchet.frame import OVERHEAD
from talos_ratchet.keys import EC_TYPE, KEM_CIPHERTEXT_SIZE, check_point
from talos_ratchet.suite import SUITE_1

KIND: Final = 1  # First byte; frames begin with 0x11 .. 0x13.
ONE_TIME: Final = 1  # Flag: both the one-time X25519 and the one-time KEM prekey are used. All others are 0.
PARTY_SIZE_MAX: Final = 1_024  # Bytes.
FIRST_SIZE_MAX: Final = 4_096  # Bytes of the first plaintext: as any on the control lane.

_HEAD: Final = Struct(">BBBH")
_KEYS: Final = Struct(f">c{KEY_SIZE}sIII{KEM_CIPHERTEXT_SIZE}s")
_SIZE_LEAST: Final = _HEAD.size + _KEYS.size + OVERHEAD
OPENING_SIZE_MAX: Final = _SIZE_LEAST + PARTY_SIZE_MAX + FIRST_SIZE_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A well-formed opening; nothing in it is authenticated before `accept` has returned."""

    flags: int
    party: bytes  # The initiator's record, opaque here: up to 1024 bytes.
    ephemeral: bytes  # 32 bytes; X25519. Who replays an opening repeats this key.
    signed_prekey_id: int
    one_time_id: int  # Only if `one_time`, else 0.
    kem_prekey_id: int  # Of a one-time KEM prekey if `one_time`, else of a last-resort one.
    ciphertext: bytes = field(repr=False)  # 1568 bytes; ML-KEM-1024.
    frame: bytes = field(repr=False)  # A frame of the control lane.

    @property
    def one_time(self) -> bool:
        return bool(self.flags & ONE_TIME)

    def encode(self) -> bytes:
        return b"".join(
            (
                _HEAD.pack(KIND, SUITE_1.id, self.flags, len(self.party)),
                self.party,
                _KEYS.pack(
                    EC_TYPE,
                    self.ephemeral,
                    self.signed_prekey_id,
                    self.one_time_id,
                    self.kem_prekey_id,
                    self.ciphertext,
                ),
                self.frame,
            )
        )


def read_opening(raw: bytes) -> Opening:
    """Return the parts of `raw`; checks sizes, flags and the ephemeral key. Raises `Malformed`."""
    if not _SIZE_LEAST <= len(raw) <= OPENING_SIZE_MAX:
        raise Malformed(f"an opening has {_SIZE_LEAST} to {OPENING_SIZE_MAX} bytes, not {len(raw)}")
    kind, suite, flags, party_size = _HEAD.unpack_from(raw)
    if (kind, suite) != (KIND, SUITE_1.id) or flags & ~ONE_TIME:
        raise Malformed("opening of another kind, suite or layout")
    keys_at = _HEAD.size + party_size
    frame_at = keys_at + _KEYS.size
    if party_size > PARTY_SIZE_MAX or not OVERHEAD <= len(raw) - frame_at <= OVERHEAD + FIRST_SIZE_MAX:
        raise Malformed(f"party of {party_size} bytes in an opening of {len(raw)}")
    key_type, ephemeral, signed_prekey_id, one_time_id, kem_prekey_id, ciphertext = _KEYS.unpack_from(raw, keys_at)
    if key_type != EC_TYPE:
        raise Malformed("ephemeral key of another type")
    if one_time_id and not flags & ONE_TIME:
        raise Malformed("an opening without one-time prekeys names one")
    return Opening(
        flags=flags,
        party=raw[_HEAD.size : keys_at],
        ephemeral=check_point(ephemeral, "ephemeral key"),
        signed_prekey_id=signed_prekey_id,
        one_time_id=one_time_id,
        kem_prekey_id=kem_prekey_id,
        ciphertext=ciphertext,
        frame=raw[frame_at:],
    )
