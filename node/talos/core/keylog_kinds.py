"""The kinds of key-log events, their limits, and the values that several kinds share.

Lists are strictly ascending as bytes, so that one set has one encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from talos.core import codec, names
from talos.core.keylog_keys import KEY_SIZE, SIGNATURE_SIZE
from talos.errors import Damaged, MalformedMessage, Refused

HASH_SIZE: Final = 32  # Bytes of a DID hash, instance id, digest or commitment.
MEMBERS_MAX: Final = 9  # Controllers, witnesses or voters: a quorum of 5, and inception stays near 1 KiB.
INSTANCES_MAX: Final = 16  # Live at once, and named in one event: the hosts of one identity.
RIVALS_MAX: Final = 4  # Branches that one thaw can name, and that a forked log keeps.
REASON_SIZE_MAX: Final = 256  # Bytes of UTF-8: a sentence for people.
TIME_MS_MAX: Final = 2**48 - 1  # Year 10889: sums with any window stay well inside 64 bits.
RANK_2_FIRST: Final = 16  # Kinds from here on are signed by the current key, and overridden by those below.


class BrokenKeyLog(Damaged):
    """A key log that breaks a rule: forged, damaged, or written by a node that lost its way."""


class ControllerUnknown(Refused):
    """A revocation is signed by a controller whose key log is not at hand: fetch it and verify again."""

    def __init__(self, did: bytes) -> None:
        super().__init__(f"the key log of controller {names.did_of(did)} is not known")
        self.did = did


class Kind(IntEnum):
    INCEPTION = 0
    ROTATION = 1
    CONTROLLERS = 2
    WITNESSES = 3
    VOTERS = 4
    GOVERNOR = 5
    THAW = 6
    REVOCATION = 7
    INSTANCE = 16
    INSTANCE_RETIRED = 17
    SUSPENDED = 18

    @property
    def is_rank_1(self) -> bool:
        return self < RANK_2_FIRST


class Role(IntEnum):
    """What an instance may do beside its siblings: alone, or one of SPEC's replica modes."""

    SOLE = 0
    LEADER_FOLLOWER = 1
    ACTIVE_ACTIVE = 2
    READ_ONLY = 3

    @classmethod
    def read(cls, value: object) -> Role:
        return cls(codec.integer(value, least=cls.SOLE, most=cls.READ_ONLY, field="role"))


@dataclass(frozen=True, slots=True)
class Reveal:
    """What every rank-1 event but a revocation begins with."""

    key: bytes  # Ed25519, 32 bytes: the key that the rank-1 event before committed to.
    next_commitment: bytes  # `commitment_of` the key after it, 32 bytes.

    def fields(self) -> tuple[codec.Field, ...]:
        return self.key, self.next_commitment

    @classmethod
    def read(cls, key: object, next_commitment: object) -> Reveal:
        return cls(
            codec.octets(key, length=KEY_SIZE, field="key"),
            codec.octets(next_commitment, length=HASH_SIZE, field="next_commitment"),
        )


@dataclass(frozen=True, slots=True)
class Quorum:
    """`threshold` of `members` decide together; without members it is 0."""

    threshold: int
    members: tuple[bytes, ...]  # 32 bytes each, ascending.

    def fields(self) -> tuple[codec.Field, ...]:
        return self.threshold, self.members

    @classmethod
    def read(cls, threshold: object, members: object, *, field: str) -> Quorum:
        read = hashes(members, most=MEMBERS_MAX, field=field)
        least = 1 if read else 0
        return cls(codec.integer(threshold, least=least, most=len(read), field=f"{field}.threshold"), read)


NOBODY: Final = Quorum(0, ())


@dataclass(frozen=True, slots=True)
class Signature:
    """By the key that the event itself calls for, or by a controller: then `signer` is its DID hash."""

    signer: bytes
    signature: bytes  # Ed25519, 64 bytes, over LABEL_EVENT | 00 | body.

    @classmethod
    def read(cls, value: object) -> Signature:
        signer, signature = codec.listing(value, least=2, most=2, field="signature")
        return cls(
            hash_or_nothing(signer, field="signer"),
            codec.octets(signature, length=SIGNATURE_SIZE, field="signature"),
        )


def hashes(value: object, *, most: int, field: str) -> tuple[bytes, ...]:
    """Return a list of at most `most` hashes or keys, 32 bytes each, strictly ascending."""
    items = codec.listing(value, most=most, field=field)
    read = tuple(codec.octets(item, length=HASH_SIZE, field=field) for item in items)
    if any(left >= right for left, right in pairwise(read)):
        raise MalformedMessage(f"{field}: not strictly ascending")
    return read


def hash_or_nothing(value: object, *, field: str) -> bytes:
    read = codec.octets(value, most=HASH_SIZE, field=field)
    if len(read) not in (0, HASH_SIZE):
        raise MalformedMessage(f"{field}: {len(read)} bytes, neither 0 nor {HASH_SIZE}")
    return read
