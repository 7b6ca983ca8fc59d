"""Who this node is: made once by `enrol`, read from its rows ever after.

Rows: `meta` did, name, origin, storage; `secrets` instance (Ed25519 seed 32 | X25519 secret 32), sealed;
`keylogs` DID hash -> our own key log; and those of the audit log, whose first entry says that we came to be.
What the keystore holds is not here: it opens the vault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from nacl.signing import SigningKey

from talos.core.content import ORIGIN_SIZE
from talos.core.diary import begin
from talos.core.dice import Entropy
from talos.core.entries import Entry
from talos.core.entry_types import EntryType, write_body
from talos.core.keylog import KeyLog, incept, verify, write
from talos.core.keylog_keys import Sign, commitment_of, rotation_key, signer
from talos.core.keylog_kinds import Reveal, Role
from talos.core.keylog_rank1 import Inception
from talos.core.keylog_rank2 import Instance
from talos.core.keylog_state import Standing
from talos.core.log_rows import DAMAGE_FIX
from talos.core.names import instance_id
from talos.core.party import Party, make_party
from talos.core.step import Put, Step
from talos.core.storage_key import made_at
from talos.core.tables import KEYLOGS, META, SECRETS, Rows
from talos.core.vault import Vault
from talos.errors import Damaged, NoIdentity
from talos_ratchet import KeyPair

SEED_SIZE: Final = 32  # Bytes of the recovery seed, and of every private key here.
DAY_MS: Final = 24 * 3600 * 1000
CERTIFIED_MS: Final = 2 * 366 * DAY_MS  # How long an instance certificate holds.
RENEW_MS: Final = 366 * DAY_MS  # Renewed at a start with less than this left: so a node must start once a year.

DID_KEY: Final = b"did"
NAME_KEY: Final = b"name"
ORIGIN_KEY: Final = b"origin"
INSTANCE_KEY: Final = b"instance"


@dataclass(frozen=True, slots=True)
class Identity:
    """This node's public self, and what signs and agrees for its instance."""

    name: str
    key_log: KeyLog
    party: Party
    origin: bytes  # 16 bytes (DECISIONS 12).
    pair: KeyPair = field(repr=False)
    sign: Sign = field(repr=False)  # With the instance's key.
    sign_identity: Sign = field(repr=False)  # With the identity's current rotation key.
    renewal: Step | None = None  # To be committed before anything is said: the certificate was renewed.

    @property
    def did(self) -> bytes:
        return self.key_log.state.did


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new identity: its rows, and what the keystore must keep."""

    did: bytes
    step: Step
    rotation_key: bytes = field(repr=False)  # Rotation key 0, the current one: its Ed25519 seed.


def enrol(name: str, seed: bytes, vault: Vault, entropy: Entropy, now_ms: int) -> Enrolled:
    """Make an identity from a recovery seed, with one instance, this one. Nothing is written yet."""
    current = rotation_key(seed, 0)
    following = rotation_key(seed, 1)
    reveal = Reveal(current.verify_key.encode(), commitment_of(following.verify_key.encode()))
    log = verify([incept(Inception(reveal), now_ms=now_ms, sign=signer(current))])
    instance_seed, agreement = entropy(SEED_SIZE), entropy(SEED_SIZE)
    instance = SigningKey(instance_seed)
    certificate = Instance(
        instance.verify_key.encode(),
        KeyPair.of(agreement).public,
        Role.SOLE,
        now_ms + CERTIFIED_MS,
    )
    log = log.extended(write(log, certificate, now_ms=now_ms, sign=signer(current)))
    did = log.state.did
    diary, log_rows = begin(did, certificate.ed25519, signer(instance), _Nothing(), vault, entropy)
    key_hash = sha256(reveal.key).digest()
    born = write_body(EntryType.IDENTITY_CREATED, did, name, key_hash, instance_id(certificate.ed25519))
    writes = (
        Put(META, DID_KEY, did),
        Put(META, NAME_KEY, name.encode()),
        Put(META, ORIGIN_KEY, entropy(ORIGIN_SIZE)),
        made_at(now_ms),
        Put(SECRETS, INSTANCE_KEY, vault.seal(SECRETS, INSTANCE_KEY, instance_seed + agreement, entropy)),
        Put(KEYLOGS, did, log.encode()),
        *log_rows,
        *diary.append([Entry(EntryType.IDENTITY_CREATED, now_ms, did, born)]),
        *diary.changed(),
    )
    return Enrolled(did, Step(writes), current.encode())


class _Nothing:
    """The rows of a store that nothing has been written to."""

    def get(self, table: str, key: bytes) -> bytes | None:
        return None

    def scan(
        self, table: str, prefix: bytes = b"", *, start: bytes = b"", reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return iter(())


def read_did(rows: Rows) -> bytes:
    """Return our DID hash; needs no passphrase. Raises `NoIdentity`."""
    did = rows.get(META, DID_KEY)
    if did is None:
        raise NoIdentity("there is no identity in this data folder", fix="Run `talos init`")
    return did


def load(rows: Rows, vault: Vault, current: bytes, now_ms: int) -> Identity:
    """Read ourselves from our rows. `current` is the seed of the current rotation key, from the keystore.

    A certificate that ends within a year is renewed; `renewal` is the step that keeps it.

    Raises `NoIdentity`, or `Damaged` where rows and keystore do not belong together.
    """
    did = read_did(rows)
    log = KeyLog.decode_and_verify(_row(rows, KEYLOGS, did))
    keys = vault.open(SECRETS, INSTANCE_KEY, _row(rows, SECRETS, INSTANCE_KEY))
    instance, pair = SigningKey(keys[:SEED_SIZE]), KeyPair.of(keys[SEED_SIZE:])
    identity_key = SigningKey(current)
    if log.state.did != did or log.state.key != identity_key.verify_key.encode():
        raise Damaged(
            "the store belongs to another identity than the keystore", fix="Put back the keystore that belongs to it"
        )
    certified = next((one for one in log.state.instances.values() if one.ed25519 == instance.verify_key.encode()), None)
    if certified is None:
        raise Damaged("our own key log does not know this instance", fix=DAMAGE_FIX)
    renewal = None
    if certified.until_ms - now_ms < RENEW_MS and certified.standing is Standing.ACTIVE:
        renewed = Instance(certified.ed25519, certified.x25519, certified.role, now_ms + CERTIFIED_MS)
        log = log.extended(write(log, renewed, now_ms=now_ms, sign=signer(identity_key)))
        certified = log.state.instances[certified.id]
        renewal = Step((Put(KEYLOGS, did, log.encode()),))
    party = make_party(
        log,
        ed25519=certified.ed25519,
        x25519=certified.x25519,
        role=certified.role,
        not_after_ms=certified.until_ms,
        sign_identity=signer(identity_key),
        sign_instance=signer(instance),
    )
    name = _row(rows, META, NAME_KEY).decode()
    signs = signer(instance), signer(identity_key)
    return Identity(name, log, party, _row(rows, META, ORIGIN_KEY), pair, *signs, renewal)


def _row(rows: Rows, table: str, key: bytes) -> bytes:
    value = rows.get(table, key)
    if value is None:
        raise Damaged(f"table {table} lacks the row {key!r} of our own identity", fix="Restore the data folder")
    return value
