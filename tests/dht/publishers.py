"""Identities that publish: their keys, and a stand-in for the key logs that others know of them."""

from __future__ import annotations

from hashlib import sha256

from nacl.signing import SigningKey

from talos_dht import Address, BadStatement, Instance, Now, Provider, Record, topic_of

UTC_MS = 1_700_000_000_000
NOW = Now(0, UTC_MS)
HOUR_MS = 3_600_000


def at(mono_ms: int) -> Now:
    return Now(mono_ms, UTC_MS + mono_ms)


class Publisher:
    def __init__(self, number: int) -> None:
        self.pair = SigningKey(sha256(b"publisher %d" % number).digest())
        self.did = sha256(b"did %d" % number).digest()

    def sign(self, message: bytes) -> bytes:
        return self.pair.sign(message).signature

    def digest(self, log_seq: int = 0) -> bytes:
        return sha256(self.did + bytes([log_seq])).digest()

    def record(self, seq: int = 1, *, log_seq: int = 0, life_ms: int = 3 * HOUR_MS, host: str = "a.example") -> Record:
        return Record(
            did=self.did,
            log_seq=log_seq,
            log_digest=self.digest(log_seq),
            instances=(Instance(bytes(self.pair.verify_key), 0, (Address(host, 4_000),)),),
            bundle=bytes(32),
            seq=seq,
            expires_ms=UTC_MS + life_ms,
        ).signed(self.sign)

    def provider(self, topic: str = "translate", seq: int = 1, *, life_ms: int = 3 * HOUR_MS) -> Provider:
        return Provider(
            topic=topic_of(topic),
            did=self.did,
            log_seq=0,
            log_digest=self.digest(),
            seq=seq,
            expires_ms=UTC_MS + life_ms,
        ).signed(self.sign)


class KeyLogs:
    """Whose key logs are known, and how far."""

    def __init__(self, *publishers: Publisher) -> None:
        self.known = {one.did: one for one in publishers}
        self.length = 5  # Events.

    def key_of(self, did: bytes, log_seq: int, log_digest: bytes) -> bytes | None:
        one = self.known.get(did)
        if one is None or log_seq >= self.length:
            return None
        if log_digest != one.digest(log_seq):
            raise BadStatement("the key log has another event there")
        return bytes(one.pair.verify_key)
