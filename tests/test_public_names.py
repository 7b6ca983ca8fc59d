"""The public names of each package, so that none comes or goes by accident. A new name here is a promise."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import pytest

PUBLIC: Final[dict[str, frozenset[str]]] = {
    "talos_audit": frozenset(),
    "talos_dht": frozenset(),
    "talos_simulations": frozenset(),
}


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_promises_exactly_the_names_listed_here(package: str) -> None:
    assert set(import_module(package).__all__) == PUBLIC[package]


@pytest.mark.parametrize("package", PUBLIC)
def test_every_promised_name_can_be_had(package: str) -> None:
    module = import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
