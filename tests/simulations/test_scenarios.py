"""Every scenario holds, and every run repeats itself to the byte."""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from weakref import ref

import pytest

from talos_simulations.books import Act
from talos_simulations.catalogue import find, words
from talos_simulations.check import Check
from talos_simulations.checks import ALL, InTime, LanesInOrder
from talos_simulations.mutants import planted
from talos_simulations.outcome import run_seed
from talos_simulations.story import Story
from talos_simulations.streams import StreamOwner
from talos_simulations.town_checks import TOWN_CHECKS
from talos_simulations.town_story import TownStory
from talos_simulations.trace import Trace
from talos_simulations.world import World

ROOT: Final = Path(__file__).parents[2]
SEED: Final = 1

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs() -> list[dict[str, Any]]:
    """Two processes ran the same seed of every scenario, at once and with other hash seeds."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulations.digests", str(SEED)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    printed = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    return [json.loads(text) for text in printed]


@pytest.mark.parametrize("word", words())
def test_a_seed_does_the_same_in_two_processes_with_other_hash_seeds(runs: list[dict[str, Any]], word: str) -> None:
    first, second = runs
    assert first[word] == second[word]
    assert first[word]["steps"] > 1_000, "a digest of nothing proves nothing"


@pytest.mark.parametrize("word", words())
def test_a_scenario_holds(runs: list[dict[str, Any]], word: str) -> None:
    run = runs[0][word]
    assert run["violations"] == []
    if run["parts"]:
        assert all(part["right"] >= 40 for part in run["parts"].values()), "who is asked nothing breaks no promise"
    else:
        assert run["messages"]["handed"] > 10, "who hears nothing breaks no promise"


def test_another_seed_is_another_run(runs: list[dict[str, Any]]) -> None:
    digests = {run["digest"] for run in runs[0].values()}
    assert len(digests) == len(words())


def test_whoever_is_lied_to_is_lied_to_in_many_ways(runs: list[dict[str, Any]]) -> None:
    lies = set(runs[0]["liars_among_us"]["lies"])
    assert len(lies) >= 45, "of 57"
    assert {"forged", "of_an_hour_ago", "elsewhere", "flood", "show_and_wait, wanted"} <= lies


def test_nodes_behind_nats_find_each_other_and_never_dial_one_another() -> None:
    story, trace = find("nat_and_relay"), Trace(keep=True)
    assert isinstance(story, Story)
    outcome = run_seed(story, SEED, trace=trace)
    hidden = story.names(story.nodes)[story.relays :]
    dials = {(event.node, event.other) for event in trace.events if event.kind == "dial"}
    assert len(hidden) == 3
    assert not [(one, other) for one, other in dials if other in hidden]
    done = [event for event in trace.events if event.kind == Act.DONE and {event.node, event.other} <= set(hidden)]
    assert len(done) > 50
    assert outcome.held


def test_a_run_leaves_nothing_of_its_world_behind() -> None:
    worlds = list[ref[World]]()

    class Sees(Check):
        def __init__(self, world: World) -> None:
            super().__init__(world)
            worlds.append(ref(world))

    story = find("calm")
    assert isinstance(story, Story)
    gc.disable()  # It must not depend on when the collector comes by.
    try:
        for seed in (1, 2):
            run_seed(replace(story, demanded=(*story.demanded, Sees), storm_s=5.0), seed)
    finally:
        gc.enable()
    assert [world() for world in worlds] == [None, None], "a sweep of a thousand seeds must fit into memory"


def first_violation(word: str) -> tuple[str, str]:
    """Return what the first of a few seeds finds: not every interleaving has it."""
    found = (violation for seed in range(1, 6) for violation in run_seed(find(word), seed).violations)
    violation = next(found)
    return violation.check, violation.text


def test_frames_out_of_order_that_go_through_a_relay_are_noticed_where_they_are_written() -> None:
    with planted("control_written_last"):
        check, text = first_violation("nat_and_relay")
    assert check == LanesInOrder.__name__
    assert re.match(r"10\.0\.0\.[345] to 10\.0\.0\.[12]: ", text), "from one that is no relay, to a relay"


def test_what_a_relay_passes_on_is_not_of_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay reads what was written in two turns at once, and writes it at once."""
    monkeypatch.setattr(StreamOwner, "passes_on", lambda self, data: False)
    check, text = first_violation("nat_and_relay")
    assert check == LanesInOrder.__name__
    assert re.match(r"10\.0\.0\.[12] to ", text), "from a relay"


# Why is said where it is.
DEMAND_FEWER: Final = {"nat_and_relay": {InTime}}


@pytest.mark.parametrize("word", [word for word in words() if word not in ("cloned_folder", "restored_folder")])
def test_every_scenario_but_that_of_a_clone_demands_every_check(word: str) -> None:
    story = find(word)
    if isinstance(story, Story):
        assert set(story.demanded) == set(ALL) - DEMAND_FEWER.get(word, set())


def test_every_check_of_a_town_is_demanded_by_one_story() -> None:
    towns = [story for story in map(find, words()) if isinstance(story, TownStory)]
    assert sorted(check.__name__ for story in towns for check in story.demanded) == sorted(
        check.__name__ for check in TOWN_CHECKS
    )
