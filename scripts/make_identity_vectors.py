"""Write tests/vectors/identity/keylog.json: one identity whose key log has every kind of event, byte for byte.

Run it with the project on the path: `.venv/bin/python -m scripts.make_identity_vectors`. The file is part of
the contract: where it would change, logs already in use would break, so the version must change too.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from talos.core import names
from talos.core.keylog import KeyLog, incept, verify, write
from talos.core.keylog_event import Content, Event
from talos.core.keylog_keys import commitment_of, rotation_key, signer
from talos.core.keylog_kinds import Quorum, Reveal, Role
from talos.core.keylog_rank1 import (
    Controllers,
    Governor,
    Inception,
    Revocation,
    Rotation,
    Thaw,
    Voters,
    Witnesses,
)
from talos.core.keylog_rank2 import Instance, InstanceRetired, Statement, Suspended
from talos.core.party import make_party

PATH: Final = Path(__file__).parent.parent / "tests" / "vectors" / "identity" / "keylog.json"
SEED: Final = bytes(range(32))
START_MS: Final = 1_700_000_000_000
DAY_MS: Final = 86_400_000


def example(name: str) -> bytes:
    """Return 32 bytes anyone can make again: SHA-256 of a name."""
    return sha256(name.encode()).digest()


def instance_key(number: int) -> SigningKey:
    return SigningKey(example(f"instance {number}"))


def instance(number: int) -> bytes:
    return names.instance_id(bytes(instance_key(number).verify_key))


def reveal(n: int) -> Reveal:
    current, following = (bytes(rotation_key(SEED, number).verify_key) for number in (n, n + 1))
    return Reveal(current, commitment_of(following))


def proof(did: bytes, number: int) -> Suspended:
    sign = signer(instance_key(number))
    first, second = (Statement(did, instance(number), 3, bytes([boot]) * 16).sign(sign) for boot in (1, 2))
    return Suspended(instance(number), first, second)


def contents(did: bytes) -> list[Content]:
    """Return what the events after the inception say, in order."""
    witnesses = tuple(sorted(example(f"witness {number}") for number in range(3)))
    three = tuple(sorted(instance(number) for number in range(3)))
    keys = [bytes(instance_key(number).verify_key) for number in range(3)]
    return [
        *(
            Instance(keys[number], example(f"x25519 {number}"), Role.LEADER_FOLLOWER, START_MS + 365 * DAY_MS)
            for number in range(3)
        ),
        Controllers(reveal(1), Quorum(1, (example("controller"),))),
        Witnesses(reveal(2), Quorum(2, witnesses)),
        Voters(reveal(3), three),
        Governor(reveal(4), example("governor")),
        Rotation(reveal(5), three, old_ends_ms=START_MS + 8 * DAY_MS),
        InstanceRetired(instance(2)),
        proof(did, 1),
        proof(did, 0),
        Thaw(reveal(6), (instance(0),)),
        Revocation(bytes(rotation_key(SEED, 7).verify_key), "the laptop was stolen"),
    ]


def log() -> KeyLog:
    first = incept(Inception(reveal(0)), now_ms=START_MS, sign=signer(rotation_key(SEED, 0)))
    made = verify([first])
    n = 0
    for hour, content in enumerate(contents(made.state.did), 1):
        n += content.kind.is_rank_1
        sign = signer(rotation_key(SEED, n))
        made = made.extended(write(made, content, now_ms=START_MS + hour * 3_600_000, sign=sign))
    return made


def told(event: Event) -> dict[str, str | int]:
    return {
        "kind": event.content.kind.name,
        "seq": event.seq,
        "body": event.body.hex(),
        "signature": event.signatures[0].signature.hex(),
        "digest": event.digest.hex(),
    }


def vectors() -> dict[str, object]:
    whole = log()
    certified = verify(whole.events[:2])
    party = make_party(
        certified,
        ed25519=bytes(instance_key(0).verify_key),
        x25519=example("x25519 0"),
        role=Role.LEADER_FOLLOWER,
        not_after_ms=START_MS + 30 * DAY_MS,
        sign_identity=signer(rotation_key(SEED, 0)),
        sign_instance=signer(instance_key(0)),
    )
    return {
        "seed": SEED.hex(),
        "rotation_keys": [bytes(rotation_key(SEED, n).verify_key).hex() for n in range(9)],
        "commitments": [commitment_of(bytes(rotation_key(SEED, n).verify_key)).hex() for n in range(9)],
        "did": names.did_of(whole.state.did),
        "instances": [instance(number).hex() for number in range(3)],
        "events": [told(event) for event in whole.events],
        "log": whole.encode().hex(),
        "party": party.encode().hex(),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=2) + "\n")
