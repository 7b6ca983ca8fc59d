"""Rank 2: what the current key says day by day. A rank-1 event at the same place overrides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from talos.core import codec, names
from talos.core.keylog_keys import KEY_SIZE, SIGNATURE_SIZE, Sign, is_signed
from talos.core.keylog_kinds import HASH_SIZE, TIME_MS_MAX, Kind, Role

BOOT_ID_SIZE: Final = 16  # Bytes: random at every start of a node.
INCARNATION_MAX: Final = 2**63 - 1  # Counts the starts of an instance; on disk before it is used.
STATEMENT_VERSION: Final = 1
STATEMENT_SIZE_MAX: Final = 128  # Bytes: version, two hashes, u64, boot id, and their headers are 97.


@dataclass(frozen=True, slots=True)
class Instance:
    """Certifies one running copy of the node. Said again for the same instance, it renews."""

    kind: ClassVar[Kind] = Kind.INSTANCE
    ed25519: bytes  # 32 bytes; their hash is the instance id.
    x25519: bytes  # 32 bytes.
    role: Role
    not_after_ms: int  # ms UTC.

    def fields(self) -> tuple[codec.Field, ...]:
        return self.ed25519, self.x25519, int(self.role), self.not_after_ms

    @classmethod
    def read(cls, values: list[object]) -> Instance:
        ed25519, x25519, role, not_after_ms = values
        return cls(
            codec.octets(ed25519, length=KEY_SIZE, field="ed25519"),
            codec.octets(x25519, length=KEY_SIZE, field="x25519"),
            Role.read(role),
            codec.integer(not_after_ms, least=0, most=TIME_MS_MAX, field="not_after_ms"),
        )


@dataclass(frozen=True, slots=True)
class InstanceRetired:
    """An instance has gone for good; its key never comes back."""

    kind: ClassVar[Kind] = Kind.INSTANCE_RETIRED
    instance: bytes  # Instance id.

    def fields(self) -> tuple[codec.Field, ...]:
        return (self.instance,)

    @classmethod
    def read(cls, values: list[object]) -> InstanceRetired:
        return cls(codec.octets(values[0], length=HASH_SIZE, field="instance"))


@dataclass(frozen=True, slots=True)
class Statement:
    """One start of one instance, signed by its key. Two that share all but the boot id prove a clone."""

    did: bytes
    instance: bytes  # Instance id.
    incarnation: int  # 0 .. INCARNATION_MAX
    boot_id: bytes

    def encode(self) -> bytes:
        return codec.pack(STATEMENT_VERSION, self.did, self.instance, self.incarnation, self.boot_id)

    @classmethod
    def decode(cls, raw: bytes) -> Statement:
        """Raises `MalformedMessage`."""
        version, did, instance, incarnation, boot_id = codec.array(
            raw, length=5, size_max=STATEMENT_SIZE_MAX, field="statement"
        )
        codec.integer(version, least=STATEMENT_VERSION, most=STATEMENT_VERSION, field="statement.version")
        return cls(
            codec.octets(did, length=names.DID_SIZE, field="statement.did"),
            codec.octets(instance, length=HASH_SIZE, field="statement.instance"),
            codec.integer(incarnation, least=0, most=INCARNATION_MAX, field="statement.incarnation"),
            codec.octets(boot_id, length=BOOT_ID_SIZE, field="statement.boot_id"),
        )

    def sign(self, sign: Sign) -> SignedStatement:
        raw = self.encode()
        return SignedStatement(raw, sign(codec.signed(names.LABEL_INCARNATION, raw)), self)


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """Kept verbatim, as it was seen on the wire."""

    raw: bytes
    signature: bytes  # Of the instance, over LABEL_INCARNATION | 00 | raw.
    statement: Statement

    @classmethod
    def read(cls, raw: object, signature: object) -> SignedStatement:
        checked = codec.octets(raw, most=STATEMENT_SIZE_MAX, field="statement")
        signed = codec.octets(signature, length=SIGNATURE_SIZE, field="statement.signature")
        return cls(checked, signed, Statement.decode(checked))

    def is_by(self, instance_ed25519: bytes) -> bool:
        return is_signed(instance_ed25519, names.LABEL_INCARNATION, self.raw, self.signature)


@dataclass(frozen=True, slots=True)
class Suspended:
    """Two copies of one instance ran at once: here is the proof. Both are suspended."""

    kind: ClassVar[Kind] = Kind.SUSPENDED
    instance: bytes  # Instance id.
    first: SignedStatement  # first.raw < second.raw, so that one proof has one encoding.
    second: SignedStatement

    def fields(self) -> tuple[codec.Field, ...]:
        return self.instance, self.first.raw, self.first.signature, self.second.raw, self.second.signature

    @classmethod
    def read(cls, values: list[object]) -> Suspended:
        instance, raw_1, signature_1, raw_2, signature_2 = values
        return cls(
            codec.octets(instance, length=HASH_SIZE, field="instance"),
            SignedStatement.read(raw_1, signature_1),
            SignedStatement.read(raw_2, signature_2),
        )

    def proves_clone(self, did: bytes, instance_ed25519: bytes) -> bool:
        """Say whether both statements are this instance's, of one incarnation, with two boot ids."""
        one, two = self.first.statement, self.second.statement
        return (
            (one.did, one.instance, one.incarnation) == (two.did, two.instance, two.incarnation)
            and (one.did, one.instance) == (did, self.instance)
            and one.boot_id < two.boot_id
            and self.first.is_by(instance_ed25519)
            and self.second.is_by(instance_ed25519)
        )


Rank2: TypeAlias = Instance | InstanceRetired | Suspended
