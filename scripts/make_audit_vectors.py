"""Write tests/vectors/audit/entries.json: a small audit log, its card and a proof out of it, byte for byte.

Run it with the project on the path: `.venv/bin/python -m scripts.make_audit_vectors`. The file is part of
the contract: where it would change, logs already written could not be read, so a version must change too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import shake_256
from pathlib import Path
from typing import Final

from nacl.signing import SigningKey

from talos.core import acts, codec
from talos.core.diary import CARD_KEY, Diary
from talos.core.diary_read import Reader
from talos.core.entries import Entry, Leaf, Opened
from talos.core.entry_types import EntryType, SessionEvent, read_body, write_body
from talos.core.identity import DID_KEY
from talos.core.keylog import KeyLog, incept, verify, write
from talos.core.keylog_keys import commitment_of, rotation_key, signer
from talos.core.keylog_kinds import Reveal, Role
from talos.core.keylog_rank1 import Inception
from talos.core.keylog_rank2 import Instance
from talos.core.log_card import make_card
from talos.core.log_rows import body_place
from talos.core.names import did_of
from talos.core.proof_file import make_proof
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, KEYLOGS, LOOKUP, META, STATE_TABLES, TREE, entry_key
from talos.core.vault import Vault
from talos.drivers.memory_store import MemoryStore
from talos_audit import leaf_hash

PATH: Final = Path(__file__).parent.parent / "tests" / "vectors" / "audit" / "entries.json"
START_MS: Final = 1_700_000_000_000
DAY_MS: Final = 86_400_000
CONTENT: Final = b"meet me at the usual place"
PROVED: Final = 2  # The entry that the proof is of.
SINCE: Final = 3  # Entries at the time of the root that the proof goes on from.


def example(name: str, size: int = 32) -> bytes:
    """Return bytes anyone can make again: SHAKE-256 of a name."""
    return shake_256(name.encode()).digest(size)


SEED: Final = example("recovery seed")
INSTANCE_KEY: Final = SigningKey(example("instance key"))
LOG_KEY: Final = SigningKey(example("log key"))
DID: Final = example("did")
PEER: Final = example("peer")
NOBODY: Final = b""
SIGNATURE: Final = example("signature", 64)
SESSION: Final = example("session", 16)
ORIGIN: Final = example("origin", 16)
EVIDENCE: Final = example("evidence", 100)
REFUSED: Final = (PEER, 3, START_MS, START_MS + 59_999, example("sample"))
CAPABILITY: Final = (example("capability"), DID, PEER, "calendar/read")
CHECKPOINT: Final = ("talos/audit/example", 7, example("root"))

# A body of every type: the values of its fields, in order.
BODY_FIELDS: Final[dict[EntryType, Sequence[codec.Field]]] = {
    EntryType.IDENTITY_CREATED: (DID, "alice", example("key"), example("instance")),
    EntryType.KEY_ROTATE: (example("old key"), example("new key"), "the yearly rotation", SIGNATURE),
    EntryType.PREKEY_ROTATE: (7,),
    EntryType.REVOCATION: (DID, "the laptop was stolen", EVIDENCE, NOBODY, SIGNATURE),
    EntryType.IDENTITY_FROZEN: (DID, "two key logs", EVIDENCE),
    EntryType.RECOVERY_STARTED: (DID, "backup of 14 November"),
    EntryType.RECOVERY_COMPLETED: (DID, "backup of 14 November", 12_345),
    EntryType.FORK_DETECTED: (PEER, EVIDENCE),
    EntryType.SESSION: (1, PEER, SESSION, 1),
    EntryType.SESSION_RESET: (PEER, SESSION, "out of step"),
    EntryType.MESSAGE: (1, DID, PEER, ORIGIN, 2**63 - 1, 1, 26, example("commitment")),
    EntryType.SIGNATURE_FAILURE: (1, *REFUSED),
    EntryType.REPLAY_DROPPED: (2, *REFUSED),
    EntryType.REFUSED: (4, NOBODY, 70_000, START_MS, START_MS, bytes(32)),
    EntryType.CAP_GRANT: (*CAPABILITY, START_MS),
    EntryType.CAP_DELEGATE: (*CAPABILITY, START_MS, example("parent")),
    EntryType.CAP_RENEW: (*CAPABILITY, START_MS),
    EntryType.CAP_REVOKE: (*CAPABILITY, "no longer needed"),
    EntryType.CAP_DENY: (*CAPABILITY, "na\u00efve"),
    EntryType.AUDIT_GAP: (*CHECKPOINT, "three witnesses"),
    EntryType.AUDIT_FULL: (10_240,),
    EntryType.REDACTED: (5, "asked to"),
    EntryType.ANCHOR: (*CHECKPOINT, "witness", EVIDENCE),
    EntryType.ANCHOR_FAILURE: (*CHECKPOINT, "evm", "no route to host"),
    EntryType.LEASE_ACQUIRED: (9, example("certificate")),
    EntryType.LEASE_LOST: (9, ""),
}


class Dice:
    """Entropy anyone can make again: SHAKE-256 of size and number of the draw, each size counted apart."""

    def __init__(self) -> None:
        self.drawn = Counter[int]()

    def __call__(self, size: int) -> bytes:
        self.drawn[size] += 1
        return example(f"{size} bytes, draw {self.drawn[size]}", size)


def body_of_every_type() -> dict[str, object]:
    bodies = {type: write_body(type, *fields) for type, fields in BODY_FIELDS.items()}
    return {
        type.name: {"number": int(type), "body": body.hex(), "shown": read_body(type, body)}
        for type, body in bodies.items()
    }


def key_log() -> KeyLog:
    """Return the key log of an identity with one instance."""
    keys = [rotation_key(SEED, n) for n in (0, 1)]
    reveal = Reveal(bytes(keys[0].verify_key), commitment_of(bytes(keys[1].verify_key)))
    log = verify([incept(Inception(reveal), now_ms=START_MS, sign=signer(keys[0]))])
    instance = Instance(bytes(INSTANCE_KEY.verify_key), example("x25519"), Role.SOLE, START_MS + 366 * DAY_MS)
    return log.extended(write(log, instance, now_ms=START_MS, sign=signer(keys[0])))


class Example:
    """A store with such an identity, and its log."""

    def __init__(self) -> None:
        log, self.dice = key_log(), Dice()
        self.did = log.state.did
        self.vault = Vault({1: example("storage key")}, 1)
        self.store = MemoryStore(STATE_TABLES)
        card = make_card(self.did, bytes(INSTANCE_KEY.verify_key), 1, bytes(LOG_KEY.verify_key), signer(INSTANCE_KEY))
        self.store.commit(
            [Put(META, DID_KEY, self.did), Put(META, CARD_KEY, card.encode()), Put(KEYLOGS, self.did, log.encode())]
        )
        self.diary = Diary(self.store, card, signer(LOG_KEY), self.vault, self.dice, is_new=True)

    def write(self, *entries: Entry) -> None:
        rows = self.diary.append(entries)
        self.store.commit([*rows, *self.diary.changed()])

    def live(self) -> None:
        """Write one log: a session, a message each way, and what came of them; sign it."""
        now_ms = START_MS
        born = write_body(EntryType.IDENTITY_CREATED, *BODY_FIELDS[EntryType.IDENTITY_CREATED])
        self.write(Entry(EntryType.IDENTITY_CREATED, now_ms, self.did, born))
        self.write(acts.session(SessionEvent.ESTABLISHED, PEER, SESSION, now_ms + 1, initiated=True))
        self.write(acts.sent(self.did, PEER, ORIGIN, 1, CONTENT, now_ms + 2, self.dice))
        self.write(*acts.delivered(self.did, PEER, ORIGIN, [1, 2, 4], now_ms + 3))
        self.write(acts.received(self.did, PEER, ORIGIN, 1, b"", now_ms + 4, self.dice))
        replaced = write_body(EntryType.LEASE_LOST, *BODY_FIELDS[EntryType.LEASE_LOST])
        self.write(Entry(EntryType.LEASE_LOST, 2**63 - 1, NOBODY, replaced, lease_epoch=2**63 - 1))
        writes = self.diary.sign()
        self.store.commit(writes)
        self.diary.signed(writes)

    def entry(self, index: int) -> dict[str, object]:
        raw, sealed = self.store.get(ENTRIES, entry_key(index)), self.store.get(BODIES, entry_key(index))
        assert raw is not None
        assert sealed is not None
        row = self.vault.box(BODIES).open(body_place(entry_key(index), leaf_hash(raw)), sealed)
        leaf, opened = Leaf.decode(raw), Opened.decode(row)
        return {
            "type": int(leaf.type),
            "time_ms": leaf.time_ms,
            "id": leaf.id.hex(),
            "lease_epoch": leaf.lease_epoch,
            "subject": opened.subject.hex(),
            "subject_salt": opened.subject_salt.hex(),
            "subject_commitment": leaf.subject_commitment.hex(),
            "body": opened.body.hex(),
            "body_salt": opened.body_salt.hex(),
            "content_salt": opened.content_salt.hex(),
            "body_commitment": leaf.body_commitment.hex(),
            "leaf": raw.hex(),
            "leaf_hash": leaf_hash(raw).hex(),
            "body_row": row.hex(),
        }

    def proof(self, *, since: int | None, reveal: bool) -> str:
        reader = Reader(self.store, self.vault if reveal else None)
        return make_proof(self.store, reader, PROVED, since=since, reveal=reveal).encode()


def vectors() -> dict[str, object]:
    told = Example()
    told.live()
    card, note = told.diary.card, told.diary.checkpoint
    assert note is not None
    salt = example("salt")
    return {
        "bodies": body_of_every_type(),
        "content": {
            "salt": salt.hex(),
            "content": CONTENT.hex(),
            "commitment": acts.content_commitment(salt, CONTENT).hex(),
        },
        "did": did_of(told.did),
        "key_log": key_log().encode().hex(),
        "instance_seed": bytes(INSTANCE_KEY).hex(),
        "log_seed": bytes(LOG_KEY).hex(),
        "card": card.encode().hex(),
        "origin": card.origin,
        "vkey": card.verifier.encode(),
        "entries": [told.entry(index) for index in range(told.diary.size)],
        "tree": {key.hex(): value.hex() for key, value in told.store.scan(TREE)},
        "lookup": {key.hex(): value.hex() for key, value in told.store.scan(LOOKUP)},
        "checkpoint": note.decode(),
        "proof": told.proof(since=SINCE, reveal=True),
        "sealed_proof": told.proof(since=None, reveal=False),
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=2) + "\n")
