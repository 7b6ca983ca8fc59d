"""Options and fixtures that every test may use."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

import pytest

Rounds = Callable[[int, int], int]  # rounds(everyday, long): how often to repeat, today.
Report = Callable[[str], None]  # report(line): have a figure shown at the end of the run.

REPORT: Final = "report"  # The name under which a line goes from a worker process to the one that prints.


# Who starts the tests in the background of a script has them ignore it, and so whatever they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the many rounds that an everyday run has no time for")


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> Rounds:
    """Tests that repeat ask `rounds(everyday, long)`, so that one flag deepens all of them."""
    is_long = bool(request.config.getoption("--long"))
    return lambda everyday, long: long if is_long else everyday


@pytest.fixture
def report(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Report:
    """For tests that found something out beside whether they hold."""
    return lambda line: record_property(REPORT, f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    finished = [one for kind in ("passed", "failed") for one in terminalreporter.getreports(kind)]
    lines = [
        str(line) for one in finished for name, line in one.user_properties if name == REPORT and one.when == "call"
    ]
    if lines:
        terminalreporter.section("found")
        for line in lines:
            terminalreporter.line(line)
