"""Talos: a peer-to-peer node for AI agents. This is the whole public API.

It loads what is asked for, when it is asked for, so that a core can be imported without trio or a database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from talos.client import TalosClient
    from talos.client.asyncio_client import AsyncioClient, AsyncioMessage
    from talos.client.blocking_client import BlockingClient, BlockingMessage
    from talos.config import Config
    from talos.core.did_document import DidDocument
    from talos.core.proof_file import Proof
    from talos.core.report import AuditEntry, ChainReport, LogHead, Receipt
    from talos.errors import DeliveryFailed, NodeStopped, PassphraseNeeded, QueueFull, TalosError
    from talos.runtime import Node
    from talos.services.messages import Message

__all__ = [
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
]

_HOMES: Final = {
    "AsyncioClient": "talos.client.asyncio_client",
    "AsyncioMessage": "talos.client.asyncio_client",
    "AuditEntry": "talos.core.report",
    "BlockingClient": "talos.client.blocking_client",
    "BlockingMessage": "talos.client.blocking_client",
    "ChainReport": "talos.core.report",
    "Config": "talos.config",
    "DeliveryFailed": "talos.errors",
    "DidDocument": "talos.core.did_document",
    "LogHead": "talos.core.report",
    "Message": "talos.services.messages",
    "Node": "talos.runtime",
    "NodeStopped": "talos.errors",
    "PassphraseNeeded": "talos.errors",
    "Proof": "talos.core.proof_file",
    "QueueFull": "talos.errors",
    "Receipt": "talos.core.report",
    "TalosClient": "talos.client",
    "TalosError": "talos.errors",
}


def __getattr__(name: str) -> object:
    """Load a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'talos' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
