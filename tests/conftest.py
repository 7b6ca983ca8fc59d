"""Options and fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Rounds = Callable[[int, int], int]  # rounds(everyday, long): how often to repeat, today.


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the many rounds that an everyday run has no time for")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """Tests that repeat ask `rounds(everyday, long)`, so that one flag deepens all of them."""
    is_long = bool(request.config.getoption("--long"))
    return lambda everyday, long: long if is_long else everyday
