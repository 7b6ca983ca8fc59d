"""The public names of each package, so that none comes or goes by accident. A new name here is a promise."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Final

import pytest

from talos import TalosClient

PUBLIC: Final[dict[str, frozenset[str]]] = {
    "talos": frozenset(
        {
            "Config",
            "DeliveryFailed",
            "Message",
            "Node",
            "NodeStopped",
            "PassphraseNeeded",
            "QueueFull",
            "Receipt",
            "TalosClient",
            "TalosError",
        }
    ),
    "talos_audit": frozenset(),
    "talos_dht": frozenset(),
    "talos_simulations": frozenset(),
}

CLIENT: Final = {
    "aclose": "(self) -> 'None'",
    "add_peer": "(self, address: 'str') -> 'PeerStatus'",
    "addresses": "tuple[str, ...]",
    "create": (
        "(name: 'str' = 'talos', *, data_dir: 'Path | str | None' = None, password: 'str | None' = None, "
        "no_passphrase: 'bool' = False, listen: 'Iterable[str]' = ('127.0.0.1:0',), peers: 'Iterable[str]' = (), "
        "offline_mode: 'bool' = False, queue_limit: 'int' = 1000, replay_window: 'int' = 3600, "
        "retry_interval: 'float' = 30, store_size_max_mib: 'int' = 4096) -> 'Opening'"
    ),
    "did": "str",
    "messages": "(self) -> 'AsyncIterator[Message]'",
    "peer_id": "str",
    "public_key": "bytes",
    "receive": "(self) -> 'Message'",
    "recovery_seed": "bytes | None",
    "send": (
        "(self, peer_id: 'str', message: 'bytes', timeout: 'float' = 30, retry_count: 'int' = 3, "
        "on_failure: 'OnFailure' = 'queue') -> 'Receipt'"
    ),
    "status": "(self) -> 'NodeStatus'",
}


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_promises_exactly_the_names_listed_here(package: str) -> None:
    assert set(import_module(package).__all__) == PUBLIC[package]


@pytest.mark.parametrize("package", PUBLIC)
def test_every_promised_name_can_be_had(package: str) -> None:
    module = import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_the_client_has_exactly_these_members_with_these_types() -> None:
    members = {name: _typed(name) for name in vars(TalosClient) if not name.startswith("_")}
    assert members == CLIENT


def _typed(name: str) -> str:
    member = inspect.getattr_static(TalosClient, name)
    if isinstance(member, property):
        assert member.fget is not None
        return str(member.fget.__annotations__["return"])
    return str(inspect.signature(getattr(TalosClient, name)))
