"""DID documents: that they say what key log and record say, under names that mean one thing for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from talos.core.did_document import DidDocument, Use, document_of
from talos.core.keylog import KeyLog, merge
from talos.core.keylog_kinds import Quorum, Role
from talos.core.keylog_rank1 import Voters
from talos.core.keylog_rank2 import Instance
from talos.core.multikey import KeyKind, multikey
from talos.core.names import did_of
from talos_dht import Address, Record
from talos_dht import Instance as Place
from tests.node.core.identities import (
    DAY_MS,
    FAR_MS,
    START_MS,
    Holder,
    certificate,
    instance_public,
    retired,
    x25519_public,
)

HOLDER: Final = Holder("alice")
RELAY: Final = bytes(range(32))


def record(log: KeyLog, *places: Place) -> Record:
    """A record that somebody has checked."""
    return Record(
        did=log.state.did,
        log_seq=log.state.seq,
        log_digest=log.state.digest,
        instances=places,
        bundle=bytes(32),
        seq=1,
        expires_ms=FAR_MS,
    )


def signing(key: bytes) -> str:
    return multikey(KeyKind.ED25519, key)


def names(document: DidDocument, use: Use) -> list[str]:
    return [method.name for method in document.methods if use in method.uses]


def test_a_document_has_the_identity_s_key_and_two_of_each_instance() -> None:
    log = HOLDER.log(2)
    document = document_of(log, None, START_MS)
    instances = [signing(instance_public(number)) for number in (0, 1)]
    agreements = [multikey(KeyKind.X25519, x25519_public(number)) for number in (0, 1)]
    key = signing(HOLDER.public(0))
    assert document.methods[0].name == key
    assert names(document, Use.ASSERTION) == [key]
    assert names(document, Use.AUTHENTICATION)[0] == key
    assert sorted(names(document, Use.AUTHENTICATION)[1:]) == sorted(instances)
    assert sorted(names(document, Use.AGREEMENT)) == sorted(agreements)
    assert not names(document, Use.INVOCATION)
    assert not document.services


def test_the_json_is_that_of_the_w3c() -> None:
    log = HOLDER.log(1)
    did, key = did_of(log.state.did), signing(HOLDER.public(0))
    instance, agreement = signing(instance_public(0)), multikey(KeyKind.X25519, x25519_public(0))
    places = (Address("bob.example", 7_000), Address("2001:DB8::0:1", 443, RELAY))
    document = document_of(log, record(log, Place(instance_public(0), 0, places)), START_MS)
    method = {"type": "Multikey", "controller": did}
    until = {"expires": "2026-08-10T22:13:20Z"}  # FAR_MS.
    assert document.as_json() == {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "verificationMethod": [
            method | {"id": f"{did}#{key}", "publicKeyMultibase": key},
            method | {"id": f"{did}#{instance}", "publicKeyMultibase": instance} | until,
            method | {"id": f"{did}#{agreement}", "publicKeyMultibase": agreement} | until,
        ],
        "authentication": [f"{did}#{key}", f"{did}#{instance}"],
        "assertionMethod": [f"{did}#{key}"],
        "keyAgreement": [f"{did}#{agreement}"],
        "service": [
            {
                "id": f"{did}#node-{instance}",
                "type": "TalosNode",
                "serviceEndpoint": [
                    "talos://bob.example:7000",
                    {"uri": "talos://[2001:db8::1]:443", "relay": multikey(KeyKind.X25519, RELAY)},
                ],
            }
        ],
    }
    assert document.resolution() == {
        "didDocument": document.as_json(),
        "didResolutionMetadata": {},
        "didDocumentMetadata": {
            "versionId": f"1-{log.state.digest.hex()}",
            "created": "2023-11-14T22:13:20Z",
            "updated": "2023-11-14T22:13:20Z",
            "phase": "active",
            "deactivated": False,
        },
    }


def test_an_identity_that_was_only_begun_has_its_key_and_no_update() -> None:
    document = document_of(HOLDER.log(), None, START_MS)
    assert [method.name for method in document.methods] == [signing(HOLDER.public(0))]
    assert (document.metadata.phase, document.metadata.updated) == ("provisioned", None)


def test_a_rotation_changes_the_name_of_nothing_that_it_does_not_replace() -> None:
    log = HOLDER.log(2)
    place = Place(instance_public(0), 0, (Address("a", 1),))
    before = document_of(log, record(log, place), START_MS)
    after = document_of(HOLDER.rotated(log, 0, 1), record(log, place), START_MS)
    assert after.did == before.did
    assert after.methods[1:] == before.methods[1:]
    assert after.services == before.services
    assert (before.methods[0].name, after.methods[0].name) == (signing(HOLDER.public(0)), signing(HOLDER.public(1)))
    assert before.metadata.version_id != after.metadata.version_id


def test_an_old_key_asserts_until_its_window_ends_and_authenticates_nothing() -> None:
    ends_ms = START_MS + DAY_MS
    log = HOLDER.rotated(HOLDER.log(1), 0, ends_ms=ends_ms)
    within, beyond = document_of(log, None, ends_ms - 1), document_of(log, None, ends_ms)
    old = within.methods[1]
    assert (old.name, [*old.uses]) == (signing(HOLDER.public(0)), [Use.ASSERTION])
    assert old.expires == "2023-11-15T22:13:20Z"
    assert (within.metadata.phase, beyond.metadata.phase) == ("rotating", "active")
    assert names(beyond, Use.ASSERTION) == [signing(HOLDER.public(1))]


def test_an_instance_that_is_gone_or_over_is_in_no_document() -> None:
    log = HOLDER.next(HOLDER.log(2), retired(0))
    place = [Place(instance_public(number), 0, (Address("a", 1),)) for number in (0, 1, 2)]
    document = document_of(log, record(log, *place), START_MS)
    alive = signing(instance_public(1))
    assert names(document, Use.AUTHENTICATION) == [signing(HOLDER.public(0)), alive]
    assert [service.name for service in document.services] == [f"node-{alive}"]
    over = document_of(log, record(log, *place), FAR_MS)
    assert (len(over.methods), over.services) == (1, ())


def test_a_revoked_identity_is_deactivated_and_has_no_key() -> None:
    log = HOLDER.log(1)
    document = document_of(HOLDER.revoked(log), record(log, Place(instance_public(0), 0, (Address("a", 1),))), START_MS)
    assert document.is_deactivated
    assert document.as_json().keys() == {"@context", "id"}
    metadata: Any = document.resolution()["didDocumentMetadata"]
    assert (metadata["deactivated"], metadata["phase"]) == (True, "revoked")


def test_a_frozen_identity_has_no_key_either_and_is_not_deactivated() -> None:
    log = HOLDER.log(1)
    one, two = HOLDER.rotated(log, 0), HOLDER.next(log, Voters(HOLDER.reveal(1), (bytes(32),)))
    document = document_of(merge(one, two), None, START_MS)
    assert (document.metadata.phase, document.methods, document.is_deactivated) == ("frozen", (), False)


def test_controllers_are_told_beside_the_document_for_they_may_only_revoke() -> None:
    members = tuple(sorted((b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)))
    document = document_of(HOLDER.log(1, Quorum(2, members)), None, START_MS)
    assert "controller" not in document.as_json()
    assert document.metadata.as_json()["controllers"] == {"threshold": 2, "dids": [*map(did_of, members)]}


def test_a_key_that_two_instances_share_is_named_once_until_the_first_of_them_ends() -> None:
    log = HOLDER.log()
    early = START_MS + DAY_MS
    for number, not_after_ms in ((0, FAR_MS), (1, early)):
        shared = replace(certificate(number, not_after_ms=not_after_ms), x25519=x25519_public(0))
        log = HOLDER.next(log, shared)
    log = HOLDER.next(log, Instance(HOLDER.public(0), x25519_public(0), Role.SOLE, FAR_MS))
    document = document_of(log, None, START_MS)
    assert len({method.name for method in document.methods}) == len(document.methods) == 4
    [agreement] = [method for method in document.methods if method.kind is KeyKind.X25519]
    assert agreement.expires == "2023-11-15T22:13:20Z"
    assert (document.methods[0].name, document.methods[0].expires) == (signing(HOLDER.public(0)), None)


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("Bob.Example", "bob.example"),
        ("::1", "[::1]"),
        ("fe80::1%eth0", None),
        ("bob@example", None),
        ("bob/..", None),
        ("bob?x", None),
        ("bob#x", None),
        ("bob%41", None),
        ("bob example", None),
        ("bob\n", None),
        ("bücher.example", None),
        ("[::1]", None),
        ("a:b", None),
    ],
)
def test_a_host_that_can_stand_in_a_uri_is_an_endpoint_and_no_other(host: str, written: str | None) -> None:
    log = HOLDER.log(1)
    places = (Address(host, 7), Address("good", 8))
    [service] = document_of(log, record(log, Place(instance_public(0), 0, places)), START_MS).services
    expected = [] if written is None else [f"talos://{written}:7"]
    assert [endpoint.uri for endpoint in service.endpoints] == [*expected, "talos://good:8"]


def test_an_instance_that_can_be_dialled_nowhere_has_no_service() -> None:
    log = HOLDER.log(1)
    for places in ((), (Address("bob\n", 1),)):
        assert not document_of(log, record(log, Place(instance_public(0), 0, places)), START_MS).services


def test_an_instance_that_a_record_names_twice_has_one_service() -> None:
    log = HOLDER.log(1)
    twice = [Place(instance_public(0), 0, (Address(host, 1),)) for host in "ab"]
    [service] = document_of(log, record(log, *twice), START_MS).services
    assert [endpoint.uri for endpoint in service.endpoints] == ["talos://a:1"]
