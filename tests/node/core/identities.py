"""Identities for tests: everything follows from one seed, so a failing test fails again."""

from __future__ import annotations

from hashlib import sha256
from typing import cast

from nacl.signing import SigningKey

from talos.core import codec, names
from talos.core.keylog import KeyLog, incept, verify, write
from talos.core.keylog_event import Content, Event
from talos.core.keylog_keys import Sign, commitment_of, rotation_key, signer
from talos.core.keylog_kinds import NOBODY, Quorum, Reveal, Role
from talos.core.keylog_rank1 import Inception, Revocation, Rotation
from talos.core.keylog_rank2 import Instance, InstanceRetired, Statement, Suspended

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000
FAR_MS = START_MS + 1_000 * DAY_MS


def fields_of(raw: bytes) -> list[codec.Field]:
    """Return the fields of a canonical array, to be changed and packed again."""
    return cast("list[codec.Field]", codec.array(raw, length=range(20), size_max=len(raw)))


def derived(*parts: object) -> bytes:
    """Return 32 bytes that follow from `parts`, and differ wherever these do."""
    return sha256(repr(parts).encode()).digest()


class Holder:
    """Who holds a recovery seed, and so every rotation key."""

    def __init__(self, name: str = "alice") -> None:
        self.name = name
        self.seed = derived("seed", name)

    def public(self, n: int) -> bytes:
        return bytes(rotation_key(self.seed, n).verify_key)

    def sign(self, n: int) -> Sign:
        return signer(rotation_key(self.seed, n))

    def reveal(self, n: int) -> Reveal:
        """Show key n, and promise key n + 1."""
        return Reveal(self.public(n), commitment_of(self.public(n + 1)))

    def inception(self, controllers: Quorum = NOBODY) -> Event:
        return incept(Inception(self.reveal(0), controllers), now_ms=START_MS, sign=self.sign(0))

    def log(self, instances: int = 0, controllers: Quorum = NOBODY) -> KeyLog:
        log = verify([self.inception(controllers)])
        for number in range(instances):
            log = self.certified(log, number)
        return log

    def next(self, log: KeyLog, content: Content, *, n: int | None = None, now_ms: int = START_MS) -> KeyLog:
        return log.extended(self.event(log, content, n=n, now_ms=now_ms))

    def event(self, log: KeyLog, content: Content, *, n: int | None = None, now_ms: int = START_MS) -> Event:
        """Sign with key n; without it, with the key the log's next event must be signed by."""
        if n is None:
            n = key_number(log) + content.kind.is_rank_1
        return write(log, content, now_ms=now_ms, sign=self.sign(n))

    def certified(self, log: KeyLog, number: int, *, now_ms: int = START_MS) -> KeyLog:
        return self.next(log, certificate(number), now_ms=now_ms)

    def rotated(self, log: KeyLog, *surviving: int, ends_ms: int = 0, now_ms: int = START_MS) -> KeyLog:
        kept = ids(*surviving)
        return self.next(log, Rotation(self.reveal(key_number(log) + 1), kept, ends_ms), now_ms=now_ms)

    def revoked(self, log: KeyLog) -> KeyLog:
        return self.next(log, Revocation(self.public(key_number(log) + 1), "stolen"))


def key_number(log: KeyLog) -> int:
    """Return the n of the log's current key: every rank-1 event but the inception moved it by one."""
    return sum(event.is_rank_1 for event in log.events) - 1


def instance_key(number: int) -> SigningKey:
    return SigningKey(derived("instance", number))


def instance_public(number: int) -> bytes:
    return bytes(instance_key(number).verify_key)


def x25519_public(number: int) -> bytes:
    return derived("x25519", number)


def certificate(number: int, *, not_after_ms: int = FAR_MS) -> Instance:
    return Instance(instance_public(number), x25519_public(number), Role.LEADER_FOLLOWER, not_after_ms)


def instance(number: int) -> bytes:
    return names.instance_id(instance_public(number))


def ids(*numbers: int) -> tuple[bytes, ...]:
    return tuple(sorted(instance(number) for number in numbers))


def retired(number: int) -> InstanceRetired:
    return InstanceRetired(instance(number))


def cloned(did: bytes, number: int, *, incarnations: tuple[int, int] = (7, 7)) -> Suspended:
    """Return the proof that instance `number` of `did` ran twice."""
    sign = signer(instance_key(number))
    first, second = (
        Statement(did, instance(number), incarnation, bytes([boot]) * 16).sign(sign)
        for boot, incarnation in enumerate(incarnations, 1)
    )
    return Suspended(instance(number), first, second)
