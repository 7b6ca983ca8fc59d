"""The examples of dht.md, record.md, beacon.md and did.md."""

from __future__ import annotations

import json
from hashlib import sha256

from talos.core.beacon import Beacon
from talos.core.did_document import document_of
from talos.core.keylog_keys import rotation_key, signer
from talos_dht import Address, Answer, Contact, Instance, Kind, Provider, Record, Reply, Request, topic_of
from tests.protocol.cast import ADA, BOB, NOW_MS, PANTRY, secret
from tests.protocol.layout import Example, Notes, Piece, Text, cut, fields, referring

LIFE_MS = 3 * 3_600_000
TOPIC = "translate"


def record() -> Record:
    addresses = (Address("bob.example", 4_040), Address("ada.example", 443, ADA.pair.public))
    return Record(
        did=BOB.did,
        log_seq=BOB.key_log.state.seq,
        log_digest=BOB.key_log.state.digest,
        instances=(Instance(BOB.ed25519, 0, addresses),),
        bundle=sha256(PANTRY.raw_bundle).digest(),
        seq=7,
        expires_ms=NOW_MS + LIFE_MS,
    ).signed(signer(rotation_key(BOB.seed, 0)))


def provider() -> Provider:
    return Provider(
        topic=topic_of(TOPIC),
        did=BOB.did,
        log_seq=BOB.key_log.state.seq,
        log_digest=BOB.key_log.state.digest,
        seq=7,
        expires_ms=NOW_MS + LIFE_MS,
    ).signed(signer(rotation_key(BOB.seed, 0)))


def dht() -> dict[str, Example]:
    direct: tuple[str, Notes] = ("direct", ["host", "port", "no relay"])
    relayed: tuple[str, Notes] = ("through Ada", ["host", "port", "relay: Ada's x25519"])
    instance: tuple[str, Notes] = ("an instance", ["key", "lease_epoch", ("addresses", [direct, relayed])])
    signed = ["seq", "expires: in three hours", "signature: by Bob's rotation key 0"]
    log = ["log_seq", "log_digest"]
    bob, other = (
        Contact.at(key, host, 4_040) for key, host in ((BOB.pair.public, "203.0.113.7"), (OTHER, "2001:db8::7"))
    )
    ada = Contact.at(ADA.pair.public, "198.51.100.9", 4_040)
    ping = Request(Kind.PING, secret("txid 1", 8))
    find = Request(Kind.FIND, secret("txid 2", 8), record().places[0], secret("token", 8))
    contacts = Reply(Answer.CONTACTS, find.txid, find.token, ada.place, [other.raw])
    beacon = Beacon(BOB.pair.public, 4_040, True, record())
    asked = ["version", "kind", "txid", "token", "serves", "argument", "padding"]
    told: Notes = ["version", "kind: CONTACTS", "txid", "token", "seen: Ada's address and port", ("items", ["contact"])]
    document = document_of(BOB.key_log, record(), NOW_MS).resolution()
    return {
        "did-document": Text(json.dumps(document, indent=2) + "\n"),
        "dht-record": fields(
            record().encode(),
            "",
            [
                "version",
                "did: Bob's DID hash",
                *log,
                ("instances", [instance]),
                "bundle: SHA-256 of bob-bundle",
                *signed,
            ],
        ),
        "dht-provider": fields(
            provider().encode(), "", ["version", "topic: translate", "did: Bob's DID hash", *log, *signed]
        ),
        "dht-places": [
            *(Piece(place, f"salt {salt}: of Bob's record") for salt, place in enumerate(record().places)),
            Piece(provider().place, "salt 3: of the topic"),
        ],
        "dht-contact": cut(bob.raw, (32, "Bob's x25519"), (16, "203.0.113.7"), (2, "port 4040")),
        "dht-ping": fields(ping.encode(), "", asked),
        "dht-find": fields(find.encode(), "", asked),
        "dht-contacts": fields(contacts.encode() or b"", "", told),
        "lan-beacon": referring(
            fields(beacon.pack(), "", ["version", "key: Bob's x25519", "port", "dht", "record: Bob's"]),
            {"dht-record": record().encode()},
        ),
    }


OTHER = secret("other x25519")
