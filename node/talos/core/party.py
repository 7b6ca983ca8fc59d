"""The party record: who somebody is in a handshake, signed by the identity and by the instance.

[1, did, ed25519, x25519, seq, digest, role, not_after_ms, identity signature, instance signature]

Both signatures cover the array of the first eight fields, each behind its own label. `seq` and `digest`
name the key-log event that was newest when the record was made; the identity signs with the key that
was current then. talos_ratchet hashes the record into its transcript, unread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from talos.core import codec, names
from talos.core.keylog import KeyLog
from talos.core.keylog_event import SEQ_MAX
from talos.core.keylog_keys import KEY_SIZE, SIGNATURE_SIZE, Sign, is_signed
from talos.core.keylog_kinds import HASH_SIZE, TIME_MS_MAX, Role
from talos.core.keylog_state import Standing
from talos.errors import Damaged, Refused

VERSION: Final = 1
PARTY_SIZE_MAX: Final = 512  # Bytes. Version 1 takes at most 285; the rest is for a version to come.


class KeyLogBehind(Refused):
    """The record names an event that our copy of the key log does not reach: fetch the log, check again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Decoded, not checked: `check_party` says whether to believe it."""

    did: bytes  # DID hash, 32 bytes.
    ed25519: bytes  # Of the instance, 32 bytes.
    x25519: bytes  # Of the instance, 32 bytes.
    seq: int
    digest: bytes
    role: Role
    not_after_ms: int  # ms UTC.
    identity_signature: bytes
    instance_signature: bytes

    @property
    def instance(self) -> bytes:
        """The instance id, 32 bytes."""
        return names.instance_id(self.ed25519)

    def encode(self) -> bytes:
        return codec.pack(*_signed_fields(self), self.identity_signature, self.instance_signature)

    @classmethod
    def decode(cls, raw: bytes) -> Party:
        """Raises `MalformedMessage`, naming the first field that is wrong."""
        fields = codec.array(raw, length=10, size_max=PARTY_SIZE_MAX, field="party")
        version, did, ed25519, x25519, seq, digest, role, not_after_ms, by_identity, by_instance = fields
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        return cls(
            did=codec.octets(did, length=names.DID_SIZE, field="did"),
            ed25519=codec.octets(ed25519, length=KEY_SIZE, field="ed25519"),
            x25519=codec.octets(x25519, length=KEY_SIZE, field="x25519"),
            seq=codec.integer(seq, least=0, most=SEQ_MAX, field="seq"),
            digest=codec.octets(digest, length=HASH_SIZE, field="digest"),
            role=Role.read(role),
            not_after_ms=codec.integer(not_after_ms, least=0, most=TIME_MS_MAX, field="not_after_ms"),
            identity_signature=codec.octets(by_identity, length=SIGNATURE_SIZE, field="identity_signature"),
            instance_signature=codec.octets(by_instance, length=SIGNATURE_SIZE, field="instance_signature"),
        )

    def still_good(self, log: KeyLog, now_ms: int) -> bool:
        """Say whether a session with this party, once checked, may live on under what `log` says now.

        Unlike `check_party` it lets an old key count until its migration window ends.
        """
        key = log.key_at(self.seq, self.digest) if log.state.did == self.did else None
        return key is not None and log.state.counts(key, now_ms) and _why_not(self, log, now_ms) is None


def make_party(
    log: KeyLog,
    *,
    ed25519: bytes,
    x25519: bytes,
    role: Role,
    not_after_ms: int,
    sign_identity: Sign,
    sign_instance: Sign,
) -> Party:
    """Return the record of an instance of ours. `sign_identity` holds the log's current key."""
    unsigned = Party(
        did=log.state.did,
        ed25519=ed25519,
        x25519=x25519,
        seq=log.state.seq,
        digest=log.state.digest,
        role=role,
        not_after_ms=not_after_ms,
        identity_signature=b"",
        instance_signature=b"",
    )
    body = codec.pack(*_signed_fields(unsigned))
    return replace(
        unsigned,
        identity_signature=sign_identity(codec.signed(names.LABEL_PARTY_IDENTITY, body)),
        instance_signature=sign_instance(codec.signed(names.LABEL_PARTY_INSTANCE, body)),
    )


def check_party(party: Party, log: KeyLog, now_ms: int) -> None:
    """Check a record that opens a session against its identity's key log.

    Raises `Damaged` where a signature is wrong, `KeyLogBehind` where our log is too short to tell, and
    `Refused` where the record is genuine but does not hold now. An old key opens nothing, not even in
    its migration window: it signs nothing new.
    """
    if log.state.did != party.did:
        raise Damaged("the party record is of another identity than the key log")
    if party.seq > log.state.seq and not log.rivals:
        raise KeyLogBehind(f"the party record needs event {party.seq}; our key log ends at {log.state.seq}")
    key = log.key_at(party.seq, party.digest)
    if key is None:
        raise Refused(f"the party record names an event {party.seq} that is not on the key log")
    body = codec.pack(*_signed_fields(party))
    if not is_signed(key, names.LABEL_PARTY_IDENTITY, body, party.identity_signature):
        raise Damaged("the party record has a wrong signature of the identity")
    if not is_signed(party.ed25519, names.LABEL_PARTY_INSTANCE, body, party.instance_signature):
        raise Damaged("the party record has a wrong signature of the instance")
    reason = _why_not(party, log, now_ms)
    if reason is not None:
        raise Refused(reason)
    if key != log.state.key:
        raise Refused("the party record is signed by a key that has been replaced")


def _why_not(party: Party, log: KeyLog, now_ms: int) -> str | None:
    instance = log.state.instances.get(party.instance)
    if not log.state.is_usable():
        return f"the identity is {log.state.phase.name.lower()}"
    if instance is None:
        return "the instance is not certified by the identity"
    if (instance.x25519, instance.role) != (party.x25519, party.role):
        return "the instance is certified with another key or role"
    if not instance.is_active(now_ms):
        if instance.standing is Standing.ACTIVE:
            return f"the instance was certified until {instance.until_ms} ms, and it is {now_ms} ms"
        return f"the instance is {instance.standing.name.lower()}"
    if now_ms >= party.not_after_ms:
        return f"the party record was good until {party.not_after_ms} ms"
    return None


def _signed_fields(party: Party) -> tuple[codec.Field, ...]:
    keys = (party.did, party.ed25519, party.x25519)
    return VERSION, *keys, party.seq, party.digest, int(party.role), party.not_after_ms
