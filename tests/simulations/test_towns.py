"""Towns as scenarios: each promise breaks where it should, and a run is a function of its seed."""

from __future__ import annotations

from collections import defaultdict

import pytest

from talos.errors import UsageError
from talos_simulations.discovery import Town
from talos_simulations.outcome import run_seed
from talos_simulations.scenarios import dht_churn
from talos_simulations.stage import Part, Stage
from talos_simulations.sweep import run_one, sweep
from talos_simulations.town_checks import TOWN_CHECKS, NoLieIsRead
from talos_simulations.town_story import TownStory
from talos_simulations.trace import Trace
from talos_simulations.weather import Fault, Kind
from tests.conftest import Report, Rounds

NAMES = ("calm", "churn", "wills", "liars")


def part(*, quick: int = 1_000, slow_ms: float = 0.0, right: int = 1_000, lies: int = 0) -> Part:
    """Return a part of a thousand errands, of which so many took a millisecond."""
    return Part(1.0, [1.0] * quick + [slow_ms] * (1_000 - quick), right, lies)


def broken(**parts: Part) -> list[str]:
    """Return which checks of all are broken where these parts went as given, and all others well."""
    stage = Stage(1, 1_000, Trace())
    stage.parts = {name: part() for name in NAMES} | parts
    return [check.__name__ for check in TOWN_CHECKS if list(check().looks(stage))]


@pytest.mark.parametrize(
    ("parts", "checks"),
    [
        ({}, []),
        ({"calm": part(quick=499, slow_ms=500)}, []),
        ({"calm": part(quick=499, slow_ms=501)}, ["LookupsAreQuick"]),
        ({"calm": part(quick=989, slow_ms=2_001)}, ["LookupsAreQuick"]),
        ({"calm": part(quick=991, slow_ms=2_001)}, []),
        ({"calm": part(quick=991, slow_ms=float("inf"), right=999)}, []),
        ({"calm": part(right=998)}, ["LookupsFindTheNearest"]),
        ({"churn": part(quick=499, slow_ms=5_000)}, []),
        ({"churn": part(quick=499, slow_ms=5_001)}, ["DeathIsOutwaited"]),
        ({"churn": part(quick=989, slow_ms=12_001)}, ["DeathIsOutwaited"]),
        ({"churn": part(right=990)}, []),
        ({"churn": part(right=989)}, ["TheLivingAreFound"]),
        ({"wills": part(quick=499, slow_ms=5_001)}, ["DeathIsOutwaited"]),
        ({"wills": part(right=990)}, []),
        ({"wills": part(right=989)}, ["RecordsOutlive"]),
        ({"wills": part(lies=1)}, ["NoLieIsRead"]),
        ({"liars": part(right=990)}, []),
        ({"liars": part(right=989)}, ["RecordsAreRead"]),
        ({"liars": part(right=990, lies=1)}, ["NoLieIsRead"]),
    ],
)
def test_a_promise_is_broken_from_the_number_on_that_it_names(parts: dict[str, Part], checks: list[str]) -> None:
    assert broken(**parts) == checks


@pytest.mark.parametrize("word", ["dht_churn", "dht_liars"])
def test_a_town_keeps_every_promise(word: str, rounds: Rounds, report: Report) -> None:
    nodes = rounds(40, 1_000)  # A hundred, every day: tests/simulations/test_scenarios.py.
    parts = defaultdict[str, list[dict[str, float]]](list)
    for seed in range(rounds(2, 20)):
        told = run_one(word, seed, nodes=nodes)
        assert told.violations == (), f"talos simulate {word} --nodes {nodes} --seeds {seed}"
        for name, figures in told.parts.items():
            parts[name].append(figures)
    for name, over_seeds in parts.items():
        asked, right, lies = (sum(one[word] for one in over_seeds) for word in ("asked", "right", "lies"))
        p50_ms, p99_ms = (max(one[word] for one in over_seeds) for word in ("p50_ms", "p99_ms"))
        told_of = f"{word}, {nodes} nodes, {len(over_seeds)} seeds, {name}"
        report(f"{told_of}: {right} of {asked} right, {lies} lies, at most p50 {p50_ms} ms, p99 {p99_ms} ms")


def deaf(stage: Stage) -> None:
    """All but two are dead, of whom each looks up what the other is nearest to; and a liar was believed, let us say."""
    town = stage.settle()
    town.kill(range(2, stage.nodes))
    stage.look("calm", 10)
    stage.look("churn", 5)
    stage.parts["wills"] = part()
    stage.parts["liars"] = part(lies=1)


def test_all_that_is_broken_is_told_and_is_in_the_trace() -> None:
    trace = Trace(keep=True)
    told = run_one(TownStory(deaf, TOWN_CHECKS), 1, nodes=40, trace=trace)
    assert {one.check for one in told.violations} >= {"LookupsAreQuick", "NoLieIsRead"}
    assert [event.text for event in trace.events if event.kind == "violation"] == [
        f"{one.check}: {one.text}" for one in told.violations
    ]
    assert not told.held


def test_the_digest_is_of_what_was_sent_and_not_only_of_when() -> None:
    def told(flipped: bool) -> str:
        def play(stage: Stage) -> None:
            town = stage.settle()
            if flipped:
                give_other_tokens(town)
            stage.look("calm", 3)

        return run_seed(TownStory(play, ()), 1, nodes=40).digest

    assert told(False) == told(False)
    assert told(True) != told(False)


def give_other_tokens(town: Town) -> None:
    for citizen in town.citizens:
        citizen.dht._server._tokens._entropy = bytes


def test_more_draws_in_one_part_leave_the_next_as_it_was() -> None:
    def dice(count: int) -> float:
        stage = Stage(1, 40, Trace())
        stage.dice("calm").randbytes(count)
        return stage.dice("churn").random()

    assert dice(1) == dice(100)


def test_a_lie_that_is_read_is_counted_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def play(stage: Stage) -> None:
        stage.settle()
        records = stage.publish(1)
        other = stage.town.record(0, seq=2)
        monkeypatch.setattr("talos_simulations.stage.was_read", lambda trial: other)
        stage.read("liars", records, 4)

    (violation,) = run_seed(TownStory(play, (NoLieIsRead,)), 1, nodes=40).violations
    assert violation.text == "4 of 4 reads ended with what nobody published"


def test_a_town_has_no_weather() -> None:
    faults = (Fault(Kind.IDLE, 1.0, 1.0, ("n1",)),)
    with pytest.raises(UsageError, match="a town of cores has no weather"):
        run_seed(dht_churn.STORY, 1, nodes=40, weather=faults)
    with pytest.raises(UsageError, match="dht_churn is a town of cores, which has no weather"):
        sweep("dht_churn", range(1), nodes=40, weather=())


def test_a_town_is_large_enough_for_a_record_to_have_its_holders() -> None:
    with pytest.raises(UsageError, match="dht_liars needs 40 nodes, not 39"):
        sweep("dht_liars", range(1), nodes=39)
