"""`talos simulate` of a town of cores: what it refuses, and what it tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.node.cli.simulating import answer, names, simulate

TOWN: Final = '''
"""Everybody but one is dead, so nobody finds the nearest that lives."""
from talos_simulations.town_checks import LookupsAreQuick, LookupsFindTheNearest
from talos_simulations.town_story import TownStory

def play(stage):
    town = stage.settle()
    town.kill(range(2, stage.nodes))
    stage.look("calm", 10)

STORY = TownStory(play, (LookupsAreQuick, LookupsFindTheNearest))
'''


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one scenario, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(TOWN)


@pytest.mark.parametrize("option", ["--weather", "--page", "--budget"])
def test_what_is_about_faults_is_refused_of_a_town(option: str) -> None:
    result = simulate("dht_liars", option, "7")
    assert result.exit_code == 2
    assert f"{option}: dht_liars is a town of cores alone" in result.stderr
    assert f"Leave out {option}" in result.stderr
    assert names() == set()


def test_a_town_is_told_in_figures_of_each_part_over_all_seeds() -> None:
    result = simulate("dht_liars", "--nodes", "40", "--seeds", "0..1", "--jobs", "1")
    assert result.exit_code == 0
    assert re.search(r"^liars +asked 20, right 20, lies 0, p50_ms [\d.]+\.\.[\d.]+, p99", result.stdout, re.MULTILINE)
    assert "messages" not in result.stdout


def test_a_town_that_breaks_promises_tells_all_of_them_and_how_to_see_it_again() -> None:
    asked = ("mine.py", "--nodes", "40", "--seeds", "3", "--jobs", "1")
    result = simulate(*asked, "--trace", "trace.txt")
    assert result.exit_code == 1
    for check in ("LookupsAreQuick", "LookupsFindTheNearest"):
        assert f"seed 3 broke {check}, at 40.050 virtual seconds:" in result.stdout
    assert "fault" not in result.stdout
    assert "talos simulate mine.py --nodes 40 --seeds 3\n" in result.stdout
    assert names() == {"trace.txt"}
    assert " asked n" in Path("trace.txt").read_text()
    told = answer(*asked, exit_code=1)
    assert told["seeds"][0]["parts"]["calm"]["asked"] == 10
    assert told["failure"]["check"] == "LookupsAreQuick"
