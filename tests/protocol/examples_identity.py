"""The examples of keylog.md, party.md and bundle.md."""

from __future__ import annotations

from talos.core import names
from talos.core.keylog_keys import rotation_key
from tests.protocol.cast import ADA, BOB, LAST_RESORT_KEM, ONE_TIME_KEM, PANTRY
from tests.protocol.layout import Example, Notes, Piece, cut, fields, referring

EVENT_HEAD = ["version", "kind", "seq", "previous", "time: ms UTC"]


def identity() -> dict[str, Example]:
    inception, instance = ADA.key_log.events
    keys = [rotation_key(ADA.seed, n) for n in (0, 1)]
    bodies = {"inception": inception.body, "instance": instance.body}
    event: tuple[str, Notes] = (
        "an event",
        ["body", ("signatures", [("a signature", ["signer: the current key", "signature"])])],
    )
    log = fields(ADA.key_log.encode(), "", ["version", ("the line that holds", [event, event]), "no rivals"])
    return {
        "rotation-keys": [
            Piece(bytes(keys[0]), "seed of rotation key 0"),
            Piece(bytes(keys[0].verify_key), "rotation key 0"),
            Piece(bytes(keys[1].verify_key), "rotation key 1"),
        ],
        "inception": fields(
            inception.body,
            "",
            [
                "version",
                "kind: INCEPTION",
                "seq",
                "previous: none",
                "time: 1,700,000,000,000",
                "key: rotation key 0",
                "next: H(next-key, rotation key 1)",
                "k: 0",
                "controllers: none",
                "t: 0",
                "witnesses: none",
                "voters: none",
                "governor: none",
            ],
        ),
        "inception-hashes": [
            Piece(ADA.did, "DID hash"),
            Piece(inception.digest, "digest"),
        ],
        "instance": fields(
            instance.body,
            "",
            [
                "version",
                "kind: INSTANCE",
                "seq",
                "previous: digest of the inception",
                "time: one hour later",
                "ed25519: of the seed `ada instance`",
                "x25519: of the secret `ada agreement`",
                "role: SOLE",
                "not_after: 366 days after the inception",
            ],
        ),
        "instance-hashes": [
            Piece(names.instance_id(ADA.ed25519), "instance id"),
            Piece(instance.digest, "digest"),
        ],
        "ada-key-log": referring(log, bodies),
        "bob-key-log": [Piece(BOB.key_log.encode(), "Bob's, made likewise of his seed")],
    }


def party() -> dict[str, Example]:
    notes = [
        "version",
        "did: DID hash",
        "ed25519",
        "x25519",
        "seq",
        "digest: of event 1",
        "role: SOLE",
        "not_after",
        "identity signature",
        "instance signature",
    ]
    return {
        "ada-party": fields(ADA.party.encode(), "", notes),
        "bob-party": fields(BOB.party.encode(), "", notes),
    }


def prekeys() -> dict[str, Example]:
    return {
        "bob-kem-seeds": [
            Piece(LAST_RESORT_KEM[0], "seed of the last-resort prekey: Wycheproof, mlkem_1024_test, tcId 3"),
            Piece(ONE_TIME_KEM[0], "seed of the one-time KEM prekey: tcId 2"),
        ],
        "bob-bundle": cut(
            PANTRY.raw_bundle,
            (1, "version"),
            (1, "suite"),
            (1, "flags"),
            (32, "signer: Bob's instance key"),
            (1, "an X25519 key"),
            (32, "agreement: of the secret `bob agreement`"),
            (4, "id of the signed prekey"),
            (1, "an X25519 key"),
            (32, "signed prekey: of the secret `bob signed prekey`"),
            (4, "id of the last-resort prekey"),
            (1, "an ML-KEM-1024 key"),
            (1568, "last-resort prekey"),
            (8, "not_after"),
            (64, "signature"),
        ),
        "bob-offer": cut(
            PANTRY.raw_offer,
            (1, "version"),
            (1, "suite"),
            (4, "id of the one-time prekey"),
            (1, "an X25519 key"),
            (32, "one-time prekey: of the secret `bob one-time prekey`"),
            (4, "id of the one-time KEM prekey"),
            (1, "an ML-KEM-1024 key"),
            (1568, "one-time KEM prekey"),
            (8, "not_after"),
            (64, "signature"),
        ),
    }
