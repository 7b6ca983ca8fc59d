"""Who offers a topic: a capability, or the name of a service.

    provider  [1, topic, did, log seq, log digest, seq, expires_ms, signature]
    topic     H("talos/v1/dht-topic", name in UTF-8)
    place     first 20 bytes of H("talos/v1/dht-place", topic 32 | 03)

A provider says where nobody is: that is in the record of its identity. The format is in docs/protocol/record.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from talos_dht import codec
from talos_dht.contact import hashed
from talos_dht.messages import PROVIDER_SIZE_MAX
from talos_dht.statement import DID_SIZE, HASH_SIZE, LOG_SEQ_MAX, SEQ_MAX, SIGNATURE_SIZE, TIME_MS_MAX, Sign, place_of

LABEL_TOPIC: Final = b"talos/v1/dht-topic"  # Hash of a topic's name.
LABEL_PROVIDER: Final = b"talos/v1/dht-provider"  # Signature over a provider.

VERSION: Final = 1
TOPIC_SALT: Final = 3  # Behind those of records.


def topic_of(name: str) -> bytes:
    """Return the 32 bytes that stand for a topic."""
    return hashed(LABEL_TOPIC, name.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Decoded, not checked: `statement.check` says whether to believe it."""

    topic: bytes  # 32 bytes.
    did: bytes  # DID hash of who offers it, 32 bytes.
    log_seq: int
    log_digest: bytes
    seq: int
    expires_ms: int  # ms UTC.
    signature: bytes = b""

    @property
    def place(self) -> bytes:
        """The target at which it lies, 20 bytes."""
        return place_of(self.topic, TOPIC_SALT)

    def encode(self) -> bytes:
        return codec.pack(*self._signed_fields(), self.signature)

    def message(self) -> bytes:
        return LABEL_PROVIDER + b"\x00" + codec.pack(*self._signed_fields())

    def signed(self, sign: Sign) -> Provider:
        """Return this provider with a signature. Raises `Malformed` if nobody could read it."""
        provider = replace(self, signature=sign(self.message()))
        return Provider.decode(provider.encode())

    @classmethod
    def decode(cls, raw: bytes) -> Provider:
        """Raises `Malformed`, naming the first field that is wrong."""
        fields = codec.array(raw, length=8, size_max=PROVIDER_SIZE_MAX, field="provider")
        version, topic, did, log_seq, log_digest, seq, expires_ms, signature = fields
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        return cls(
            topic=codec.octets(topic, length=HASH_SIZE, field="topic"),
            did=codec.octets(did, length=DID_SIZE, field="did"),
            log_seq=codec.integer(log_seq, least=0, most=LOG_SEQ_MAX, field="log_seq"),
            log_digest=codec.octets(log_digest, length=HASH_SIZE, field="log_digest"),
            seq=codec.integer(seq, least=0, most=SEQ_MAX, field="seq"),
            expires_ms=codec.integer(expires_ms, least=0, most=TIME_MS_MAX, field="expires_ms"),
            signature=codec.octets(signature, length=SIGNATURE_SIZE, field="signature"),
        )

    def _signed_fields(self) -> tuple[codec.Field, ...]:
        log = (self.log_seq, self.log_digest)
        return VERSION, self.topic, self.did, *log, self.seq, self.expires_ms
