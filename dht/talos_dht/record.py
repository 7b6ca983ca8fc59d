"""The record of an identity: where its instances are now.

    record    [1, did, log seq, log digest, [instance, ...], bundle, seq, expires_ms, signature]
    instance  [key, lease_epoch, [address, ...]]
    address   [host, port, relay]

It lies at three places, because for one, an attacker can make ids that are all nearer than any honest one's:

    place     first 20 bytes of H("talos/v1/dht-place", did 32 | salt), salt = 00, 01, 02

The format is in docs/protocol/record.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from talos_dht import codec
from talos_dht.contact import KEY_SIZE, PORT_MAX
from talos_dht.errors import Malformed
from talos_dht.messages import RECORD_SIZE_MAX
from talos_dht.statement import DID_SIZE, HASH_SIZE, LOG_SEQ_MAX, SEQ_MAX, SIGNATURE_SIZE, TIME_MS_MAX, Sign, place_of

LABEL_RECORD: Final = b"talos/v1/dht-record"  # Signature over a record.

VERSION: Final = 1
SALTS: Final = 3  # Places of a record: salts 0, 1 and 2.
INSTANCES_MAX: Final = 3
ADDRESSES_MAX: Final = 2  # Of an instance.
HOST_SIZE_MAX: Final = 255  # Bytes of a host name: RFC 1035, section 2.3.4. Six of that length do not fit a record.


def places_of(did: bytes) -> list[bytes]:
    """Return the targets at which the record of an identity lies, by salt."""
    return [place_of(did, salt) for salt in range(SALTS)]


@dataclass(frozen=True, slots=True)
class Address:
    """A place to dial: direct, or through a relay."""

    host: str  # A host name or IP address; v6 without brackets.
    port: int  # TCP, 1..65535.
    relay: bytes = b""  # The relay's X25519 key, 32 bytes; empty if direct.


@dataclass(frozen=True, slots=True)
class Instance:
    key: bytes  # Ed25519, 32 bytes.
    lease_epoch: int = 0  # 0: not replicated.
    addresses: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Decoded, not checked: `statement.check` says whether to believe it."""

    did: bytes  # DID hash, 32 bytes.
    log_seq: int  # Of the newest event of its key log ...
    log_digest: bytes  # ... and the digest of that, 32 bytes.
    instances: tuple[Instance, ...]
    bundle: bytes  # SHA-256 of the first instance's prekey bundle, which is fetched over a stream.
    seq: int  # Of two with the same key log, the higher is newer.
    expires_ms: int  # ms UTC.
    signature: bytes = b""  # By the key that was the identity's current one at that event.

    @property
    def places(self) -> list[bytes]:
        """The targets at which it lies, by salt."""
        return places_of(self.did)

    def encode(self) -> bytes:
        return codec.pack(*self._signed_fields(), self.signature)

    def message(self) -> bytes:
        return LABEL_RECORD + b"\x00" + codec.pack(*self._signed_fields())

    def signed(self, sign: Sign) -> Record:
        """Return this record with a signature. Raises `Malformed` if nobody could read it."""
        record = replace(self, signature=sign(self.message()))
        return Record.decode(record.encode())

    @classmethod
    def decode(cls, raw: bytes) -> Record:
        """Raises `Malformed`, naming the first field that is wrong."""
        fields = codec.array(raw, length=9, size_max=RECORD_SIZE_MAX, field="record")
        version, did, log_seq, log_digest, instances, bundle, seq, expires_ms, signature = fields
        codec.integer(version, least=VERSION, most=VERSION, field="version")
        return cls(
            did=codec.octets(did, length=DID_SIZE, field="did"),
            log_seq=codec.integer(log_seq, least=0, most=LOG_SEQ_MAX, field="log_seq"),
            log_digest=codec.octets(log_digest, length=HASH_SIZE, field="log_digest"),
            instances=tuple(
                _read_instance(one) for one in codec.listing(instances, least=1, most=INSTANCES_MAX, field="instances")
            ),
            bundle=codec.octets(bundle, length=HASH_SIZE, field="bundle"),
            seq=codec.integer(seq, least=0, most=SEQ_MAX, field="seq"),
            expires_ms=codec.integer(expires_ms, least=0, most=TIME_MS_MAX, field="expires_ms"),
            signature=codec.octets(signature, length=SIGNATURE_SIZE, field="signature"),
        )

    def _signed_fields(self) -> tuple[codec.Field, ...]:
        instances: list[codec.Field] = [
            [one.key, one.lease_epoch, [[at.host, at.port, at.relay] for at in one.addresses]] for one in self.instances
        ]
        log = (self.log_seq, self.log_digest)
        return VERSION, self.did, *log, instances, self.bundle, self.seq, self.expires_ms


def _read_instance(value: object) -> Instance:
    key, lease_epoch, addresses = codec.exactly(value, length=3, field="instance")
    return Instance(
        codec.octets(key, length=KEY_SIZE, field="key"),
        codec.integer(lease_epoch, least=0, most=SEQ_MAX, field="lease_epoch"),
        tuple(_read_address(one) for one in codec.listing(addresses, most=ADDRESSES_MAX, field="addresses")),
    )


def _read_address(value: object) -> Address:
    host, port, relay = codec.exactly(value, length=3, field="address")
    via = codec.octets(relay, most=KEY_SIZE, field="relay")
    if len(via) not in (0, KEY_SIZE):
        raise Malformed(f"relay: neither empty nor {KEY_SIZE} bytes")
    return Address(
        codec.text(host, least=1, most=HOST_SIZE_MAX, field="host"),
        codec.integer(port, least=1, most=PORT_MAX, field="port"),
        via,
    )
