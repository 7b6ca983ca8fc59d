"""DID documents across the control socket: what the node writes is what a client reads, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from talos.control.did_values import read_document
from talos.control.fields import Fields
from talos.core.did_document import DidDocument, document_of
from talos.core.did_key import document_of_key
from talos.core.keylog_kinds import Quorum
from talos.errors import MalformedMessage
from talos_dht import Address, Instance
from tests.node.core.identities import DAY_MS, START_MS, Holder, instance_public
from tests.node.core.test_did_document import record

HOLDER: Final = Holder("alice")
LOG: Final = HOLDER.rotated(HOLDER.log(2, Quorum(1, (bytes(32),))), 0, 1, ends_ms=START_MS + DAY_MS)
PLACES: Final = (Address("bob.example", 7), Address("::1", 8, bytes(32)))
FULL: Final = document_of(LOG, record(LOG, Instance(instance_public(0), 0, PLACES)), START_MS)


def written(document: DidDocument = FULL) -> Any:
    return json.loads(json.dumps(document.resolution()))


@pytest.mark.parametrize(
    "document",
    [
        FULL,
        document_of(HOLDER.log(), None, START_MS),
        document_of(HOLDER.revoked(HOLDER.log(1)), None, START_MS),
        document_of_key("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
        document_of_key("did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"),
    ],
    ids=["full", "begun", "revoked", "signing key", "agreement key"],
)
def test_a_document_is_read_as_it_was_written(document: DidDocument) -> None:
    assert read_document(Fields("answer", written(document))) == document


def change(*path: str | int, to: object) -> Callable[[Any], None]:
    def apply(answer: Any) -> None:
        for step in path[:-1]:
            answer = answer[step]
        answer[path[-1]] = to

    return apply


OTHER: Final = "z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F"


@pytest.mark.parametrize(
    ("named", "spoil"),
    [
        ("didDocument", change("didDocument", to=None)),
        ("didDocumentMetadata", change("didDocumentMetadata", to=[])),
        ("id", change("didDocument", "id", to=7)),
        ("verificationMethod", change("didDocument", "verificationMethod", to={})),
        ("authentication", change("didDocument", "authentication", to="all")),
        ("publicKeyMultibase", change("didDocument", "verificationMethod", 0, "publicKeyMultibase", to="z6Mk")),
        ("id is not that of its key", change("didDocument", "verificationMethod", 0, "publicKeyMultibase", to=OTHER)),
        ("expires", change("didDocument", "verificationMethod", 1, "expires", to=7)),
        ("service", change("didDocument", "service", to=[7])),
        ("id", change("didDocument", "service", 0, "id", to=None)),
        ("serviceEndpoint", change("didDocument", "service", 0, "serviceEndpoint", to="talos://a:1")),
        ("serviceEndpoint", change("didDocument", "service", 0, "serviceEndpoint", to=[7])),
        ("relay", change("didDocument", "service", 0, "serviceEndpoint", to=[{"uri": "talos://a:1"}])),
        ("phase", change("didDocumentMetadata", "phase", to=7)),
        ("threshold", change("didDocumentMetadata", "controllers", "threshold", to=0)),
        ("dids", change("didDocumentMetadata", "controllers", "dids", to="all")),
    ],
)
def test_a_field_that_is_wrong_is_named(named: str, spoil: Callable[[Any], None]) -> None:
    answer = written()
    spoil(answer)
    with pytest.raises(MalformedMessage, match=named):
        read_document(Fields("answer", answer))
