from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    """No TALOS_ variable and no systemd credential from outside reaches a test."""
    for name in [*os.environ]:
        if name.startswith("TALOS_") or name == "CREDENTIALS_DIRECTORY":
            monkeypatch.delenv(name)
