"""The public names of each package, so that none comes or goes by accident. A new name here is a promise."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Final

import pytest

from talos import AsyncioClient, AsyncioMessage, BlockingClient, BlockingMessage, Message, TalosClient
from talos.client import ClientAudit
from talos.client.asyncio_client import AsyncioAudit
from talos.client.blocking_client import BlockingAudit

PUBLIC: Final[dict[str, frozenset[str]]] = {
    "talos": frozenset(
        {
            "AsyncioClient",
            "AsyncioMessage",
            "AuditEntry",
            "BlockingClient",
            "BlockingMessage",
            "ChainReport",
            "Config",
            "DeliveryFailed",
            "DidDocument",
            "LogHead",
            "Message",
            "Node",
            "NodeStopped",
            "PassphraseNeeded",
            "Proof",
            "QueueFull",
            "Receipt",
            "TalosClient",
            "TalosError",
        }
    ),
    "talos_audit": frozenset(
        {
            "AuditError",
            "BadNote",
            "BadProof",
            "BadTiles",
            "BrokenTree",
            "CHECKPOINT",
            "Checkpoint",
            "EMPTY_ROOT",
            "EXTRA_SIZE_MAX",
            "HASH_SIZE",
            "LEAF_SIZE_MAX",
            "NOTE_SIZE_MAX",
            "OutOfTree",
            "ROW_HASHES",
            "ROW_LEVELS",
            "ReadResource",
            "ReadRow",
            "Resource",
            "RootOf",
            "Rows",
            "SIGNATURES_MAX",
            "SIZE_MAX",
            "Sign",
            "TILE_WIDTH",
            "TLOG_PROOF_SUFFIX",
            "TlogProof",
            "Tree",
            "VerifierKey",
            "add_signature",
            "bundle_bytes",
            "consistency_path",
            "consistency_proof",
            "inclusion_path",
            "inclusion_proof",
            "leaf_hash",
            "node_hash",
            "open_checkpoint",
            "open_note",
            "parse_bundle",
            "parse_path",
            "path_of",
            "range_root",
            "resources",
            "root_of",
            "sign_checkpoint",
            "sign_note",
            "tile_bytes",
            "verify_consistency",
            "verify_inclusion",
            "verify_tiles",
        }
    ),
    "talos_dht": frozenset(
        {
            "Address",
            "Answer",
            "BODY_MAX",
            "BadStatement",
            "Browse",
            "Contact",
            "DATAGRAM_MAX",
            "Dht",
            "DhtError",
            "Done",
            "Effect",
            "Find",
            "Held",
            "Instance",
            "Job",
            "K",
            "KeyLogUnknown",
            "KeyOf",
            "Kind",
            "LIFE_MS",
            "Lookup",
            "Malformed",
            "NoRoom",
            "Now",
            "Outdated",
            "Provider",
            "Publish",
            "REPUBLISH_MS",
            "Read",
            "Reason",
            "Record",
            "Reply",
            "Report",
            "Request",
            "SEAL_SIZE",
            "Send",
            "Spoilt",
            "Table",
            "check",
            "is_reply",
            "load",
            "node_id",
            "place_of",
            "rank",
            "topic_of",
        }
    ),
    "talos_simulations": frozenset(),
}

CLIENT: Final = {
    "aclose": "(self) -> 'None'",
    "add_peer": "(self, address: 'str') -> 'PeerStatus'",
    "addresses": "tuple[str, ...]",
    "audit": "ClientAudit",
    "create": (
        "(name: 'str' = 'talos', *, data_dir: 'Path | str | None' = None, password: 'str | None' = None, "
        "no_passphrase: 'bool' = False, listen: 'Iterable[str]' = ('127.0.0.1:0',), peers: 'Iterable[str]' = (), "
        "bootstrap: 'Iterable[str]' = (), discovery: 'Iterable[str]' = ('registry', 'dht'), "
        "lan: 'bool' = True, "
        "registries: 'Iterable[str]' = (), registry: 'bool' = False, topics: 'Iterable[str]' = (), "
        "relay: 'bool' = False, relays: 'Iterable[str]' = (), "
        "advertise: 'Iterable[str]' = (), "
        "offline_mode: 'bool' = False, queue_limit: 'int' = 1000, replay_window: 'int' = 3600, "
        "retry_interval: 'float' = 30, store_size_max_mib: 'int' = 4096) -> 'Opening'"
    ),
    "did": "str",
    "establish_session": "(self, peer_id: 'str') -> 'PeerStatus'",
    "messages": "(self) -> 'AsyncIterator[Message]'",
    "peer_id": "str",
    "public_key": "bytes",
    "receive": "(self) -> 'Message'",
    "recovery_seed": "bytes | None",
    "resolve": "(self, did: 'str') -> 'DidDocument'",
    "find": "(self, topic: 'str') -> 'tuple[Offer, ...]'",
    "reset_session": "(self, peer_id: 'str') -> 'PeerStatus'",
    "send": (
        "(self, peer_id: 'str', message: 'bytes', timeout: 'float' = 30, retry_count: 'int' = 3, "
        "on_failure: 'OnFailure' = 'queue') -> 'Receipt'"
    ),
    "status": "(self) -> 'NodeStatus'",
}

AUDIT: Final = {
    "get_proof": "(self, index: 'int', *, since: 'int | None' = None, reveal: 'bool' = True) -> 'Proof'",
    "head": "(self) -> 'LogHead'",
    "query": (
        "(self, type: 'str | None' = None, peer: 'str | None' = None, from_time: 'datetime | None' = None, "
        "to_time: 'datetime | None' = None, last: 'int | None' = None) -> 'list[AuditEntry]'"
    ),
    "stream": "(self) -> 'AsyncIterator[AuditEntry]'",
    "verify_chain": "(self) -> 'ChainReport'",
    "verify_proof": "(self, proof: 'Proof | str', root: 'str | bytes') -> 'AuditEntry'",
}


MESSAGE: Final = {
    "ack": "(self) -> 'None'",
    "body": "bytes",
    "id": "MessageId",
    "received_ms": "int",
    "redelivered": "bool",
    "release": "(self) -> 'None'",
    "sender": "str",
}

# The faces for other programs: the same, but for what is named here.
ASYNCIO: Final = CLIENT | {
    "audit": "AsyncioAudit",
    "create": CLIENT["create"].replace("'Opening'", "'AsyncioOpening'"),
    "messages": "(self) -> 'AsyncIterator[AsyncioMessage]'",
    "receive": "(self) -> 'AsyncioMessage'",
}
BLOCKING: Final = {name: typed for name, typed in CLIENT.items() if name != "aclose"} | {
    "audit": "BlockingAudit",
    "close": "(self) -> 'None'",
    "create": CLIENT["create"].replace("'Opening'", "'BlockingClient'"),
    "messages": "(self) -> 'Iterator[BlockingMessage]'",
    "receive": "(self, timeout: 'float | None' = None) -> 'BlockingMessage'",
}

KINDS: Final[tuple[tuple[type, dict[str, str]], ...]] = (
    (TalosClient, CLIENT),
    (ClientAudit, AUDIT),
    (AsyncioClient, ASYNCIO),
    (AsyncioAudit, AUDIT),
    (AsyncioMessage, MESSAGE),
    (BlockingClient, BLOCKING),
    (BlockingAudit, AUDIT | {"stream": "(self) -> 'Iterator[AuditEntry]'"}),
    (BlockingMessage, MESSAGE),
)


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_promises_exactly_the_names_listed_here(package: str) -> None:
    assert set(import_module(package).__all__) == PUBLIC[package]


@pytest.mark.parametrize("package", PUBLIC)
def test_every_promised_name_can_be_had(package: str) -> None:
    module = import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize(("kind", "promised"), KINDS)
def test_a_class_has_exactly_these_members_with_these_types(kind: type, promised: dict[str, str]) -> None:
    assert {name: _typed(kind, name) for name in dir(kind) if not name.startswith("_")} == promised


@pytest.mark.parametrize("kind", [AsyncioClient, AsyncioAudit, AsyncioMessage])
def test_what_is_awaited_under_trio_is_awaited_under_asyncio_and_a_plain_call_elsewhere(kind: type) -> None:
    trio_kind, blocking_kind = {
        AsyncioClient: (TalosClient, BlockingClient),
        AsyncioAudit: (ClientAudit, BlockingAudit),
        AsyncioMessage: (Message, BlockingMessage),
    }[kind]
    awaited = {name for name in dir(trio_kind) if inspect.iscoroutinefunction(getattr(trio_kind, name))}
    assert {name for name in dir(kind) if inspect.iscoroutinefunction(getattr(kind, name))} - {"status"} == awaited
    assert not {name for name in dir(blocking_kind) if inspect.iscoroutinefunction(getattr(blocking_kind, name))}


def _typed(kind: type, name: str) -> str:
    member = inspect.getattr_static(kind, name)
    if isinstance(member, property):
        assert member.fget is not None
        return str(member.fget.__annotations__["return"])
    return str(inspect.signature(getattr(kind, name)))
