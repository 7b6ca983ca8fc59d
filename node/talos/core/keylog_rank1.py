"""Rank 1: what only the holder of the next, still unseen key can say, and what ends an identity.

`fields` gives the order on the wire, after the five fields that every event begins with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from talos.core import codec
from talos.core.keylog_kinds import (
    HASH_SIZE,
    INSTANCES_MAX,
    MEMBERS_MAX,
    NOBODY,
    REASON_SIZE_MAX,
    RIVALS_MAX,
    TIME_MS_MAX,
    Kind,
    Quorum,
    Reveal,
    hash_or_nothing,
    hashes,
)


@dataclass(frozen=True, slots=True)
class Inception:
    """The first event: the hash of its body is the DID. Signed by the key it shows, rotation key 0."""

    kind: ClassVar[Kind] = Kind.INCEPTION
    reveal: Reveal
    controllers: Quorum = NOBODY
    witnesses: Quorum = NOBODY
    voters: tuple[bytes, ...] = ()
    governor: bytes = b""  # As in `Governor`, or empty.

    def fields(self) -> tuple[codec.Field, ...]:
        quorums = (*self.controllers.fields(), *self.witnesses.fields())
        return *self.reveal.fields(), *quorums, self.voters, self.governor

    @classmethod
    def read(cls, values: list[object]) -> Inception:
        key, commitment, k, controllers, threshold, witnesses, voters, governor = values
        return cls(
            Reveal.read(key, commitment),
            Quorum.read(k, controllers, field="controllers"),
            Quorum.read(threshold, witnesses, field="witnesses"),
            hashes(voters, most=MEMBERS_MAX, field="voters"),
            hash_or_nothing(governor, field="governor"),
        )


@dataclass(frozen=True, slots=True)
class Rotation:
    """The key is replaced; `surviving` instances stay, the others leave when the old key ends."""

    kind: ClassVar[Kind] = Kind.ROTATION
    reveal: Reveal
    surviving: tuple[bytes, ...]  # Instance ids, ascending.
    old_ends_ms: int = 0  # 0: now. Else the end of the migration window, ms UTC.
    is_emergency: bool = False  # Then `old_ends_ms` is 0: the old key is thought stolen.

    def fields(self) -> tuple[codec.Field, ...]:
        return *self.reveal.fields(), self.old_ends_ms, self.surviving, self.is_emergency

    @classmethod
    def read(cls, values: list[object]) -> Rotation:
        key, commitment, old_ends_ms, surviving, is_emergency = values
        return cls(
            Reveal.read(key, commitment),
            old_ends_ms=codec.integer(old_ends_ms, least=0, most=TIME_MS_MAX, field="old_ends_ms"),
            surviving=hashes(surviving, most=INSTANCES_MAX, field="surviving"),
            is_emergency=codec.flag(is_emergency, field="is_emergency"),
        )


@dataclass(frozen=True, slots=True)
class Controllers:
    """Who may revoke this identity in its holder's place: `threshold` of these DID hashes."""

    kind: ClassVar[Kind] = Kind.CONTROLLERS
    reveal: Reveal
    controllers: Quorum

    def fields(self) -> tuple[codec.Field, ...]:
        return *self.reveal.fields(), *self.controllers.fields()

    @classmethod
    def read(cls, values: list[object]) -> Controllers:
        key, commitment, threshold, members = values
        return cls(Reveal.read(key, commitment), Quorum.read(threshold, members, field="controllers"))


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Whose cosignatures date this identity's heads: Ed25519 keys, and how many of them suffice."""

    kind: ClassVar[Kind] = Kind.WITNESSES
    reveal: Reveal
    witnesses: Quorum

    def fields(self) -> tuple[codec.Field, ...]:
        return *self.reveal.fields(), *self.witnesses.fields()

    @classmethod
    def read(cls, values: list[object]) -> Witnesses:
        key, commitment, threshold, members = values
        return cls(Reveal.read(key, commitment), Quorum.read(threshold, members, field="witnesses"))


@dataclass(frozen=True, slots=True)
class Voters:
    """Whose majority grants this identity's lease: instance ids or DID hashes, both 32 bytes."""

    kind: ClassVar[Kind] = Kind.VOTERS
    reveal: Reveal
    voters: tuple[bytes, ...]

    def fields(self) -> tuple[codec.Field, ...]:
        return *self.reveal.fields(), self.voters

    @classmethod
    def read(cls, values: list[object]) -> Voters:
        key, commitment, voters = values
        return cls(Reveal.read(key, commitment), hashes(voters, most=MEMBERS_MAX, field="voters"))


@dataclass(frozen=True, slots=True)
class Governor:
    """Which organisation governs this agent: a salted commitment, opened only to whom it concerns."""

    kind: ClassVar[Kind] = Kind.GOVERNOR
    reveal: Reveal
    governor: bytes  # SHA-256(LABEL_GOVERNOR, 00, salt | DID hash), 32 bytes.

    def fields(self) -> tuple[codec.Field, ...]:
        return *self.reveal.fields(), self.governor

    @classmethod
    def read(cls, values: list[object]) -> Governor:
        key, commitment, governor = values
        return cls(Reveal.read(key, commitment), codec.octets(governor, length=HASH_SIZE, field="governor"))


@dataclass(frozen=True, slots=True)
class Thaw:
    """Ends `frozen`: `surviving` instances go on, all others are retired, all older keys are dead."""

    kind: ClassVar[Kind] = Kind.THAW
    reveal: Reveal
    surviving: tuple[bytes, ...]  # Instance ids, ascending.
    rivals: tuple[bytes, ...] = ()  # Digests of the first events of the branches it rejects, ascending.

    def fields(self) -> tuple[codec.Field, ...]:
        return *self.reveal.fields(), self.surviving, self.rivals

    @classmethod
    def read(cls, values: list[object]) -> Thaw:
        key, commitment, surviving, rivals = values
        return cls(
            Reveal.read(key, commitment),
            hashes(surviving, most=INSTANCES_MAX, field="surviving"),
            hashes(rivals, most=RIVALS_MAX, field="rivals"),
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """The end. Signed by the pre-committed `key`, or with an empty one by a quorum of the controllers."""

    kind: ClassVar[Kind] = Kind.REVOCATION
    key: bytes
    reason: str

    def fields(self) -> tuple[codec.Field, ...]:
        return self.key, self.reason

    @classmethod
    def read(cls, values: list[object]) -> Revocation:
        key, reason = values
        return cls(hash_or_nothing(key, field="key"), codec.text(reason, most=REASON_SIZE_MAX, field="reason"))


Setting: TypeAlias = Controllers | Witnesses | Voters | Governor
Rank1: TypeAlias = Inception | Rotation | Setting | Thaw | Revocation
