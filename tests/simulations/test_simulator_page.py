"""docs/simulator.md says what the source says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final

import pytest

from talos_simulations import weather
from talos_simulations.books import Act
from talos_simulations.checks import ALL
from talos_simulations.mutants import mutants
from talos_simulations.sweep import run_one
from talos_simulations.town_checks import TOWN_CHECKS
from talos_simulations.trace import Trace
from talos_simulations.weather import Kind

PAGE: Final = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()


def rows(head: str) -> dict[str, str]:
    """Return a table of the page, by its first column."""
    table = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))


def test_the_page_says_of_every_kind_of_fault_what_the_source_says() -> None:
    source = inspect.getsource(weather)
    assert rows("kind | who, and what happens") == dict(re.findall(r'= "(\w+)"  # who: (.*)', source))
    assert list(rows("kind | who, and what happens")) == list(Kind)


def test_the_page_says_of_every_check_what_it_says_itself() -> None:
    said = {check.__name__: (check.__doc__ or "").partition("\n")[0] for check in ALL}
    assert rows("check | what it promises") == said


def test_the_page_says_of_every_check_of_a_town_what_it_says_itself() -> None:
    said = {check.__name__: (check.__doc__ or "").partition("\n")[0] for check in TOWN_CHECKS}
    assert rows("check of a town | what it promises") == said


def test_the_page_says_of_every_planted_bug_what_it_says_itself() -> None:
    said = {name: one.what for name, one in mutants().items()}
    said |= {name: f"`{one.scenario}`: {one.what}" for name, one in mutants().items() if one.scenario != "chaos"}
    assert rows("name | the bug") == said


def test_the_weather_file_on_the_page_is_one() -> None:
    block = re.search(r'^( +\{"version".*?^ +\]\})$', PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert [fault.kind for fault in weather.parse(block[1])] == [Kind.KILL, Kind.PARTITION]


@pytest.mark.slow
def test_the_page_lists_every_kind_of_event() -> None:
    listed = set(rows("kind | what happened"))
    assert listed >= set(Act)
    seen: set[str] = set()
    for scenario, seed in (("chaos", 1), ("rotten_disk", 1), ("restored_folder", 1), ("receiver_dies", 1)):
        trace = Trace(keep=True)
        run_one(scenario, seed, trace=trace)
        seen |= {event.kind for event in trace.events}
    town = Trace(keep=True)
    run_one("dht_churn", 1, nodes=40, trace=town)
    seen |= {event.kind for event in town.events}
    assert seen <= listed
    assert {"dial", "sent", "arrived", "crash", "rot", "fault", "calm", "report", "asked", "right"} <= seen
