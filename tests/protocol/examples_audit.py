"""The examples of audit.md: a log of four entries, as a node writes it."""

from __future__ import annotations

from hashlib import sha256

from talos.core import acts, codec
from talos.core.chain import read_checkpoint
from talos.core.diary import begin
from talos.core.diary_read import Reader
from talos.core.entries import Entry, Opened
from talos.core.entry_types import EntryType, Refusal, SessionEvent, write_body
from talos.core.identity import DID_KEY
from talos.core.keylog_keys import rotation_key
from talos.core.log_index import bundle_key, of_subject, of_type
from talos.core.names import LABEL_SAMPLE, digest
from talos.core.proof_file import Proof, make_proof
from talos.core.step import Put
from talos.core.tables import BODIES, ENTRIES, KEYLOGS, LOOKUP, META, STATE_TABLES, TREE, entry_key, tree_key
from talos.core.vault import Vault
from talos.drivers.memory_store import MemoryStore
from talos_audit import TlogProof, bundle_bytes, leaf_hash
from tests.protocol.cast import ADA, BOB, NOW_MS, drawn, secret
from tests.protocol.layout import Example, Piece, Text, cut, fields, referring
from tests.protocol.meeting import ADA_ORIGIN, GREETING, MEETING

INDEX = 2  # Of the entry that the page follows through.
STRANGERS_FRAME = b"\x12" + bytes(96)


class Log:
    """Ada's log after she sent her message. `made` is its beginning; entropy goes to whoever asks next."""

    def __init__(self) -> None:
        self.store = MemoryStore(STATE_TABLES)
        self.vault = Vault({1: secret("ada storage key")}, 1)
        self._names = iter(["ada log", "nonce log key", *(f"entry {index}" for index in range(4))])
        self.diary, rows = begin(ADA.did, ADA.ed25519, ADA.sign, self.store, self.vault, self._entropy)
        own = [Put(META, DID_KEY, ADA.did), Put(KEYLOGS, ADA.did, ADA.key_log.encode())]
        self.store.commit([*own, *rows])
        for entry in entries():
            self.store.commit([*self.diary.append([entry]), *self.diary.changed()])
        writes = self.diary.sign()
        self.store.commit(writes)
        self.diary.signed(writes)

    def _entropy(self, size: int) -> bytes:
        return secret(next(self._names), size)

    def row(self, table: str, index: int) -> bytes:
        raw = self.store.get(table, entry_key(index))
        if raw is None:
            raise ValueError(f"no row {index} in {table}")
        return raw

    def proof(self) -> Proof:
        return make_proof(self.store, Reader(self.store, self.vault), INDEX, since=1, reveal=True)


def entries() -> list[Entry]:
    key_hash = sha256(bytes(rotation_key(ADA.seed, 0).verify_key)).digest()
    born = write_body(EntryType.IDENTITY_CREATED, ADA.did, "ada", key_hash, ADA.party.instance)
    sample = digest(LABEL_SAMPLE, STRANGERS_FRAME)
    refused = write_body(EntryType.SIGNATURE_FAILURE, Refusal.SIGNATURE, b"", 1, NOW_MS, NOW_MS, sample)
    return [
        Entry(EntryType.IDENTITY_CREATED, NOW_MS, ADA.did, born),
        acts.session(SessionEvent.ESTABLISHED, BOB.did, MEETING.ada.id, NOW_MS, initiated=True),
        acts.sent(ADA.did, BOB.did, ADA_ORIGIN, 1, GREETING, NOW_MS, drawn("content salt")),
        Entry(EntryType.SIGNATURE_FAILURE, NOW_MS + 60_000, b"", refused),
    ]


def audit() -> dict[str, Example]:
    log = Log()
    return {**entry(log), **stored(log), **shown(log)}


def entry(log: Log) -> dict[str, Example]:
    leaf, key, sealed = log.row(ENTRIES, INDEX), entry_key(INDEX), log.row(BODIES, INDEX)
    opened = Opened.decode(log.vault.box(BODIES).open(key + leaf_hash(leaf), sealed))
    body, row, commitments = opened.body, opened.encode(), opened.commitments()
    said = ["event: SENT", "sender: Ada", "receiver: Bob", "origin", "seq", "count", "size", "commitment"]
    told = ["version", "type: MESSAGE", "time", "entry id", "lease_epoch: not replicated"]
    refused = ["kind: SIGNATURE", "peer: a stranger", "count", "first_ms", "last_ms", "sample"]
    return {
        "audit-body": fields(body, "", said),
        "audit-body-row": cut(
            row,
            (32, "subject salt"),
            (32, "body salt"),
            (1, "length"),
            (32, "subject: Bob's DID hash"),
            (1, "length"),
            (32, "content salt: the secret `content salt`"),
            (len(body), "body: audit-body"),
        ),
        "audit-commitments": [Piece(commitments[0], "subject commitment"), Piece(commitments[1], "body commitment")],
        "audit-leaf": fields(leaf, "", [*told, "subject commitment", "body commitment"]),
        "audit-sealed-row": cut(
            sealed, (4, "key id"), (12, "nonce"), (len(row), "ciphertext of audit-body-row"), (16, "tag")
        ),
        "audit-refusal-body": fields(entries()[-1].body, "", refused),
    }


def stored(log: Log) -> dict[str, Example]:
    """Rows of the store, and the resources of an export."""
    hashes = log.store.get(TREE, tree_key(0, 0)) or b""
    leaves = [log.row(ENTRIES, index) for index in range(4)]
    bundle = cut(bundle_bytes(leaves), *(part for leaf in leaves for part in ((2, "size"), (len(leaf), "leaf"))))
    bits = [(of_type(EntryType.MESSAGE), "MESSAGE"), (of_subject(BOB.did), "Bob")]
    lookup = list[Piece]()
    for prefix, name in bits:
        row = bundle_key(prefix, 0)
        lookup += [Piece(row, f"key: {name}"), Piece(log.store.get(LOOKUP, row) or b"", f"bits: {name}")]
    return {
        "audit-tree": [Piece(hashes[at : at + 32], f"hash of leaf {at // 32}") for at in range(0, len(hashes), 32)],
        "audit-bundle": bundle,
        "audit-lookup": lookup,
    }


def shown(log: Log) -> dict[str, Example]:
    """What others are shown."""
    card, proof = log.diary.card, log.proof()
    _, note = read_checkpoint(log.store, card)
    told = ["version", "did: Ada's DID hash", "ed25519", "generation", "log key: of the seed `ada log`", "signature"]
    head = fields(codec.pack(card.encode(), note), "", ["card", "checkpoint: audit-checkpoint"])
    tlog_proof = TlogProof(INDEX, proof.path, note, extra=proof.leaf)
    return {
        "audit-card": fields(card.encode(), "", told),
        "audit-checkpoint": Text(note.decode()),
        "audit-vkey": Text(f"{card.verifier.encode()}\n"),
        "audit-proof": Text(proof.encode()),
        "audit-tlog-proof": Text(tlog_proof.encode().decode()),
        "audit-log-head": referring(head, {"audit-card": card.encode(), "audit-checkpoint": note}),
    }
