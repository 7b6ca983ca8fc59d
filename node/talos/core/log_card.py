"""The card of an audit log: which instance of which identity keeps it, and the key that signs its checkpoints.

[1, did, instance ed25519, generation, log key, instance signature]

The signature covers the array of the first five fields. The log key is random and the instance's alone; the
instance is certified in the identity's key log. So a checkpoint leads back to a DID, with nobody asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from talos.core import codec
from talos.core.keylog import KeyLog
from talos.core.keylog_keys import KEY_SIZE, SIGNATURE_SIZE, Sign, is_signed
from talos.core.names import DID_SIZE, LABEL_LOG, instance_id, name_of, peer_id_of
from talos.errors import Damaged
from talos_audit import VerifierKey

VERSION: Final = 1
CARD_SIZE_MAX: Final = 256  # Bytes: version 1 takes at most 175.
GENERATION_MAX: Final = 2**32 - 1
FIRST_GENERATION: Final = 1


@dataclass(frozen=True, slots=True)
class LogCard:
    """Decoded, not checked: `check` says whether to believe it."""

    did: bytes  # DID hash, 32 bytes.
    instance_ed25519: bytes
    generation: int  # One more after every restore or rebuild: no log goes on where a lost one ended.
    key: bytes  # Ed25519, 32 bytes.
    signature: bytes

    @property
    def origin(self) -> str:
        """What the log is called in its checkpoints (DECISIONS 20)."""
        return _origin(self.did, self.instance_ed25519, self.generation)

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.origin, self.key)

    def encode(self) -> bytes:
        return codec.pack(*_fields(self.did, self.instance_ed25519, self.generation, self.key), self.signature)

    @classmethod
    def decode(cls, raw: bytes) -> LogCard:
        """Raises `MalformedMessage`."""
        version, did, instance, generation, key, signature = codec.array(
            raw, length=6, size_max=CARD_SIZE_MAX, field="log card"
        )
        codec.integer(version, least=VERSION, most=VERSION, field="log card.version")
        return cls(
            codec.octets(did, length=DID_SIZE, field="log card.did"),
            codec.octets(instance, length=KEY_SIZE, field="log card.instance"),
            codec.integer(generation, least=FIRST_GENERATION, most=GENERATION_MAX, field="log card.generation"),
            codec.octets(key, length=KEY_SIZE, field="log card.key"),
            codec.octets(signature, length=SIGNATURE_SIZE, field="log card.signature"),
        )

    def check(self, key_log: KeyLog) -> None:
        """Raises `Damaged` unless an instance in this key log has signed the card.

        A retired instance will do: what it wrote down while it ran does not become untrue.
        """
        if key_log.state.did != self.did:
            raise Damaged("the audit log belongs to another identity")
        if instance_id(self.instance_ed25519) not in key_log.state.instances:
            raise Damaged("the audit log belongs to an instance that the identity never certified")
        body = codec.pack(*_fields(self.did, self.instance_ed25519, self.generation, self.key))
        if not is_signed(self.instance_ed25519, LABEL_LOG, body, self.signature):
            raise Damaged("the card of the audit log is not signed by its instance")


def make_card(did: bytes, instance_ed25519: bytes, generation: int, key: bytes, sign_instance: Sign) -> LogCard:
    """Return the card of a new log; `key` is the log's public key."""
    body = codec.pack(*_fields(did, instance_ed25519, generation, key))
    return LogCard(did, instance_ed25519, generation, key, sign_instance(codec.signed(LABEL_LOG, body)))


@lru_cache(maxsize=4_096)  # Asked for with every checkpoint that is signed or checked.
def _origin(did: bytes, instance_ed25519: bytes, generation: int) -> str:
    return f"talos/audit/{peer_id_of(did)}/{name_of(instance_id(instance_ed25519))}/{generation}"


def _fields(did: bytes, instance_ed25519: bytes, generation: int, key: bytes) -> tuple[codec.Field, ...]:
    return VERSION, did, instance_ed25519, generation, key
