"""The DID document of an identity: what its key log and its record say, in the words of the W3C.

Nothing in it is believed because the document says so: the key log proves the keys, one of which signed the record.
What they do not say is not in it either; so where a user says that a peer can be reached is no service of the peer's.

Source: W3C Decentralized Identifiers 1.0, sections 5 and 7.1.3. The mapping is in docs/protocol/did.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv6Address
from typing import Final, TypeAlias

from talos.core.keylog import KeyLog
from talos.core.keylog_kinds import NOBODY
from talos.core.keylog_state import Phase
from talos.core.moments import utc_text
from talos.core.multikey import KeyKind, multikey
from talos.core.names import did_of
from talos_dht import Address, Instance, Record

CONTEXT: Final = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")
SERVICE_TYPE: Final = "TalosNode"
SCHEME: Final = "talos"  # Of an endpoint's URI.

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")  # What is a host in a URI without being escaped: RFC 3986, section 3.2.2.

Json: TypeAlias = "dict[str, object]"


class Use(Enum):
    """A verification relationship: what a key is good for."""

    AUTHENTICATION = "authentication"
    ASSERTION = "assertionMethod"
    AGREEMENT = "keyAgreement"
    INVOCATION = "capabilityInvocation"
    DELEGATION = "capabilityDelegation"


@dataclass(frozen=True, slots=True)
class Method:
    """A key. Its name is the key itself, so that a name never comes to mean another key."""

    kind: KeyKind
    key: bytes  # 32 bytes.
    uses: frozenset[Use]
    expires: str | None = None  # As in "2023-11-14T22:13:20Z"; None: when the key log says so.

    @property
    def name(self) -> str:
        """The Multikey, and the fragment of the method's id."""
        return multikey(self.kind, self.key)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an instance can be dialled."""

    uri: str  # talos://HOST:PORT
    relay: str | None = None  # The Multikey of the relay that listens there; None: the instance itself does.


@dataclass(frozen=True, slots=True)
class Service:
    """Where one instance can be dialled. Its name is that of the instance's key: addresses come and go, it stays."""

    name: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Controllers:
    """Who may revoke the identity in its holder's place, and do nothing else: `threshold` of these DIDs together."""

    threshold: int
    dids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a document beside it. A did:key has none: nothing ever changes it."""

    phase: str | None = None  # Of the identity: "provisioned", "active", "rotating", "frozen" or "revoked".
    version_id: str | None = None  # Number and digest of the newest event of the key log.
    created: str | None = None  # When the first event was written, by the clock of who wrote it.
    updated: str | None = None  # The newest, if there is more than one.
    controllers: Controllers | None = None

    def as_json(self) -> Json:
        is_revoked = self.phase == Phase.REVOKED.name.lower()
        named = {"versionId": self.version_id, "created": self.created, "updated": self.updated, "phase": self.phase}
        written: Json = {name: value for name, value in named.items() if value is not None}
        if self.phase is not None:
            written["deactivated"] = is_revoked
        if self.controllers is not None:
            written["controllers"] = {"threshold": self.controllers.threshold, "dids": [*self.controllers.dids]}
        return written


@dataclass(frozen=True, slots=True)
class DidDocument:
    """Of a did:talos or a did:key. One that is frozen or revoked has no key and no service."""

    did: str
    methods: tuple[Method, ...] = ()  # No two of one name. The identity's current key is the first.
    services: tuple[Service, ...] = ()
    metadata: Metadata = Metadata()

    @property
    def is_deactivated(self) -> bool:
        """Revoked: for ever."""
        return self.metadata.phase == Phase.REVOKED.name.lower()

    def as_json(self) -> Json:
        """Return the document, as the W3C has it. What is empty is left out."""
        document: Json = {"@context": [*CONTEXT], "id": self.did}
        if self.methods:
            document["verificationMethod"] = [self._written(method) for method in self.methods]
        for use in Use:
            urls = [self._url(method.name) for method in self.methods if use in method.uses]
            if urls:
                document[use.value] = urls
        if self.services:
            document["service"] = [self._service(service) for service in self.services]
        return document

    def resolution(self) -> Json:
        """Return the document with what is known of it: what a DID resolver returns."""
        return {
            "didDocument": self.as_json(),
            "didResolutionMetadata": {},
            "didDocumentMetadata": self.metadata.as_json(),
        }

    def _written(self, method: Method) -> Json:
        written: Json = {
            "id": self._url(method.name),
            "type": "Multikey",
            "controller": self.did,
            "publicKeyMultibase": method.name,
        }
        return written if method.expires is None else written | {"expires": method.expires}

    def _service(self, service: Service) -> Json:
        endpoints = [
            one.uri if one.relay is None else {"uri": one.uri, "relay": one.relay} for one in service.endpoints
        ]
        return {"id": self._url(service.name), "type": SERVICE_TYPE, "serviceEndpoint": endpoints}

    def _url(self, fragment: str) -> str:
        return f"{self.did}#{fragment}"


def document_of(log: KeyLog, record: Record | None, now_ms: int) -> DidDocument:
    """Return the document of an identity now. `record` is checked, and of the same identity; None: it can be nowhere.

    Of the record only instances count that are active under the log, and only addresses that can stand in a URI.
    """
    state = log.state
    controllers = Controllers(state.controllers.threshold, tuple(map(did_of, state.controllers.members)))
    metadata = Metadata(
        phase=state.phase_at(now_ms).name.lower(),
        version_id=f"{state.seq}-{state.digest.hex()}",
        created=utc_text(log.events[0].time_ms),
        updated=utc_text(state.time_ms) if state.seq else None,
        controllers=None if state.controllers == NOBODY else controllers,
    )
    did = did_of(state.did)
    if not state.is_usable():
        return DidDocument(did, metadata=metadata)
    active = {one.ed25519 for one in state.active_instances(now_ms)}
    here = [one for one in (record.instances if record else ()) if one.key in active]
    return DidDocument(did, _merged(_methods(log, now_ms)), _services(here), metadata)


def _merged(methods: Iterable[Method]) -> tuple[Method, ...]:
    """Return the methods, those of one key as one: instances may share a key, and it may be named only once."""
    by_name: dict[str, Method] = {}
    for one in methods:
        known = by_name.get(one.name, one)
        ends = [each.expires for each in (known, one) if each.expires is not None]
        expires = min(ends) if len(ends) == 2 else None  # The earlier: then it is to be resolved again.
        by_name[one.name] = Method(one.kind, one.key, known.uses | one.uses, expires)
    return tuple(by_name.values())


def _methods(log: KeyLog, now_ms: int) -> Iterator[Method]:
    """Yield the current key, then old ones whose signatures still count, then those of every active instance."""
    state, both = log.state, frozenset({Use.AUTHENTICATION, Use.ASSERTION})
    yield Method(KeyKind.ED25519, state.key, both)
    for old in state.old_keys:
        if now_ms < old.ends_ms:
            yield Method(KeyKind.ED25519, old.key, frozenset({Use.ASSERTION}), utc_text(old.ends_ms))
    for one in sorted(state.active_instances(now_ms), key=lambda one: one.id):
        until = utc_text(one.until_ms)
        yield Method(KeyKind.ED25519, one.ed25519, frozenset({Use.AUTHENTICATION}), until)
        yield Method(KeyKind.X25519, one.x25519, frozenset({Use.AGREEMENT}), until)


def _services(instances: Iterable[Instance]) -> tuple[Service, ...]:
    endpoints: dict[bytes, tuple[Endpoint, ...]] = {}
    for one in instances:
        found = tuple(endpoint for at in one.addresses if (endpoint := _endpoint(at)) is not None)
        if found:
            endpoints.setdefault(one.key, found)  # A record that names an instance twice: the first counts.
    return tuple(Service(f"node-{multikey(KeyKind.ED25519, key)}", found) for key, found in endpoints.items())


def _endpoint(at: Address) -> Endpoint | None:
    host = _uri_host(at.host)
    if host is None:
        return None
    relay = multikey(KeyKind.X25519, at.relay) if at.relay else None
    return Endpoint(f"{SCHEME}://{host}:{at.port}", relay)


def _uri_host(host: str) -> str | None:
    """Return a host as a URI has it, normalised; None for one that a URI has only escaped, and no resolver knows."""
    if _HOST.fullmatch(host):
        return host.lower()
    try:
        address = IPv6Address(host)
    except ValueError:
        return None
    return None if address.scope_id is not None else f"[{address}]"
