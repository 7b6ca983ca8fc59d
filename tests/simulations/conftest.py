"""Tests here may be marked as ones in virtual time."""

from __future__ import annotations

from tests.contracts.small_world import pytest_collection_modifyitems as pytest_collection_modifyitems
