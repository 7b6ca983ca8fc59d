"""DID documents across the control socket: written as `DidDocument.resolution` has them, read back here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from talos.control.fields import Fields
from talos.core.did_document import Controllers, DidDocument, Endpoint, Metadata, Method, Service, Use
from talos.core.keylog_kinds import MEMBERS_MAX
from talos.core.multikey import read_multikey
from talos.errors import MalformedMessage, UsageError

Uses = Mapping[Use, frozenset[str]]  # The ids of the methods that are good for it.


def read_document(fields: Fields) -> DidDocument:
    """Raises `MalformedMessage`, naming the first field that is wrong."""
    document, metadata = fields.nested("didDocument"), fields.nested("didDocumentMetadata")
    did = document.text("id")
    uses = {use: frozenset(document.texts(use.value)) for use in Use if use.value in document.values}
    methods = document.each("verificationMethod") if "verificationMethod" in document.values else ()
    services = document.each("service") if "service" in document.values else ()
    return DidDocument(
        did,
        tuple(_method(one, did, uses) for one in methods),
        tuple(_service(one, did) for one in services),
        _metadata(metadata),
    )


def _method(fields: Fields, did: str, uses: Uses) -> Method:
    name = fields.text("publicKeyMultibase")
    try:
        kind, key = read_multikey(name)
    except UsageError as error:
        raise MalformedMessage(f"{fields.what}: publicKeyMultibase: {error.what}") from None
    id = f"{did}#{name}"
    if fields.text("id") != id:
        raise MalformedMessage(f"{fields.what}: id is not that of its key")
    return Method(kind, key, frozenset(use for use, ids in uses.items() if id in ids), fields.optional_text("expires"))


def _service(fields: Fields, did: str) -> Service:
    listed = fields.values.get("serviceEndpoint")
    if not isinstance(listed, list):
        raise MalformedMessage(f"{fields.what}: serviceEndpoint is not a list")
    endpoints = tuple(_endpoint(replace(fields, values={"serviceEndpoint": one})) for one in listed)
    return Service(fields.text("id").removeprefix(f"{did}#"), endpoints)


def _endpoint(fields: Fields) -> Endpoint:
    if isinstance(fields.values["serviceEndpoint"], str):
        return Endpoint(fields.text("serviceEndpoint"))
    relayed = fields.nested("serviceEndpoint")
    return Endpoint(relayed.text("uri"), relayed.text("relay"))


def _metadata(fields: Fields) -> Metadata:
    controllers = fields.nested("controllers") if "controllers" in fields.values else None
    return Metadata(
        phase=fields.optional_text("phase"),
        version_id=fields.optional_text("versionId"),
        created=fields.optional_text("created"),
        updated=fields.optional_text("updated"),
        controllers=None
        if controllers is None
        else Controllers(controllers.integer("threshold", least=1, most=MEMBERS_MAX), controllers.texts("dids")),
    )
