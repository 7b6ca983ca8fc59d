"""docs/threats.md names numbers, tests, scenarios and planted bugs that there are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from talos_simulations.catalogue import words
from talos_simulations.mutants import mutants

TESTS: Final = Path(__file__).parent
TABLE: Final = (TESTS.parent / "docs" / "threats.md").read_text().partition("\n## Attacks on discovery\n")[2]
ATTACKS: Final = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]


def test_every_attack_has_a_bound_and_something_that_shows_it() -> None:
    assert [attack.partition(":")[0] for attack, _, _ in ATTACKS[:10]] == [f"S{number}" for number in range(1, 11)]
    assert all("`" in shown for _, _, shown in ATTACKS)


def test_every_number_is_that_of_the_source() -> None:
    named = re.findall(r"`([\w.]+)\.([A-Z_0-9]+)` = ([\d,]+)", TABLE)
    assert len(named) >= 20
    for module, name, value in named:
        assert getattr(import_module(module), name) == int(value.replace(",", "")), name


@pytest.mark.parametrize(("path", "name"), re.findall(r"`([\w/]+\.py)::(\w+)`", TABLE))
def test_every_test_that_is_named_is_there(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE)


def test_every_scenario_and_every_planted_bug_that_is_named_is_there() -> None:
    cells = [shown for _, _, shown in ATTACKS]
    assert {word for cell in cells for word in re.findall(r"`(\w+_\w+)`(?:,| \(|$)", cell)} <= {*words(), *mutants()}
    planted = {
        name for cell in cells for part in re.findall(r"planted: ([^)]+)", cell) for name in re.findall(r"\w+", part)
    }
    assert planted == {name for name, one in mutants().items() if one.scenario == "liars_among_us"}
